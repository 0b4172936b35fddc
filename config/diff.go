package config

import (
	"fmt"
	"reflect"
)

// Change is an option that two configurations differ in.
type Change struct {
	Key string
	// Reloadable: a reload applies it. Otherwise it counts after a restart.
	Reloadable bool
	// From and To are the values as one would write them, "" for none; of secrets
	// and of what is long they are not told.
	From, To string
}

// Diff lists the options that differ, in the order of the table. Not set and
// set to the default are the same.
func Diff(old, new *Config) []Change {
	var all []Change
	for _, o := range Options() {
		if o.For != "" || o.Removed || !o.Acted() {
			continue
		}
		from, to := old.values.effective(&o), new.values.effective(&o)
		if !reflect.DeepEqual(from, to) {
			all = append(all, Change{Key: o.Key, Reloadable: o.Reload, From: shown(&o, from), To: shown(&o, to)})
		}
	}
	return all
}

// shown is a value for a line of a log.
func shown(o *Option, value any) string {
	if value == nil {
		return ""
	}
	if o.Secret {
		return "hidden"
	}
	switch o.Type {
	case Bool, Int, Float, String, Duration, Strings:
		if text := fmt.Sprint(value); len(text) <= 100 {
			return text
		}
	}
	return "..."
}

// effective is what counts for an option, in a form that compares.
func (v *values) effective(o *Option) any {
	value, said := v.said[o.Key]
	if !said {
		value, _ = preset(o, v.dev)
	}
	return canonical(o, value)
}

// asDefault tells whether what was said is what counts anyway, without -dev.
func asDefault(o *Option, said any) bool {
	value, _ := preset(o, false)
	return reflect.DeepEqual(canonical(o, said), canonical(o, value))
}

// canonical makes equal settings equal: durations by their length, and an
// empty list or map like none.
func canonical(o *Option, value any) any {
	if s, ok := value.(string); ok && o.Type == Duration {
		if d, err := toDuration(o.Key, s); err == nil {
			return d
		}
	}
	r := reflect.ValueOf(value)
	if r.IsValid() && (r.Kind() == reflect.Slice || r.Kind() == reflect.Map) && r.Len() == 0 {
		return nil
	}
	return value
}
