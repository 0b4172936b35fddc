package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"muster/config/syntax"
)

// coerce turns a parsed value into the form that values of a type have:
//
//	Bool bool, Int int64, Float float64, String and Duration string,
//	Strings []string, Map map[string]string, Lists map[string][]string,
//	Any map[string]any, Objects without Fields []map[string]any, Span int64
//
// Types with Fields are the decoder's own work. Like the original it reads
// numbers and bools from texts and the other way round.
func coerce(t Type, path string, v any) (any, error) {
	switch t {
	case Bool:
		return toBool(path, v)
	case Int:
		return toInt(path, v)
	case Float:
		return toFloat(path, v)
	case String, Duration:
		return toString(path, v)
	case Span:
		return toSpan(path, v)
	case Strings:
		return toStrings(path, v)
	case Map:
		return toMap(path, v, toString)
	case Lists:
		return toMap(path, v, toStrings)
	case Any:
		m, err := single(path, v)
		if err != nil {
			return nil, err
		}
		return plain(m), nil
	case Objects:
		list, err := elements(path, v)
		if err != nil {
			return nil, err
		}
		out := make([]map[string]any, len(list))
		for i, m := range list {
			out[i] = plain(m).(map[string]any)
		}
		return out, nil
	}
	return nil, fmt.Errorf("'%s' cannot hold a value", path)
}

// typeName is what messages call the type of a parsed value.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "string"
	case map[string]any:
		return "map"
	}
	return "slice"
}

func wrongType(path, want string, v any) error {
	return fmt.Errorf("'%s' expected type '%s', got '%s'", path, want, typeName(v))
}

func toBool(path string, v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case float64:
		return v != 0, nil
	case string:
		if v == "" {
			return false, nil
		}
		b, err := strconv.ParseBool(v)
		if err != nil {
			return false, fmt.Errorf("cannot parse '%s' as bool: %w", path, err)
		}
		return b, nil
	}
	return false, wrongType(path, "bool", v)
}

func toInt(path string, v any) (int64, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case int64:
		return v, nil
	case float64:
		if v != math.Trunc(v) || math.Abs(v) >= 1<<63 {
			return 0, fmt.Errorf("cannot parse '%s' as int: %v is not a whole number", path, v)
		}
		return int64(v), nil
	case string:
		if v == "" {
			return 0, nil
		}
		i, err := strconv.ParseInt(v, 0, 64)
		if err != nil {
			return 0, fmt.Errorf("cannot parse '%s' as int: %w", path, err)
		}
		return i, nil
	}
	return 0, wrongType(path, "int", v)
}

func toFloat(path string, v any) (float64, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case int64:
		return float64(v), nil
	case float64:
		return v, nil
	case string:
		if v == "" {
			return 0, nil
		}
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return 0, fmt.Errorf("cannot parse '%s' as float: %w", path, err)
		}
		return f, nil
	}
	return 0, wrongType(path, "float", v)
}

func toString(path string, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		if v {
			return "1", nil
		}
		return "0", nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", wrongType(path, "string", v)
}

// toSpan gives nanoseconds.
func toSpan(path string, v any) (int64, error) {
	s, ok := v.(string)
	if !ok {
		return toInt(path, v)
	}
	d, err := toDuration(path, s)
	return int64(d), err
}

func toDuration(path, s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%s: invalid duration: %q: %w", path, s, err)
	}
	return d, nil
}

func toStrings(path string, v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		if s, isText := v.(string); isText && s == "" {
			return []string{}, nil
		}
		list = []any{v}
	}
	out := make([]string, 0, len(list))
	for i, e := range list {
		s, err := toString(fmt.Sprintf("%s[%d]", path, i), e)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func toMap[T any](path string, v any, conv func(string, any) (T, error)) (map[string]T, error) {
	m, err := single(path, v)
	if err != nil {
		return nil, err
	}
	out := make(map[string]T, len(m))
	for _, k := range sortedKeys(m) {
		if m[k] == nil {
			continue
		}
		e, err := conv(path+"["+k+"]", m[k])
		if err != nil {
			return nil, err
		}
		out[k] = e
	}
	return out, nil
}

// single is the one map that v is, or holds.
func single(path string, v any) (syntax.Tree, error) {
	switch v := v.(type) {
	case map[string]any:
		return v, nil
	case syntax.Blocks:
		if len(v) == 1 {
			return v[0], nil
		}
	case []any:
		if len(v) == 1 {
			return single(path, v[0])
		}
	case string:
		if v == "" { // what the HCL parser makes of null
			return syntax.Tree{}, nil
		}
	}
	return nil, fmt.Errorf("'%s' expected a map, got '%s'", path, typeName(v))
}

// elements are the maps that v holds, or is.
func elements(path string, v any) ([]syntax.Tree, error) {
	switch v := v.(type) {
	case map[string]any:
		return []syntax.Tree{v}, nil
	case syntax.Blocks:
		return v, nil
	case []any:
		out := make([]syntax.Tree, 0, len(v))
		for i, e := range v {
			m, err := single(fmt.Sprintf("%s[%d]", path, i), e)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
		}
		return out, nil
	case string:
		if v == "" {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("'%s' expected a map, got '%s'", path, typeName(v))
}

// plain rids a tree of HCL's blocks: one of a name is a map, several are a
// list. Whole numbers become float64 as in JSON, so that both formats agree.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case syntax.Blocks:
		if len(v) == 1 {
			return plain(v[0])
		}
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case int64:
		return float64(v)
	}
	return v
}

// preset is an option's default, which the table writes as text.
func preset(o *Option, dev bool) (any, error) {
	text := o.Default
	if dev && o.Dev != "" {
		text = o.Dev
	}
	switch {
	case o.Type == Strings && text != "":
		return strings.Split(text, ","), nil
	case o.Type == Strings:
		return []string(nil), nil
	case o.Type == Map:
		return map[string]string(nil), nil
	case o.Type == Any, o.Type == Named:
		return map[string]any(nil), nil
	case o.Type == Objects:
		return []map[string]any(nil), nil
	}
	return coerce(o.Type, o.Key, text)
}
