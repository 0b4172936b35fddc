package ops_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

// wantError compares an error's text, "" for none.
func wantError(t *testing.T, what string, err error, text string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != text {
		t.Errorf("%s: error %q, want %q", what, got, text)
	}
}

func TestSessionCreateRefuses(t *testing.T) {
	_, o := newTown(t, acl.AllowAll{})
	for _, c := range []struct {
		s    model.Session
		text string
	}{
		{model.Session{}, "Must provide Node"},
		{model.Session{Node: "none"}, "Missing node registration"},
		{model.Session{Node: "n1", NodeChecks: []string{"nocheck"}}, "Missing check 'nocheck' registration"},
		{model.Session{Node: "n1", Checks: []string{"nocheck"}}, "Missing check 'nocheck' registration"},
		{model.Session{Node: "n1", ServiceChecks: []model.ServiceCheck{{ID: "nocheck"}}}, "Missing check 'nocheck' registration"},
		{model.Session{Node: "n1", NodeChecks: []string{"bad"}}, "Check 'bad' is in critical state"},
		{model.Session{Node: "n1", Behavior: "x"}, "Invalid Behavior setting 'x'"},
		{model.Session{Node: "n1", TTL: "abc"}, `Session TTL 'abc' invalid: time: invalid duration "abc"`},
		{model.Session{Node: "n1", TTL: "1s"}, "Invalid Session TTL '1000000000', must be between [10s=24h0m0s]"},
		{model.Session{Node: "n1", TTL: "-1s"}, "Invalid Session TTL '-1000000000', must be between [10s=24h0m0s]"},
		{model.Session{Node: "n1", TTL: "9.999s"}, "Invalid Session TTL '9999000000', must be between [10s=24h0m0s]"},
		{model.Session{Node: "n1", TTL: "24h1ns"}, "Invalid Session TTL '86400000000001', must be between [10s=24h0m0s]"},
		{model.Session{Node: "n1", TTL: "10s"}, ""},
		{model.Session{Node: "n1", TTL: "24h"}, ""},
		{model.Session{Node: "n1", TTL: "0s"}, ""},
		{model.Session{Node: "n1", NodeChecks: []string{"web-check"}, Behavior: "delete"}, ""},
	} {
		if err := o.Register(t.Context(), "", &model.RegisterRequest{Node: "n1", Address: "x",
			Check: &model.HealthCheck{CheckID: "bad", Status: model.HealthCritical}}); err != nil {
			t.Fatal(err)
		}
		id, err := o.SessionCreate(t.Context(), "", &c.s)
		wantError(t, fmt.Sprintf("%+v", c.s), err, c.text)
		if (id == "") != (err != nil) {
			t.Errorf("%+v: ID %q, %v", c.s, id, err)
		}
	}
}

func TestSessionCreateFillsIn(t *testing.T) {
	l, o := newTown(t, acl.AllowAll{})
	id, err := o.SessionCreate(t.Context(), "", &model.Session{Node: "N1", LockDelay: time.Hour,
		NodeChecks: []string{"web-check"}, Checks: []string{"db-check"}})
	if err != nil {
		t.Fatal(err)
	}
	_, s := l.Store.Current().Session(id)
	if s == nil || s.Node != "n1" || s.LockDelay != time.Minute || s.Behavior != model.SessionsRelease ||
		fmt.Sprint(s.NodeChecks) != "[web-check db-check]" || s.Checks != nil {
		t.Errorf("%+v", s)
	}
	again, err := o.SessionCreate(t.Context(), "", &model.Session{Node: "n1"})
	if err != nil || again == id {
		t.Errorf("a second session: %q after %q, %v", again, id, err)
	}
}

func TestSessionIDs(t *testing.T) {
	const short = "failed session lookup: index error: UUID must be 36 characters"
	_, o := newTown(t, acl.AllowAll{})
	lookups := map[string]func(id string) error{
		"destroy": func(id string) error { return o.SessionDestroy(t.Context(), "", id) },
		"renew":   func(id string) error { _, err := o.SessionRenew(t.Context(), "", id); return err },
		"info": func(id string) error {
			_, _, err := ops.Ask(t.Context(), o, nil, &ops.Query{}, o.SessionInfo(id), plain)
			return err
		},
		"txn": func(id string) error {
			resp, err := o.Txn(t.Context(), &ops.Query{}, &model.Txn{Ops: []model.TxnOp{{Session: &model.TxnSession{Verb: model.VerbDelete,
				Session: model.Session{ID: id}}}}})
			if err == nil && len(resp.Errors) > 0 {
				return model.Errorf(model.Internal, "%s", resp.Errors[0].What)
			}
			return err
		},
	}
	for name, lookup := range lookups {
		wantError(t, name, lookup("nonsense"), short)
		odd := strings.Repeat("x", 36)
		wantError(t, name, lookup(odd), `failed session lookup: index error: UUID "`+odd+`" is not of the form 8-4-4-4-12 hexadecimal digits`)
		wantError(t, name, lookup("44444444-4444-4444-4444-444444444444"), "") // not there
	}
	wantError(t, "destroy", o.SessionDestroy(t.Context(), "", ""), "Must provide ID")
	for name, lookup := range lookups { // the last ones end it
		if name != "destroy" && name != "txn" {
			wantError(t, name, lookup(sessionID), "")
		}
	}
	wantError(t, "destroy", lookups["destroy"](sessionID), "")
	if s, err := o.SessionRenew(t.Context(), "", sessionID); s != nil || err != nil {
		t.Errorf("renewed %+v, %v", s, err)
	}
}

// Renewing begins the time anew, where that is counted, and needs a leader.
func TestSessionRenew(t *testing.T) {
	r := newReign()
	var renewed []string
	ending := false
	o := r.Ops(acl.Open{}, func(c *ops.Config) {
		c.Renewed = func(s *model.Session) bool {
			renewed = append(renewed, s.ID)
			return !ending
		}
	})
	r.Apply(t, model.CmdRegister, &model.RegisterRequest{Node: "n1", Address: "x"})
	id, err := o.SessionCreate(t.Context(), "", &model.Session{Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := o.SessionRenew(t.Context(), "", id); err != nil || s.ID != id || len(renewed) != 1 || len(r.confirmed) != 1 {
		t.Errorf("renewed %v, %v, confirmed %v", renewed, err, r.confirmed)
	}
	ending = true
	if s, err := o.SessionRenew(t.Context(), "", id); err != nil || s != nil {
		t.Errorf("renewed %+v, %v, though it is being ended", s, err)
	}
	r.err, renewed = model.ErrNotLeader, nil
	if _, err := o.SessionRenew(t.Context(), "", id); model.KindOf(err) != model.NotLeader || renewed != nil {
		t.Errorf("renewed %v, %v by a server that does not lead", renewed, err)
	}
}

// A key whose lock ended with its session cannot be locked for a while, by
// whatever the session ended and whatever became of the key. One that was
// given back can.
func TestLockDelay(t *testing.T) {
	const delay = 15 * time.Second
	ends := map[string]func(t *testing.T, l *opstest.Log, o *ops.Ops, id string){
		"destroy": func(t *testing.T, _ *opstest.Log, o *ops.Ops, id string) {
			wantError(t, "destroy", o.SessionDestroy(t.Context(), "", id), "")
		},
		"transaction": func(t *testing.T, _ *opstest.Log, o *ops.Ops, id string) {
			if _, err := o.Txn(t.Context(), &ops.Query{}, &model.Txn{Ops: []model.TxnOp{{Session: &model.TxnSession{Verb: model.VerbDelete,
				Session: model.Session{ID: id}}}}}); err != nil {
				t.Error(err)
			}
		},
		"critical check": func(t *testing.T, _ *opstest.Log, o *ops.Ops, _ string) {
			wantError(t, "register", o.Register(t.Context(), "", &model.RegisterRequest{Node: "n1", Address: "x",
				Check: &model.HealthCheck{CheckID: "web-check", ServiceID: "web1", Status: model.HealthCritical}}), "")
		},
		"check gone": func(t *testing.T, _ *opstest.Log, o *ops.Ops, _ string) {
			wantError(t, "deregister", o.Deregister(t.Context(), "", &model.DeregisterRequest{Node: "n1", CheckID: "web-check"}), "")
		},
		"node gone": func(t *testing.T, _ *opstest.Log, o *ops.Ops, _ string) {
			wantError(t, "deregister", o.Deregister(t.Context(), "", &model.DeregisterRequest{Node: "n1"}), "")
		},
	}
	lock := func(t *testing.T, o *ops.Ops, id string) bool {
		t.Helper()
		done, err := o.KVApply(t.Context(), "", &model.KVCommand{Op: model.KVLock, DirEnt: model.KVPair{Key: "lock", Session: id}})
		if err != nil {
			t.Error(err)
		}
		return done
	}
	session := func(t *testing.T, o *ops.Ops, s model.Session) string {
		t.Helper()
		id, err := o.SessionCreate(t.Context(), "", &s)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for how, end := range ends {
		for _, behavior := range []string{model.SessionsRelease, model.SessionsDelete} {
			t.Run(how+" "+behavior, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, o := newTown(t, acl.AllowAll{})
					first := session(t, o, model.Session{Node: "n1", NodeChecks: []string{"web-check"}, LockDelay: delay, Behavior: behavior})
					second := session(t, o, model.Session{Node: "n2"})
					if !lock(t, o, first) || lock(t, o, second) {
						t.Fatal("the lock is not the first session's")
					}
					end(t, l, o, first)
					if lock(t, o, second) {
						t.Error("locked at once")
					}
					time.Sleep(delay - time.Nanosecond)
					if lock(t, o, second) {
						t.Error("locked within the delay")
					}
					resp, err := o.Txn(t.Context(), &ops.Query{}, &model.Txn{Ops: []model.TxnOp{{KV: &model.TxnKV{Verb: model.KVLock,
						DirEnt: model.KVPair{Key: "lock", Session: second}}}}})
					if err != nil || len(resp.Errors) != 1 || resp.Errors[0].What != `failed to lock key "lock" due to lock delay` {
						t.Errorf("transaction: %+v, %v", resp, err)
					}
					time.Sleep(time.Nanosecond)
					if !lock(t, o, second) {
						t.Error("not locked after the delay")
					}
				})
			})
		}
	}
	t.Run("given back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, o := newTown(t, acl.AllowAll{})
			first, second := session(t, o, model.Session{Node: "n1", LockDelay: delay}), session(t, o, model.Session{Node: "n2"})
			lock(t, o, first)
			if done, err := o.KVApply(t.Context(), "", &model.KVCommand{Op: model.KVUnlock,
				DirEnt: model.KVPair{Key: "lock", Session: first}}); !done || err != nil {
				t.Fatal(done, err)
			}
			if !lock(t, o, second) {
				t.Error("not locked")
			}
		})
	})
	t.Run("no delay", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, o := newTown(t, acl.AllowAll{})
			first, second := session(t, o, model.Session{Node: "n1"}), session(t, o, model.Session{Node: "n2"})
			lock(t, o, first)
			ends["destroy"](t, l, o, first)
			if !lock(t, o, second) {
				t.Error("not locked")
			}
		})
	})
}

// A session that ends after its lock-delay was looked at, and before the lock is
// applied, delays it all the same; any other change does not.
func TestLockDelayBeginsMeanwhile(t *testing.T) {
	for _, behavior := range []string{model.SessionsRelease, model.SessionsDelete} {
		synctest.Test(t, func(t *testing.T) {
			l, o := newTown(t, acl.AllowAll{})
			var ids [2]string
			for i := range ids {
				var err error
				if ids[i], err = o.SessionCreate(t.Context(), "", &model.Session{Node: "n1", LockDelay: time.Second, Behavior: behavior}); err != nil {
					t.Fatal(err)
				}
			}
			lock := func(id string, meanwhile func()) bool {
				l.SetPropose(func() error {
					l.SetPropose(nil)
					meanwhile()
					return nil
				})
				done, err := o.KVApply(t.Context(), "", &model.KVCommand{Op: model.KVLock, DirEnt: model.KVPair{Key: "lock", Session: id}})
				if err != nil {
					t.Error(err)
				}
				return done
			}
			if !lock(ids[0], func() { set(t, l, "lock", "v") }) {
				t.Error("not locked because somebody wrote meanwhile")
			}
			end := func() {
				l.Apply(t, model.CmdSession, &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: ids[0]}})
			}
			if lock(ids[1], end) {
				t.Error("locked although a lock-delay began meanwhile")
			}
			time.Sleep(time.Second)
			if !lock(ids[1], func() {}) {
				t.Error("not locked after the delay")
			}
		})
	}
}

// Many keys in their delay are not remembered for ever.
func TestLockDelaysAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, o := newTown(t, acl.AllowAll{})
		for round := range 3 {
			id, err := o.SessionCreate(t.Context(), "", &model.Session{Node: "n1", LockDelay: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 1000 {
				if _, err := o.KVApply(t.Context(), "", &model.KVCommand{Op: model.KVLock,
					DirEnt: model.KVPair{Key: fmt.Sprintf("%d-%d", round, i), Session: id}}); err != nil {
					t.Fatal(err)
				}
			}
			wantError(t, "destroy", o.SessionDestroy(t.Context(), "", id), "")
			if n := o.LockDelays(); n != 1000 {
				t.Errorf("%d delays are remembered in round %d, want 1000", n, round)
			}
			time.Sleep(2 * time.Second)
		}
	})
}
