package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A list names scenarios by globs on tier/name.
type list []glob

type glob struct {
	pattern string
	line    int
}

// readList reads a list: one glob a line, '#' starts a comment.
func readList(path string) (list, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var l list
	for i, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if _, err := filepath.Match(line, ""); err != nil {
			return nil, fmt.Errorf("%s:%d: %q: %w", path, i+1, line, err)
		}
		l = append(l, glob{line, i + 1})
	}
	return l, nil
}

func (l list) has(sc *scenario) (bool, error) {
	for _, g := range l {
		if ok, err := filepath.Match(g.pattern, sc.ID()); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// covers returns an error for a line that names no scenario: most likely it
// was misspelt, and what it stands for would never be run.
func (l list) covers(all []*scenario) error {
next:
	for _, g := range l {
		for _, sc := range all {
			if ok, err := filepath.Match(g.pattern, sc.ID()); err != nil {
				return err
			} else if ok {
				continue next
			}
		}
		return fmt.Errorf("line %d: no scenario fits %q", g.line, g.pattern)
	}
	return nil
}
