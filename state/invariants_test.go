package state

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"muster/model"
)

// faults says in what a version contradicts itself: every secondary table must
// hold exactly what follows from the primary ones, and no index may lie.
// Every test of this package that changes data ends with it.
//
// What commands see to, and a snapshot of unknown origin may break, is looked
// at only if rules is set: that things refer to what is there.
func faults(v *Version, rules bool) []string {
	f := &finder{v: v, rules: rules}
	f.nodes()
	f.services()
	f.checks()
	f.sessions()
	f.kv()
	f.queries()
	f.tables()
	return f.found
}

type finder struct {
	v     *Version
	rules bool
	found []string
}

func (f *finder) rule(ok bool, format string, args ...any) {
	f.expect(ok || !f.rules, format, args...)
}

func (f *finder) expect(ok bool, format string, args ...any) {
	if !ok {
		f.found = append(f.found, fmt.Sprintf(format, args...))
	}
}

func (f *finder) raftIndex(what string, i model.RaftIndex) {
	f.rule(i.CreateIndex > 0 && i.CreateIndex <= i.ModifyIndex && i.ModifyIndex <= f.v.applied,
		"%s has indexes %+v, applied is %d", what, i, f.v.applied)
}

// atLeast checks that a table's index covers that of an item.
func (f *finder) atLeast(table string, index uint64, what string) {
	have, _ := f.v.indexes.get(table)
	f.rule(have >= index, "index %d of %q is below %d of %s", have, table, index, what)
}

func (f *finder) nodes() {
	ids := 0
	f.v.nodes.scan("", func(key string, n *model.Node) bool {
		f.expect(key == fold(n.Node), "node %q is stored under %q", n.Node, key)
		f.expect(n.ID == fold(n.ID), "node %q has the ID %q", n.Node, n.ID)
		f.raftIndex("node "+n.Node, n.RaftIndex)
		f.atLeast(tableNodes, n.ModifyIndex, "node "+n.Node)
		if n.ID != "" {
			ids++
			other, ok := f.v.nodeIDs.get(n.ID)
			f.expect(ok && other == n, "node %q is not found by its ID", n.Node)
		}
		return true
	})
	f.expect(f.v.nodeIDs.len() == ids, "%d nodes have IDs, %d are found by one", ids, f.v.nodeIDs.len())
	f.v.coordinates.scan("", func(key string, c *model.Coordinate) bool {
		f.expect(key == key2(fold(c.Node), c.Segment), "coordinate of %q is stored under %q", c.Node, key)
		_, ok := f.v.nodes.get(fold(c.Node))
		f.rule(ok, "coordinate of unknown node %q", c.Node)
		return true
	})
}

func (f *finder) services() {
	named := map[string]bool{}
	f.v.services.scan("", func(key string, i *instance) bool {
		s := i.svc
		what := "service " + s.ID + " on " + i.node
		f.expect(key == key2(i.node, fold(s.ID)), "%s is stored under %q", what, key)
		n, ok := f.v.nodes.get(i.node)
		f.rule(ok, "%s: no such node", what)
		other, ok2 := f.v.names.get(key3(fold(s.Service), i.node, fold(s.ID)))
		f.expect(ok2 && other == i, "%s is not found by its name %q", what, s.Service)
		f.raftIndex(what, s.RaftIndex)
		f.atLeast(tableServices, s.ModifyIndex, what)
		f.atLeast(servicePrefix+fold(s.Service), s.ModifyIndex, what)
		if ok {
			f.atLeast(servicePrefix+fold(s.Service), n.ModifyIndex, "the node of "+what)
			for _, c := range f.v.ChecksOf(i.node, s.ID) {
				f.atLeast(servicePrefix+fold(s.Service), c.ModifyIndex, "check "+c.CheckID+" of "+what)
			}
		}
		named[fold(s.Service)] = true
		return true
	})
	f.expect(f.v.names.len() == f.v.services.len(), "%d instances, %d by name", f.v.services.len(), f.v.names.len())
	f.v.indexes.scan(servicePrefix, func(key string, _ uint64) bool {
		name := key[len(servicePrefix):]
		f.rule(named[name], "%q has an index and no instance", name)
		return true
	})
	for name := range named {
		_, ok := f.v.indexes.get(servicePrefix + name)
		f.rule(ok, "%q has instances and no index", name)
	}
}

func (f *finder) checks() {
	ofService := 0
	f.v.checks.scan("", func(key string, c *model.HealthCheck) bool {
		what := "check " + c.CheckID + " on " + c.Node
		f.expect(key == key2(fold(c.Node), fold(c.CheckID)), "%s is stored under %q", what, key)
		_, ok := f.v.nodes.get(fold(c.Node))
		f.rule(ok, "%s: no such node", what)
		f.rule(c.Status != "", "%s has no status", what)
		other, ok := f.v.states.get(stateKey(c.Status, key))
		f.expect(ok && other == c, "%s is not found by its status %q", what, c.Status)
		if c.ServiceID != "" {
			s := f.v.Service(c.Node, c.ServiceID)
			f.rule(s != nil, "%s: no such service %q", what, c.ServiceID)
			f.rule(s == nil || fold(s.Service) == fold(c.ServiceName), "%s names the service %q", what, c.ServiceName)
		}
		if c.ServiceName != "" {
			ofService++
			other, ok := f.v.svcChecks.get(key2(fold(c.ServiceName), key))
			f.expect(ok && other == c, "%s is not found by its service %q", what, c.ServiceName)
		}
		f.raftIndex(what, c.RaftIndex)
		f.atLeast(tableChecks, c.ModifyIndex, what)
		return true
	})
	f.expect(f.v.states.len() == f.v.checks.len(), "%d checks, %d by status", f.v.checks.len(), f.v.states.len())
	f.expect(f.v.svcChecks.len() == ofService, "%d checks of services, %d by name", ofService, f.v.svcChecks.len())
}

func (f *finder) sessions() {
	byCheck := 0
	f.v.sessions.scan("", func(key string, s *model.Session) bool {
		what := "session " + s.ID
		f.expect(key == s.ID, "%s is stored under %q", what, key)
		_, ok := f.v.nodes.get(fold(s.Node))
		f.rule(ok, "%s: no such node %q", what, s.Node)
		other, ok := f.v.nodeSess.get(key2(fold(s.Node), s.ID))
		f.expect(ok && other == s, "%s is not found by its node", what)
		ids := s.CheckIDs()
		for i, id := range ids {
			ids[i] = fold(id)
			other, ok := f.v.checkSess.get(key3(fold(s.Node), fold(id), s.ID))
			f.expect(ok && other == s, "%s is not found by its check %q", what, id)
			c := f.v.Check(s.Node, id)
			f.rule(c != nil && c.Status != model.HealthCritical, "%s survives its check %q", what, id)
		}
		slices.Sort(ids)
		byCheck += len(slices.Compact(ids))
		f.raftIndex(what, s.RaftIndex)
		f.atLeast(tableSessions, s.ModifyIndex, what)
		return true
	})
	f.expect(f.v.nodeSess.len() == f.v.sessions.len(), "%d sessions, %d by node", f.v.sessions.len(), f.v.nodeSess.len())
	f.expect(f.v.checkSess.len() == byCheck, "%d checks of sessions, %d by check", byCheck, f.v.checkSess.len())
}

func (f *finder) kv() {
	locked := 0
	f.v.kv.scan("", func(key string, p *model.KVPair) bool {
		f.expect(key == p.Key, "key %q is stored under %q", p.Key, key)
		if p.Session != "" {
			locked++
			_, ok := f.v.locks.get(lockKey(p.Session, key))
			f.expect(ok, "lock on %q is not found by its session", key)
			_, ok = f.v.sessions.get(p.Session)
			f.rule(ok, "lock on %q of unknown session %q", key, p.Session)
		}
		f.raftIndex("key "+key, p.RaftIndex)
		f.atLeast(tableKV, p.ModifyIndex, "key "+key)
		return true
	})
	f.expect(f.v.locks.len() == locked, "%d keys are locked, %d by session", locked, f.v.locks.len())
	f.v.tombstones.scan("", func(key string, index uint64) bool {
		f.atLeast(tableTombstones, index, "deletion of "+key)
		f.rule(index > 0, "deletion of %q at 0", key)
		return true
	})
}

func (f *finder) queries() {
	named, templates, bound := 0, 0, 0
	f.v.queries.scan("", func(key string, q *model.PreparedQuery) bool {
		what := "query " + q.ID
		f.expect(key == q.ID && key == fold(key), "%s is stored under %q", what, key)
		switch {
		case q.IsTemplate():
			templates++
			other, ok := f.v.templates.get(fold(q.Name))
			f.expect(ok && other == q, "%s is no template for %q", what, q.Name)
		case q.Name != "":
			named++
			other, ok := f.v.queryNames.get(fold(q.Name))
			f.expect(ok && other == q, "%s is not found by its name %q", what, q.Name)
			_, ok = f.v.templates.get(fold(q.Name))
			f.expect(!ok, "%s shares its name %q with a template", what, q.Name)
		}
		if q.Session != "" {
			bound++
			other, ok := f.v.querySess.get(key2(clean(q.Session), q.ID))
			f.expect(ok && other == q, "%s is not found by its session", what)
			_, ok = f.v.sessions.get(q.Session)
			f.rule(ok, "%s survives its session %q", what, q.Session)
		}
		f.raftIndex(what, q.RaftIndex)
		f.atLeast(tableQueries, q.ModifyIndex, what)
		return true
	})
	f.expect(f.v.queryNames.len() == named, "%d queries with names, %d by name", named, f.v.queryNames.len())
	f.expect(f.v.templates.len() == templates, "%d templates, %d by name", templates, f.v.templates.len())
	f.expect(f.v.querySess.len() == bound, "%d queries of sessions, %d by session", bound, f.v.querySess.len())
}

func (f *finder) tables() {
	f.v.indexes.scan("", func(key string, index uint64) bool {
		f.rule(index > 0 && index <= f.v.applied, "index of %q is %d, applied is %d", key, index, f.v.applied)
		return true
	})
}

// failer is what *testing.T, *rapid.T and *testing.F have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

func checkInvariants(t failer, v *Version) {
	t.Helper()
	if found := faults(v, true); len(found) > 0 {
		t.Fatalf("the tables contradict each other:\n%s", strings.Join(found, "\n"))
	}
}

func persist(t failer, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Snapshot().Persist(&b); err != nil {
		t.Fatalf("persist: %v", err)
	}
	return b.Bytes()
}

// content is a version as bytes, without the index up to which it was applied.
func content(t failer, v *Version) []byte {
	t.Helper()
	w := *v
	w.applied = 0
	var b bytes.Buffer
	if err := (&Snapshot{&w}).Persist(&b); err != nil {
		t.Fatalf("persist: %v", err)
	}
	return b.Bytes()
}

// restored is a new store with the data of a snapshot.
func restored(t failer, snapshot []byte) *Store {
	t.Helper()
	s := New()
	if _, err := s.Restore(bytes.NewReader(snapshot)); err != nil {
		t.Fatalf("restore: %v", err)
	}
	return s
}
