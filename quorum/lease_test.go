package quorum

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

func voters(ids ...raft.ServerID) raft.Configuration {
	var c raft.Configuration
	for _, id := range ids {
		c.Servers = append(c.Servers, raft.Server{ID: id, Address: raft.ServerAddress(id)})
	}
	return c
}

// A lease begins when the message was sent that made the answers a majority.
func TestLeaseMajority(t *testing.T) {
	start := time.Now()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		name    string
		members raft.Configuration
		heard   map[raft.ServerID]int // seconds
		want    int                   // -1: never
	}{
		{"two", voters("a", "b"), map[raft.ServerID]int{"b": 3}, 3},
		{"two, silent", voters("a", "b"), nil, -1},
		{"three, one answers", voters("a", "b", "c"), map[raft.ServerID]int{"c": 4}, 4},
		{"three, both answer", voters("a", "b", "c"), map[raft.ServerID]int{"b": 2, "c": 4}, 4},
		{"four, one answers", voters("a", "b", "c", "d"), map[raft.ServerID]int{"b": 2}, -1},
		{"four, two answer", voters("a", "b", "c", "d"), map[raft.ServerID]int{"b": 2, "c": 5}, 2},
		{"five", voters("a", "b", "c", "d", "e"), map[raft.ServerID]int{"b": 2, "c": 5, "d": 4}, 4},
		{"strangers", voters("a", "b", "c"), map[raft.ServerID]int{"x": 5, "y": 6}, -1},
	} {
		l := newLease("a")
		l.lead(7, c.members)
		l.setReady(7)
		for id, s := range c.heard {
			l.answered(id, 6, at(100)) // of an earlier term
			l.answered(id, 7, at(s))
			l.answered(id, 7, at(s-1)) // overtaken
		}
		g := l.current.Load()
		if c.want < 0 {
			if !g.at.IsZero() || g.confirms(start) || g.fresh(at(1)) {
				t.Errorf("%s: bound since %v", c.name, g.at)
			}
			continue
		}
		if !g.at.Equal(at(c.want)) || !g.usable() {
			t.Errorf("%s: bound since %v, want %v", c.name, g.at, at(c.want))
		}
		if !g.fresh(at(c.want).Add(leaseTime-1)) || g.fresh(at(c.want).Add(leaseTime)) {
			t.Errorf("%s: wrong length", c.name)
		}
		if !g.confirms(at(c.want)) || g.confirms(at(c.want).Add(1)) {
			t.Errorf("%s: confirms what began later", c.name)
		}
	}
}

func TestLeaseStates(t *testing.T) {
	l := newLease("a")
	if l.setReady(1); l.current.Load() != nil {
		t.Error("a grant without leadership")
	}
	l.lead(1, voters("a"))
	if g := l.current.Load(); !g.sole || g.usable() {
		t.Error("usable before it is ready")
	}
	l.setReady(1)
	if g := l.current.Load(); !g.usable() {
		t.Error("not usable when ready")
	}
	l.setConfiguration(voters("a", "b"))
	if g := l.current.Load(); g.sole || g.confirms(time.Time{}) {
		t.Error("alone although there is another voter")
	}
	if l.handOver() != 0 {
		t.Error("hands over without having given up the lease")
	}
	l.suspend()
	if g := l.current.Load(); g.usable() {
		t.Error("usable while suspended")
	}
	l.keep(1)
	if g := l.current.Load(); !g.usable() {
		t.Error("nobody was told, and yet the lease stays suspended")
	}
	l.suspend()
	if l.handOver() != 1 {
		t.Error("does not hand over")
	}
	l.keep(1)
	if g := l.current.Load(); g.usable() {
		t.Error("usable although another was told to take over")
	}
	l.setConfiguration(voters("b"))
	if l.current.Load() != nil {
		t.Error("a grant for a server that was removed")
	}
	l.lead(2, voters("a", "b"))
	l.setReady(1)
	if g := l.current.Load(); g.ready || g.suspended {
		t.Errorf("%+v in a new term", g)
	}
	l.end()
	if l.current.Load() != nil {
		t.Error("a grant after the end")
	}
}

// Time in which the machine slept counts.
func TestLeaseCountsSleep(t *testing.T) {
	at := time.Now()
	g := grant{ready: true, at: at}
	if !g.fresh(at) {
		t.Error("not fresh")
	}
	if g.fresh(at.Round(0).Add(time.Hour)) { // compares wall clocks
		t.Error("fresh an hour later")
	}
}

// A promiser is a transport whose Raft gives its vote to everybody.
type promiser struct {
	*transport
	network *raft.InmemTransport // where messages come from
	asked   int                  // messages that came to Raft
	decide  func()               // is called before Raft answers
}

func newPromiser(t *testing.T) *promiser {
	t.Helper()
	_, inner := raft.NewInmemTransport("a")
	_, network := raft.NewInmemTransport("b")
	network.Connect("a", inner)
	inner.Connect("b", network)
	tr, err := newTransport(inner, "a", "", newLease("a"), func() bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	p := &promiser{transport: tr, network: network, decide: func() {}}
	tr.start(nil)
	tr.wg.Go(func() {
		for {
			select {
			case rpc := <-tr.Consumer():
				p.asked++
				p.decide()
				switch rpc.Command.(type) {
				case *raft.RequestVoteRequest:
					rpc.Respond(&raft.RequestVoteResponse{Term: 5, Granted: true}, nil)
				case *raft.RequestPreVoteRequest:
					rpc.Respond(&raft.RequestPreVoteResponse{Granted: true}, nil)
				case *raft.TimeoutNowRequest:
					rpc.Respond(&raft.TimeoutNowResponse{}, nil)
				default:
					rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
				}
			case <-tr.stop:
				return
			}
		}
	})
	return p
}

// votes asks for both kinds of vote.
func (p *promiser) votes(t *testing.T, transfer bool) (vote, prevote bool) {
	t.Helper()
	var v raft.RequestVoteResponse
	if err := p.network.RequestVote("a", "a", &raft.RequestVoteRequest{LeadershipTransfer: transfer}, &v); err != nil {
		t.Fatal(err)
	}
	var pre raft.RequestPreVoteResponse
	if err := p.network.RequestPreVote("a", "a", &raft.RequestPreVoteRequest{}, &pre); err != nil {
		t.Fatal(err)
	}
	return v.Granted, pre.Granted
}

func TestPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPromiser(t)
		if vote, pre := p.votes(t, false); !vote || !pre {
			t.Error("no vote from a server that is free")
		}

		var resp raft.AppendEntriesResponse
		if err := p.network.AppendEntries("a", "a", &raft.AppendEntriesRequest{}, &resp); err != nil {
			t.Fatal(err)
		}
		time.Sleep(promiseTime - time.Nanosecond)
		p.asked = 0
		if vote, pre := p.votes(t, false); vote || pre || p.asked != 0 {
			t.Error("a vote from a server that is bound")
		}
		if vote, _ := p.votes(t, true); !vote {
			t.Error("no vote although the leader hands over")
		}
		for what, err := range map[string]error{
			"vote":     p.RequestVote("b", "b", &raft.RequestVoteRequest{}, nil),
			"pre-vote": p.RequestPreVote("b", "b", &raft.RequestPreVoteRequest{}, nil),
		} {
			if err != errBound {
				t.Errorf("asks for a %s while it is bound: %v", what, err)
			}
		}
		time.Sleep(time.Nanosecond)
		if vote, pre := p.votes(t, false); !vote || !pre {
			t.Error("bound for too long")
		}

		// A leader that is heard while Raft thinks about the vote wins.
		p.decide = func() { p.hear(0) }
		if vote, _ := p.votes(t, false); vote {
			t.Error("a vote from a server that was bound meanwhile")
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestTakeOverOnlyInItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPromiser(t)
		for addr, want := range map[string]bool{"0": true, "": false, "1": false, "b": false} {
			req := &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{Addr: []byte(addr)}}
			err := p.network.TimeoutNow("a", "a", req, &raft.TimeoutNowResponse{})
			if (err == nil) != want {
				t.Errorf("told to take over in term %q: %v", addr, err)
			}
		}
		if err := p.TimeoutNow("b", "b", &raft.TimeoutNowRequest{}, nil); err == nil {
			t.Error("tells another to take over without giving up its lease")
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// An answer counts from when the question was sent, and only a yes does.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPromiser(t)
		p.lease.lead(3, voters("a", "b"))
		for _, c := range []struct {
			resp  raft.AppendEntriesResponse
			takes bool
		}{
			{raft.AppendEntriesResponse{Term: 3}, false},
			{raft.AppendEntriesResponse{Term: 4, Success: true}, false},
			{raft.AppendEntriesResponse{Term: 3, Success: true}, true},
		} {
			time.Sleep(time.Second)
			sent := time.Now()
			go func() {
				rpc := <-p.network.Consumer()
				time.Sleep(100 * time.Millisecond)
				rpc.Respond(&c.resp, nil)
			}()
			if err := p.AppendEntries("b", "b", &raft.AppendEntriesRequest{Term: 3}, &raft.AppendEntriesResponse{}); err != nil {
				t.Fatal(err)
			}
			if takes := p.lease.current.Load().at.Equal(sent); takes != c.takes {
				t.Errorf("%+v: counts: %v", c.resp, takes)
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}
