package quorum

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// When a leader's process has ended, the others need not wait for as long as
// they would for one that may only be slow. They still keep their promises: what
// follows begins an election as soon as those have run out, and it does so only
// if a majority knows that the leader is gone or has missed it for as long as
// Raft waits. A wrong belief costs no more than a few messages.

const (
	// askGone is how long after a failure a leader is watched again.
	askGone = time.Second
	// canvassEvery is the time between two questions to the others.
	canvassEvery = 20 * time.Millisecond
	// backTime is how long a server that was promised a vote is waited for.
	backTime = 5 * canvassEvery
	// canvassFor bounds the whole, in election timeouts; Raft's own timers have
	// taken over long before.
	canvassFor = 2
)

// A mourner knows that the leader of a term is gone.
type mourner struct {
	mu     sync.Mutex
	term   uint64 // in which the leader is gone; 0: it is not known to be
	trying bool   // this server wants to follow it
	began  bool   // this server has begun an election: it votes for nobody else
	voted  bool   // this server has voted for another: it begins none
	backs  raft.ServerID
	until  time.Time // backs is waited for
}

// mourn notes that the leader of a term is gone; 0 forgets it.
func (m *mourner) mourn(term uint64, trying bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.term, m.trying, m.began, m.voted = term, trying, false, false
}

// begin tells whether this server may begin an election, and notes that it does.
func (m *mourner) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.began = m.trying && !m.voted
	return m.began
}

// vote tells whether this server may vote for another in the next term, and
// notes that it does; unvote takes that back.
func (m *mourner) vote() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.voted = !m.began
	return m.voted
}

func (m *mourner) unvote() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.voted = false
}

// knows tells whether the leader of a term is known to be gone.
func (m *mourner) knows(term uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.term != 0 && m.term == term
}

// waits tells whether another server has been promised a vote.
func (m *mourner) waits() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Before(m.until)
}

// back decides whether a candidate may ask for votes. ahead compares its log
// with this server's; when both want to lead and are equally far, the smaller ID
// does.
func (m *mourner) back(candidate, own raft.ServerID, ahead int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if ahead < 0 || m.trying && ahead == 0 && own < candidate || now.Before(m.until) && m.backs != candidate {
		return false
	}
	m.backs, m.until = candidate, now.Add(backTime)
	return true
}

// succeedLeaders watches the leader's process, whoever that is, and begins an
// election when it is gone.
func (q *Quorum) succeedLeaders() {
	for {
		status, changed := q.Status()
		if status.LeaderID == "" || status.LeaderID == q.id {
			select {
			case <-changed:
				continue
			case <-q.done:
				return
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan error, 1)
		q.wg.Go(func() { gone <- q.gone(ctx, status.LeaderID, status.LeaderAddress) })
		pause := time.Duration(0)
		select {
		case err := <-gone:
			if pause = askGone; err == nil {
				q.succeed(status.LeaderID)
			}
		case <-changed:
		case <-q.done:
		}
		cancel()
		select {
		case <-time.After(pause):
		case <-changed:
		case <-q.done:
			return
		}
	}
}

// succeed tries to lead after a leader that is gone, until somebody does or
// Raft's timers must have noticed too.
func (q *Quorum) succeed(leader string) {
	now, changed := q.Status()
	term := q.raft.CurrentTerm()
	if now.LeaderID != leader {
		return
	}
	q.logger.Warn("the leader's process is gone", "leader", leader, "term", term)
	m := &q.transport.mourner
	m.mourn(term, q.votes())
	defer m.mourn(0, false)
	timeout := time.NewTimer(canvassFor * q.electionTimeout)
	defer timeout.Stop()
	ticker := time.NewTicker(canvassEvery)
	defer ticker.Stop()
	asked := false
	for {
		if !asked && q.votes() && !q.transport.isBound() && !m.waits() && q.raft.CurrentTerm() == term && q.canvass(leader, term) {
			if asked = m.begin(); asked {
				q.transport.candidateOf(term)
			}
		}
		select {
		case <-ticker.C:
		case <-changed:
			if now, changed = q.Status(); now.LeaderID != "" && now.LeaderID != leader || now.Term > term+1 {
				return
			}
		case <-timeout.C:
			return
		case <-q.done:
			return
		}
	}
}

// votes tells whether this server has a vote.
func (q *Quorum) votes() bool {
	servers, _ := q.configuration()
	for _, s := range servers {
		if string(s.ID) == q.id {
			return s.Suffrage == raft.Voter
		}
	}
	return false
}

// canvass asks the others whether they would vote for this server, and waits a
// little for a majority. It is Raft's pre-vote: it changes nothing anywhere.
func (q *Quorum) canvass(leader string, term uint64) bool {
	servers, _ := q.configuration()
	yes := make(chan bool, len(servers))
	voters, asked, have := 0, 0, 1 // its own
	for _, s := range servers {
		if s.Suffrage != raft.Voter {
			continue
		}
		if voters++; string(s.ID) == q.id || string(s.ID) == leader {
			continue
		}
		asked++
		req := &raft.RequestPreVoteRequest{RPCHeader: q.transport.header(), Term: term + 1,
			LastLogIndex: q.LastIndex(), LastLogTerm: q.LastTerm()}
		q.wg.Go(func() {
			var resp raft.RequestPreVoteResponse
			err := q.transport.RequestPreVote(s.ID, s.Address, req, &resp)
			yes <- err == nil && resp.Granted
		})
	}
	timeout := time.NewTimer(backTime)
	defer timeout.Stop()
	for ; have <= voters/2 && asked > 0; asked-- {
		select {
		case ok := <-yes:
			if ok {
				have++
			}
		case <-timeout.C:
			return false
		case <-q.done:
			return false
		}
	}
	return have > voters/2
}

// candidateOf makes this server's Raft begin an election in the term after the
// given one. Raft takes it for a transfer of leadership, which passes promises;
// the mark of that is taken off its requests.
func (t *transport) candidateOf(term uint64) {
	t.unmarked.Store(term + 1)
	t.timeoutSelf()
}

// mourns answers a question for a vote when it is known that the leader is
// gone: Raft itself would refuse, as it has not missed the leader for long
// enough. It returns false when Raft is to answer.
func (t *transport) mourns(rpc raft.RPC, cmd *raft.RequestPreVoteRequest) bool {
	r := t.raft.Load()
	if r == nil {
		return false
	}
	term := r.CurrentTerm()
	if cmd.Term == t.unmarked.Load() {
		// This server has an election of its own in that term. Raft would say yes
		// all the same.
		rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: t.header(), Term: term}, nil)
		return true
	}
	if !t.mourner.knows(term) || cmd.Term <= term {
		return false
	}
	lastTerm, lastIndex := lastEntry(r)
	ahead := cmp.Or(cmp.Compare(cmd.LastLogTerm, lastTerm), cmp.Compare(cmd.LastLogIndex, lastIndex))
	granted := t.mourner.back(raft.ServerID(cmd.ID), raft.ServerID(t.id), ahead)
	rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: t.header(), Term: term, Granted: granted}, nil)
	return true
}
