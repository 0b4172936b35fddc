package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// docs/COMPATIBILITY.md lists every route that answers 501. The rows are read
// from the source: the table of routes is nobody's but httpd's.
func TestRoutesNotBuilt(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "httpd", "unbuilt.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "unbuiltRoutes" {
			rows = routesIn(fn)
		}
	}
	if len(rows) == 0 {
		t.Fatal("httpd/unbuilt.go: no map of routes in unbuiltRoutes; if all is built, remove this test and the list")
	}
	sort.Strings(rows)
	compareBlock(t, compatibility, "routes", "| route | methods |\n|---|---|\n"+strings.Join(rows, "\n")+"\n")
}

// routesIn reads the entries "path": {"METHOD", ...} in a function.
func routesIn(fn *ast.FuncDecl) []string {
	var rows []string
	ast.Inspect(fn, func(n ast.Node) bool {
		kv, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		path, ok := text(kv.Key)
		list, isList := kv.Value.(*ast.CompositeLit)
		if !ok || !isList {
			return true
		}
		var methods []string
		for _, e := range list.Elts {
			if m, ok := text(e); ok {
				methods = append(methods, m)
			}
		}
		if strings.HasSuffix(path, "/") {
			path += "…"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s |", path, strings.Join(methods, ", ")))
		return true
	})
	return rows
}

func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
