package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// lists are what the files beside this program say about the tests.
type lists struct {
	passing map[string]bool   // passing.txt: must pass
	skip    map[string]string // skip.txt: can't be run, and why
	racy    map[string]string // racy.txt: may fail with any agent, and why
	areas   []areaRule        // areas.txt, the first that fits counts
}

type areaRule struct{ area, glob string }

// loadLists reads the files. An empty dir stands for where go run is
// usually called: the root of the project, or the folder of this program.
func loadLists(dir string) (*lists, error) {
	if dir == "" {
		dir = filepath.Join("test", "client")
		if _, err := os.Stat(dir); err != nil {
			dir = "."
		}
	}
	l := &lists{passing: map[string]bool{}, skip: map[string]string{}, racy: map[string]string{}}
	err := errors.Join(
		readLines(filepath.Join(dir, "passing.txt"), func(name, rest string) error {
			if rest != "" || l.passing[name] {
				return fmt.Errorf("want the name of a test, once: %q", name)
			}
			l.passing[name] = true
			return nil
		}),
		readLines(filepath.Join(dir, "skip.txt"), reasons(l.skip)),
		readLines(filepath.Join(dir, "racy.txt"), reasons(l.racy)),
		readLines(filepath.Join(dir, "areas.txt"), func(area, glob string) error {
			if _, err := path.Match(glob, ""); err != nil || glob == "" {
				return fmt.Errorf("%s: want a glob, not %q", area, glob)
			}
			l.areas = append(l.areas, areaRule{area, glob})
			return nil
		}),
	)
	return l, err
}

func reasons(m map[string]string) func(name, reason string) error {
	return func(name, reason string) error {
		if reason == "" {
			return fmt.Errorf("%s: no reason given", name)
		}
		m[name] = reason
		return nil
	}
}

// readLines hands the first word of each line, and the rest, to f. '#' starts
// a comment.
func readLines(file string, f func(first, rest string) error) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for i, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		first, rest, _ := strings.Cut(line, " ")
		if err := f(first, strings.TrimSpace(rest)); err != nil {
			return fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	return nil
}

// area tells what a test is about; "" if areas.txt does not say.
func (l *lists) area(name string) string {
	for _, r := range l.areas {
		if ok, _ := path.Match(r.glob, name); ok {
			return r.area
		}
	}
	return ""
}

// tries is how often a test is run at most until it passes.
func (l *lists) tries(name string) int {
	if l.racy[name] != "" {
		return 5
	}
	return 1
}

// check compares the lists with the tests that there are: a name that is none
// of theirs was misspelt or is gone, and would never be run.
func (l *lists) check(tests []string) error {
	known := map[string]bool{}
	var errs []error
	for _, name := range tests {
		known[name] = true
		if l.area(name) == "" {
			errs = append(errs, fmt.Errorf("areas.txt: no area for %s", name))
		}
	}
	for name := range l.passing {
		if !known[name] {
			errs = append(errs, fmt.Errorf("passing.txt: there is no test %s", name))
		}
		if l.skip[name] != "" {
			errs = append(errs, fmt.Errorf("%s is in passing.txt and in skip.txt", name))
		}
	}
	for _, file := range []struct {
		name  string
		tests map[string]string
	}{{"skip.txt", l.skip}, {"racy.txt", l.racy}} {
		for name := range file.tests {
			if !known[name] {
				errs = append(errs, fmt.Errorf("%s: there is no test %s", file.name, name))
			}
		}
	}
	return errors.Join(errs...)
}
