package quorum

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// A Status is who leads, as far as this server knows.
type Status struct {
	// Leading: this server does. Term then tells one time in office from the
	// next.
	Leading bool
	// Ready: this server leads and has applied everything that was agreed on
	// before; it may answer reads and begin the duties of a leader.
	Ready bool
	// Term is Raft's term as of the last change.
	Term uint64
	// LeaderID and LeaderAddress are empty when no leader is known.
	LeaderID, LeaderAddress string
}

// Status returns who leads, and a channel that is closed when that changes.
// Whoever looks again each time misses no change that still matters: between
// two looks at a Leading status with the same Term, this server led throughout.
func (q *Quorum) Status() (Status, <-chan struct{}) {
	q.watcher.mu.Lock()
	defer q.watcher.mu.Unlock()
	return q.watcher.status, q.watcher.changed
}

// A watcher turns Raft's observations into a Status.
type watcher struct {
	kick chan struct{} // holds a value when there may be something new

	mu      sync.Mutex
	status  Status
	changed chan struct{} // closed and replaced when status changes
}

func (w *watcher) init() {
	w.kick = make(chan struct{}, 1)
	w.kick <- struct{}{}
	w.changed = make(chan struct{})
}

func (w *watcher) poke() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// observe has Raft tell the watcher of every change. Raft calls the filter in
// its own goroutines.
func (q *Quorum) observe() {
	q.raft.RegisterObserver(raft.NewObserver(nil, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.RaftState, raft.LeaderObservation:
			q.watcher.poke()
		}
		return false
	}))
}

func (q *Quorum) watchLeadership() {
	for {
		select {
		case <-q.watcher.kick:
			q.look()
		case <-q.done:
			q.lease.end()
			return
		}
	}
}

// look brings the lease and the Status in step with Raft. Only the watcher's
// goroutine calls it.
func (q *Quorum) look() {
	term, leading := q.leadingTerm()
	was, _ := q.Status()
	switch {
	case leading && !(was.Leading && was.Term == term):
		_, members := q.configuration()
		if len(members.Servers) > 1 {
			q.logs.keepRecent()
		}
		q.lease.lead(term, members)
		q.wg.Go(func() { q.prepare(term) })
	case !leading && was.Leading:
		q.lease.end()
	}

	now := Status{Leading: leading, Term: term}
	if g := q.lease.current.Load(); g != nil && leading {
		now.Ready = g.ready && !q.stall.is()
	}
	now.LeaderID, now.LeaderAddress = q.Leader()

	w := &q.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if now != w.status {
		w.status = now
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// leadingTerm returns the current term and whether this server leads in it.
func (q *Quorum) leadingTerm() (term uint64, leading bool) {
	for {
		term = q.raft.CurrentTerm()
		leading = q.raft.State() == raft.Leader
		if q.raft.CurrentTerm() == term {
			return term, leading
		}
	}
}

// prepare makes this leader ready: when a barrier has passed, everything that
// earlier leaders had agreed on is applied.
func (q *Quorum) prepare(term uint64) {
	for q.leadsIn(term) {
		err := q.Barrier(context.Background())
		if err == nil && q.leadsIn(term) {
			q.lease.setReady(term)
			q.confirm.join(true) // those who wait will want a lease
			q.watcher.poke()
			return
		}
		// A transfer is under way, or leadership is lost.
		select {
		case <-time.After(prepareRetry):
		case <-q.done:
			return
		}
	}
}

func (q *Quorum) leadsIn(term uint64) bool {
	now, leading := q.leadingTerm()
	return leading && now == term
}

const prepareRetry = 50 * time.Millisecond
