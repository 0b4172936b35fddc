// Package lint checks the rules of the house that no compiler knows: which
// room may import which, how large things may grow, what must be explained.
// See README.md; the rules themselves are in docs/ARCHITECTURE.md.
package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A House is a Go module whose rules are checked. Each check returns one line
// for each place that breaks a rule, in a stable order, with paths relative to
// the root of the module.
type House struct {
	root     string // absolute
	module   string
	packages []pkg
}

// pkg is what go list says of a package.
type pkg struct {
	Dir            string
	ImportPath     string
	GoFiles        []string
	CgoFiles       []string
	TestGoFiles    []string
	XTestGoFiles   []string
	IgnoredGoFiles []string // left out by build tags
	Module         *struct{ Path string }
}

// Open reads the module in dir with go list. Packages that do not compile are
// read as far as they can be.
func Open(dir string) (*House, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,IgnoredGoFiles,Module", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off")
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, strings.TrimSpace(errOut.String()))
	}
	h := &House{root: root}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Module != nil {
			h.module = p.Module.Path
		}
		h.packages = append(h.packages, p)
	}
	if h.module == "" {
		return nil, fmt.Errorf("no module in %s", dir)
	}
	return h, nil
}

// all are the Go files of a package, tests among them.
func (p *pkg) all() []string {
	return slices.Concat(p.GoFiles, p.CgoFiles, p.TestGoFiles, p.XTestGoFiles)
}

// rel is a path as the checks print it.
func (h *House) rel(path string) string {
	r, err := filepath.Rel(h.root, path)
	if err != nil {
		return path
	}
	return filepath.ToSlash(r)
}

// files calls f for every file of the project: not for what git or a build put
// there, and not for the bad examples of this package.
func (h *House) files(f func(rel string) error) error {
	return filepath.WalkDir(h.root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := h.rel(path)
		if d.IsDir() {
			if rel == ".git" || rel == "bin" || rel == "internal/lint/testdata" || d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		// In a second work tree of git's, .git is a file that names the first.
		if !d.Type().IsRegular() || rel == ".git" {
			return nil
		}
		return f(rel)
	})
}

func (h *House) read(rel string) (string, error) {
	data, err := os.ReadFile(filepath.Join(h.root, filepath.FromSlash(rel)))
	return string(data), err
}
