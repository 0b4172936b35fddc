package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Symbols. A recorded expectation holds symbols in the place of values that
// differ from run to run:
//
//	<idx:N>   a Raft index; the numbers order the indexes of a scenario
//	<uuid:N>  a UUID; equal numbers mean equal UUIDs
//	<time:N>  a point in time
//	<dur>     a duration with a fraction
//	<num>     any whole number
//	<ver>     a version of the program
//	<hex>     hexadecimal digits, perhaps with colons
//	<pem>     a PEM block
//	<any>     any text on one line
//	${name}   a variable: a port, a directory, a captured value
var symRE = regexp.MustCompile(`<(uuid|idx|time):(\d+)>|<(dur|num|ver|hex|pem|any)>|\$\{[A-Za-z0-9_.]+\}`)

var symPattern = map[string]string{
	"uuid": `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
	"idx":  `\d+`,
	"time": timePattern,
	"dur":  `(?:-?\d+(?:\.\d+)? ?(?:ns|µs|us|ms|s|m|h))+`,
	"num":  `-?\d+`,
	"ver":  `v?\d+\.\d+(?:\.\d+)?[0-9A-Za-z.+:_-]*`,
	"hex":  `[0-9a-fA-F:]+`,
	"pem":  `-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----\n?`,
	"any":  `.*?`,
}

const timePattern = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)` +
	`|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4} \w+(?: m=\S+)?` +
	`|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d` +
	`|\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}`

var (
	uuidRE = regexp.MustCompile(symPattern["uuid"])
	timeRE = regexp.MustCompile(timePattern)
	pemRE  = regexp.MustCompile(symPattern["pem"])
	durRE  = regexp.MustCompile(`-?\d+\.\d+ ?(?:ns|µs|us|ms|s)\b`)
	hexRE  = regexp.MustCompile(`\b(?:[0-9a-fA-F]{2}:){7,}[0-9a-fA-F]{2}\b|\b[0-9a-f]{32,}\b`)
	portRE = regexp.MustCompile(`\b[1-3]\d{4}\b`)
	cliIdx = regexp.MustCompile(`((?:Create|Modify|Lock|Raft)[ ]?Index"?[: ]\s*)(\d+)`)
	errIdx = regexp.MustCompile(`(current (?:modify|lock) index )(\d+)`)
	idxKey = regexp.MustCompile(`^(Create|Modify|Lock|Raft)?Index$`)
	nameRE = regexp.MustCompile(`(?i)muster|consul`)
)

// env is what the symbols are bound to while a transcript is replayed.
type env struct {
	vars  map[string]string
	bound map[string]string // symbol to value
	back  map[string]string // UUID to symbol
	idx   map[int]uint64
}

func newEnv(vars map[string]string) *env {
	return &env{vars: vars, bound: map[string]string{}, back: map[string]string{}, idx: map[int]uint64{}}
}

func (e *env) clone() *env {
	c := newEnv(e.vars)
	for k, v := range e.bound {
		c.bound[k] = v
	}
	for k, v := range e.back {
		c.back[k] = v
	}
	for k, v := range e.idx {
		c.idx[k] = v
	}
	return c
}

func (e *env) bind(class, n, value string) error {
	switch class {
	case "idx":
		rank, _ := strconv.Atoi(n)
		v, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return err
		}
		if v == 0 {
			return fmt.Errorf("the index <idx:%s> is 0", n)
		}
		for r, x := range e.idx {
			switch {
			case r == rank && x != v:
				return fmt.Errorf("the index <idx:%s> was %d and is %d now", n, x, v)
			case r < rank && x >= v:
				return fmt.Errorf("the index %d <idx:%s> should be above %d <idx:%d>", v, n, x, r)
			case r > rank && x <= v:
				return fmt.Errorf("the index %d <idx:%s> should be below %d <idx:%d>", v, n, x, r)
			}
		}
		e.idx[rank] = v
	case "uuid":
		sym := "<uuid:" + n + ">"
		if old, ok := e.bound[sym]; ok && old != value {
			return fmt.Errorf("%s was %s and is %s now", sym, old, value)
		}
		if old, ok := e.back[value]; ok && old != sym {
			return fmt.Errorf("the value %s stands for %s and for %s", value, old, sym)
		}
		e.bound[sym], e.back[value] = value, sym
	case "time":
		sym := "<time:" + n + ">"
		if old, ok := e.bound[sym]; ok && old != value {
			return fmt.Errorf("%s was %s and is %s now", sym, old, value)
		}
		e.bound[sym] = value
	}
	return nil
}

// str compares one recorded text with the one that came.
func (e *env) str(want, got string, prose bool) error {
	if prose {
		got = nameRE.ReplaceAllString(got, "consul")
	}
	locs := symRE.FindAllStringSubmatchIndex(want, -1)
	plain := func(s string) string {
		if prose {
			s = nameRE.ReplaceAllString(s, "consul")
		}
		return s
	}
	if len(locs) == 0 {
		if plain(want) != got {
			return fmt.Errorf("want %q, got %q", clip(want), clip(got))
		}
		return nil
	}
	var re strings.Builder
	type group struct{ class, n string }
	var groups []group
	re.WriteString(`(?s)\A`)
	at := 0
	for _, l := range locs {
		re.WriteString(regexp.QuoteMeta(plain(want[at:l[0]])))
		at = l[1]
		sym := want[l[0]:l[1]]
		switch {
		case strings.HasPrefix(sym, "${"):
			v, ok := e.vars[sym[2:len(sym)-1]]
			if !ok {
				v = sym
			}
			re.WriteString(regexp.QuoteMeta(plain(v)))
		case l[2] >= 0:
			class, n := want[l[2]:l[3]], want[l[4]:l[5]]
			re.WriteString("(" + symPattern[class] + ")")
			groups = append(groups, group{class, n})
		default:
			re.WriteString("(?:" + symPattern[want[l[6]:l[7]]] + ")")
		}
	}
	re.WriteString(regexp.QuoteMeta(plain(want[at:])))
	re.WriteString(`\z`)
	rx, err := regexp.Compile(re.String())
	if err != nil {
		return err
	}
	m := rx.FindStringSubmatch(got)
	if m == nil {
		return fmt.Errorf("want %q, got %q", clip(want), clip(got))
	}
	for i, g := range groups {
		if err := e.bind(g.class, g.n, m[i+1]); err != nil {
			return err
		}
	}
	return nil
}
