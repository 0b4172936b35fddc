package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A patch changes one line of the tests' source.
type patch struct{ file, old, new string }

// Before a test of the client begins, it waits until its agent has a
// certificate authority for the service mesh. muster has no mesh yet, so that no
// test would ever begin; the tests of the mesh still fail without it.
var patches = []patch{
	{"api_test.go", "\t\tserver.WaitForActiveCARoot(t)\n", "\t\t// there is none to wait for\n"},
}

// copySource copies the client's module to dir/src/api, with the patches, and
// writes dir/go.mod, with which the copy takes the module's place in a build.
// The module cache itself can't be written to.
func copySource(ctx context.Context, dir string) error {
	from, err := output(ctx, "go", "list", "-f", "{{.Dir}}", packages[0].path)
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "src", "api")
	if err := copyTree(to, strings.TrimSpace(from)); err != nil {
		return err
	}
	for _, p := range patches {
		if err := p.apply(to); err != nil {
			return err
		}
	}
	mod, err := output(ctx, "go", "env", "GOMOD")
	if err != nil {
		return err
	}
	mod = strings.TrimSpace(mod)
	text, err := os.ReadFile(mod)
	if err != nil {
		return err
	}
	text = fmt.Appendf(text, "\nreplace %s => %s\n", packages[0].path, to)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o644); err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(filepath.Dir(mod), "go.sum"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644)
}

// apply fails unless there is exactly one place to patch: then the source is
// not the one that the patch was written for.
func (p patch) apply(dir string) error {
	path := filepath.Join(dir, p.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := bytes.Count(text, []byte(p.old)); n != 1 {
		return fmt.Errorf("%s: %d places to patch, want one: is this another version of the client?", p.file, n)
	}
	return os.WriteFile(path, bytes.Replace(text, []byte(p.old), []byte(p.new), 1), 0o644)
}

// copyTree copies the files of a folder, so that the copies can be written to.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}
