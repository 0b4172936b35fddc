package limit

import (
	"sync"
	"time"
)

// A Notice thins out lines that many callers could cause: one passes in each
// interval, and tells how many did not.
type Notice struct {
	Every time.Duration
	Now   func() time.Time // nil is time.Now

	mu      sync.Mutex
	next    time.Time // guarded by mu
	dropped int       // since the last that passed; guarded by mu
}

// Pass tells whether a line may be written now, and how many before it were not.
func (n *Notice) Pass() (dropped int, ok bool) {
	now := time.Now
	if n.Now != nil {
		now = n.Now
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	t := now()
	if t.Before(n.next) {
		n.dropped++
		return 0, false
	}
	dropped, n.dropped, n.next = n.dropped, 0, t.Add(n.Every)
	return dropped, true
}
