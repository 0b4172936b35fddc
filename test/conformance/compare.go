package main

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
)

// jsonMatch compares documents by structure.
type jsonMatch struct {
	strict    bool // refuse fields that the expectation does not have
	unordered bool // lists are compared as sets
}

// mismatch words the difference between two values at a path of a document.
func mismatch(path string, want, got any) error {
	if path == "" {
		return fmt.Errorf("want %s, got %s", clip(compact(want)), clip(compact(got)))
	}
	return fmt.Errorf("at %s: want %s, got %s", path, clip(compact(want)), clip(compact(got)))
}

func (m jsonMatch) compare(e *env, path string, want, got any) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return mismatch(path, want, got)
		}
		return m.object(e, path, w, g)
	case []any:
		g, ok := got.([]any)
		if !ok {
			return mismatch(path, want, got)
		}
		if len(w) != len(g) {
			return fmt.Errorf("at %s: want %d elements, got %d: want %s, got %s", path, len(w), len(g),
				clip(compact(want)), clip(compact(got)))
		}
		if m.unordered {
			return m.set(e, path, w, g)
		}
		return m.list(e, path, w, g)
	case string:
		return m.text(e, path, w, got)
	case json.Number:
		if g, ok := got.(json.Number); ok && sameNumber(w, g) {
			return nil
		}
	case bool:
		if g, ok := got.(bool); ok && g == w {
			return nil
		}
	case nil:
		if got == nil {
			return nil
		}
	}
	return mismatch(path, want, got)
}

func (m jsonMatch) object(e *env, path string, want, got map[string]any) error {
	used := map[string]bool{}
	for _, k := range sortedKeys(want) {
		if symRE.MatchString(k) {
			name, err := m.symbolicField(e, path, k, want[k], got, used)
			if err != nil {
				return err
			}
			used[name] = true
			continue
		}
		if _, ok := got[k]; !ok {
			return fmt.Errorf("at %s: the field %s is missing (want %s)", path, k, clip(compact(want[k])))
		}
		used[k] = true
		if err := m.compare(e, path+"."+k, want[k], got[k]); err != nil {
			return err
		}
	}
	if m.strict {
		for _, k := range sortedKeys(got) {
			if !used[k] {
				return fmt.Errorf("at %s: there is an extra field %s: %s", path, k, clip(compact(got[k])))
			}
		}
	}
	return nil
}

// symbolicField finds the field of got that fits a recorded key with a symbol
// in it, such as an identifier made at run time.
func (m jsonMatch) symbolicField(e *env, path, key string, want any, got map[string]any, used map[string]bool) (string, error) {
	for _, name := range sortedKeys(got) {
		if used[name] {
			continue
		}
		t := e.clone()
		if t.str(key, name, false) == nil && m.compare(t, path+"."+key, want, got[name]) == nil {
			*e = *t
			return name, nil
		}
	}
	return "", fmt.Errorf("at %s: no field fits %s: %s", path, key, clip(compact(want)))
}

func (m jsonMatch) list(e *env, path string, want, got []any) error {
	for i := range want {
		if err := m.compare(e, fmt.Sprintf("%s[%d]", path, i), want[i], got[i]); err != nil {
			return err
		}
	}
	return nil
}

// set matches every wanted element with the first one left that fits.
func (m jsonMatch) set(e *env, path string, want, got []any) error {
	used := make([]bool, len(got))
	for i := range want {
		var last error
		found := false
		for j := range got {
			if used[j] {
				continue
			}
			t := e.clone()
			if err := m.compare(t, fmt.Sprintf("%s[%d]", path, i), want[i], got[j]); err != nil {
				last = err
				continue
			}
			*e = *t
			used[j], found = true, true
			break
		}
		if !found {
			return fmt.Errorf("no element fits the wanted one: %w", last)
		}
	}
	return nil
}

// text compares a recorded string; one with a symbol may stand for a number.
func (m jsonMatch) text(e *env, path, want string, got any) error {
	var s string
	switch g := got.(type) {
	case string:
		s = g
	case json.Number:
		if !symRE.MatchString(want) {
			return mismatch(path, want, got)
		}
		s = g.String()
	default:
		return mismatch(path, want, got)
	}
	if err := e.str(want, s, false); err != nil {
		return fmt.Errorf("at %s: %w", path, err)
	}
	return nil
}

func sameNumber(a, b json.Number) bool {
	if a.String() == b.String() {
		return true
	}
	x, err1 := a.Float64()
	y, err2 := b.Float64()
	return err1 == nil && err2 == nil && math.Abs(x-y) <= 1e-9*math.Max(1, math.Abs(x))
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
