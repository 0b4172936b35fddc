package state

import (
	"fmt"
	"testing"
	"time"

	"muster/model"
)

// withNode is a cluster with the node n1: alive, with the instance web1.
func withNode(t testing.TB) *cluster {
	c := newCluster(t)
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Service: &model.NodeService{ID: "web1", Service: "web"}})
	c.check("n1", model.SerfHealthID, "", model.HealthPassing)
	c.check("n1", "service:web1", "web1", model.HealthWarning)
	return c
}

func TestSessionCreateAndDestroy(t *testing.T) {
	c := withNode(t)
	s := model.Session{ID: "x1", Name: "named", Node: "N1", TTL: "15s", LockDelay: 5 * time.Second, Behavior: model.SessionsDelete,
		NodeChecks: []string{model.SerfHealthID}}
	c.session(s)
	created := c.index
	index, got := c.v().Session("x1")
	s.Node, s.RaftIndex = "n1", model.RaftIndex{CreateIndex: created, ModifyIndex: created}
	expect(t, "session", fmt.Sprintf("%d %+v", index, *got), fmt.Sprintf("%d %+v", created, s))
	c.session(model.Session{ID: "x0", Node: "n1"})
	index, list := c.v().Sessions()
	expect(t, "sessions", fmt.Sprint(index, len(list), list[0].ID, list[1].ID), fmt.Sprint(c.index, 2, "x0", "x1"))
	index, list = c.v().NodeSessions("N1")
	expect(t, "sessions of the node", fmt.Sprint(index, len(list)), fmt.Sprint(c.index, 2))
	_, list = c.v().NodeSessions("n")
	expect(t, "sessions of no node", len(list), 0)

	destroyed := c.destroy("x1")
	index, got = c.v().Session("x1")
	expect(t, "after the end", fmt.Sprint(index, got), fmt.Sprint(destroyed, (*model.Session)(nil)))
	c.destroy("x1") // is no error, and moves no index
	index, _ = c.v().Sessions()
	expect(t, "after nothing ended", index, destroyed)
}

func TestSessionErrors(t *testing.T) {
	c := withNode(t)
	create := func(s model.Session) *model.SessionCommand {
		return &model.SessionCommand{Op: model.SessionCreate, Session: s}
	}
	c.register(&model.RegisterRequest{Node: "ext", Address: "10.0.0.9"})
	c.fails(create(model.Session{Node: "n1"}), "Missing session ID")
	c.fails(create(model.Session{ID: "x1", Node: "none"}), "Missing node registration")
	c.fails(create(model.Session{ID: "x1", Node: "ext", NodeChecks: []string{model.SerfHealthID}}), "Missing check 'serfHealth' registration")
	c.fails(create(model.Session{ID: "x1", Node: "n1", ServiceChecks: []model.ServiceCheck{{ID: "service:none"}}}), "Missing check 'service:none' registration")
	c.check("n1", "disk", "", model.HealthCritical)
	c.fails(create(model.Session{ID: "x1", Node: "n1", NodeChecks: []string{model.SerfHealthID, "disk"}}), "Check 'disk' is in critical state")
	c.session(model.Session{ID: "x1", Node: "ext"})
	c.fails(create(model.Session{ID: "x1", Node: "n1"}), `session ID "x1" is in use`)
	c.fails(&model.SessionCommand{Op: "nonsense"}, `unknown session operation "nonsense"`)
}

// Whatever takes away what a session depends on ends it, and releases its locks.
func TestSessionInvalidation(t *testing.T) {
	session := model.Session{ID: "x1", Node: "n1", NodeChecks: []string{model.SerfHealthID}, ServiceChecks: []model.ServiceCheck{{ID: "service:web1"}}}
	for _, tt := range []struct {
		name  string
		end   any
		lives bool
	}{
		{"check of the node turns critical", &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true,
			Check: &model.HealthCheck{CheckID: "serfhealth", Status: model.HealthCritical}}, false},
		{"check of the service turns critical", &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true,
			Check: &model.HealthCheck{CheckID: "service:web1", ServiceID: "web1", Status: model.HealthCritical}}, false},
		{"check loses its state", &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Check: &model.HealthCheck{CheckID: model.SerfHealthID}}, false},
		{"check is deleted", &model.DeregisterRequest{Node: "n1", CheckID: model.SerfHealthID}, false},
		{"service is deleted", &model.DeregisterRequest{Node: "n1", ServiceID: "web1"}, false},
		{"node is deleted", &model.DeregisterRequest{Node: "N1"}, false},
		{"node is renamed", &model.RegisterRequest{ID: "7f2f4953-0000-0000-0000-000000000001", Node: "n9", Address: "10.0.0.1"}, false},
		{"session is destroyed", &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: "x1"}}, false},
		{"session is destroyed in a transaction", &model.Txn{Ops: []model.TxnOp{{Session: &model.TxnSession{Verb: model.VerbDelete, Session: model.Session{ID: "x1"}}}}}, false},
		{"check of the node warns", &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true,
			Check: &model.HealthCheck{CheckID: model.SerfHealthID, Status: model.HealthWarning}}, true},
		{"another check turns critical", &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true,
			Check: &model.HealthCheck{CheckID: "disk", Status: model.HealthCritical}}, true},
		{"check of that name on another node is deleted", &model.DeregisterRequest{Node: "n2", CheckID: model.SerfHealthID}, true},
		{"another session is destroyed", &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: "x"}}, true},
	} {
		for _, behavior := range []string{model.SessionsRelease, model.SessionsDelete} {
			t.Run(tt.name+" "+behavior, func(t *testing.T) {
				c := withNode(t)
				c.register(&model.RegisterRequest{ID: "7f2f4953-0000-0000-0000-000000000001", Node: "n1", Address: "10.0.0.1"})
				c.register(&model.RegisterRequest{Node: "n2", Address: "10.0.0.2"})
				c.check("n2", model.SerfHealthID, "", model.HealthPassing)
				s := session
				s.Behavior = behavior
				c.session(s)
				c.session(model.Session{ID: "x", Node: "n2"})
				for _, k := range []string{"a", "b"} {
					expect(t, "lock", c.kv(model.KVLock, model.KVPair{Key: k, Value: []byte("v"), Session: "x1"}), true)
				}
				c.kvSet("b", "w") // keeps the lock, counts from 0
				expect(t, "lock", c.kv(model.KVLock, model.KVPair{Key: "free", Value: []byte("v"), Session: "x1"}), true)
				expect(t, "unlock", c.kv(model.KVUnlock, model.KVPair{Key: "free", Value: []byte("v"), Session: "x1"}), true)
				locked := c.index
				var released []Release
				c.s.OnRelease(func(r []Release) { released = append(released, r...) })
				c.do(tt.end)
				_, got := c.v().Session("x1")
				if tt.lives != (got != nil) {
					t.Fatalf("session is %v", got)
				}
				expect(t, "free key", c.pair("free").ModifyIndex, locked)
				if tt.lives {
					expect(t, "holder", c.pair("a").Session, "x1")
					expect(t, "released", len(released), 0)
					return
				}
				expect(t, "index of the sessions", c.v().index(tableSessions), c.index)
				expect(t, "released", len(released), 2)
				for i, k := range []string{"a", "b"} {
					expect(t, "released key", released[i].Key+released[i].Session.ID, k+"x1")
				}
				if behavior == model.SessionsDelete {
					index, p := c.v().KVGet("a")
					expect(t, "deleted key", fmt.Sprint(index, p), fmt.Sprint(c.index, (*model.KVPair)(nil)))
					n, _ := c.v().Tombstones()
					expect(t, "tombstones", n, 2)
					return
				}
				a, b := c.pair("a"), c.pair("b")
				expect(t, "a", fmt.Sprintf("%q %s %d %d", a.Session, a.Value, a.LockIndex, a.ModifyIndex), fmt.Sprintf(`"" v 1 %d`, c.index))
				expect(t, "b", fmt.Sprintf("%q %s %d %d", b.Session, b.Value, b.LockIndex, b.ModifyIndex), fmt.Sprintf(`"" w 0 %d`, c.index))
			})
		}
	}
}

// The waiter of a lock sees it change hands and the count go up.
func TestSessionLockLost(t *testing.T) {
	c := withNode(t)
	c.session(model.Session{ID: "x1", Node: "n1"})
	c.session(model.Session{ID: "x2", Node: "n1"})
	lock := func(session string) any {
		return c.kv(model.KVLock, model.KVPair{Key: "leader", Value: []byte(session), Session: session})
	}
	expect(t, "first", lock("x1"), true)
	w := c.s.Watch(TopicKey("leader"))
	c.destroy("x1")
	if !w.Fired() {
		t.Error("the waiter was not woken")
	}
	expect(t, "value stays", string(c.pair("leader").Value), "x1")
	expect(t, "count stays", c.pair("leader").LockIndex, 1)
	expect(t, "second", lock("x2"), true)
	expect(t, "count goes up", c.pair("leader").LockIndex, 2)
	c.kv(model.KVDelete, model.KVPair{Key: "leader"})
	expect(t, "third", lock("x2"), true)
	expect(t, "a new key counts from 1", c.pair("leader").LockIndex, 1)
}

// Hooks hear of locks that ended with their sessions, once a batch and before
// anybody sees that; voluntary releases are none of their business.
func TestReleaseHooks(t *testing.T) {
	c := withNode(t)
	c.session(model.Session{ID: "x1", Node: "n1"})
	c.session(model.Session{ID: "x2", Node: "n1"})
	var calls [][]Release
	c.s.OnRelease(func(r []Release) {
		_, left := c.v().Sessions()
		expect(t, "sessions when the hook is called", len(left), 2)
		calls = append(calls, r)
	})
	for _, k := range []string{"a", "b"} {
		c.kv(model.KVLock, model.KVPair{Key: k, Session: "x1"})
		c.kv(model.KVUnlock, model.KVPair{Key: k, Session: "x1"})
		c.kv(model.KVLock, model.KVPair{Key: k, Session: "x2"})
	}
	c.kv(model.KVLock, model.KVPair{Key: "c", Session: "x1"})
	c.kv(model.KVDelete, model.KVPair{Key: "b"})
	failing := &model.Txn{Ops: []model.TxnOp{
		{Session: &model.TxnSession{Verb: model.VerbDelete, Session: model.Session{ID: "x1"}}},
		{KV: &model.TxnKV{Verb: model.KVGet, DirEnt: model.KVPair{Key: "none"}}},
	}}
	c.do(failing)
	expect(t, "calls before", len(calls), 0)
	destroy := func(id string) command {
		return command{model.CmdSession, &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: id}}}
	}
	c.batch(destroy("x2"), command{model.CmdTxn, failing}, destroy("x1"))
	expect(t, "calls", len(calls), 1)
	expect(t, "locks", fmt.Sprint(len(calls[0]), calls[0][0].Key, calls[0][1].Key), fmt.Sprint(2, "a", "c"))
}
