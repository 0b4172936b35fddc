package quorum

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// A spreader sends followers the news that an entry is committed when no other
// message carries it: Raft itself would only do so when its CommitTimeout has
// passed, and idle servers would have to exchange messages all the time to make
// that short.
type spreader struct {
	kick chan struct{} // holds a value when something was committed

	mu        sync.Mutex
	followers map[raft.ServerID]*follower
	wanted    bool // somebody who reads waits for news that could not go out yet
}

// A follower is what a leader knows of another server.
type follower struct {
	address          raft.ServerAddress
	term             uint64 // in which all of this became known
	match, matchTerm uint64 // the newest entry that it certainly has
	told             uint64 // the commit index that it has heard of
	busy             bool   // it is being told
	sending          int    // messages of Raft with entries that are on their way to it
}

const (
	// spreadDelay is how long the news waits for entries that could carry it,
	// while there are commits all the time.
	spreadDelay = 2 * time.Millisecond
	// spreadQuiet is how long nothing must have been committed for the news to
	// go out at once: most likely no other entry comes, and somebody waits for
	// this one. It takes the delay off what a blocked reader at a follower waits.
	spreadQuiet = 5 * spreadDelay
)

func (s *spreader) init() {
	s.kick = make(chan struct{}, 1)
	s.followers = map[raft.ServerID]*follower{}
}

func (s *spreader) poke() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// sends notes that Raft sends a follower entries. Until the answer is there it
// is not told of commits: it takes in one message after the other, and what
// Raft sends next, most likely at once, tells it anyway. With 32 writers the
// news were two of five messages.
func (s *spreader) sends(id raft.ServerID) (answered func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follower(id).sending++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f := s.follower(id)
		if f.sending--; f.sending == 0 && f.match > f.told {
			s.poke()
		}
	}
}

// follower needs the lock.
func (s *spreader) follower(id raft.ServerID) *follower {
	f := s.followers[id]
	if f == nil {
		f = &follower{}
		s.followers[id] = f
	}
	return f
}

// accepted notes that a follower took in a message of the leader.
func (s *spreader) accepted(id raft.ServerID, address raft.ServerAddress, m *raft.AppendEntriesRequest) {
	if m.PrevLogEntry == 0 && len(m.Entries) == 0 {
		return // a heartbeat
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.follower(id)
	if f.term != m.Term {
		*f = follower{term: m.Term, busy: f.busy, sending: f.sending}
	}
	f.address = address
	f.told = max(f.told, m.LeaderCommitIndex)
	match, term := m.PrevLogEntry, m.PrevLogTerm
	if n := len(m.Entries); n > 0 {
		match, term = m.Entries[n-1].Index, m.Entries[n-1].Term
	}
	if match > f.match {
		f.match, f.matchTerm = match, term
	}
	if f.match > f.told {
		s.poke() // perhaps it is committed already
	}
}

// due returns a message for every follower that does not know that entries of
// its log are committed, and notes that it is busy. wanted tells that somebody
// waits for it.
func (s *spreader) due(term, commit uint64, wanted bool) map[raft.Server]*raft.AppendEntriesRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all map[raft.Server]*raft.AppendEntriesRequest
	for id, f := range s.followers {
		known := min(commit, f.match)
		if f.term != term || f.busy || known <= f.told {
			continue
		}
		if f.sending > 0 {
			s.wanted = s.wanted || wanted
			continue
		}
		f.busy = true
		if all == nil {
			all = map[raft.Server]*raft.AppendEntriesRequest{}
		}
		all[raft.Server{ID: id, Address: f.address}] = &raft.AppendEntriesRequest{
			Term:              term,
			PrevLogEntry:      f.match,
			PrevLogTerm:       f.matchTerm,
			LeaderCommitIndex: known,
		}
	}
	return all
}

// takeWanted tells whether the news that are left are waited for.
func (s *spreader) takeWanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := s.wanted
	s.wanted = false
	return wanted
}

// told notes the end of a message that due returned.
func (s *spreader) told(id raft.ServerID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.followers[id]
	f.busy = false
	if err == nil && f.match > f.told {
		s.poke()
	}
}

// spreadCommits tells the followers when something was committed: at once after
// a quiet time, else a little later.
func (q *Quorum) spreadCommits() {
	var (
		commit uint64
		moved  time.Time // when it was seen to move
		quiet  bool      // for long before that, or since
	)
	for {
		select {
		case <-q.transport.spreader.kick:
		case <-q.done:
			return
		}
		if g := q.lease.current.Load(); g == nil || g.sole {
			continue
		}
		// A follower may take the entry in after it was committed: it is told as
		// those before.
		now, at := time.Now(), q.raft.CommitIndex()
		if long := now.Sub(moved) > spreadQuiet; at != commit {
			commit, moved, quiet = at, now, long
		} else if long {
			quiet = true
		}
		if !quiet && !q.transport.spreader.takeWanted() {
			select {
			case <-time.After(spreadDelay):
			case <-q.done:
				return
			}
			if q.proposer.ahead.Load() > 0 {
				continue // what is being written here will carry it, and kick again
			}
		}
		q.spreadNow(false)
	}
}

// spreadNow tells the followers what they do not know yet. It does not wait.
// wanted tells that somebody who reads does.
func (q *Quorum) spreadNow(wanted bool) {
	g := q.lease.current.Load()
	if g == nil || g.sole || !q.stillLeads(g) {
		return
	}
	s := &q.transport.spreader
	for to, m := range s.due(g.term, q.raft.CommitIndex(), wanted) {
		if !q.gate.enter() {
			return
		}
		go func() {
			defer q.gate.leave()
			m.RPCHeader = q.transport.header()
			// Without success Raft tells them later.
			s.told(to.ID, q.transport.AppendEntries(to.ID, to.Address, m, &raft.AppendEntriesResponse{}))
		}()
	}
}
