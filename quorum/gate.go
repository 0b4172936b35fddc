package quorum

import "sync"

// await runs f, which waits for Raft. Close waits for it.
func (q *Quorum) await(f func() error) error {
	if !q.gate.enter() {
		return errClosed
	}
	defer q.gate.leave()
	return f()
}

// A gate counts those inside and, once closed, lets nobody in.
type gate struct {
	inside sync.WaitGroup

	mu     sync.Mutex
	closed bool
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside.Add(1)
	return true
}

func (g *gate) leave() { g.inside.Done() }

// close waits until nobody is inside. It returns false if it was closed before.
func (g *gate) close() bool {
	g.mu.Lock()
	was := g.closed
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
	return !was
}
