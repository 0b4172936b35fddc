package lint

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// outside is the floor of what stands beside the house.
const outside = -1

// Rooms is the table of rooms and floors.
type Rooms struct {
	floors map[string]int // room or "x/*" to floor
	only   map[string]limit
	tests  map[string]bool // rooms that every test may import
}

// limit says what of ours a room may import at most.
type limit struct {
	rooms  []string          // in every file
	inFile map[string]string // file name to one more room
}

// ReadRooms reads a table; its format is explained in rooms.txt.
func ReadRooms(file string) (*Rooms, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t := &Rooms{floors: map[string]int{}, only: map[string]limit{}, tests: map[string]bool{}}
	for i, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if err := t.add(f); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	return t, nil
}

func (t *Rooms) add(f []string) error {
	if len(f) < 2 {
		return fmt.Errorf("want FLOOR ROOM, not %q", f)
	}
	if f[0] == "only" {
		l := limit{inFile: map[string]string{}}
		for _, x := range f[2:] {
			if file, room, ok := strings.Cut(x, "="); ok {
				l.inFile[file] = room
			} else {
				l.rooms = append(l.rooms, x)
			}
		}
		t.only[strings.TrimSuffix(f[1], ":")] = l
		return nil
	}
	if f[0] == "tests" {
		for _, room := range f[1:] {
			t.tests[room] = true
		}
		return nil
	}
	floor := outside
	if f[0] != "-" {
		n, err := strconv.Atoi(f[0])
		if err != nil || n < 0 {
			return fmt.Errorf("want a floor, not %q", f[0])
		}
		floor = n
	}
	if _, ok := t.floors[f[1]]; ok || len(f) != 2 {
		return fmt.Errorf("want a room, once: %q", f[1:])
	}
	t.floors[f[1]] = floor
	return nil
}

// room finds the room of a folder: the longest entry that it is in.
func (t *Rooms) room(dir string) (name string, floor int, ok bool) {
	for d := dir; d != "." && d != "/" && d != ""; d = parent(d) {
		if floor, ok := t.floors[d]; ok {
			return d, floor, true
		}
		if floor, ok := t.floors[parent(d)+"/*"]; ok {
			return d, floor, true
		}
	}
	return "", 0, false
}

func parent(dir string) string {
	i := strings.LastIndexByte(dir, '/')
	if i < 0 {
		return "."
	}
	return dir[:i]
}

// Imports checks that every package is in a room of the table, and that
// imports of ours go strictly downward, in tests too.
func (h *House) Imports(t *Rooms) ([]string, error) {
	var bad []string
	for _, p := range h.packages {
		dir := h.rel(p.Dir)
		room, floor, ok := t.room(dir)
		if !ok {
			bad = append(bad, dir+": this package is in no room of the table")
			continue
		}
		for _, file := range p.all() {
			imports, err := h.ours(filepath.Join(p.Dir, file))
			if err != nil {
				return nil, err
			}
			for _, target := range imports {
				why := t.refuse(room, floor, file, target)
				if why != "" {
					bad = append(bad, fmt.Sprintf("%s/%s: imports %s: %s", dir, file, target, why))
				}
			}
		}
	}
	sort.Strings(bad)
	return bad, nil
}

// ours are the folders of this module that a file imports.
func (h *House) ours(file string) ([]string, error) {
	paths, err := importPaths(file)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, path := range paths {
		if dir, ok := strings.CutPrefix(path, h.module+"/"); ok {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

func importPaths(file string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(f.Imports))
	for i, spec := range f.Imports {
		if paths[i], err = strconv.Unquote(spec.Path.Value); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// refuse says why a file of a room may not import a folder, or "".
func (t *Rooms) refuse(room string, floor int, file, target string) string {
	to, toFloor, ok := t.room(target)
	switch {
	case !ok:
		return "it is in no room of the table"
	case to == room, t.tests[to] && strings.HasSuffix(file, "_test.go"):
		return ""
	case toFloor == outside:
		return to + " stands outside the house"
	case floor == outside:
		return ""
	case toFloor > floor:
		return fmt.Sprintf("%s is on floor %d, %s below it on floor %d", to, toFloor, room, floor)
	case toFloor == floor:
		return fmt.Sprintf("%s and %s are both on floor %d", room, to, floor)
	}
	l, limited := t.only[room]
	if !limited || l.inFile[file] == to || slices.ContainsFunc(l.rooms, func(r string) bool { return within(to, r) }) {
		return ""
	}
	return room + " must not import it"
}

func within(dir, room string) bool { return dir == room || strings.HasPrefix(dir, room+"/") }

var rowRE = regexp.MustCompile("(?m)^\\| *([0-9]+|–) *\\| *`([^`]+?)/?` *\\|")

// Map checks that the table of rooms in a document, rows such as
//
//	| 2 | `ops` | what can be asked of the cluster |
//
// is the same table. The document writes the floor "-" as "–".
func (h *House) Map(doc string, t *Rooms) ([]string, error) {
	text, err := h.read(doc)
	if err != nil {
		return nil, err
	}
	var bad []string
	drawn := map[string]bool{}
	for _, m := range rowRE.FindAllStringSubmatch(text, -1) {
		floor := outside
		if m[1] != "–" {
			if floor, err = strconv.Atoi(m[1]); err != nil {
				return nil, err
			}
		}
		drawn[m[2]] = true
		if f, ok := t.floors[m[2]]; !ok || f != floor {
			bad = append(bad, fmt.Sprintf("%s: the room %s on floor %s is not in the table of rooms", doc, m[2], m[1]))
		}
	}
	for room := range t.floors {
		if !drawn[room] {
			bad = append(bad, fmt.Sprintf("%s: does not show the room %s", doc, room))
		}
	}
	sort.Strings(bad)
	return bad, nil
}
