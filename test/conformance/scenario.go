package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// A header is one '@' line at the top of a scenario: it says which agents
// the scenario wants and how they are configured.
type header struct {
	Pre  []string // comments and blank lines before it
	Text string   // without the '@'
	Body []string // the '<' lines after it
}

// A step is one request, command, query or control line with the
// directives that say how to judge it and the recorded expectation.
type step struct {
	Pre     []string // comments and blank lines before it
	Line    int
	Raw     string // the step line as written
	Agent   string // which agent it is addressed to; "" means the first
	Text    string // Raw without the agent prefix
	Hdr     []string
	Body    []string
	HasBody bool
	Dir     []string
	Want    []string // lines starting with "=>", "|" or "!"
}

type scenario struct {
	Path, Tier, Name string
	Headers          []*header
	Steps            []*step
	Tail             []string
	source           string
}

func (s *scenario) ID() string { return s.Tier + "/" + s.Name }

func (s *scenario) header(name string) (*header, []string) {
	for _, h := range s.Headers {
		if f := strings.Fields(h.Text); len(f) > 0 && f[0] == name {
			return h, f[1:]
		}
	}
	return nil, nil
}

// has tells whether the scenario has a header line of that name.
func (s *scenario) has(name string) bool {
	h, _ := s.header(name)
	return h != nil
}

// directive returns the text after the first directive called name.
func (st *step) directive(name string) (string, bool) {
	for _, d := range st.Dir {
		if d == name {
			return "", true
		}
		if rest, ok := strings.CutPrefix(d, name+" "); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// has tells whether the step carries a directive of that name.
func (st *step) has(name string) bool {
	_, ok := st.directive(name)
	return ok
}

func (st *step) directives(name string) []string {
	var all []string
	for _, d := range st.Dir {
		if rest, ok := strings.CutPrefix(d, name+" "); ok {
			all = append(all, strings.TrimSpace(rest))
		}
	}
	return all
}

func isExpectation(line string) bool {
	return strings.HasPrefix(line, "=>") || line == "|" || strings.HasPrefix(line, "| ") ||
		strings.HasPrefix(line, "|q ") || line == "!" || strings.HasPrefix(line, "! ")
}

func parseScenario(path string) (*scenario, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sc := &scenario{
		Path:   path,
		Tier:   filepath.Base(filepath.Dir(path)),
		Name:   strings.TrimSuffix(filepath.Base(path), ".txt"),
		source: string(data),
	}
	var pre []string
	var cur *step
	var hdr *header
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	for i, line := range lines {
		fail := func(msg string) error { return fmt.Errorf("%s:%d: %s", path, i+1, msg) }
		switch {
		case strings.TrimSpace(line) == "":
			pre = append(pre, "")
			cur, hdr = nil, nil
		case strings.HasPrefix(line, "#"):
			pre = append(pre, line)
		case strings.HasPrefix(line, "@"):
			if len(sc.Steps) > 0 {
				return nil, fail("a header line after the first step")
			}
			hdr = &header{Pre: pre, Text: strings.TrimSpace(line[1:])}
			pre = nil
			sc.Headers = append(sc.Headers, hdr)
		case line == "<" || strings.HasPrefix(line, "< "):
			text := strings.TrimPrefix(strings.TrimPrefix(line, "<"), " ")
			switch {
			case hdr != nil:
				hdr.Body = append(hdr.Body, text)
			case cur != nil:
				cur.Body = append(cur.Body, text)
				cur.HasBody = true
			default:
				return nil, fail("a body line outside a step")
			}
		case isExpectation(line):
			if cur == nil {
				return nil, fail("an expectation outside a step")
			}
			cur.Want = append(cur.Want, line)
		case strings.HasPrefix(line, "H: "):
			if cur == nil {
				return nil, fail("a request header outside a step")
			}
			cur.Hdr = append(cur.Hdr, line[3:])
		case strings.HasPrefix(line, "% "):
			if cur == nil {
				return nil, fail("a directive outside a step")
			}
			cur.Dir = append(cur.Dir, strings.TrimSpace(line[2:]))
		default:
			hdr = nil
			cur = &step{Pre: pre, Line: i + 1, Raw: line, Text: line}
			pre = nil
			if strings.HasPrefix(line, "[") {
				if name, rest, ok := strings.Cut(line[1:], "] "); ok {
					cur.Agent, cur.Text = name, rest
				}
			}
			sc.Steps = append(sc.Steps, cur)
		}
	}
	sc.Tail = pre
	if len(sc.Steps) == 0 {
		return nil, fmt.Errorf("%s: no steps", path)
	}
	return sc, nil
}

// format writes the scenario back as text, with the expectations that the
// steps hold now.
func (s *scenario) format() string {
	var b strings.Builder
	put := func(lines ...string) {
		for _, l := range lines {
			b.WriteString(l)
			b.WriteByte('\n')
		}
	}
	body := func(lines []string) {
		for _, l := range lines {
			put(strings.TrimRight("< "+l, " "))
		}
	}
	for _, h := range s.Headers {
		put(h.Pre...)
		put("@" + h.Text)
		body(h.Body)
	}
	for _, st := range s.Steps {
		put(st.Pre...)
		put(st.Raw)
		for _, h := range st.Hdr {
			put("H: " + h)
		}
		body(st.Body)
		for _, d := range st.Dir {
			put("% " + d)
		}
		put(st.Want...)
	}
	put(s.Tail...)
	return b.String()
}

// inputs is the text of the scenario without its expectations: whatever
// stands in it literally is not turned into a symbol.
func (s *scenario) inputs() string {
	var b strings.Builder
	for _, h := range s.Headers {
		b.WriteString(h.Text + "\n" + strings.Join(h.Body, "\n") + "\n")
	}
	for _, st := range s.Steps {
		b.WriteString(st.Raw + "\n" + strings.Join(st.Hdr, "\n") + "\n" + strings.Join(st.Body, "\n") + "\n")
	}
	return b.String()
}

// matches tells whether the scenario's name or tier/name fits a glob.
func (s *scenario) matches(glob string) (bool, error) {
	if ok, err := filepath.Match(glob, s.ID()); ok || err != nil {
		return ok, err
	}
	return filepath.Match(glob, s.Name)
}

// loadScenarios reads TIER/NAME.txt below dir, sorted.
func loadScenarios(dir string) ([]*scenario, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.txt"))
	if err != nil {
		return nil, err
	}
	sort.Strings(paths)
	all := make([]*scenario, len(paths))
	for i, p := range paths {
		if all[i], err = parseScenario(p); err != nil {
			return nil, err
		}
	}
	return all, nil
}
