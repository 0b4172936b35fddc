package gossip

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"
)

// of is what a pool says of a member.
func (m *member) of(name string) Member {
	for _, x := range m.Members() {
		if x.Name == name {
			return x
		}
	}
	return Member{}
}

// A member that was cut off, was made to leave, and can be reached again, does not
// know of that. Who asks it hears that it is there, and so do all others.
func TestAskWhoDoesNotKnowThatItLeft(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(3, nil)
		w.net.Isolate(addr(3))
		time.Sleep(20 * time.Second)
		if err := ms[0].ForceLeave("n3", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		gone := ms[0].of("n3")
		w.expect(ms[0], "n1 alive, n2 alive, n3 left")
		w.expect(ms[1], "n1 alive, n2 alive, n3 left")
		start := time.Now()
		if id, here := ms[0].Ask(w.t.Context(), &gone); here || time.Since(start) != askTimeout {
			t.Errorf("who is cut off answers as %s, %v, after %v", id, here, time.Since(start))
		}

		w.net.Rejoin(addr(3)) // some others may be about to look for it at this moment
		start = time.Now()
		if id, here := ms[0].Ask(w.t.Context(), &gone); id != "id-3" || !here || time.Since(start) > time.Second {
			t.Errorf("n3 answers as %s, %v, after %v", id, here, time.Since(start))
		}
		time.Sleep(2 * time.Second)
		for _, m := range ms {
			w.expect(m, "n1 alive, n2 alive, n3 alive")
		}
	})
}

// A member that left says so, as long as it can be reached; then nobody answers.
func TestAskWhoLeaves(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(3, nil)
		left := make(chan error)
		go func() { left <- ms[2].Leave() }()
		for ms[0].of("n3").Status != StatusLeft {
			time.Sleep(10 * time.Millisecond)
		}
		gone := ms[0].of("n3")
		ask := func(when string) {
			t.Helper()
			start := time.Now()
			if id, here := ms[0].Ask(w.t.Context(), &gone); here || time.Since(start) > time.Second {
				t.Errorf("%s it answers as %q, %v, after %v", when, id, here, time.Since(start))
			}
			w.expect(ms[0], "n1 alive, n2 alive, n3 left")
		}
		ask("when it is heard that it left,")
		if err := <-left; err != nil {
			t.Fatal(err)
		}
		ask("when it has left,")
		ms[2].end()
		synctest.Wait()
		ask("when it has ended,")

		// Somebody else has its address, and still believes that it is there.
		other := w.config(4)
		other.BindAddr = addr(3)
		w.join(w.open(other), addr(2))
		start := time.Now()
		if id, here := ms[0].Ask(w.t.Context(), &gone); here {
			t.Errorf("n4 answers for n3, as %q, after %v", id, time.Since(start))
		}

		// It is back with another ID, as a machine that was replaced is.
		again := w.config(3)
		again.BindAddr, again.NodeID = addr(5), "id-5"
		w.open(again)
		gone.Addr = addr(5)
		if id, here := ms[0].Ask(w.t.Context(), &gone); id != "id-5" || !here {
			t.Errorf("the new n3 answers as %q, %v", id, here)
		}
	})
}

// What others say while a member is asked must not count for its word.
func TestInquiry(t *testing.T) {
	node := func(name, ip string, state memberlist.NodeStateType) *memberlist.Node {
		return &memberlist.Node{Name: name, Addr: append([]byte{10, 0, 0}, ip...), Port: 8301, State: state}
	}
	const alive, left, dead = memberlist.StateAlive, memberlist.StateLeft, memberlist.StateDead
	yes := []*memberlist.Node{node("other", "\x01", alive), node("n", "\x02", alive)}
	no := []*memberlist.Node{node("other", "\x01", alive), node("n", "\x02", left)}
	for name, test := range map[string]struct {
		heard         [][]*memberlist.Node
		here, certain bool
	}{
		"nobody answers":         {nil, false, true},
		"it is there":            {[][]*memberlist.Node{yes}, true, true},
		"it has left":            {[][]*memberlist.Node{no}, false, true},
		"all say yes":            {[][]*memberlist.Node{yes, yes}, true, true},
		"all say no":             {[][]*memberlist.Node{no, no}, false, true},
		"one believes that":      {[][]*memberlist.Node{yes, no}, true, false},
		"one does not":           {[][]*memberlist.Node{no, yes}, true, false},
		"it is unknown":          {[][]*memberlist.Node{{node("other", "\x01", alive)}}, false, true},
		"another is there":       {[][]*memberlist.Node{{node("n", "\x02", alive), node("other", "\x02", alive)}}, false, true},
		"another was there once": {[][]*memberlist.Node{{node("other", "\x02", dead), node("n", "\x02", alive)}}, true, true},
	} {
		g := newGuard(&Config{NodeName: "self", Datacenter: "dc1"})
		q := g.ask(&Member{Name: "n", Addr: "10.0.0.2", Port: 8301})
		for _, nodes := range test.heard {
			g.testify(nodes)
		}
		if here, certain := g.heard(q); here != test.here || certain != test.certain {
			t.Errorf("%s: here %v, certain %v", name, here, certain)
		}
		g.testify(yes) // too late
		if len(g.inquiries) != 0 || q.yes+q.no != len(test.heard) {
			t.Errorf("%s: it is still asked for", name)
		}
	}
}
