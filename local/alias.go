package local

import (
	"maps"
	"slices"
	"strings"

	"muster/check"
	"muster/model"
)

// mirrorsHere tells whether an alias check is about this very node. Those need
// no reader of their own: they are looked at whenever something changes.
func (e *entry) mirrorsHere(node string) bool {
	return e.def != nil && e.def.Kind() == model.CheckAlias && (e.def.AliasNode == "" || strings.EqualFold(e.def.AliasNode, node))
}

// refreshAliases brings the checks that mirror this node up to date. Mirrors
// of mirrors take further rounds; a circle of them comes to rest, because a
// round in which nothing changes is the last.
func (a *Agent) refreshAliases() {
	for range len(a.aliases) + 1 {
		changed := false
		for _, e := range a.aliases {
			if status, output := a.mirrored(e); a.setStatus(e, status, output) {
				changed = true
			}
		}
		if !changed {
			return
		}
	}
}

// mirrored is what a check about this node should say: about a service, or
// about the node, whose checks count for both.
func (a *Agent) mirrored(e *entry) (status, output string) {
	id := e.def.AliasService
	h := check.Health{Found: true}
	sources := []map[string]*entry{a.nodeChecks}
	if id != "" {
		s := a.services[id]
		if s == nil {
			return check.Mirrored(a.cfg.NodeName, id, check.Health{})
		}
		sources = append(sources, s.checks)
	}
	for _, checks := range sources {
		for _, other := range slices.Sorted(maps.Keys(checks)) {
			if c := checks[other]; c != e {
				h.Checks = append(h.Checks, c.hc)
			}
		}
	}
	return check.Mirrored(a.cfg.NodeName, id, h)
}
