package main

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// check compares a step's result with its recorded expectation.
func check(e *env, st *step, res *result, strict bool) error {
	if res.err != nil {
		return res.err
	}
	if err := checkDuration(st, res); err != nil {
		return err
	}
	if res.kind == kindNone {
		return nil
	}
	if err := conditions(st, res); err != nil {
		return err
	}
	want, err := splitWant(st.Want)
	if err != nil {
		return err
	}
	if got := res.statusLine(); want.status != got {
		return fmt.Errorf("want %s, got %s: %s", want.status, got, clip(strings.TrimSpace(string(res.body)+string(res.stderr))))
	}
	if st.has("only-status") {
		return nil
	}
	if err := checkHeaders(e, want.headers, res); err != nil {
		return err
	}
	if res.kind == kindDNS {
		return checkDNS(e, st, want.body, res)
	}
	if !st.has("match") && !st.has("nobody") {
		if want.json {
			err = checkJSON(e, st, want.body, res, strict)
		} else {
			err = checkText(e, st, want.body, res)
		}
		if err != nil {
			return err
		}
	}
	if res.kind == kindCLI && !st.has("matcherr") && !st.has("nostderr") {
		return checkStderr(e, st, want.stderr, res)
	}
	return nil
}

// expected is the recorded expectation of a step, taken apart.
type expected struct {
	status  string
	json    bool
	headers []string // "Name: value"
	body    []string // lines with their mark
	stderr  []string
}

func splitWant(lines []string) (expected, error) {
	var x expected
	var heads []string
	for _, l := range lines {
		switch l[0] {
		case '=':
			heads = append(heads, strings.TrimSpace(strings.TrimPrefix(l, "=>")))
		case '|':
			x.body = append(x.body, l)
		case '!':
			x.stderr = append(x.stderr, l)
		}
	}
	if len(heads) == 0 {
		return x, errors.New("the step has no recorded expectation")
	}
	x.status, x.json = strings.CutSuffix(heads[0], " json")
	x.headers = heads[1:]
	return x, nil
}

// statusLine is what stands first in the expectation of such a result.
func (r *result) statusLine() string {
	switch r.kind {
	case kindHTTP:
		return strconv.Itoa(r.status)
	case kindCLI:
		return fmt.Sprintf("exit %d", r.exit)
	case kindDNS:
		status, _ := renderDNS(r.msg)
		return status
	}
	return ""
}

func checkDuration(st *step, res *result) error {
	text, ok := st.directive("took")
	if !ok {
		return nil
	}
	from, to, ok := strings.Cut(text, " ")
	if !ok {
		return errors.New("took wants MIN MAX")
	}
	lo, err := time.ParseDuration(from)
	if err != nil {
		return err
	}
	hi, err := time.ParseDuration(strings.TrimSpace(to))
	if err != nil {
		return err
	}
	if res.took < lo || res.took > hi {
		return fmt.Errorf("it took %s, and should take from %s to %s", res.took.Round(time.Millisecond), lo, hi)
	}
	return nil
}

func checkHeaders(e *env, want []string, res *result) error {
	for _, h := range want {
		k, v, _ := strings.Cut(h, ": ")
		g := res.header.Get(k)
		if g == "" {
			return fmt.Errorf("the header %s is missing (want %s)", k, v)
		}
		if err := headerValue(e, k, v, g); err != nil {
			return fmt.Errorf("header %s: %w", k, err)
		}
	}
	return nil
}

func checkDNS(e *env, st *step, body []string, res *result) error {
	if st.has("counts") {
		want := strings.TrimPrefix(strings.Join(body, "\n"), "| ")
		if got := dnsCounts(res.msg); want != got {
			return fmt.Errorf("want %s, got %s", want, got)
		}
		return nil
	}
	_, lines := renderDNS(res.msg)
	return sameSet(e, body, lines)
}

func checkJSON(e *env, st *step, body []string, res *result, strict bool) error {
	text, err := unquoteLines("|", body)
	if err != nil {
		return err
	}
	want, err := decodeJSON([]byte(text))
	if err != nil {
		return fmt.Errorf("the expectation is not JSON: %w", err)
	}
	doc, ok := view(st, res)
	if !ok {
		return fmt.Errorf("want JSON, got %q", clip(string(res.body)))
	}
	return jsonMatch{strict: strict, unordered: st.has("unordered")}.compare(e, "", want, doc)
}

func checkText(e *env, st *step, body []string, res *result) error {
	want, err := unquoteLines("|", body)
	if err != nil {
		return err
	}
	got := string(res.body)
	if st.has("table") {
		got = squeeze(got)
	}
	got = head(st, got)
	if st.has("unordered") {
		return sameLines(e, want, got)
	}
	if err := e.str(want, got, true); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	return nil
}

func checkStderr(e *env, st *step, lines []string, res *result) error {
	want, err := unquoteLines("!", lines)
	if err != nil {
		return err
	}
	if err := e.str(want, head(st, string(res.stderr)), true); err != nil {
		return fmt.Errorf("stderr: %w", err)
	}
	return nil
}

func headerValue(e *env, key, want, got string) error {
	if key == "Content-Type" { // parameters may be spelled in different ways
		norm := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }
		if norm(want) == norm(got) {
			return nil
		}
	}
	return e.str(want, got, key == http.CanonicalHeaderKey("Www-Authenticate"))
}

// conditions checks what the author of the step asks for in so many words.
func conditions(st *step, res *result) error {
	for _, c := range []struct {
		name string
		text string
		want bool
	}{
		{"match", string(res.body), true},
		{"nomatch", string(res.body), false},
		{"matcherr", string(res.stderr), true},
		{"nomatcherr", string(res.stderr), false},
	} {
		for _, p := range st.directives(c.name) {
			re, err := regexp.Compile(p)
			if err != nil {
				return err
			}
			text := nameRE.ReplaceAllStringFunc(c.text, func(s string) string {
				if strings.EqualFold(s, "muster") {
					return "consul"
				}
				return s
			})
			if re.MatchString(text) != c.want {
				word := "should match"
				if !c.want {
					word = "should not match"
				}
				return fmt.Errorf("the output %s %s: %q", word, p, clip(c.text))
			}
		}
	}
	return nil
}

func sameSet(e *env, body, lines []string) error {
	var want []string
	for _, l := range body {
		want = append(want, strings.TrimPrefix(l, "| "))
	}
	return matchSet(e, want, lines, false)
}

func sameLines(e *env, want, got string) error {
	return matchSet(e, strings.Split(want, "\n"), strings.Split(got, "\n"), true)
}

func matchSet(e *env, want, got []string, prose bool) error {
	used := make([]bool, len(got))
	for _, l := range want {
		found := false
		for i, g := range got {
			if used[i] {
				continue
			}
			t := e.clone()
			if t.str(l, g, prose) == nil {
				*e = *t
				used[i], found = true, true
				break
			}
		}
		if !found {
			return fmt.Errorf("missing: %s; got: %s", l, clip(strings.Join(got, " / ")))
		}
	}
	for i, g := range got {
		if !used[i] {
			return fmt.Errorf("not wanted: %s", g)
		}
	}
	return nil
}
