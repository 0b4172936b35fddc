package quorum

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// promiseTime is how long a server that heard from a leader helps nobody else
// to become leader: it neither votes nor asks for votes. It is the same on
// every server whatever its multiplier, and shorter than Raft itself waits before
// it begins an election, so that it delays none. It is the time without a leader
// after one whose process died.
const promiseTime = 750 * time.Millisecond

// leaseTime is how long a leader counts on a promise, from the moment it sent
// the message that was answered. The tenth that is missing is for clocks that
// do not run at the same speed.
const leaseTime = promiseTime * 9 / 10

// A lease knows since when a majority of the voters has certainly been bound
// to this leader. See README.md for why that proves that nobody else leads.
type lease struct {
	self string

	mu        sync.Mutex
	term      uint64 // that this server leads in; 0 when it does not lead
	ready     bool
	suspended bool
	handed    bool          // another server was told to take over in this term
	voter     bool          // this server has a vote
	others    []raft.Server // the other servers that have a vote; never changed in place
	heard     map[raft.ServerID]time.Time

	current atomic.Pointer[grant] // nil when this server does not lead
	moved   chan struct{}         // holds a value after current changed
}

// A grant is the state of the lease at one moment.
type grant struct {
	term  uint64
	ready bool // an entry of this term has been applied
	// suspended: another server may be on the way to take over with this
	// server's consent, so promises say nothing.
	suspended bool
	sole      bool      // there is no other voter
	at        time.Time // a majority is bound since; zero if it is not
}

func newLease(self string) *lease {
	return &lease{self: self, heard: map[raft.ServerID]time.Time{}, moved: make(chan struct{}, 1)}
}

// usable says whether the grant means anything at all.
func (g *grant) usable() bool { return g.ready && !g.suspended }

// fresh says whether the promises still hold at the given moment. The wall clock
// is asked too: unlike the other it counts the time in which a machine sleeps.
func (g *grant) fresh(now time.Time) bool {
	return g.age(now) < leaseTime && now.Round(0).Sub(g.at.Round(0)) < leaseTime
}

func (g *grant) age(now time.Time) time.Duration { return now.Sub(g.at) }

// confirms says whether a majority has been bound to this leader since start.
func (g *grant) confirms(start time.Time) bool {
	return g.sole || !g.at.IsZero() && !g.at.Before(start)
}

// lead begins a term of this server.
func (l *lease) lead(term uint64, members raft.Configuration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.term, l.ready, l.suspended, l.handed = term, false, false, false
	clear(l.heard)
	l.setMembers(members)
	l.publish()
}

// end notes that this server leads no more.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.term = 0
	l.publish()
}

// setReady notes that an entry of this term has been applied.
func (l *lease) setReady(term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.term == term {
		l.ready = true
		l.publish()
	}
}

// suspend ends the lease for the rest of the term, unless keep is called. It
// returns the term; 0 when this server does not lead.
func (l *lease) suspend() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspended = true
	l.publish()
	return l.term
}

// handOver notes that another server is about to be told to take over, and
// returns the term it does so in. It returns 0, and nobody must be told, when
// the lease is not suspended.
func (l *lease) handOver() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.term == 0 || !l.suspended {
		return 0
	}
	l.handed = true
	return l.term
}

// keep takes a suspension back after a transfer that came to nothing, unless
// another server may have been told.
func (l *lease) keep(term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.term == term && !l.handed {
		l.suspended = false
		l.publish()
	}
}

// setConfiguration notes who has a vote. The log calls it before a change of
// the members takes effect.
func (l *lease) setConfiguration(members raft.Configuration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setMembers(members)
	l.publish()
}

// setMembers needs l.mu.
func (l *lease) setMembers(members raft.Configuration) {
	l.voter, l.others = false, nil
	for _, s := range members.Servers {
		switch {
		case s.Suffrage != raft.Voter:
		case string(s.ID) == l.self:
			l.voter = true
		default:
			l.others = append(l.others, s)
		}
	}
}

// peers returns the other servers that have a vote.
func (l *lease) peers() []raft.Server {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.others
}

// answered notes that a server accepted a message that this leader sent in the
// given term at the given time.
func (l *lease) answered(server raft.ServerID, term uint64, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if term != l.term || !sent.After(l.heard[server]) {
		return
	}
	l.heard[server] = sent
	l.publish()
}

// heardSince tells whether a server has accepted a message that was sent in this
// term, and not before the given time.
func (l *lease) heardSince(server raft.ServerID, since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.heard[server]
	return ok && !at.Before(since)
}

// publish makes what is known available to readers. It needs l.mu.
func (l *lease) publish() {
	var g *grant
	if l.term != 0 && l.voter {
		g = &grant{term: l.term, ready: l.ready, suspended: l.suspended}
		// This server and as many others as make a majority.
		if need := (len(l.others) + 1) / 2; need == 0 {
			g.sole = true
		} else {
			sent := make([]time.Time, 0, len(l.others))
			for _, s := range l.others {
				sent = append(sent, l.heard[s.ID])
			}
			slices.SortFunc(sent, func(a, b time.Time) int { return b.Compare(a) })
			g.at = sent[need-1]
		}
	}
	l.current.Store(g)
	select {
	case l.moved <- struct{}{}:
	default:
	}
}
