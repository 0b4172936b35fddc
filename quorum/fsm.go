package quorum

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// An fsm puts a StateMachine behind Raft's interface, and knows how far it has
// come. Raft calls Apply, ApplyBatch, Snapshot and Restore from one goroutine.
type fsm struct {
	sm      StateMachine
	entries []Entry // reused from batch to batch
	moved   func()  // called after a batch

	index atomic.Uint64 // of the last entry taken in

	mu      sync.Mutex
	closed  bool
	waiters waiters // ordered by index
}

var _ raft.BatchingFSM = (*fsm)(nil)

func newFSM(sm StateMachine, moved func()) *fsm { return &fsm{sm: sm, moved: moved} }

func (f *fsm) applied() uint64 { return f.index.Load() }

// Apply is part of raft.FSM, which wants it even where it is never called.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch hands the commands among logs to the state machine. Changes of the
// members and the empty commands of Barrier only move the index.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	batch := f.entries[:0]
	for _, l := range logs {
		if isCommand(l) {
			batch = append(batch, Entry{Index: l.Index, Term: l.Term, Data: l.Data, AppendedAt: l.AppendedAt})
		}
	}
	var results []any
	if len(batch) > 0 {
		results = f.sm.Apply(batch)
	}
	if len(batch) < len(logs) {
		all := make([]any, len(logs))
		n := 0
		for i, l := range logs {
			if isCommand(l) {
				all[i] = results[n]
				n++
			}
		}
		results = all
	}
	clear(batch) // keep no data alive
	f.entries = batch
	f.advance(logs[len(logs)-1].Index)
	f.moved()
	return results
}

func isCommand(l *raft.Log) bool { return l.Type == raft.LogCommand && len(l.Data) > 0 }

func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	s, err := f.sm.Snapshot()
	if err != nil {
		return nil, err
	}
	return fsmSnapshot{s}, nil
}

func (f *fsm) Restore(r io.ReadCloser) error {
	if err := f.sm.Restore(r); err != nil {
		return err
	}
	// Raft wraps what our snapshot store opened, to count the bytes.
	if w, ok := r.(raft.ReadCloserWrapper); ok {
		r = w.WrappedReadCloser()
	}
	if s, ok := r.(*openSnapshot); ok {
		f.advance(s.index)
	}
	return nil
}

type fsmSnapshot struct{ s Snapshot }

func (s fsmSnapshot) Persist(sink raft.SnapshotSink) error {
	if err := s.s.Persist(sink); err != nil {
		return err // Raft cancels the sink
	}
	return sink.Close()
}

func (s fsmSnapshot) Release() { s.s.Release() }

// advance publishes that the state machine has come to index, and wakes those
// who waited for that.
func (f *fsm) advance(index uint64) {
	f.index.Store(index)
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.waiters) > 0 && f.waiters[0].index <= index {
		close(f.waiters.pop().done)
	}
}

// wait returns when the state machine has come to index.
func (f *fsm) wait(ctx context.Context, index uint64) error {
	if f.index.Load() >= index {
		return nil
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return errClosed
	}
	if f.index.Load() >= index { // advance stores before it looks for waiters
		f.mu.Unlock()
		return nil
	}
	w := &waiter{index: index, done: make(chan struct{})}
	f.waiters.push(w)
	f.mu.Unlock()

	select {
	case <-w.done:
		if f.index.Load() < index {
			return errClosed
		}
		return nil
	case <-ctx.Done():
		f.mu.Lock()
		defer f.mu.Unlock()
		f.waiters.remove(w)
		return canceled(ctx)
	}
}

// close wakes everybody who waits; nothing will be applied any more.
func (f *fsm) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for len(f.waiters) > 0 {
		close(f.waiters.pop().done)
	}
}
