package lint

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
)

var (
	requireRE = regexp.MustCompile(`(?m)^\s*(?:require\s+)?([^\s/]+\.[^\s/]+/\S+) v\S+`)
	toolRE    = regexp.MustCompile(`(?m)^\s*(?:tool\s+)?([^\s/]+\.[^\s/]+/\S+)[ \t]*$`)
)

// Dependencies checks that a document names, in backquotes, every module that
// a file of ours imports from, or that is a tool of ours. What those need in
// turn is theirs to explain.
func (h *House) Dependencies(doc string) ([]string, error) {
	direct, err := h.direct()
	if err != nil {
		return nil, err
	}
	text, err := h.read(doc)
	if err != nil {
		return nil, err
	}
	var bad []string
	for _, module := range direct {
		if !strings.Contains(text, "`"+module+"`") {
			bad = append(bad, fmt.Sprintf("%s: does not name the dependency %s", doc, module))
		}
	}
	return bad, nil
}

// direct are the modules that this one uses itself. The "// indirect" marks in
// go.mod may be out of date, imports are not.
func (h *House) direct() ([]string, error) {
	mod, err := h.read("go.mod")
	if err != nil {
		return nil, err
	}
	var required []string
	for _, m := range requireRE.FindAllStringSubmatch(mod, -1) {
		required = append(required, m[1])
	}
	used := map[string]bool{}
	use := func(path string) {
		best := ""
		for _, module := range required {
			if within(path, module) && len(module) > len(best) {
				best = module
			}
		}
		if best != "" {
			used[best] = true
		}
	}
	for _, m := range toolRE.FindAllStringSubmatch(mod, -1) {
		use(m[1])
	}
	for _, p := range h.packages {
		for _, name := range slices.Concat(p.all(), p.IgnoredGoFiles) {
			paths, err := importPaths(filepath.Join(p.Dir, name))
			if err != nil {
				return nil, err
			}
			for _, path := range paths {
				use(path)
			}
		}
	}
	var direct []string
	for module := range used {
		direct = append(direct, module)
	}
	sort.Strings(direct)
	return direct, nil
}
