package httpd

import (
	"fmt"
	"slices"
	"strings"

	"muster/relay"
)

// Route describes a row of the API to people.
type Route struct {
	Method, Path string // a path that ends in "/" takes everything below it
	RunsOn       string // "the agent", "a server" or "the leader"
	Guard        string // what a token needs
	Blocking     bool   // takes ?index and ?wait
	Built        bool   // false: answers 501
}

// Routes are the rows of the API, sorted by path.
func Routes() []Route {
	var out []Route
	for _, r := range routes() {
		out = append(out, Route{Method: r.method, Path: r.path, RunsOn: placeName(r.place), Guard: r.rule.String(),
			Blocking: r.blocking, Built: r.handle != nil})
	}
	slices.SortStableFunc(out, func(a, b Route) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func placeName(p relay.Place) string {
	switch p {
	case relay.Server:
		return "a server"
	case relay.Leader:
		return "the leader"
	}
	return "the agent"
}

func (r rule) String() string {
	switch r.kind {
	case needs:
		return fmt.Sprintf("`%s:%s`", r.resource, r.access)
	case filters:
		return fmt.Sprintf("left out without `%s:%s`", r.resource, r.access)
	case everybody:
		return "nothing"
	case itself:
		return "the token itself"
	}
	return "undecided"
}
