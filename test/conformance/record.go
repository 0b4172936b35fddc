package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// The response headers that are recorded where Consul sends them.
var watchedHeaders = []string{"Content-Type", "Allow", "Location", "X-Consul-Index", "X-Consul-Knownleader",
	"X-Consul-Lastcontact", "X-Consul-Effective-Consistency", "X-Consul-Contenthash", "X-Consul-Translate-Addresses",
	"X-Cache", "Age", "Cache-Control", "Www-Authenticate", "Content-Security-Policy",
	"X-Content-Type-Options", "Access-Control-Allow-Origin", "X-Test-Header"}

// recorder turns the results of a run into expectation text.
type recorder struct {
	w       *world
	literal string // the scenario's own text
	version []string
	uuids   map[string]int
	times   map[string]int
	idx     map[uint64]bool
	rank    map[uint64]int // nil during the first pass
	noidx   bool           // indexes of the step at hand are not compared
	known   *env           // where set, symbols are taken from these bindings
}

func newRecorder(w *world, version []string) *recorder {
	return &recorder{w: w, literal: w.sc.inputs() + rootToken, version: version,
		uuids: map[string]int{}, times: map[string]int{}, idx: map[uint64]bool{}}
}

// finish ends the first pass: from now on indexes are written as ranks.
func (r *recorder) finish() {
	var all []uint64
	for v := range r.idx {
		all = append(all, v)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	r.rank = map[uint64]int{}
	for i, v := range all {
		r.rank[v] = i + 1
	}
	r.uuids, r.times = map[string]int{}, map[string]int{}
}

func (r *recorder) index(s string) string {
	if r.noidx {
		return "<num>"
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil || v == 0 {
		return s
	}
	if r.known != nil {
		for rank, x := range r.known.idx {
			if x == v {
				return fmt.Sprintf("<idx:%d>", rank)
			}
		}
		return fmt.Sprintf("<idx:? %d>", v)
	}
	r.idx[v] = true
	return fmt.Sprintf("<idx:%d>", r.rank[v])
}

// text replaces what differs from run to run by symbols. The order matters:
// the longer forms go first.
func (r *recorder) text(s string, cli bool) string {
	s = pemRE.ReplaceAllString(s, "<pem>")
	s = strings.ReplaceAll(s, r.w.dir, "${dir}")
	s = timeRE.ReplaceAllStringFunc(s, r.time)
	s = uuidRE.ReplaceAllStringFunc(s, r.uuid)
	s = portRE.ReplaceAllStringFunc(s, func(p string) string {
		if name := r.portName(p); name != "" {
			return "${" + name + "}"
		}
		return p
	})
	for _, v := range r.version {
		s = strings.ReplaceAll(s, v, "<ver>")
	}
	s = durRE.ReplaceAllStringFunc(s, r.unlessLiteral("<dur>"))
	s = hexRE.ReplaceAllStringFunc(s, r.unlessLiteral("<hex>"))
	s = r.indexesAfter(errIdx, s)
	if cli {
		s = r.indexesAfter(cliIdx, s)
	}
	return s
}

func (r *recorder) time(t string) string {
	if strings.Contains(r.literal, t) || strings.HasPrefix(t, "0001-01-01") {
		return t
	}
	if r.known != nil {
		for sym, v := range r.known.bound {
			if v == t {
				return sym
			}
		}
		return t
	}
	return number("time", r.times, t)
}

func (r *recorder) uuid(u string) string {
	if strings.Contains(r.literal, u) || strings.HasPrefix(u, "00000000-0000-0000-0000-0000") {
		return u
	}
	if r.known != nil {
		if sym, ok := r.known.back[u]; ok {
			return sym
		}
		return u
	}
	return number("uuid", r.uuids, u)
}

// number gives a value the next free number of its class, or the one it has.
func number(class string, seen map[string]int, v string) string {
	if seen[v] == 0 {
		seen[v] = len(seen) + 1
	}
	return fmt.Sprintf("<%s:%d>", class, seen[v])
}

// unlessLiteral replaces by sym what the scenario does not spell out itself.
func (r *recorder) unlessLiteral(sym string) func(string) string {
	return func(s string) string {
		if strings.Contains(r.literal, s) {
			return s
		}
		return sym
	}
}

// indexesAfter writes the index that re's second group matches as a symbol.
func (r *recorder) indexesAfter(re *regexp.Regexp, s string) string {
	return re.ReplaceAllStringFunc(s, func(m string) string {
		p := re.FindStringSubmatch(m)
		return p[1] + r.index(p[2])
	})
}

func (r *recorder) portName(p string) string {
	for _, a := range r.w.agents {
		for name, n := range a.Ports {
			if strconv.Itoa(n) == p {
				return a.Name + "." + name
			}
		}
	}
	if r.w.dummy != nil {
		for name, n := range r.w.dummy.ports {
			if strconv.Itoa(n) == p {
				return "dummy." + name
			}
		}
	}
	return ""
}

func (r *recorder) json(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, k := range sortedKeys(v) {
			out[r.text(k, false)] = r.json(k, v[k])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.json(key, v[i])
		}
		return out
	case string:
		switch {
		case v == "":
		case key == "ContentHash", key == "SerialNumber", key == "SigningKeyID", key == ".SerialNumber":
			return "<hex>"
		case key == "Hash": // of an ACL object
			return "<any>"
		}
		return r.text(v, false)
	case json.Number:
		k := key
		if i := strings.LastIndexAny(k, ".]"); i >= 0 {
			k = k[i+1:]
		}
		if idxKey.MatchString(k) {
			if s := r.index(v.String()); s != v.String() {
				return s
			}
			return v
		}
		if name := r.portName(v.String()); name != "" {
			return "${" + name + "}"
		}
		return v
	}
	return v
}

// expectation renders a result as the lines of a scenario file.
func (r *recorder) expectation(st *step, res *result) []string {
	if res.kind == kindNone {
		return nil
	}
	r.noidx = st.has("noindex")
	status := res.statusLine()
	if res.kind == kindCLI || res.kind == kindHTTP {
		if _, isJSON := view(st, res); isJSON && !st.has("only-status") {
			status += " json"
		}
	}
	out := []string{"=> " + status}
	switch {
	case st.has("only-status"):
		return out
	case res.kind == kindDNS:
		return append(out, r.dns(st, res)...)
	case res.kind == kindHTTP:
		out = append(out, r.headers(st, res)...)
	}
	if !st.has("match") && !st.has("nobody") {
		out = append(out, r.output(st, res)...)
	}
	if res.kind == kindCLI && !st.has("matcherr") && !st.has("nostderr") {
		out = append(out, quoteLines("!", r.text(head(st, string(res.stderr)), true))...)
	}
	return out
}

func (r *recorder) headers(st *step, res *result) []string {
	var names []string
	for _, l := range st.directives("headers") { // further ones that the step asks for
		names = append(names, strings.Fields(l)...)
	}
	var out []string
	for _, h := range append(names, watchedHeaders...) {
		v := res.header.Get(h)
		if v == "" {
			continue
		}
		switch h {
		case "X-Consul-Index":
			v = r.index(v)
		case "X-Consul-Lastcontact", "Age":
			v = "<num>"
		case "X-Consul-Contenthash":
			v = "<hex>"
		default:
			v = r.text(v, false)
		}
		out = append(out, "=> "+h+": "+v)
	}
	return out
}

func (r *recorder) dns(st *step, res *result) []string {
	if st.has("counts") {
		return []string{"| " + dnsCounts(res.msg)}
	}
	_, lines := renderDNS(res.msg)
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "| " + r.text(l, false)
	}
	return out
}

func (r *recorder) output(st *step, res *result) []string {
	if doc, ok := view(st, res); ok {
		lines := strings.Split(renderJSON(r.json("", doc)), "\n")
		for i, l := range lines {
			lines[i] = "| " + l
		}
		return lines
	}
	body := string(res.body)
	if st.has("table") {
		body = squeeze(body)
	}
	return quoteLines("|", r.text(head(st, body), res.kind == kindCLI))
}
