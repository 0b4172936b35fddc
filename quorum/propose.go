package quorum

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"muster/model"
)

// A proposer hands commands to Raft and waits for their outcomes on behalf of
// the callers, who could not give up otherwise: Raft's futures can only be
// waited for to the end. Two goroutines for all callers cost less than one
// each.
//
// What comes up while commands are on their way is gathered and goes out together
// when they have landed, or when it is a whole batch: with 32 writers, messages to
// followers and fsyncs are half as many. A lone command never waits, and one that
// comes second waits little more than it would in Raft, where a follower takes in
// one message after the other.
type proposer struct {
	queue  chan *proposal
	flying chan flight
	landed chan struct{} // holds a value when nothing has been on its way for a moment
	ahead  atomic.Int64  // commands on their way
	unused sync.Pool     // of *proposal
}

// A proposal is a command on its way.
type proposal struct {
	data []byte
	done chan outcome // has room for one
}

type flight struct {
	p *proposal
	f raft.ApplyFuture
}

type outcome struct {
	result any
	index  uint64
	err    error
}

func (p *proposer) init() {
	p.queue = make(chan *proposal, maxBatch)
	p.flying = make(chan flight, 4*maxBatch)
	p.landed = make(chan struct{}, 1)
	p.unused.New = func() any { return &proposal{done: make(chan outcome, 1)} }
}

// send hands the commands to Raft, until the queue is closed.
func (p *proposer) send(r *raft.Raft) {
	var batch []*proposal
	for open := true; open; {
		batch, open = p.gather(batch[:0])
		p.ahead.Add(int64(len(batch)))
		for _, one := range batch {
			p.flying <- flight{one, r.Apply(one.data, 0)}
		}
		clear(batch)
	}
	close(p.flying)
}

// gather returns what is to go out next. open is false when the queue is closed.
func (p *proposer) gather(batch []*proposal) (_ []*proposal, open bool) {
	one, open := <-p.queue
	if !open {
		return batch, false
	}
	batch = append(batch, one)
	for len(batch) < maxBatch {
		if p.ahead.Load() == 0 {
			select {
			case one, open = <-p.queue:
			default:
				return batch, true
			}
		} else {
			select {
			case one, open = <-p.queue:
			case <-p.landed:
				continue
			}
		}
		if !open {
			return batch, false
		}
		batch = append(batch, one)
	}
	return batch, true
}

// receive tells the callers the outcomes. They come in the order in which the
// commands went out.
func (p *proposer) receive() {
	for one := range p.flying {
		var out outcome
		if out.err = outcomeOf(one.f.Error()); out.err == nil {
			out.result, out.index = one.f.Response(), one.f.Index()
		}
		one.p.done <- out
		if p.ahead.Add(-1) == 0 {
			select {
			case p.landed <- struct{}{}:
			default:
			}
		}
	}
}

// Propose has data agreed on and applied, and returns what the state machine
// made of it, with the index of the entry. Data must have 1 to MaxEntry bytes
// and must not be changed afterwards.
//
// Errors: model.ErrNotLeader and model.ErrNoLeader say that it never began, and
// so does one of kind BadRequest or TooLarge. After any other error the outcome
// is unknown: model.ErrLeadershipLost, or ctx's error, for an entry that is once
// handed to Raft can't be taken back.
func (q *Quorum) Propose(ctx context.Context, data []byte) (result any, index uint64, err error) {
	switch {
	case len(data) == 0:
		return nil, 0, model.Errorf(model.BadRequest, "empty command")
	case len(data) > MaxEntry:
		return nil, 0, model.Errorf(model.TooLarge, "command of %d bytes is over the limit of %d", len(data), MaxEntry)
	}
	out := q.propose(ctx, data)
	return out.result, out.index, out.err
}

// Barrier returns when every entry that was proposed before has been applied
// here. Errors as for Propose.
func (q *Quorum) Barrier(ctx context.Context) error {
	// Raft has barriers of its own, but no state machine hears of them: a
	// follower could not tell that it has come to the index of one.
	return q.propose(ctx, nil).err
}

func (q *Quorum) propose(ctx context.Context, data []byte) outcome {
	if err := q.leads(); err != nil {
		return outcome{err: err}
	}
	p := q.proposer.unused.Get().(*proposal)
	p.data = data
	if err := q.enqueue(ctx, p); err != nil {
		return outcome{err: err}
	}
	select {
	case out := <-p.done:
		p.data = nil
		q.proposer.unused.Put(p)
		return out
	case <-q.stall.halted():
		return outcome{err: model.ErrLeadershipLost}
	case <-ctx.Done():
		return outcome{err: canceled(ctx)}
	}
}

func (q *Quorum) enqueue(ctx context.Context, p *proposal) error {
	if !q.gate.enter() {
		return errClosed
	}
	defer q.gate.leave()
	select {
	case q.proposer.queue <- p:
		return nil
	case <-q.stall.halted():
		return model.ErrNoLeader
	case <-ctx.Done():
		return canceled(ctx)
	}
}
