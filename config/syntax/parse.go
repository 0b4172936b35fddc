// Package syntax reads the texts of configuration files, HCL 1 and JSON, into
// one form, and finds the lines of their keys.
package syntax

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/hcl"
)

// Bounds of one text, so that the recursive parsers cannot run out of stack.
const (
	MaxSize  = 64 << 20 // bytes
	MaxDepth = 1000     // open brackets
)

// Tree is a text as it was parsed: map[string]any, []any, string, bool, int64,
// float64 and, from HCL, Blocks.
type Tree = map[string]any

// Blocks are HCL blocks of one name: a list where a list is expected, and one
// value where one is.
type Blocks []map[string]any

// Parse reads a text in format "hcl" or "json". Empty text is an empty
// configuration.
func Parse(text []byte, format string) (Tree, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("larger than %d bytes", MaxSize)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return Tree{}, nil
	}
	if tooDeep(text) {
		return nil, fmt.Errorf("more than %d brackets are open at a time", MaxDepth)
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
		if depth > MaxDepth {
			return true
		}
	}
	return false
}

func parseJSON(text []byte) (Tree, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var t Tree
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
	return normalize(t).(Tree), nil
}

func position(text []byte, offset int64) string {
	before := text[:min(max(offset, 0), int64(len(text)))]
	line := bytes.Count(before, []byte{'\n'})
	return fmt.Sprintf("line %d, column %d", line+1, len(before)-bytes.LastIndexByte(before, '\n')-1)
}

// parseHCL reads HCL 1, of which JSON is a dialect.
func parseHCL(text []byte) (t Tree, err error) {
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
		return Tree{}, nil
	}
	return normalize(m).(Tree), nil
}

// normalize makes the trees of both parsers alike.
func normalize(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			return Tree{}
		}
		for k, e := range v {
			v[k] = normalize(e)
		}
		return v
	case []map[string]any:
		b := make(Blocks, len(v))
		for i, e := range v {
			b[i] = normalize(e).(Tree)
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
