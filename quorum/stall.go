package quorum

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// stallTimes is after how many election timeouts a write to the log counts as
// stalled: 2 s at multiplier 1, 10 s at 5.
const stallTimes = 2

// errStalled is why a leader whose disk does not answer sends nothing.
var errStalled = errors.New("the log on disk does not answer")

// A stallWatch finds out that the log has been writing for too long. Raft does
// not: its heartbeats go on while it waits for the disk, so that the others
// follow a leader that can do nothing for them.
type stallWatch struct {
	bound time.Duration
	timer *time.Timer

	halt atomic.Pointer[chan struct{}] // closed while the log is stalled

	mu      sync.Mutex
	began   time.Time // of the write under way; zero when there is none
	changed chan struct{}
}

func newStallWatch(bound time.Duration) *stallWatch {
	w := &stallWatch{bound: bound, changed: make(chan struct{})}
	halt := make(chan struct{})
	w.halt.Store(&halt)
	w.timer = time.AfterFunc(time.Hour, w.late)
	w.timer.Stop()
	return w
}

// begin notes that entries are being written, end that they are. Raft writes
// from one goroutine.
func (w *stallWatch) begin() {
	w.mu.Lock()
	w.began = time.Now()
	w.mu.Unlock()
	w.timer.Reset(w.bound)
}

func (w *stallWatch) end() {
	w.timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began = time.Time{}
	if w.is() {
		halt := make(chan struct{})
		w.halt.Store(&halt)
		w.tell()
	}
}

// late is called when a write takes too long. It may come late itself.
func (w *stallWatch) late() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.began.IsZero() && time.Since(w.began) >= w.bound && !w.is() {
		close(*w.halt.Load())
		w.tell()
	}
}

// tell needs w.mu.
func (w *stallWatch) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// halted is closed while the log is stalled.
func (w *stallWatch) halted() <-chan struct{} { return *w.halt.Load() }

// is tells whether the log is stalled.
func (w *stallWatch) is() bool {
	select {
	case <-w.halted():
		return true
	default:
		return false
	}
}

// look is is, with a channel that is closed when that changes.
func (w *stallWatch) look() (bool, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.is(), w.changed
}

// watchStalls gives up leadership while the log does not answer, and tells of
// it.
func (q *Quorum) watchStalls() {
	for {
		stalled, changed := q.stall.look()
		if stalled {
			q.stepAside()
		}
		select {
		case <-changed:
		case <-q.done:
			return
		}
		if stalled {
			q.logger.Warn("the log on disk answers again")
			q.watcher.poke()
		}
	}
}

// stepAside has another server lead. This one's messages have ended already
// (transport), so that the others elect somebody if it comes to nothing. It has
// nothing to take back: what it was writing is not acknowledged, here or by the
// others, and its lease ends first, for good unless nobody could be told.
func (q *Quorum) stepAside() {
	term, leading := q.leadingTerm()
	q.logger.Error("the log on disk does not answer", "since", q.stall.bound, "leading", leading)
	q.watcher.poke()
	if !leading || !q.otherVoters() {
		return
	}
	q.lease.suspend()
	for _, s := range q.transport.spreader.furthest(q.lease.peers(), term) {
		if !q.stall.is() {
			break
		}
		if err := q.transport.TimeoutNow(s.ID, s.Address, &raft.TimeoutNowRequest{RPCHeader: q.transport.header()}, &raft.TimeoutNowResponse{}); err == nil {
			q.logger.Warn("asked another server to lead", "server", s.ID)
			return
		}
	}
	q.lease.keep(term) // if nobody could be told
}

// furthest sorts servers by how far their logs are known to be, the furthest first.
func (s *spreader) furthest(servers []raft.Server, term uint64) []raft.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	match := func(id raft.ServerID) uint64 {
		if f := s.followers[id]; f != nil && f.term == term {
			return f.match
		}
		return 0
	}
	sorted := slices.Clone(servers)
	slices.SortStableFunc(sorted, func(a, b raft.Server) int { return cmp.Compare(match(b.ID), match(a.ID)) })
	return sorted
}
