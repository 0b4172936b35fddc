package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"muster/model"
)

// Applier is this server's copy of the data.
type Applier interface {
	// WaitApplied returns when the log is applied up to an index.
	WaitApplied(ctx context.Context, index uint64) error
}

// CatchUp returns when this server, which follows, has applied everything that
// was acknowledged before the call. It asks the leader for its index once for
// all callers that came meanwhile, and gives up after Hold.
func (r *Relay) CatchUp(ctx context.Context, consistent bool, local Applier) error {
	round := r.reads.join(consistent, func(consistent bool) (uint64, error) { return r.readIndex(consistent) })
	// A round that waits for one that finds no leader would take twice as long.
	timeout := time.NewTimer(r.cfg.Hold)
	defer timeout.Stop()
	select {
	case <-round.done:
	case <-timeout.C:
		return model.ErrNoLeader
	case <-ctx.Done():
		return model.Errorf(model.Canceled, "%w", context.Cause(ctx))
	}
	if round.err != nil {
		return round.err
	}
	return local.WaitApplied(ctx, round.index)
}

// readIndex asks the leader, for as long as Hold. A server that has come to
// lead meanwhile returns errHere's cause: its caller asks again.
func (r *Relay) readIndex(consistent bool) (uint64, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.Hold)
	defer cancel()
	pause := 10 * time.Millisecond
	var last error = model.ErrNoLeader
	for {
		if address := r.cfg.Cluster.Leader(); address != "" && !r.cfg.Cluster.Leading() {
			index, err := r.cfg.Client.ReadIndex(ctx, address, consistent)
			if err == nil {
				return index, nil
			}
			last = err
		} else if r.cfg.Cluster.Leading() {
			return 0, ErrLeads
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if errors.Is(last, model.ErrNoLeader) {
				return 0, last
			}
			return 0, model.Errorf(model.NoLeader, "%s: %w", model.TextNoLeader, last)
		}
		pause = min(2*pause, 250*time.Millisecond)
	}
}

// ErrLeads says that this server leads now and needs nobody to catch up with.
var ErrLeads = errors.New("this server leads")

// readRounds has one question to the leader under way at a time, and one
// waiting for all who come meanwhile: who asks must not get an answer to a
// question that was put before.
type readRounds struct {
	runs sync.WaitGroup

	mu      sync.Mutex
	closed  bool       // guarded by mu
	running bool       // guarded by mu
	next    *readRound // guarded by mu
}

type readRound struct {
	done       chan struct{}
	consistent bool // guarded by readRounds.mu until it runs
	index      uint64
	err        error
}

func (r *readRounds) join(consistent bool, ask func(bool) (uint64, error)) *readRound {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		round := &readRound{done: make(chan struct{}), err: model.ErrNoLeader}
		close(round.done)
		return round
	}
	if r.next == nil {
		r.next = &readRound{done: make(chan struct{})}
	}
	round := r.next
	round.consistent = round.consistent || consistent
	if !r.running {
		r.running = true
		r.runs.Go(func() { r.run(ask) })
	}
	return round
}

// close refuses further rounds and waits for those under way.
func (r *readRounds) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.runs.Wait()
}

// run answers rounds until nobody waits.
func (r *readRounds) run(ask func(bool) (uint64, error)) {
	for {
		r.mu.Lock()
		round := r.next
		r.next = nil
		if round == nil {
			r.running = false
			r.mu.Unlock()
			return
		}
		consistent := round.consistent
		r.mu.Unlock()
		round.index, round.err = ask(consistent)
		close(round.done)
	}
}
