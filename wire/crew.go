package wire

import (
	"sync"
	"sync/atomic"
)

// A crew answers calls, each in a goroutine of its own, and keeps some of those
// that are done for the next calls: a handler goes deep, and to grow the stack of
// a new goroutine for it was a tenth of what a forwarded write cost the leader.
type crew struct {
	jobs chan func() // taken by those who wait
	done chan struct{}
	once sync.Once // closes done
	wg   sync.WaitGroup
	idle atomic.Int32 // those who wait, or are about to
}

// maxIdle is how many wait for calls at most.
const maxIdle = 64

func newCrew() *crew { return &crew{jobs: make(chan func()), done: make(chan struct{})} }

// run has job run and does not wait for it. Who calls it must hold up close.
func (c *crew) run(job func()) {
	select {
	case c.jobs <- job:
	default:
		c.wg.Go(func() { c.work(job) })
	}
}

func (c *crew) work(job func()) {
	for {
		job()
		if c.idle.Add(1) > maxIdle {
			c.idle.Add(-1)
			return
		}
		select {
		case job = <-c.jobs:
			c.idle.Add(-1)
		case <-c.done:
			return
		}
	}
}

// close waits for the jobs that were begun. None may be begun any more.
func (c *crew) close() {
	c.once.Do(func() { close(c.done) })
	c.wg.Wait()
}
