package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Limits are the sizes above which a thing most likely has two purposes, in
// lines. Tests do not count.
type Limits struct{ File, Function, Package int }

// Sizes checks the sizes of files, functions and packages.
func (h *House) Sizes(max Limits) ([]string, error) {
	var bad []string
	for _, p := range h.packages {
		total := 0
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
			if strings.HasSuffix(name, ".pb.go") {
				continue
			}
			path := filepath.Join(p.Dir, name)
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			lines := fset.File(f.FileStart).LineCount()
			total += lines
			if lines > max.File {
				bad = append(bad, fmt.Sprintf("%s: %d lines, at most %d", h.rel(path), lines, max.File))
			}
			bad = append(bad, h.longFunctions(fset, f, max.Function)...)
		}
		if total > max.Package {
			bad = append(bad, fmt.Sprintf("%s: a package of %d lines, at most %d", h.rel(p.Dir), total, max.Package))
		}
	}
	sort.Strings(bad)
	return bad, nil
}

func (h *House) longFunctions(fset *token.FileSet, f *ast.File, most int) []string {
	var bad []string
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		from, to := fset.Position(fn.Pos()), fset.Position(fn.End())
		if n := to.Line - from.Line + 1; n > most {
			bad = append(bad, fmt.Sprintf("%s:%d: the function %s has %d lines, at most %d",
				h.rel(from.Filename), from.Line, fn.Name.Name, n, most))
		}
	}
	return bad
}

// Source checks that there is no init function, and that no test outside the
// outside rooms sleeps in real time.
func (h *House) Source(t *Rooms) ([]string, error) {
	var bad []string
	for _, p := range h.packages {
		fset := token.NewFileSet()
		say := func(pos token.Pos, text string) {
			at := fset.Position(pos)
			bad = append(bad, fmt.Sprintf("%s:%d: %s", h.rel(at.Filename), at.Line, text))
		}
		var tests []*ast.File
		for _, name := range p.all() {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					say(fn.Pos(), "an init function: wire it up where it is used")
				}
			}
			if strings.HasSuffix(name, "_test.go") {
				tests = append(tests, f)
			}
		}
		if _, floor, _ := t.room(h.rel(p.Dir)); floor == outside {
			continue
		}
		for _, pos := range realSleeps(tests) {
			say(pos, "time.Sleep in a test outside a testing/synctest bubble")
		}
	}
	sort.Strings(bad)
	return bad, nil
}

// importName is the name under which a file knows a package, "" if it does not.
func importName(f *ast.File, path string) string {
	for _, spec := range f.Imports {
		if spec.Path.Value != `"`+path+`"` {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}

// realSleeps finds the calls of time.Sleep in the tests of a package that most
// likely run in real time: not those in a file that imports testing/synctest,
// and not those in a function literal handed to a function that opens a bubble.
func realSleeps(tests []*ast.File) []token.Pos {
	openers := map[string]bool{}
	for _, f := range tests {
		if pkg := importName(f, "testing/synctest"); pkg != "" {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil && len(calls(fn.Body, pkg, "Test")) > 0 {
					openers[fn.Name.Name] = true
				}
			}
		}
	}
	var found []token.Pos
	for _, f := range tests {
		clock := importName(f, "time")
		if clock == "" || importName(f, "testing/synctest") != "" {
			continue
		}
		bubbles := literalsFor(f, openers)
		for _, pos := range calls(f, clock, "Sleep") {
			if !slices.ContainsFunc(bubbles, func(n ast.Node) bool { return n.Pos() <= pos && pos < n.End() }) {
				found = append(found, pos)
			}
		}
	}
	return found
}

// literalsFor are the function literals that are arguments of the functions.
func literalsFor(f *ast.File, functions map[string]bool) []ast.Node {
	var found []ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if id, ok := call.Fun.(*ast.Ident); ok && functions[id.Name] {
			for _, arg := range call.Args {
				if _, ok := arg.(*ast.FuncLit); ok {
					found = append(found, arg)
				}
			}
		}
		return true
	})
	return found
}

// calls finds the calls of pkg.name.
func calls(in ast.Node, pkg, name string) []token.Pos {
	var found []token.Pos
	ast.Inspect(in, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == name {
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == pkg {
					found = append(found, call.Pos())
				}
			}
		}
		return true
	})
	return found
}
