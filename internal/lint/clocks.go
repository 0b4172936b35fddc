package lint

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Clocks checks that every file that uses the wall clock is in the list, which
// says why it may: "file reason" a line. A time that was measured by time.Now and
// never left the process is not affected when somebody sets the clock; what is
// written down, sent, parsed or converted is. The outside rooms may do so.
func (h *House) Clocks(t *Rooms, list string) ([]string, error) {
	text, err := h.read(list)
	if err != nil {
		return nil, err
	}
	listed := map[string]bool{} // whether it was found
	var bad []string
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		file, reason, _ := strings.Cut(lines.Text(), " ")
		switch {
		case file == "" || strings.HasPrefix(file, "#"):
		case strings.TrimSpace(reason) == "":
			bad = append(bad, fmt.Sprintf("%s: %s: no reason", list, file))
		default:
			listed[file] = false
		}
	}
	for _, p := range h.packages {
		if _, floor, _ := t.room(h.rel(p.Dir)); floor == outside {
			continue
		}
		for _, name := range p.all() {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			pos := wallClock(f)
			file := h.rel(filepath.Join(p.Dir, name))
			if _, ok := listed[file]; ok && pos != token.NoPos {
				listed[file] = true
			} else if pos != token.NoPos {
				bad = append(bad, fmt.Sprintf("%s:%d: wall time, which somebody may set: say in %s why that is right", file, fset.Position(pos).Line, list))
			}
		}
	}
	for file, found := range maps.All(listed) {
		if !found {
			bad = append(bad, fmt.Sprintf("%s: %s does not use the wall clock", list, file))
		}
	}
	slices.Sort(bad)
	return bad, nil
}

// wallClock is the first place in a file where a time loses, or has not, what
// makes it independent of the wall clock. Of names that others than times have, too
// (UTC, Local, Truncate), nothing is said: what they give is shown, as a rule.
func wallClock(f *ast.File) (first token.Pos) {
	pkg := importName(f, "time")
	methods := []string{"Unix", "UnixNano", "UnixMilli", "UnixMicro", "ModTime", "AddDate"}
	functions := []string{"Unix", "UnixMilli", "UnixMicro", "Date", "Parse", "ParseInLocation"}
	ast.Inspect(f, func(n ast.Node) bool {
		if first != token.NoPos {
			return false
		}
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if n.Sel.Name == "NotAfter" || n.Sel.Name == "NotBefore" { // of certificates
				first = n.Pos()
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, named := sel.X.(*ast.Ident)
			switch {
			case named && of.Name == pkg && pkg != "":
				if slices.Contains(functions, sel.Sel.Name) {
					first = n.Pos()
				}
			case slices.Contains(methods, sel.Sel.Name), sel.Sel.Name == "Round" && isZero(n.Args):
				first = n.Pos()
			}
		}
		return true
	})
	return first
}

// isZero tells whether the only argument is 0.
func isZero(args []ast.Expr) bool {
	if len(args) != 1 {
		return false
	}
	lit, ok := args[0].(*ast.BasicLit)
	return ok && lit.Value == "0"
}
