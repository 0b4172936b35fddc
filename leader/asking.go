package leader

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/gossip"
)

const (
	// askedAtOnce is how many members are asked at a time. Each is told all that
	// this server knows of the others: some 350 KB where there are a thousand.
	askedAtOnce = 32
	// answerKept is how long an answer counts.
	answerKept = reconcileAgain
)

// errAsked: whoever is said to be gone is being asked, or has answered.
var errAsked = errors.New("it is asked whether it is gone")

// An asker asks members who are said to be gone whether they are, before something
// is taken from them. Gossip passes on that a member has left from those who have
// missed its return. A duty must not wait for the answers, so they are kept for when
// it looks again.
type asker struct {
	ctx    context.Context // of the term
	pool   Pool
	look   func() // the duty is to look again
	logger hclog.Logger

	slots   chan struct{}
	running sync.WaitGroup

	mu    sync.Mutex
	asked map[string]*answer // by name in lower case
}

// An answer is what a member said; not yet, while at is zero.
type answer struct {
	at   time.Time
	here bool
	id   string
}

// newAsker makes one for a term; wait must be called when ctx has ended.
func newAsker(ctx context.Context, pool Pool, look func(), logger hclog.Logger) *asker {
	return &asker{ctx: ctx, pool: pool, look: look, logger: logger, slots: make(chan struct{}, askedAtOnce), asked: map[string]*answer{}}
}

func (a *asker) wait() { a.running.Wait() }

// gone returns nil when the member has been asked and is not there any more, or is
// now another agent than the one with the given node ID, and errAsked otherwise: while
// it is being asked, too, which begins with the first call.
func (a *asker) gone(m *gossip.Member, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := strings.ToLower(m.Name)
	have := a.asked[name]
	switch {
	case have == nil || !have.at.IsZero() && time.Since(have.at) >= answerKept:
		a.asked[name] = &answer{}
		a.running.Go(func() { a.ask(m) })
	case have.at.IsZero():
	case !have.here || differ(id, have.id):
		return nil
	}
	return errAsked
}

// forget drops what is known of a member that is not said to be gone any more.
func (a *asker) forget(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if have := a.asked[strings.ToLower(name)]; have != nil && !have.at.IsZero() {
		delete(a.asked, strings.ToLower(name))
	}
}

func (a *asker) ask(m *gossip.Member) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-a.ctx.Done():
		return
	}
	id, here := a.pool.Ask(a.ctx, m)
	if a.ctx.Err() != nil {
		return
	}
	if here {
		a.logger.Warn("a member that is said to be gone answers: it stays", "member", m.Name, "status", m.Status, "id", id)
	}
	a.mu.Lock()
	a.asked[strings.ToLower(m.Name)] = &answer{at: time.Now(), here: here, id: id}
	a.mu.Unlock()
	a.look()
}
