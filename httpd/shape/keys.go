package shape

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// CamelKeys takes the underscores out of the names of fields. Names that are
// data stay as they are.
func CamelKeys(b []byte) ([]byte, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	out, err := json.Marshal(camel(v))
	return out, err == nil
}

func camel(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for _, k := range slices.Sorted(maps.Keys(x)) { // of two spellings the same one wins each time
			child, name := x[k], strings.ReplaceAll(k, "_", "")
			switch strings.ToLower(name) {
			case "meta", "config", "header", "taggedaddresses":
				out[name] = child
			default:
				out[name] = camel(child)
			}
		}
		return out
	case []any:
		for i := range x {
			x[i] = camel(x[i])
		}
		return x
	}
	return v
}
