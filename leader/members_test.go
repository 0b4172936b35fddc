package leader

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/gossip"
	"muster/model"
)

// IDs of nodes.
const (
	idA = "aaaaaaaa-0000-4000-8000-000000000000"
	idB = "bbbbbbbb-0000-4000-8000-000000000000"
)

// memberBench is a leader called "self" that brings members into the catalog.
type memberBench struct {
	*fakeLog
	t    *testing.T
	pool *fakePool
	duty *Members
}

func newMemberBench(t *testing.T) *memberBench {
	b := &memberBench{fakeLog: newLog(), t: t, pool: &fakePool{}}
	b.duty = NewMembers(b.fakeLog, b.store, b.pool, "dc1", hclog.NewNullLogger())
	self := member("self", "eeeeeeee-0000-4000-8000-000000000000", "10.0.0.1")
	self.Tags["role"], self.Tags["port"], self.Tags["build"], self.Tags["raft_vsn"] = "consul", "8300", "1.2.3:abcdef", "3"
	b.pool.set(self)
	return b
}

func (b *memberBench) start() {
	b.begin(b.t, b.duty)
	synctest.Wait()
}

func member(name, id, addr string) gossip.Member {
	return gossip.Member{Name: name, Addr: addr, Status: gossip.StatusAlive,
		Tags: map[string]string{"role": "node", "dc": "dc1", "id": id}}
}

func with(m gossip.Member, status gossip.Status) gossip.Member {
	m.Status = status
	return m
}

// hear tells the duty of a change, and waits for what it does.
func (b *memberBench) hear(m gossip.Member) {
	b.pool.set(m)
	b.changed()
}

func (b *memberBench) changed() {
	b.duty.Changed()
	synctest.Wait()
}

func (b *memberBench) node(name string) *model.Node { return b.store.Current().Node(name) }

// expect checks the serfHealth of a node; "" is that it is not there.
func (b *memberBench) expect(name, status string) {
	b.t.Helper()
	synctest.Wait()
	check := b.store.Current().Check(name, model.SerfHealthID)
	switch {
	case check == nil && (status != "" || b.node(name) != nil):
		b.t.Errorf("%s has no check, its node is %v, want %s", name, b.node(name), status)
	case check != nil && check.Status != status:
		b.t.Errorf("%s is %s, want %s", name, check.Status, status)
	}
}

// quiet checks that nothing is proposed for some minutes.
func (b *memberBench) quiet() {
	b.t.Helper()
	b.takeProposals()
	for range 10 {
		b.changed()
		time.Sleep(reconcileEvery / 2)
	}
	if p := b.takeProposals(); len(p) > 0 {
		b.t.Errorf("proposals %v although nothing has changed", p)
	}
}

// selfRegistration is what an agent tells of itself.
func selfRegistration(name, id, addr string) *model.RegisterRequest {
	return &model.RegisterRequest{Datacenter: "dc1", ID: id, Node: name, Address: addr,
		TaggedAddresses: map[string]string{"lan": addr, "wan": "192.0.2.1"}, NodeMeta: map[string]string{"rack": "r7"},
		Service: &model.NodeService{ID: "web", Service: "web", Port: 80}}
}

func (b *memberBench) expectOwn(name, id, addr string) {
	b.t.Helper()
	n := b.node(name)
	if n == nil || n.ID != id || n.Address != addr || n.TaggedAddresses["lan"] != addr || n.Meta["rack"] != "r7" {
		b.t.Errorf("the node is %+v, want what its agent told", n)
	}
}

func TestMembersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		b.expect("self", model.HealthPassing)
		if !slices.Equal(b.pool.announced, []string{"self"}) {
			t.Errorf("announced as leader: %v", b.pool.announced)
		}
		want := &model.NodeService{ID: "consul", Service: "consul", Port: 8300, Tags: []string{},
			Meta:    map[string]string{"version": "1.2.3", "raft_version": "3"},
			Weights: &model.Weights{Passing: 1, Warning: 1}}
		if s := b.store.Current().Service("self", "consul"); s == nil || !s.Same(want) {
			t.Errorf("the server's service is %+v, want %+v", s, want)
		}
		b.quiet()

		a := member("a", idA, "10.0.0.2")
		b.hear(a)
		b.expect("a", model.HealthPassing)
		if n := b.node("a"); n.ID != idA || n.Address != "10.0.0.2" || n.Datacenter != "dc1" {
			t.Errorf("the node is %+v", n)
		}
		if _, list := b.store.Current().NodeServices("a"); len(list) != 0 {
			t.Errorf("a client has the services %v", list)
		}
		b.quiet()

		b.apply(t, model.CmdRegister, selfRegistration("a", idA, "10.0.0.2"))
		b.apply(t, model.CmdSession, &model.SessionCommand{Op: model.SessionCreate,
			Session: model.Session{ID: sessionID(1), Node: "a", NodeChecks: []string{model.SerfHealthID}}})
		b.quiet()
		b.hear(with(a, gossip.StatusFailed))
		b.expect("a", model.HealthCritical)
		if _, s := b.store.Current().Session(sessionID(1)); s != nil {
			t.Error("a session outlived its node's health")
		}
		b.quiet()
		b.hear(a)
		b.expect("a", model.HealthPassing)
		b.expectOwn("a", idA, "10.0.0.2")

		b.hear(with(a, gossip.StatusLeaving))
		b.expect("a", model.HealthPassing)
		b.hear(with(a, gossip.StatusLeft))
		b.expect("a", "")
		b.quiet()
		b.hear(a)
		b.expect("a", model.HealthPassing)
	})
}

// TestReconcileWithoutEvents: what nobody told of is found within a minute.
func TestReconcileWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		b.pool.set(member("a", idA, "10.0.0.2"))
		time.Sleep(reconcileEvery + 1)
		b.expect("a", model.HealthPassing)
		b.apply(t, model.CmdDeregister, &model.DeregisterRequest{Node: "a", CheckID: model.SerfHealthID})
		time.Sleep(reconcileEvery)
		b.expect("a", model.HealthPassing)
	})
}

func TestLeaderThatLeavesStaysForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		b.hear(with(b.pool.Members()[0], gossip.StatusLeft))
		b.expect("self", model.HealthPassing)
	})
}

func TestForgottenMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		a, z := member("a", idA, "10.0.0.2"), member("Z", idB, "10.0.0.3")
		b.pool.set(a)
		b.pool.set(z)
		// By hand: one without and one with a check of that name, as some do.
		b.apply(t, model.CmdRegister, &model.RegisterRequest{Node: "by-hand", Address: "192.0.2.9",
			Check: &model.HealthCheck{Node: "by-hand", CheckID: "ping", Status: model.HealthPassing}})
		b.start()
		b.expect("a", model.HealthPassing)
		b.pool.remove("a") // pruned
		b.changed()
		b.expect("a", "")
		b.expect("z", model.HealthPassing)

		// A new leader that has not found the others yet.
		b.pool.remove("Z")
		b.lead(2)
		time.Sleep(forgetAfter - 1)
		b.changed()
		b.expect("z", model.HealthPassing)
		b.pool.set(with(z, gossip.StatusFailed)) // found, and lost at once
		b.changed()
		b.expect("z", model.HealthCritical)
		b.pool.remove("Z")
		b.changed()
		b.expect("z", "")

		b.hear(z)
		b.pool.remove("Z")
		b.lead(3)
		time.Sleep(forgetAfter + reconcileEvery)
		b.expect("z", "")
		if b.node("by-hand") == nil {
			t.Error("a node that was registered by hand was taken out")
		}
	})
}

func TestNodesRegisteredByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		for _, r := range []*model.RegisterRequest{
			{Node: "plain", Address: "192.0.2.1"},
			{Node: "other-id", ID: idB, Address: "192.0.2.2"},
		} {
			b.apply(t, model.CmdRegister, r)
			for _, status := range []gossip.Status{gossip.StatusLeft, gossip.StatusNone} {
				b.hear(with(member(r.Node, idA, "10.0.0.2"), status))
				if b.node(r.Node) == nil {
					t.Errorf("%s was taken out because of a member %s", r.Node, status)
				}
			}
		}
		b.hear(with(member("other-id", idA, "10.0.0.2"), gossip.StatusFailed))
		if b.store.Current().Check("other-id", model.SerfHealthID) != nil {
			t.Error("a node got the health of another")
		}
	})
}

func TestAgentMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		b.hear(member("a", idA, "10.0.0.2"))
		b.apply(t, model.CmdRegister, selfRegistration("a", idA, "10.0.0.2"))
		b.hear(member("a", idA, "10.0.0.99"))
		n := b.node("a")
		if n.Address != "10.0.0.99" || n.ID != idA || n.TaggedAddresses["wan"] != "192.0.2.1" || n.Meta["rack"] != "r7" {
			t.Errorf("after the move the node is %+v", n)
		}
		if b.store.Current().Service("a", "web") == nil {
			t.Error("the move cost a service")
		}
		b.quiet()
	})
}

// TestAgentIsBackElsewhere: gossip goes on telling of the address that an agent
// has left, while the agent is registered with its new one. What becomes of the
// old address must not cost the agent its node, its sessions or its address.
func TestAgentIsBackElsewhere(t *testing.T) {
	for _, status := range []gossip.Status{gossip.StatusAlive, gossip.StatusFailed, gossip.StatusLeft} {
		synctest.Test(t, func(t *testing.T) {
			b := newMemberBench(t)
			b.start()
			old := member("a", idA, "10.0.0.2")
			b.hear(old)
			b.apply(t, model.CmdRegister, selfRegistration("a", idA, "10.0.0.99"))
			b.apply(t, model.CmdSession, &model.SessionCommand{Op: model.SessionCreate,
				Session: model.Session{ID: sessionID(1), Node: "a", NodeChecks: []string{model.SerfHealthID}}})
			time.Sleep(lateFor / 4)
			b.hear(with(old, status))
			b.expect("a", model.HealthPassing)
			b.expectOwn("a", idA, "10.0.0.99")
			if _, s := b.store.Current().Session(sessionID(1)); s == nil {
				t.Errorf("the session ended when the old address was %v", status)
			}
			time.Sleep(lateFor / 4)
			now := member("a", idA, "10.0.0.99")
			b.hear(now)
			b.quiet()
			b.expectOwn("a", idA, "10.0.0.99")
			b.hear(with(now, gossip.StatusFailed))
			b.expect("a", model.HealthCritical)
		})
	}
}

// TestAgentWasBackElsewhere: an agent that gossip never hears of at its new
// address is not there.
func TestAgentWasBackElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		left, failed := member("left", idA, "10.0.0.2"), member("failed", idB, "10.0.0.3")
		b.hear(left)
		b.hear(failed)
		b.apply(t, model.CmdRegister, selfRegistration("left", idA, "10.0.0.98"))
		b.apply(t, model.CmdRegister, selfRegistration("failed", idB, "10.0.0.99"))
		b.hear(with(left, gossip.StatusLeft))
		b.hear(with(failed, gossip.StatusFailed))
		b.expect("left", model.HealthPassing)
		b.expect("failed", model.HealthPassing)
		time.Sleep(lateFor + reconcileEvery)
		b.expect("left", "")
		b.expect("failed", model.HealthCritical)
		b.quiet()
	})
}

// TestAgentIsBack: an agent that has left and is back registers itself before gossip
// has heard of it. That it left is no news then.
func TestAgentIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		a := member("a", idA, "10.0.0.2")
		b.hear(a)
		b.expect("a", model.HealthPassing)
		left := with(a, gossip.StatusLeft)
		b.hear(left)
		b.expect("a", "")
		for _, back := range []bool{true, false} {
			b.apply(t, model.CmdRegister, selfRegistration("a", idA, "10.0.0.2"))
			b.hear(member("somebody", idB, "10.0.0.3")) // the members are looked at
			time.Sleep(lateFor / 4)
			b.hear(left)
			if b.node("a") == nil {
				t.Fatal("an agent that is back was taken out because it had left before")
			}
			if !back {
				break
			}
			b.hear(a)
			b.expect("a", model.HealthPassing)
			b.hear(left) // now it is news
			b.expect("a", "")
		}
		time.Sleep(lateFor + reconcileEvery) // gossip has never heard of it again
		b.expect("a", "")
	})
}

// TestAgentTellsMoreMeanwhile: whatever the agent registers between the look at
// the catalog and the proposal stays.
func TestAgentTellsMoreMeanwhile(t *testing.T) {
	for _, test := range []struct {
		name   string
		before *model.RegisterRequest
		at     model.CommandType
	}{
		{"new", nil, model.CmdRegister},
		{"moved", selfRegistration("a", idA, "10.0.0.2"), model.CmdTxn},
		{"back", selfRegistration("a", idA, "10.0.0.99"), model.CmdRegister},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newMemberBench(t)
				if test.before != nil {
					b.apply(t, model.CmdRegister, test.before)
				}
				var armed, fired atomic.Bool
				b.before = func(kind model.CommandType) error {
					if kind == test.at && armed.CompareAndSwap(true, false) {
						fired.Store(true)
						b.apply(t, model.CmdRegister, selfRegistration("a", idA, "10.0.0.99"))
					}
					return nil
				}
				b.start()
				armed.Store(true)
				b.hear(member("a", idA, "10.0.0.99"))
				if !fired.Load() {
					t.Fatal("the leader proposed nothing of that kind")
				}
				time.Sleep(reconcileAgain)
				synctest.Wait()
				b.expect("a", model.HealthPassing)
				b.expectOwn("a", idA, "10.0.0.99")
				b.quiet()
			})
		})
	}
}

func TestNameOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		b.hear(member("a", idA, "10.0.0.2"))
		b.apply(t, model.CmdRegister, selfRegistration("a", idA, "10.0.0.2"))
		b.pool.set(member("a", idB, "10.0.0.3"))
		b.quiet() // refused without bothering the log
		b.expectOwn("a", idA, "10.0.0.2")

		b.apply(t, model.CmdRegister, &model.RegisterRequest{Node: "a", SkipNodeUpdate: true,
			Check: &model.HealthCheck{Node: "a", CheckID: model.SerfHealthID, Status: model.HealthCritical}})
		b.changed()
		b.expect("a", model.HealthPassing)
		if n := b.node("a"); n.ID != idB || n.Address != "10.0.0.3" {
			t.Errorf("after its agent failed, the name is still taken: %+v", n)
		}
		b.quiet()
	})
}

// TestRenamedAgent: the name that an agent had before does not come back and
// fight with the new one.
func TestRenamedAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		b.hear(member("old", idA, "10.0.0.2"))
		b.pool.set(with(member("old", idA, "10.0.0.2"), gossip.StatusFailed))
		b.hear(member("new", idA, "10.0.0.2"))
		b.expect("new", model.HealthPassing)
		b.expect("old", "")
		b.quiet()
		b.expect("new", model.HealthPassing)
		b.hear(with(member("old", idA, "10.0.0.2"), gossip.StatusLeft))
		b.expect("new", model.HealthPassing)
	})
}

// TestNameLikeAnID: nodes can be asked for by the beginning of their ID; a
// member must not be taken for the node whose ID its name begins.
func TestNameLikeAnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.start()
		b.hear(member("a", idA, "10.0.0.2"))
		prefix, _, _ := strings.Cut(idA, "-")
		b.hear(member(prefix, idB, "10.0.0.3"))
		b.expect(prefix, model.HealthPassing)
		if n := b.node(prefix); n.Node != prefix || n.Address != "10.0.0.3" || b.node("a").Address != "10.0.0.2" {
			t.Errorf("the nodes are %+v and %+v", n, b.node("a"))
		}
	})
}

func TestReconcileIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		var failures atomic.Int32
		failures.Store(3)
		b.before = func(model.CommandType) error {
			if failures.Add(-1) >= 0 {
				return errors.New("no quorum")
			}
			return nil
		}
		b.start()
		b.expect("self", "")
		time.Sleep(3*reconcileAgain - 1)
		b.expect("self", "")
		time.Sleep(time.Nanosecond)
		b.expect("self", model.HealthPassing)
		b.quiet()
	})
}

// TestManyMembersAtOnce: a rack that is lost is in the catalog soon.
func TestManyMembersAtOnce(t *testing.T) {
	const n = 500
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		b.latency = 10 * time.Millisecond
		b.start()
		name := func(i int) string { return "n" + sessionID(i) }
		for _, status := range []gossip.Status{gossip.StatusAlive, gossip.StatusFailed} {
			for i := range n {
				b.pool.set(with(member(name(i), sessionID(i), "10.0.0.2"), status))
			}
			b.changed()
			time.Sleep(200 * time.Millisecond)
			want := map[gossip.Status]string{gossip.StatusAlive: model.HealthPassing, gossip.StatusFailed: model.HealthCritical}
			for i := range n {
				b.expect(name(i), want[status])
			}
		}
	})
}
