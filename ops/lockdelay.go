package ops

import (
	"sync"
	"time"

	"muster/state"
)

// lockDelays remembers which keys may not be locked for a while, because a
// session ended that held them. It keeps time on this server only; every
// server sees the same sessions end, so that a new leader knows them too.
type lockDelays struct {
	mu    sync.Mutex
	until map[string]time.Time // guarded by mu
}

func newLockDelays() *lockDelays { return &lockDelays{until: map[string]time.Time{}} }

// arm is called by the store when locks ended with their sessions.
func (l *lockDelays) arm(released []state.Release) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range released {
		if r.Session.LockDelay > 0 {
			l.until[r.Key] = now.Add(r.Session.LockDelay)
		}
	}
	if len(l.until) > 1024 { // nobody may ask for these keys again
		for k, t := range l.until {
			if now.After(t) {
				delete(l.until, k)
			}
		}
	}
}

// held tells whether a key is still in its delay.
func (l *lockDelays) held(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.until[key]
	if !ok {
		return false
	}
	if time.Now().Before(t) {
		return true
	}
	delete(l.until, key)
	return false
}
