package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// capture takes the values that a step's "capture" directives name.
func (w *world) capture(st *step, res *result) error {
	for _, c := range st.directives("capture") {
		name, what, ok := strings.Cut(c, " ")
		if !ok {
			return fmt.Errorf("capture wants NAME WHAT")
		}
		switch {
		case strings.HasPrefix(what, "header:"):
			v := res.header.Get(what[len("header:"):])
			if v == "" {
				return fmt.Errorf("capture %s: no header %s", name, what[7:])
			}
			w.vars[name] = v
		case strings.HasPrefix(what, "re:"):
			re, err := regexp.Compile(what[3:])
			if err != nil {
				return err
			}
			m := re.FindStringSubmatch(string(res.body) + string(res.stderr))
			if len(m) < 2 {
				return fmt.Errorf("capture %s: nothing matches %s", name, what[3:])
			}
			w.vars[name] = m[1]
		default:
			doc, err := decodeJSON(res.body)
			if err != nil {
				return fmt.Errorf("capture %s: %w", name, err)
			}
			v, ok := lookup(doc, what)
			if !ok {
				return fmt.Errorf("capture %s: the answer has no %s: %s", name, what, clip(string(res.body)))
			}
			switch v := v.(type) {
			case string:
				w.vars[name] = v
			case json.Number:
				w.vars[name] = v.String()
			default:
				data, err := json.Marshal(v)
				if err != nil {
					return err
				}
				w.vars[name] = string(data)
			}
		}
		if _, ok := st.directive("unbase64"); ok {
			if data, err := base64.StdEncoding.DecodeString(w.vars[name]); err == nil {
				w.vars[name] = string(data)
			}
		}
	}
	return nil
}
