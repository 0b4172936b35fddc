package lint

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/bad.golden")

// A check is one rule, as it is run on the project and on the bad example.
type check struct {
	name string
	run  func(h *House, t *Rooms) ([]string, error)
}

func checks(max Limits, architecture, dependencies, clocks string) []check {
	return []check{
		{"imports", func(h *House, t *Rooms) ([]string, error) { return h.Imports(t) }},
		{"map", func(h *House, t *Rooms) ([]string, error) { return h.Map(architecture, t) }},
		{"sizes", func(h *House, t *Rooms) ([]string, error) { return h.Sizes(max) }},
		{"source", func(h *House, t *Rooms) ([]string, error) { return h.Source(t) }},
		{"clocks", func(h *House, t *Rooms) ([]string, error) { return h.Clocks(t, clocks) }},
		{"readmes", func(h *House, t *Rooms) ([]string, error) { return h.Readmes(t) }},
		{"links", func(h *House, t *Rooms) ([]string, error) { return h.Links() }},
		{"tables", func(h *House, t *Rooms) ([]string, error) { return h.Tables() }},
		{"words", func(h *House, t *Rooms) ([]string, error) { return h.Words() }},
		{"dependencies", func(h *House, t *Rooms) ([]string, error) { return h.Dependencies(dependencies) }},
	}
}

func open(t *testing.T, dir, rooms string) (*House, *Rooms) {
	t.Helper()
	table, err := ReadRooms(rooms)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h, table
}

// The project keeps its own rules.
func TestHouse(t *testing.T) {
	h, table := open(t, filepath.Join("..", ".."), "rooms.txt")
	for _, c := range checks(Limits{File: 600, Function: 80, Package: 4000}, "docs/ARCHITECTURE.md", "docs/DEPENDENCIES.md", "internal/lint/clocks.txt") {
		t.Run(c.name, func(t *testing.T) {
			bad, err := c.run(h, table)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range bad {
				t.Error(line)
			}
		})
	}
}

// A module that breaks every rule: each check finds what it should, no more.
func TestBadExample(t *testing.T) {
	h, table := open(t, filepath.Join("testdata", "bad"), filepath.Join("testdata", "bad", "rooms.txt"))
	var b strings.Builder
	for _, c := range checks(Limits{File: 15, Function: 9, Package: 18}, "docs/guide.md", "docs/guide.md", "clocks.txt") {
		bad, err := c.run(h, table)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("# " + c.name + "\n" + strings.Join(bad, "\n") + "\n")
	}
	golden := filepath.Join("testdata", "bad.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestReadRoomsRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rooms.txt")
	for _, text := range []string{"1\n", "x room\n", "-2 room\n", "1 room\n2 room\n", "1 two rooms\n"} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRooms(file); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestOwnPaths(t *testing.T) {
	// "@" stands for the first slash: written out, these would break the rule.
	for text, want := range map[string]bool{
		"see @home/ann/x": true, `"@root/x"`: true, "=@Users/ann": true, "@work/x": true,
		"https://example.com@home/x": false, "${HOME}@work/x": false, "a@work/b": false, "@homework/x": false, "~@work/x": false,
	} {
		if got := ownPathRE.MatchString(strings.Replace(text, "@", "/", 1)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
