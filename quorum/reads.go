package quorum

import (
	"context"
	"time"

	"github.com/hashicorp/raft"

	"muster/model"
)

// Reign says, at the price of a few atomic loads, whether no other server can
// lead now and this one has applied every write that was acknowledged so far:
// then it is the term in which this server leads, else 0.
//
// Ask before the state is read and again after: if both times it is the same
// term, what was read is current. Asking only after is not enough: a server that
// has just started may have been read while it still replayed its log, and lead
// a moment later. If it is 0 or differs, call ConfirmRead and read again.
//
// While it is asked, the lease behind it is renewed in the background.
func (q *Quorum) Reign() uint64 {
	g := q.lease.current.Load()
	if g == nil || !g.ready || !q.stillLeads(g) || !q.holds(g) {
		return 0
	}
	return g.term
}

// ReadOK says whether Reign is not 0.
func (q *Quorum) ReadOK() bool { return q.Reign() != 0 }

// holds says whether the lease g holds now, and has an old one renewed.
func (q *Quorum) holds(g *grant) bool {
	if g.sole {
		return g.usable()
	}
	now := time.Now()
	if g.age(now) > leaseTime/2 {
		q.confirm.renew(now)
	}
	return g.usable() && g.fresh(now)
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
	fresh := consistent // wait for a round that begins after the call
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
		r := q.confirm.join(fresh)
		select {
		case <-r.done:
			if r.err != nil || fresh {
				return r.err
			}
			// It may have begun long ago: look whether there is a lease now.
			fresh = true
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
	q.spreadNow(true) // the follower will be waiting for it
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
