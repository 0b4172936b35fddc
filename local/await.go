package local

import (
	"context"
	"time"
)

// awaitMax is how long a change waits until the catalog knows of it. Servers take
// a few milliseconds; what takes longer goes on without anybody who waits.
const awaitMax = 100 * time.Millisecond

// awaitFew is how many wait at a time. Of many that come together the others go
// on at once: so the changes of a moment reach the servers in few requests, and
// who registers that much does not look for each.
const awaitFew = 4

// await is what those wait for who have changed something. Fields are under
// Agent.mu.
type await struct {
	// inStep: the last request to the catalog went well, and nobody has waited
	// for one in vain since.
	inStep bool
	// next is closed when what is dirty now was told, or could not be; running
	// when what is on its way is. nil: nobody waits; nothing is on its way.
	next, running chan struct{}
	waiting       int
}

// take notes that what was dirty is on its way.
func (w *await) take() {
	w.running, w.next = w.next, nil
	if w.running == nil {
		w.running = make(chan struct{})
	}
}

// pushed ends the waiting for what was on its way.
func (a *Agent) pushed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.await.running)
	a.await.running = nil
}

func (a *Agent) waited() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.await.waiting--
}

func (a *Agent) setInStep(inStep bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.await.inStep = inStep
}

// AwaitSync returns when the catalog was told of all changes that were made
// before, so that whoever made one finds it there; at the latest after a tenth of
// a second. It does not wait while the catalog can't be told (registering must
// work without servers), nor when several wait already.
func (a *Agent) AwaitSync(ctx context.Context) {
	a.mu.Lock()
	w := &a.await
	if !w.inStep || a.paused > 0 || a.closed || w.waiting >= awaitFew {
		a.mu.Unlock()
		return
	}
	over := w.running
	if !a.dirty.empty() {
		if w.next == nil {
			w.next = make(chan struct{})
		}
		over = w.next
	}
	if over == nil {
		a.mu.Unlock()
		return
	}
	w.waiting++
	a.mu.Unlock()
	defer a.waited()
	timeout := time.NewTimer(awaitMax)
	defer timeout.Stop()
	select {
	case <-over:
	case <-ctx.Done():
	case <-timeout.C:
		a.setInStep(false) // until a request goes well again
	}
}
