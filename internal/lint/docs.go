package lint

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// Readmes checks that every room has a README.md.
func (h *House) Readmes(t *Rooms) ([]string, error) {
	rooms := map[string]bool{}
	for _, p := range h.packages {
		if room, _, ok := t.room(h.rel(p.Dir)); ok {
			rooms[room] = true
		}
	}
	var bad []string
	for room := range rooms {
		switch _, err := os.Stat(filepath.Join(h.root, room, "README.md")); {
		case os.IsNotExist(err):
			bad = append(bad, room+": this room has no README.md")
		case err != nil:
			return nil, err
		}
	}
	sort.Strings(bad)
	return bad, nil
}

var (
	fenceRE   = regexp.MustCompile("(?ms)^(```|~~~).*?^(```|~~~)[ \t]*$")
	codeRE    = regexp.MustCompile("`[^`\n]*`")
	linkRE    = regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)`)
	headingRE = regexp.MustCompile(`(?m)^#{1,6}\s+(.+?)\s*#*\s*$`)
	notSlugRE = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// documents calls f with each Markdown file of the project.
func (h *House) documents(f func(rel, text string)) error {
	return h.files(func(rel string) error {
		if path.Ext(rel) != ".md" {
			return nil
		}
		text, err := h.read(rel)
		if err == nil {
			f(rel, text)
		}
		return err
	})
}

// Links checks that what the Markdown files link to in the project exists,
// files and headings. Links to elsewhere are not followed.
func (h *House) Links() ([]string, error) {
	var bad []string
	err := h.documents(func(rel, text string) {
		prose := codeRE.ReplaceAllString(fenceRE.ReplaceAllString(text, ""), "")
		for _, m := range linkRE.FindAllStringSubmatch(prose, -1) {
			u, err := url.Parse(m[1])
			if err == nil && (u.Scheme != "" || u.Host != "") {
				continue
			}
			if err != nil || !h.linkExists(rel, u) {
				bad = append(bad, fmt.Sprintf("%s: the link %s leads nowhere", rel, m[1]))
			}
		}
	})
	return bad, err
}

// ruleRE is the line below the head of a table.
var ruleRE = regexp.MustCompile(`^\|[\s:|-]*-[\s:|-]*\|$`)

// Tables checks that the rows of each table have a head and as many cells as
// it has. A row with an empty line above it is shown as text.
func (h *House) Tables() ([]string, error) {
	var bad []string
	err := h.documents(func(rel, text string) {
		blank := func(code string) string { return strings.Repeat("\n", strings.Count(code, "\n")) }
		lines := strings.Split(fenceRE.ReplaceAllStringFunc(text, blank), "\n")
		cells := 0 // of the table that we are in; 0: none
		for i, line := range lines {
			n := strings.Count(line, "|") - strings.Count(line, `\|`)
			switch {
			case !strings.HasPrefix(line, "|"):
				cells = 0
			case cells == 0 && (i+1 == len(lines) || !ruleRE.MatchString(lines[i+1])):
				bad = append(bad, fmt.Sprintf("%s:%d: a row of no table", rel, i+1))
			case cells == 0:
				cells = n
			case n != cells:
				bad = append(bad, fmt.Sprintf("%s:%d: %d cells, the table has %d", rel, i+1, n-1, cells-1))
			}
		}
	})
	return bad, err
}

func (h *House) linkExists(from string, u *url.URL) bool {
	target := from
	if u.Path != "" {
		target = path.Join(path.Dir(from), u.Path)
	}
	if strings.HasPrefix(target, "../") {
		return false
	}
	if _, err := os.Stat(filepath.Join(h.root, filepath.FromSlash(target))); err != nil {
		return false
	}
	if u.Fragment == "" || path.Ext(target) != ".md" {
		return true
	}
	text, err := h.read(target)
	if err != nil {
		return false
	}
	for _, m := range headingRE.FindAllStringSubmatch(fenceRE.ReplaceAllString(text, ""), -1) {
		if slug(m[1]) == u.Fragment {
			return true
		}
	}
	return false
}

// slug is the anchor that Markdown viewers give a heading.
func slug(heading string) string {
	s := notSlugRE.ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(s, " ", "-")
}

// A path in somebody's home or workplace, which exists on no other machine.
var ownPathRE = regexp.MustCompile(`(^|[^\w.~}/-])/(home|root|work|Users)/[\w.-]+`)

// Words checks that no file names a place on the machine of whoever wrote it.
func (h *House) Words() ([]string, error) {
	var bad []string
	err := h.files(func(rel string) error {
		text, err := h.read(rel)
		if err != nil {
			return err
		}
		if strings.ContainsRune(text[:min(len(text), 8000)], 0) { // not a text
			return nil
		}
		for i, line := range strings.Split(text, "\n") {
			if m := ownPathRE.FindString(line); m != "" {
				bad = append(bad, fmt.Sprintf("%s:%d: a path of one machine: %s", rel, i+1, strings.TrimSpace(m)))
			}
		}
		return nil
	})
	return bad, err
}
