package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/hcl"
)

// Bounds of one source, so that the recursive parsers cannot run out of stack.
const (
	maxSourceSize = 64 << 20 // bytes
	maxDepth      = 1000     // open brackets
)

// tree is a source's text as it was parsed: map[string]any, []any, string,
// bool, int64, float64 and, from HCL, blocks.
type tree = map[string]any

// blocks are HCL blocks of one name: a list where a list is expected, and one
// value where one is.
type blocks []map[string]any

// parse reads the text of a source, in format "hcl" or "json". Empty text is
// an empty configuration.
func parse(text []byte, format string) (tree, error) {
	if len(text) > maxSourceSize {
		return nil, fmt.Errorf("larger than %d bytes", maxSourceSize)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return tree{}, nil
	}
	if tooDeep(text) {
		return nil, fmt.Errorf("more than %d brackets are open at a time", maxDepth)
	}
	if format == "json" {
		return parseJSON(text)
	}
	return parseHCL(text)
}

// tooDeep counts brackets wherever they are, also in strings: a text with so
// many that are never closed is no configuration either.
func tooDeep(text []byte) bool {
	depth := 0
	for _, c := range text {
		switch c {
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			depth = max(depth-1, 0)
		}
		if depth > maxDepth {
			return true
		}
	}
	return false
}

func parseJSON(text []byte) (tree, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var t tree
	if err := d.Decode(&t); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%s: %w", position(text, syntax.Offset), err)
		}
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: text after the end of the object", position(text, d.InputOffset()))
	}
	return normalize(t).(tree), nil
}

func position(text []byte, offset int64) string {
	before := text[:min(max(offset, 0), int64(len(text)))]
	line := bytes.Count(before, []byte{'\n'})
	return fmt.Sprintf("line %d, column %d", line+1, len(before)-bytes.LastIndexByte(before, '\n')-1)
}

// parseHCL reads HCL 1, of which JSON is a dialect.
func parseHCL(text []byte) (t tree, err error) {
	// The parser panics on some malformed texts.
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("malformed text: %v", p)
		}
	}()
	var m map[string]any
	if err := hcl.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	if m == nil {
		return tree{}, nil
	}
	return normalize(m).(tree), nil
}

// normalize makes the trees of both parsers alike.
func normalize(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			return tree{}
		}
		for k, e := range v {
			v[k] = normalize(e)
		}
		return v
	case []map[string]any:
		b := make(blocks, len(v))
		for i, e := range v {
			b[i] = normalize(e).(tree)
		}
		return b
	case []any:
		for i, e := range v {
			v[i] = normalize(e)
		}
		return v
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String() // beyond all numbers; fails where a number is wanted
	case int:
		return int64(v)
	}
	return v
}
