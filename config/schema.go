package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"muster/config/syntax"
)

// schema is the table of options as a tree of keys.
type schema struct {
	option *Option            // of a leaf
	kids   map[string]*schema // of a block
	// compact finds kids by their key without underscores; nil where that spelling is unknown.
	compact map[string]*schema
}

// newSchema builds the tree. Definitions may also spell keys without
// underscores (serviceid), so compact is for them.
func newSchema(options []Option, compact bool) *schema {
	root := &schema{}
	for i := range options {
		at := root
		for part := range strings.SplitSeq(keyPath(options[i].Key), "\x00") {
			if at.kids == nil {
				at.kids = map[string]*schema{}
				if compact {
					at.compact = map[string]*schema{}
				}
			}
			next := at.kids[part]
			if next == nil {
				next = &schema{}
				at.kids[part] = next
				if compact {
					at.compact[strings.ReplaceAll(part, "_", "")] = next
				}
			}
			at = next
		}
		at.option = &options[i]
	}
	return root
}

// keyPath separates the parts of a key. One option has a dot in its own name.
func keyPath(key string) string {
	if before, ok := strings.CutSuffix(key, ".disable_compat_1.9"); ok {
		return before + "\x00disable_compat_1.9"
	}
	return strings.ReplaceAll(key, ".", "\x00")
}

func (s *schema) kid(key string) *schema {
	key = strings.ToLower(key)
	if k := s.kids[key]; k != nil {
		return k
	}
	return s.compact[key]
}

// decoder checks one source against the schema. It collects what is wrong
// instead of stopping.
type decoder struct {
	problems []error
	keys     []string            // of the problems, one each
	ignored  []string            // warnings about parts of definitions
	fields   map[*Option]*schema // of options with Fields, made when first met
}

// sink takes a value of the form that coerce describes.
type sink func(o *Option, v any)

func (d *decoder) fail(key string, err error) {
	d.problems = append(d.problems, err)
	d.keys = append(d.keys, key)
}

// block walks a map of the source. path is "" or ends in a dot.
func (d *decoder) block(path string, s *schema, t syntax.Tree, out sink) {
	for _, key := range sortedKeys(t) {
		v := t[key]
		k := s.kid(key)
		at := path + key
		switch {
		case k == nil:
			d.fail(at, fmt.Errorf("invalid config key %s", at))
		case v == nil: // null: nothing is said
		case k.option != nil:
			d.leaf(at, k.option, v, out)
		default:
			if m, err := single(at, v); err != nil {
				d.fail(at, err)
			} else {
				d.block(at+".", k, m, out)
			}
		}
	}
}

func (d *decoder) leaf(path string, o *Option, v any, out sink) {
	if o.Removed {
		out(o, nil)
		return
	}
	if o.Fields == nil {
		c, err := coerce(o.Type, path, v)
		if err != nil {
			d.fail(path, err)
			return
		}
		out(o, c)
		return
	}
	switch o.Type {
	case Objects:
		list, err := elements(path, v)
		if err != nil {
			d.fail(path, err)
			return
		}
		all := make([]map[string]any, len(list))
		for i, m := range list {
			all[i] = d.record(fmt.Sprintf("%s[%d].", path, i), o, m)
		}
		out(o, all)
	case Named:
		m, err := single(path, v)
		if err != nil {
			d.fail(path, err)
			return
		}
		all := make(map[string]any, len(m))
		for _, name := range sortedKeys(m) {
			e, err := single(path+"."+name, m[name])
			if err != nil {
				d.fail(path+"."+name, err)
				continue
			}
			all[name] = d.record(path+"."+name+".", o, e)
		}
		out(o, all)
	default:
		m, err := single(path, v)
		if err != nil {
			d.fail(path, err)
			return
		}
		out(o, d.record(path+".", o, m))
	}
}

// record reads a block with fields into the form that the HTTP API gives it.
func (d *decoder) record(path string, o *Option, t syntax.Tree) map[string]any {
	s := d.fields[o]
	if s == nil {
		if d.fields == nil {
			d.fields = map[*Option]*schema{}
		}
		s = newSchema(o.Fields(), true)
		d.fields[o] = s
	}
	rec := map[string]any{}
	d.block(path, s, t, func(f *Option, v any) {
		name := f.fieldName()
		if f.For != "" {
			name = (&Option{Key: f.For}).fieldName()
			if _, set := rec[name]; set {
				return
			}
		}
		if w := ignored(path+f.Key, f, v); w != "" {
			d.ignored = append(d.ignored, w)
		}
		if name != "-" && f.Mark != Enterprise {
			place(rec, name, v)
		}
	})
	return rec
}

// ignored is the warning about an option that is set and has no effect, or "".
func ignored(path string, o *Option, v any) string {
	switch {
	case o.Mark == Enterprise:
		return fmt.Sprintf("%q is a Consul Enterprise configuration and will have no effect", path)
	case o.Mark == Internal:
		return fmt.Sprintf("%q cannot be configured and will have no effect", path)
	case o.Idle != "" && !asDefault(o, v):
		return fmt.Sprintf("%q is valid but has no effect: %s", path, o.Idle)
	}
	return ""
}

// place sets a value at a dotted name.
func place(m map[string]any, name string, v any) {
	for {
		head, rest, nested := strings.Cut(name, ".")
		if !nested {
			m[head] = v
			return
		}
		inner, ok := m[head].(map[string]any)
		if !ok {
			inner = map[string]any{}
			m[head] = inner
		}
		m, name = inner, rest
	}
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
