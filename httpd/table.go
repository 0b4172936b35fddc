package httpd

import (
	"slices"
	"strings"

	"muster/acl"
	"muster/internal/meter"
	"muster/relay"
)

// route is one row of the API.
type route struct {
	method string
	// path is exact, or ends in "/" and then takes everything below it; what
	// lies behind is the call's name.
	path  string
	place relay.Place
	rule  rule
	// handle is nil for what muster knows of and does not do (yet).
	handle func(*call) error
	// takes tells whether the method is there for a name below path; nil: for
	// all.
	takes func(name string) bool

	// dc: an Agent route that takes ?dc nevertheless.
	dc bool
	// agents: a route for other agents only; clients find nothing there.
	agents bool
	// stream: the body or the answer may be long.
	stream bool
	// blocking routes tell an index even when they fail.
	blocking bool
	// stale: what is the leader's to answer, any server may with ?stale.
	stale bool
	// discovery routes tell their consistency, and are stale by default where
	// the configuration says so.
	discovery bool
	// cached routes tell with ?cached whether they were asked before.
	cached bool
	// spare: what was answered last is given while no server can be reached.
	spare bool
	// runsQueries: the answer may depend on the address of who asks.
	runsQueries bool
	// took measures the route's requests, wherever they run. See decorated.
	took *meter.Timer
}

// rule says how a route is guarded.
type rule struct {
	kind     ruleKind
	resource acl.Resource
	access   acl.Access
}

type ruleKind uint8

const (
	// undecided is no rule at all: a test fails for it.
	undecided ruleKind = iota
	// needs: without the permission the request is refused.
	needs
	// filters: what the token may not see is left out.
	filters
	// everybody may ask.
	everybody
	// itself: the token is what is asked about.
	itself
)

func must(r acl.Resource, a acl.Access) rule { return rule{needs, r, a} }
func filtered(r acl.Resource) rule           { return rule{filters, r, acl.Read} }

var public = rule{kind: everybody}

// table finds routes by path and method.
type table struct {
	exact    map[string][]*route
	prefixes map[string][]*route
	deepest  int // slashes in the longest prefix
}

func newTable(rows []route) *table {
	t := &table{exact: map[string][]*route{}, prefixes: map[string][]*route{}}
	for i := range rows {
		r := &rows[i]
		m := t.exact
		if strings.HasSuffix(r.path, "/") {
			m = t.prefixes
			t.deepest = max(t.deepest, strings.Count(r.path, "/"))
		}
		m[r.path] = append(m[r.path], r)
	}
	return t
}

// onlyAgents tells whether a path is there for other agents only.
func (t *table) onlyAgents(path string) bool {
	rows := t.exact[path]
	return len(rows) > 0 && rows[0].agents
}

// find returns the route and what lies behind its prefix; or the methods that
// the path knows.
func (t *table) find(method, path string) (*route, string, []string) {
	rows, name := t.exact[path], ""
	if rows == nil {
		// the longest prefix that is known
		end := 0
		for range t.deepest {
			i := strings.IndexByte(path[end:], '/')
			if i < 0 {
				break
			}
			end += i + 1
			if found := t.prefixes[path[:end]]; found != nil {
				rows, name = found, path[end:]
			}
		}
	}
	var allowed []string
	for _, r := range rows {
		if r.takes != nil && !r.takes(name) {
			continue
		}
		if r.method == method {
			return r, name, nil
		}
		if !slices.Contains(allowed, r.method) {
			allowed = append(allowed, r.method)
		}
	}
	return nil, "", allowed
}
