package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// sessionTTL is the shortest that there is.
	sessionTTL = 10 * time.Second
	renewEvery = 3 * time.Second
)

// Locks is who held one lock when, as its holders could know.
type Locks struct {
	mu    sync.Mutex
	holds []hold
}

// A hold lasts from the answer to the acquisition to the moment when it was
// asked to end, or when the holder could not count on its session any more.
type hold struct {
	session  string
	agent    *Agent    // whose node's session it is
	made     time.Time // or shortly after
	from, to time.Time
	// free is the time before which nobody else may have the lock, because the
	// session was ended while it held it; zero if it was not.
	free time.Time
}

func (l *Locks) add(h hold) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holds = append(l.holds, h)
}

// Check returns an error when two held the lock at the same time, or one had it
// during a lock-delay.
func (l *Locks) Check() error {
	// The sessions of a node that leaves end with it.
	l.holds = slices.DeleteFunc(l.holds, func(h hold) bool { return h.agent.LeftBetween(h.made, h.to) })
	slices.SortFunc(l.holds, func(a, b hold) int { return a.from.Compare(b.from) })
	for i := 1; i < len(l.holds); i++ {
		a, b := l.holds[i-1], l.holds[i]
		if a.session != b.session && b.from.Before(a.to) {
			return fmt.Errorf("%s of %s held the lock from %s to %s, and %s of %s from %s", a.session, a.agent.Name(), a.from.Format(clock), a.to.Format(clock),
				b.session, b.agent.Name(), b.from.Format(clock))
		}
		if b.from.Before(a.free) {
			return fmt.Errorf("%s had the lock from %s, in the lock-delay of %s until %s", b.session, b.from.Format(clock), a.session, a.free.Format(clock))
		}
	}
	return nil
}

const clock = "15:04:05.000"

// Held is how often the lock was held.
func (l *Locks) Held() int { return len(l.holds) }

// A Locker takes the lock again and again.
type Locker struct {
	c     *Cluster
	rand  *rand.Rand
	locks *Locks
}

// NewLocker makes one.
func NewLocker(c *Cluster, id int, l *Locks) *Locker {
	return &Locker{c, rand.New(rand.NewPCG(c.seed, uint64(400+id))), l}
}

// Run works until ctx ends.
func (l *Locker) Run(ctx context.Context) {
	for ctx.Err() == nil {
		l.once(ctx)
		time.Sleep(time.Duration(l.rand.Int64N(int64(time.Second))))
	}
}

// once makes a session, tries to get the lock with it, holds it for a while,
// and lets it go in one of the ways that there are.
func (l *Locker) once(ctx context.Context) {
	at := l.c.agents[l.rand.IntN(len(l.c.agents))]
	sent := time.Now()
	delay := time.Duration(l.rand.IntN(4)) * time.Second
	r := ask(ctx, at, "PUT", "/v1/session/create", fmt.Sprintf(`{"TTL": %q, "LockDelay": %q, "NodeChecks": [], "Behavior": %q}`,
		sessionTTL, delay, []string{"release", "delete"}[l.rand.IntN(2)]))
	var made struct{ ID string }
	if r == nil || r.Status != http.StatusOK || json.Unmarshal(r.Body, &made) != nil {
		return
	}
	until := sent.Add(sessionTTL) // for so long the session cannot expire
	h := hold{session: made.ID, agent: at, made: sent}
	for tries := 0; tries < 20 && ctx.Err() == nil; tries++ {
		if r = ask(ctx, at, "PUT", "/v1/kv/lock?acquire="+made.ID, made.ID); r != nil && string(r.Body) == "true" {
			h.from = time.Now()
			break
		}
		l.renew(ctx, at, made.ID, &until)
		time.Sleep(300 * time.Millisecond)
	}
	if h.from.IsZero() {
		ask(ctx, at, "PUT", "/v1/session/destroy/"+made.ID, "")
		return
	}
	end := h.from.Add(time.Duration(l.rand.Int64N(int64(8 * time.Second))))
	for time.Now().Before(end) && time.Now().Before(until) && ctx.Err() == nil {
		time.Sleep(min(renewEvery, time.Until(end), time.Until(until)))
		l.renew(ctx, at, made.ID, &until)
	}
	h.to = time.Now()
	if h.to.After(until) {
		h.to = until
	}
	switch l.rand.IntN(3) {
	case 0:
		ask(ctx, at, "PUT", "/v1/kv/lock?release="+made.ID, "")
		ask(ctx, at, "PUT", "/v1/session/destroy/"+made.ID, "")
	case 1:
		if r := ask(ctx, at, "PUT", "/v1/session/destroy/"+made.ID, ""); r != nil && r.Status == http.StatusOK && h.to.Before(until) {
			h.free = h.to.Add(delay)
		}
	default: // it is forgotten: until ends it
		if h.to.Before(until) {
			h.to = until
		}
	}
	l.locks.add(h)
}

// renew asks for more time. The answer is worth it from when it was asked for.
func (l *Locker) renew(ctx context.Context, at *Agent, session string, until *time.Time) {
	sent := time.Now()
	if r := ask(ctx, at, "PUT", "/v1/session/renew/"+session, ""); r != nil && r.Status == http.StatusOK {
		*until = sent.Add(sessionTTL)
	}
}
