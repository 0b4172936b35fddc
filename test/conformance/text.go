package main

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// head cuts an output to the first lines where the step asks for that: what
// follows an error is often a page of help, which every program words itself.
func head(st *step, s string) string {
	f, ok := st.directive("head")
	if !ok {
		return s
	}
	n, err := strconv.Atoi(f)
	if err != nil {
		return s
	}
	lines := strings.SplitAfter(s, "\n")
	if len(lines) > n {
		lines = lines[:n]
	}
	return strings.Join(lines, "")
}

var spaces = regexp.MustCompile(` {2,}`)

func squeeze(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(spaces.ReplaceAllString(l, "  "), " ")
	}
	return strings.Join(lines, "\n")
}

// quoteLines writes text as marked lines. A last marked line that is empty
// says that the text ends with a newline.
func quoteLines(mark, s string) []string {
	if s == "" {
		return nil
	}
	if !printable(s) {
		return []string{mark + "q " + strconv.Quote(s)}
	}
	var out []string
	for _, l := range strings.Split(s, "\n") {
		if l == "" {
			out = append(out, mark)
		} else {
			out = append(out, mark+" "+l)
		}
	}
	return out
}

func printable(s string) bool {
	for _, r := range s {
		if (r < ' ' && r != '\n' && r != '\t') || r == '\uFFFD' || r == 0x7f {
			return false
		}
	}
	return true
}

func unquoteLines(mark string, lines []string) (string, error) {
	var parts []string
	for _, l := range lines {
		if q, ok := strings.CutPrefix(l, mark+"q "); ok {
			return strconv.Unquote(q)
		}
		if l == mark {
			parts = append(parts, "")
		} else if t, ok := strings.CutPrefix(l, mark+" "); ok {
			parts = append(parts, t)
		}
	}
	return strings.Join(parts, "\n"), nil
}

var soaSerial = regexp.MustCompile(`(SOA \S+ \S+ )\d+ `)

func renderDNS(m *dns.Msg) (status string, lines []string) {
	status = dns.RcodeToString[m.Rcode]
	for _, f := range []struct {
		on   bool
		name string
	}{{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionDesired, "rd"}, {m.RecursionAvailable, "ra"}} {
		if f.on {
			status += " " + f.name
		}
	}
	for _, sec := range []struct {
		name string
		rrs  []dns.RR
	}{{"ANSWER", m.Answer}, {"AUTHORITY", m.Ns}, {"ADDITIONAL", m.Extra}} {
		var part []string
		for _, rr := range sec.rrs {
			if opt, ok := rr.(*dns.OPT); ok {
				part = append(part, fmt.Sprintf("%s OPT udp=%d", sec.name, opt.UDPSize()))
				continue
			}
			t := strings.Join(strings.Fields(rr.String()), " ")
			t = soaSerial.ReplaceAllString(t, "${1}SERIAL ")
			part = append(part, sec.name+" "+t)
		}
		sort.Strings(part)
		lines = append(lines, part...)
	}
	return status, lines
}

func dnsCounts(m *dns.Msg) string {
	return fmt.Sprintf("answer %d, authority %d, additional %d", len(m.Answer), len(m.Ns), len(m.Extra))
}

// diffLines shows two lists of lines as one, with a mark before the lines that
// only one of them has.
func diffLines(want, got []string) string {
	// lcs[i][j] is the length of the longest common part of want[i:] and got[j:].
	lcs := make([][]int, len(want)+1)
	for i := range lcs {
		lcs[i] = make([]int, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			if want[i] == got[j] {
				lcs[i][j] = lcs[i+1][j+1] + 1
			} else {
				lcs[i][j] = max(lcs[i+1][j], lcs[i][j+1])
			}
		}
	}
	var b strings.Builder
	for i, j := 0, 0; i < len(want) || j < len(got); {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			fmt.Fprintf(&b, "    %s\n", want[i])
			i, j = i+1, j+1
		case j == len(got) || (i < len(want) && lcs[i+1][j] >= lcs[i][j+1]):
			fmt.Fprintf(&b, "  - %s\n", want[i])
			i++
		default:
			fmt.Fprintf(&b, "  + %s\n", got[j])
			j++
		}
	}
	return b.String()
}
