package leader

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/gossip"
	"muster/model"
)

// agents are who answers when members are asked: their IDs by name.
type agents struct {
	mu sync.Mutex
	id map[string]string
}

func (a *agents) answer(_ context.Context, name string) (id string, here bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, here = a.id[name]
	return id, here
}

// newAskingBench is a bench of the members where these agents answer.
func newAskingBench(t *testing.T, id map[string]string) (*memberBench, *agents) {
	b, there := newMemberBench(t), &agents{id: id}
	b.pool.answer = there.answer
	b.start()
	return b, there
}

func (a *agents) end(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.id, name)
}

// TestStaleLeave: gossip passes on that an agent has left from somebody who has not
// heard that it is back. It keeps its node and its sessions until it is gone.
func TestStaleLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, there := newAskingBench(t, map[string]string{"a": idA})
		a := member("a", idA, "10.0.0.2")
		b.hear(a)
		b.apply(t, model.CmdRegister, selfRegistration("a", idA, "10.0.0.2"))
		b.apply(t, model.CmdSession, &model.SessionCommand{Op: model.SessionCreate,
			Session: model.Session{ID: sessionID(1), Node: "a", NodeChecks: []string{model.SerfHealthID}}})
		b.takeProposals()
		b.hear(with(a, gossip.StatusLeft))
		time.Sleep(2 * reconcileEvery) // the others never hear that it is there
		b.hear(a)
		if p := b.takeProposals(); len(p) > 0 {
			t.Errorf("proposals %v about an agent that is there", p)
		}
		b.expectOwn("a", idA, "10.0.0.2")
		if _, s := b.store.Current().Session(sessionID(1)); s == nil {
			t.Error("its session ended")
		}

		// It really leaves: what it has said before does not count.
		there.end("a")
		b.hear(with(a, gossip.StatusLeft))
		b.expect("a", "")
		if _, s := b.store.Current().Session(sessionID(1)); s != nil {
			t.Error("its session outlived it")
		}
	})
}

// TestStaleLeaveEnds: an agent that says that it is there, and is gone soon after,
// as one does that is about to leave, is out a few seconds later.
func TestStaleLeaveEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, there := newAskingBench(t, map[string]string{"a": idA})
		b.hear(member("a", idA, "10.0.0.2"))
		b.hear(with(member("a", idA, "10.0.0.2"), gossip.StatusLeft))
		b.expect("a", model.HealthPassing)
		there.end("a")
		time.Sleep(answerKept)
		b.expect("a", "")
	})
}

// TestAnotherAnswers: the agent that has a member's name by now does not keep the
// node of the one that left.
func TestAnotherAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newAskingBench(t, map[string]string{"a": idB})
		b.hear(member("a", idA, "10.0.0.2"))
		b.hear(with(member("a", idA, "10.0.0.2"), gossip.StatusLeft))
		b.expect("a", "")
	})
}

// TestForgottenMembersAreAsked: one that is pruned while it is there stays, as long
// as it is; who had failed is not asked.
func TestForgottenMembersAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, there := newAskingBench(t, map[string]string{"a": idA})
		b.hear(member("a", idA, "10.0.0.2"))
		b.hear(member("f", idB, "10.0.0.3"))
		b.hear(with(member("f", idB, "10.0.0.3"), gossip.StatusFailed))
		b.pool.remove("a")
		b.pool.remove("f")
		b.changed()
		b.expect("a", model.HealthPassing)
		b.expect("f", "")
		there.end("a")
		time.Sleep(reconcileEvery)
		b.expect("a", "")
		if !slices.Equal(b.pool.asked, []string{"a", "a"}) {
			t.Errorf("asked: %v", b.pool.asked)
		}
	})
}

// TestManyAreAsked: members that do not answer hold up neither each other for long
// nor those who join, and not the end of the term.
func TestManyAreAsked(t *testing.T) {
	const n, silence = 300, 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		b := newMemberBench(t)
		var mu sync.Mutex
		asking, most := 0, 0
		b.pool.answer = func(ctx context.Context, _ string) (string, bool) {
			mu.Lock()
			asking++
			most = max(most, asking)
			mu.Unlock()
			select {
			case <-time.After(silence):
			case <-ctx.Done():
			}
			mu.Lock()
			asking--
			mu.Unlock()
			return "", false
		}
		b.start()
		name := func(i int) string { return fmt.Sprint("n", i) }
		for i := range n {
			b.pool.set(member(name(i), sessionID(i), "10.0.0.2"))
		}
		b.changed()
		for i := range n {
			b.pool.set(with(member(name(i), sessionID(i), "10.0.0.2"), gossip.StatusLeft))
		}
		b.changed()
		b.hear(member("new", idA, "10.0.0.3"))
		b.expect("new", model.HealthPassing)
		b.expect(name(0), model.HealthPassing)
		time.Sleep((n/askedAtOnce + 1) * silence)
		for i := range n {
			b.expect(name(i), "")
		}
		if most != askedAtOnce || len(b.pool.asked) != n {
			t.Errorf("%d were asked at a time, in all %d times", most, len(b.pool.asked))
		}

		b.hear(with(member("new", idA, "10.0.0.3"), gossip.StatusLeft))
		b.lead(0)
		synctest.Wait()
		if asking != 0 {
			t.Error("somebody is still asked by who does not lead any more")
		}
		b.expect("new", model.HealthPassing)
	})
}

// TestRenamedAgentIsNotAsked: it is there, under its new name.
func TestRenamedAgentIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newAskingBench(t, map[string]string{"old": idA})
		b.hear(member("old", idA, "10.0.0.2"))
		b.pool.set(with(member("old", idA, "10.0.0.2"), gossip.StatusLeft))
		b.hear(member("new", idA, "10.0.0.2"))
		b.expect("old", "")
		b.expect("new", model.HealthPassing)
		if len(b.pool.asked) > 0 {
			t.Errorf("asked: %v", b.pool.asked)
		}
	})
}

// TestStaleLeaveOfServer: a server that says that it is there keeps agreeing.
func TestStaleLeaveOfServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there := &agents{id: map[string]string{"s2": strings.ToUpper(idA)}}
		b := newServerBench(t)
		b.pool.mu.Lock()
		b.pool.answer = there.answer
		b.pool.mu.Unlock()
		s2 := server("s2", idA, "10.0.0.2")
		b.hear([]gossip.Member{s2}, "nonvoter "+idA+" 10.0.0.2:8300")
		b.hear([]gossip.Member{with(s2, gossip.StatusLeft)})
		time.Sleep(2 * reconcileEvery)
		b.expect()
		there.end("s2")
		time.Sleep(answerKept + retryServers)
		b.expect("remove " + idA)
	})
}
