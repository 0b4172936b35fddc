package quorum

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"muster/model"
)

// A confirmer has one goroutine ask the majority on behalf of everybody.
type confirmer struct {
	wake    chan struct{}
	renewed atomic.Int64 // when renew last asked for a round, in ns since began
	began   time.Time

	mu      sync.Mutex
	running *round // it began before those who come now
	next    *round

	flying map[raft.ServerID]bool // servers that owe us an answer; under mu
}

// A round is one answer of the majority.
type round struct {
	done chan struct{} // closed at the end
	err  error
}

func (c *confirmer) init() {
	c.wake = make(chan struct{}, 1)
	c.began = time.Now()
	c.flying = map[raft.ServerID]bool{}
}

// join returns a round to wait for; a fresh one has not begun yet.
func (c *confirmer) join(fresh bool) *round {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil && !fresh {
		return c.running
	}
	if c.next == nil {
		c.next = &round{done: make(chan struct{})}
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return c.next
}

// renewInterval is the least time between two renewals in the background.
const renewInterval = 100 * time.Millisecond

// renew starts a round that nobody waits for.
func (c *confirmer) renew(now time.Time) {
	ns := int64(now.Sub(c.began))
	last := c.renewed.Load()
	if ns-last >= int64(renewInterval) && c.renewed.CompareAndSwap(last, ns) {
		c.join(false)
	}
}

// confirmRounds runs the rounds one after the other.
func (q *Quorum) confirmRounds() {
	c := &q.confirm
	for {
		select {
		case <-c.wake:
		case <-q.done:
			return
		}
		c.mu.Lock()
		r := c.next
		c.running, c.next = r, nil
		c.mu.Unlock()

		r.err = q.ask()

		c.mu.Lock()
		c.running = nil
		c.mu.Unlock()
		close(r.done)
	}
}

// askAgain is how long a round waits for an answer before it asks those who
// gave one, or failed, once more.
const askAgain = 50 * time.Millisecond

// ask waits until a majority has accepted a message that this leader sent after
// the call. Raft's VerifyLeader does not prove that: it also counts answers to
// earlier messages, and those of servers without a vote.
func (q *Quorum) ask() error {
	start := time.Now()
	first := q.lease.current.Load()
	again := time.NewTicker(askAgain)
	defer again.Stop()
	beat := true
	for {
		g := q.lease.current.Load()
		switch {
		case g == nil || first == nil || g.term != first.term || !q.stillLeads(g):
			return q.notLeader()
		case q.stall.is():
			return model.ErrNoLeader
		case g.confirms(start):
			return nil
		case beat:
			q.heartbeat(g.term)
		}
		select {
		case <-q.lease.moved:
			beat = false
		case <-again.C:
			beat = true
		case <-q.done:
			return errClosed
		}
	}
}

// heartbeat sends the other voters what Raft sends them from time to time. The
// transport tells the lease of the answers.
func (q *Quorum) heartbeat(term uint64) {
	for _, to := range q.lease.peers() {
		q.beat(to, term, func() {})
	}
}
