package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	var rest any
	if err := d.Decode(&rest); err == nil {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

// lookup follows a path such as .Node.Meta.role, [0].ID or .Map["a.b"].
func lookup(v any, path string) (any, bool) {
	for path != "" && path != "." {
		switch {
		case strings.HasPrefix(path, `["`):
			end := strings.Index(path, `"]`)
			m, ok := v.(map[string]any)
			if end < 0 || !ok {
				return nil, false
			}
			if v, ok = m[path[2:end]]; !ok {
				return nil, false
			}
			path = path[end+2:]
		case path[0] == '[':
			end := strings.IndexByte(path, ']')
			l, ok := v.([]any)
			if end < 0 || !ok {
				return nil, false
			}
			if path[1:end] == "*" {
				var all []any
				for _, x := range l {
					if y, ok := lookup(x, path[end+1:]); ok {
						all = append(all, y)
					}
				}
				return all, true
			}
			n, err := strconv.Atoi(path[1:end])
			if err != nil || n >= len(l) {
				return nil, false
			}
			v, path = l[n], path[end+1:]
		case path[0] == '.':
			path = path[1:]
			if strings.HasPrefix(path, "[") {
				continue
			}
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			m, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = m[path[:end]]; !ok {
				return nil, false
			}
			path = path[end:]
		default:
			return nil, false
		}
	}
	return v, true
}

// drop removes the given keys at every depth.
func drop(v any, keys map[string]bool) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if keys[k] {
				delete(v, k)
			} else {
				v[k] = drop(x, keys)
			}
		}
	case []any:
		for i := range v {
			v[i] = drop(v[i], keys)
		}
	}
	return v
}

// view gives the JSON document of a step's answer as its directives narrow
// it, or ok=false where the answer is to be compared as text.
func view(st *step, res *result) (doc any, ok bool) {
	if st.has("raw") {
		return nil, false
	}
	switch res.kind {
	case kindHTTP:
		if !strings.HasPrefix(res.header.Get("Content-Type"), "application/json") {
			if !st.has("json") {
				return nil, false
			}
		}
	case kindCLI:
		t := bytes.TrimSpace(res.body)
		if len(t) == 0 || (t[0] != '{' && t[0] != '[') {
			return nil, false
		}
	default:
		return nil, false
	}
	doc, err := decodeJSON(res.body)
	if err != nil {
		return nil, false
	}
	if picks := st.directives("pick"); len(picks) > 0 {
		out := map[string]any{}
		for _, line := range picks {
			for _, p := range strings.Fields(line) {
				if v, ok := lookup(doc, p); ok {
					out[p] = v
				}
			}
		}
		doc = out
	}
	if drops := st.directives("ignore"); len(drops) > 0 {
		keys := map[string]bool{}
		for _, line := range drops {
			for _, k := range strings.Fields(line) {
				keys[k] = true
			}
		}
		doc = drop(doc, keys)
	}
	return doc, true
}

// renderJSON prints a document with sorted keys, short parts on one line.
func renderJSON(v any) string {
	var b strings.Builder
	writeJSON(&b, v, "")
	return b.String()
}

func compact(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(v)
	return strings.TrimSpace(b.String())
}

func writeJSON(b *strings.Builder, v any, indent string) {
	one := compact(v)
	if len(one)+len(indent) <= 100 {
		b.WriteString(one)
		return
	}
	deeper := indent + "  "
	switch v := v.(type) {
	case map[string]any:
		keys := sortedKeys(v)
		b.WriteString("{\n")
		for i, k := range keys {
			b.WriteString(deeper + compact(k) + ": ")
			writeJSON(b, v[k], deeper)
			if i < len(keys)-1 {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		b.WriteString(indent + "}")
	case []any:
		b.WriteString("[\n")
		for i, x := range v {
			b.WriteString(deeper)
			writeJSON(b, x, deeper)
			if i < len(v)-1 {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		b.WriteString(indent + "]")
	default:
		b.WriteString(one)
	}
}
