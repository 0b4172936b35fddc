package syntax

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
)

// Line is the line, from 1, where a text sets a key, such as "ports.http" or
// "service[1].port"; where it has no such key, that of the block around it;
// 0 if it has neither, or cannot be parsed.
func Line(text []byte, format, path string) (line int) {
	if len(text) > MaxSize || tooDeep(text) {
		return 0
	}
	if format == "json" {
		j := jsonText{text: text, Decoder: json.NewDecoder(bytes.NewReader(text))}
		j.value(path, true)
		return j.line
	}
	defer func() {
		if recover() != nil { // as in parseHCL
			line = 0
		}
	}()
	file, err := hcl.ParseBytes(text)
	if err != nil {
		return 0
	}
	root, ok := file.Node.(*ast.ObjectList)
	if !ok {
		return 0
	}
	line, _ = find(root, path)
	return line
}

// find looks for a key among the items of a block: whole tells whether all of
// the path was found.
func find(block *ast.ObjectList, path string) (line int, whole bool) {
	seen := map[string]int{}
	for _, item := range block.Items {
		if len(item.Keys) == 0 {
			continue
		}
		name := keyText(item.Keys[0])
		nth := seen[name]
		seen[name]++
		rest, ok := cut(path, name)
		if !ok {
			continue
		}
		list, isList := item.Val.(*ast.ListType)
		if n, after, ok := cutIndex(rest); ok && !isList {
			if n != nth {
				continue
			}
			rest = after
		} else if ok && n < len(list.List) {
			if at, all := inside(list.List[n], after); at > 0 {
				return at, all
			}
		}
		if at, all := below(item.Keys, item.Val, rest); line == 0 || all {
			line, whole = at, all
		}
		if whole {
			return line, true
		}
	}
	return line, whole
}

// below follows the rest of a path behind the first of an item's keys.
func below(keys []*ast.ObjectKey, value ast.Node, rest string) (line int, whole bool) {
	line = keys[0].Pos().Line
	for rest != "" && len(keys) > 1 {
		after, ok := cut(strings.TrimPrefix(rest, "."), keyText(keys[1]))
		if !ok {
			return line, false
		}
		keys, rest = keys[1:], after
		line = keys[0].Pos().Line
	}
	if rest == "" {
		return line, true
	}
	if at, all := inside(value, rest); at > 0 {
		return at, all
	}
	return line, false
}

// inside looks for the rest of a path in a value: 0 if nothing of it is there.
func inside(value ast.Node, rest string) (line int, whole bool) {
	object, ok := value.(*ast.ObjectType)
	switch {
	case ok:
		if at, all := find(object.List, strings.TrimPrefix(rest, ".")); at > 0 {
			return at, all
		}
	case rest != "":
		return 0, false
	}
	return value.Pos().Line, rest == ""
}

// cut takes a key off the beginning of a path.
func cut(path, key string) (rest string, ok bool) {
	if len(path) < len(key) || !strings.EqualFold(path[:len(key)], key) {
		return "", false
	}
	rest = path[len(key):]
	return rest, rest == "" || rest[0] == '.' || rest[0] == '['
}

// cutIndex takes an index such as [1] off the beginning of a path.
func cutIndex(path string) (n int, rest string, ok bool) {
	if !strings.HasPrefix(path, "[") {
		return 0, path, false
	}
	digits, rest, _ := strings.Cut(path[1:], "]")
	n, err := strconv.Atoi(digits)
	return n, rest, err == nil && n >= 0
}

func keyText(k *ast.ObjectKey) string {
	text, ok := k.Token.Value().(string)
	if !ok {
		return k.Token.Text
	}
	return text
}

// jsonText looks for a key in a text of JSON, whose parsers keep no lines.
type jsonText struct {
	*json.Decoder
	text []byte
	line int // of what was found last, further inside than what came before
}

// value reads a value. If it lies on the way, path is what remains of it. It
// returns false where the text ends or is malformed.
func (j *jsonText) value(path string, onWay bool) bool {
	token, err := j.Token()
	if err != nil {
		return false
	}
	switch token {
	case json.Delim('{'):
		for j.More() {
			key, err := j.Token()
			if err != nil {
				return false
			}
			name, _ := key.(string)
			rest, ok := cut(strings.TrimPrefix(path, "."), name)
			ok = ok && onWay
			if ok {
				j.found()
			}
			if !j.value(rest, ok) {
				return false
			}
		}
	case json.Delim('['):
		nth, rest, indexed := cutIndex(path)
		for i := 0; j.More(); i++ {
			if !j.value(rest, onWay && (!indexed || i == nth)) {
				return false
			}
		}
	default:
		return true
	}
	_, err = j.Token() // the closing bracket
	return err == nil
}

func (j *jsonText) found() {
	j.line = 1 + bytes.Count(j.text[:j.InputOffset()], []byte{'\n'})
}
