package quorum

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"muster/model"
)

// ReadOK says, at the price of a few atomic loads, whether no other server can
// lead now and this one has applied every write that was acknowledged so far.
// Ask after the state was read: if it is true, what was read is current. If it
// is false, call ConfirmRead and read again.
//
// While it is asked, the lease behind it is renewed in the background.
func (q *Quorum) ReadOK() bool {
	g := q.lease.current.Load()
	return g != nil && q.stillLeads(g) && q.holds(g)
}

// holds says whether the lease g holds now, and has an old one renewed.
func (q *Quorum) holds(g *grant) bool {
	now := time.Now()
	if !g.sole && g.age(now) > leaseTime/2 {
		q.confirm.renew(now)
	}
	return g.valid(now)
}

// stillLeads says whether this server has led without a break since g. The term
// is read last: had it changed in between, it would differ from g's.
func (q *Quorum) stillLeads(g *grant) bool {
	return q.raft.State() == raft.Leader && q.raft.CurrentTerm() == g.term
}

// ConfirmRead returns nil when the state, read from now on, holds every write
// that was acknowledged before the call, by whatever leader. It costs nothing
// while a lease holds; otherwise, and always if consistent is set, it waits for
// a majority to answer this leader. Callers share that round trip.
//
// A new leader keeps its callers waiting until it is ready. Errors:
// model.ErrNotLeader and model.ErrNoLeader from a server that does not lead;
// model.ErrNotReady when ctx ends before this leader is ready; else ctx's error.
func (q *Quorum) ConfirmRead(ctx context.Context, consistent bool) error {
	for {
		g := q.lease.current.Load()
		if g == nil || !g.ready || !q.stillLeads(g) {
			if err := q.waitReady(ctx); err != nil {
				return err
			}
			continue
		}
		if !consistent && q.holds(g) || g.sole {
			return nil
		}
		r := q.confirm.join(consistent || g.suspended)
		select {
		case <-r.done:
			return r.err
		case <-q.done:
			return errClosed
		case <-ctx.Done():
			return canceled(ctx)
		}
	}
}

// waitReady waits until this server is a ready leader.
func (q *Quorum) waitReady(ctx context.Context) error {
	for {
		status, changed := q.Status()
		if err := q.leads(); err != nil {
			return err
		}
		if status.Ready && q.leadsIn(status.Term) {
			return nil
		}
		select {
		case <-changed:
		case <-q.done:
			return errClosed
		case <-ctx.Done():
			return model.ErrNotReady
		}
	}
}

// ReadIndex returns an index for a follower: once it has applied it, its state
// holds every write that was acknowledged before the call. Errors as for
// ConfirmRead; it costs the same.
func (q *Quorum) ReadIndex(ctx context.Context) (uint64, error) {
	if err := q.ConfirmRead(ctx, false); err != nil {
		return 0, err
	}
	// A write is acknowledged only after it is applied here, so there is no
	// need to look beyond what is.
	return q.fsm.applied(), nil
}

// WaitApplied returns when the state machine of this server has come to index,
// which must be the index of a command or a result of ReadIndex: Raft's own
// entries are never applied.
func (q *Quorum) WaitApplied(ctx context.Context, index uint64) error {
	return q.fsm.wait(ctx, index)
}

// A confirmer has one goroutine ask the majority on behalf of everybody.
type confirmer struct {
	wake    chan struct{}
	renewed atomic.Int64 // when renew last asked for a round, in ns since began
	began   time.Time

	mu      sync.Mutex
	running *round // it began before those who come now
	next    *round
}

// A round is one answer of the majority.
type round struct {
	done chan struct{} // closed at the end
	err  error
}

func (c *confirmer) init() {
	c.wake = make(chan struct{}, 1)
	c.began = time.Now()
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

// askAgain is how long a round waits before it calls for heartbeats again.
const askAgain = 50 * time.Millisecond

// ask waits until a majority has accepted a message that this leader sent after
// the call. Raft's VerifyLeader serves to send heartbeats at once, no more: it
// also counts answers to earlier ones, and those of servers without a vote.
func (q *Quorum) ask() error {
	start := time.Now()
	first := q.lease.current.Load()
	for {
		g := q.lease.current.Load()
		if g == nil || g.term != first.term || !q.stillLeads(g) {
			return q.notLeader()
		}
		if g.confirms(start) {
			return nil
		}
		q.raft.VerifyLeader()
		again := time.NewTimer(askAgain)
	wait:
		for {
			select {
			case <-q.lease.moved:
				if g := q.lease.current.Load(); g == nil || g.confirms(start) {
					break wait
				}
			case <-again.C:
				break wait
			case <-q.done:
				return errClosed
			}
		}
		again.Stop()
	}
}
