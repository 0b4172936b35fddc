package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"muster/config/syntax"
	"muster/model"
)

// layer is what one source says: values by key, in the form that coerce describes.
type layer struct {
	set     map[string]any
	old     map[string]any // said by another spelling of the key
	spelt   []*Option      // the options as they were spelt
	ignored []string       // warnings about parts of definitions
}

func newLayer() *layer {
	return &layer{set: map[string]any{}, old: map[string]any{}}
}

func (l *layer) add(o *Option, v any) {
	l.spelt = append(l.spelt, o)
	switch {
	case o.Removed:
	case o.For != "":
		l.old[o.For] = v
	default:
		l.set[o.Key] = v
	}
}

// decodeLayer checks a parsed source. The error lists everything that is wrong
// with it, under the keys that are returned with it.
func decodeLayer(s *schema, t syntax.Tree) (l *layer, keys []string, err error) {
	l, d := newLayer(), &decoder{}
	d.block("", s, t, l.add)
	if len(d.problems) > 0 {
		return nil, d.keys, all(d.problems)
	}
	l.ignored = d.ignored
	return l, nil, nil
}

// values is all that was said, merged, and the defaults of the rest.
type values struct {
	rows map[string]*Option
	said map[string]any
	dev  bool
	// problems are values that cannot be understood; Load reports all of them at once.
	problems []error
	read     map[string]bool // nil, or which keys were asked for
}

func newValues(options []Option, dev bool) *values {
	v := &values{rows: make(map[string]*Option, len(options)), said: map[string]any{}, dev: dev}
	for i := range options {
		v.rows[options[i].Key] = &options[i]
	}
	return v
}

// overlay puts a later source over the earlier ones: lists are appended, maps
// are overlaid key by key, everything else is replaced.
func (v *values) overlay(l *layer) {
	for _, key := range sortedKeys(l.set) {
		v.put(key, l.set[key])
	}
	for _, key := range sortedKeys(l.old) {
		_, both := l.set[key]
		if row := v.rows[key]; row != nil && (!both || row.Type.list()) {
			v.put(key, l.old[key])
		}
	}
}

func (v *values) put(key string, value any) {
	switch value := value.(type) {
	case []string:
		before, _ := v.said[key].([]string)
		v.said[key] = slices.Concat(before, value)
	case []map[string]any:
		before, _ := v.said[key].([]map[string]any)
		v.said[key] = slices.Concat(before, value)
	case map[string]string:
		v.said[key] = merged(v.said[key], value)
	case map[string]any:
		v.said[key] = merged(v.said[key], value)
	default:
		v.said[key] = value
	}
}

func merged[T any](before any, over map[string]T) map[string]T {
	out, _ := before.(map[string]T)
	out = maps.Clone(out)
	if out == nil {
		out = make(map[string]T, len(over))
	}
	maps.Copy(out, over)
	return out
}

func (v *values) fail(format string, args ...any) {
	v.failed(fmt.Errorf(format, args...))
}

// failed notes a problem, once: several options may be made from the same text.
func (v *values) failed(err error) {
	same := func(other error) bool { return other.Error() == err.Error() }
	if !slices.ContainsFunc(v.problems, same) {
		v.problems = append(v.problems, err)
	}
}

// err is all problems as one error.
func (v *values) err() error {
	return all(v.problems)
}

// all is several errors as one, in the form that users are shown.
func all(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return &model.Error{Text: model.ListErrors(errs), Err: errors.Join(errs...)}
}

// isSet tells whether any source says the key.
func (v *values) isSet(key string) bool {
	_, ok := v.said[key]
	return ok
}

// get is the value of a key or its default.
func get[T any](v *values, key string) T {
	var zero T
	if v.read != nil {
		v.read[key] = true
	}
	row := v.rows[key]
	if row == nil {
		v.fail("%s: no such option", key)
		return zero
	}
	value, ok := v.said[key]
	if !ok {
		var err error
		if value, err = preset(row, v.dev); err != nil {
			v.failed(err)
			return zero
		}
	}
	t, ok := value.(T)
	if !ok {
		v.fail("%s: a %s is no %T", key, row.Type, zero)
	}
	return t
}
