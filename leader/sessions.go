package leader

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/model"
	"muster/state"
)

// Sessions ends the sessions whose TTL was not renewed. The state keeps no
// time, so a new leader gives every session its whole time again: a session
// may live longer than promised, never shorter.
type Sessions struct {
	proposer
	store  *state.Store
	logger hclog.Logger

	mu     sync.Mutex
	timers map[string]*timer // by session ID; guarded by mu
	queue  timerQueue        // guarded by mu
	round  uint64            // counts the calls of adopt; guarded by mu
}

// A timer is the time of one session. Fields are under Sessions.mu.
type timer struct {
	id       string
	created  uint64        // the session's CreateIndex
	life     time.Duration // from one renewal to the end
	deadline time.Time     // when the session ends
	// at is when to look at the deadline, which a renewal moves and leaves the
	// queue as it is.
	at    time.Time
	place int // in the queue
	round uint64
	// ending: the end is proposed, or was and failed. There is no way back:
	// the proposal may be applied at any moment.
	ending bool
}

const (
	// settle and settleEach, which is for each session, are how long changes
	// are gathered before the sessions are looked through: the work stays a
	// small part of the time however many there are. A session lives that much
	// longer at most.
	settle     = 100 * time.Millisecond
	settleEach = 10 * time.Microsecond
	// retryEnd is how long the end of a session waits after it failed.
	retryEnd = time.Second
	// idle is how long nothing is looked at when there is no session.
	idle = time.Hour
)

// NewSessions makes the duty.
func NewSessions(log Log, store *state.Store, logger hclog.Logger) *Sessions {
	return &Sessions{proposer: proposer{log}, store: store, logger: logger, timers: map[string]*timer{}}
}

// Renew begins the TTL of a session anew. It is false when the session is being
// ended: it is to be taken for one that is gone already.
func (s *Sessions) Renew(session *model.Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.timers[session.ID]
	if !ok {
		return true // it has no TTL, or gets its whole time when it is adopted
	}
	if t.ending {
		return false
	}
	t.deadline = time.Now().Add(t.life)
	return true
}

// Active tells how many sessions there are whose TTL this server watches over.
func (s *Sessions) Active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.timers)
}

// Run keeps the time until ctx ends.
func (s *Sessions) Run(ctx context.Context) {
	defer s.forget()
	next := time.NewTimer(idle)
	defer next.Stop()
	for {
		watch := s.store.Watch(state.TopicSessions)
		pause := settle + time.Duration(s.adopt())*settleEach
		if !s.endUntil(ctx, watch, next) {
			watch.Close()
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// endUntil ends what is due until sessions have changed, or (false) ctx ends.
func (s *Sessions) endUntil(ctx context.Context, watch *state.Watch, next *time.Timer) bool {
	for {
		s.end(ctx, s.due())
		next.Reset(s.untilNext())
		select {
		case <-watch.Done():
			return true
		case <-next.C:
		case <-ctx.Done():
			return false
		}
	}
}

// forget leaves nothing to the next term.
func (s *Sessions) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.timers)
	s.queue = nil
}

// adopt takes in the sessions that are new, forgets those that are gone, and
// returns how many there are.
func (s *Sessions) adopt() int {
	_, all := s.store.Current().Sessions()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.round++
	now, found := time.Now(), 0
	for _, session := range all {
		if session.TTL == "" {
			continue
		}
		t := s.timers[session.ID]
		if t != nil && t.created != session.CreateIndex { // the data was restored
			s.drop(t)
			t = nil
		}
		if t == nil {
			ttl, err := time.ParseDuration(session.TTL)
			if err != nil || ttl <= 0 {
				continue // "0s" is none
			}
			life := ttl * model.SessionTTLMultiply
			t = &timer{id: session.ID, created: session.CreateIndex, life: life, deadline: now.Add(life), at: now.Add(life)}
			s.timers[t.id] = t
			heap.Push(&s.queue, t)
		}
		t.round = s.round
		found++
	}
	if found < len(s.timers) {
		for _, t := range s.timers {
			if t.round != s.round {
				s.drop(t)
			}
		}
	}
	return len(all)
}

// drop forgets a timer; s.mu is held.
func (s *Sessions) drop(t *timer) {
	delete(s.timers, t.id)
	heap.Remove(&s.queue, t.place)
}

// due returns the sessions whose time is over. From then on they cannot be
// renewed: a client that was told of a renewal can rely on it.
func (s *Sessions) due() []*timer {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var over []*timer
	for len(s.queue) > 0 && !s.queue[0].at.After(now) {
		t := s.queue[0]
		if t.ending || !t.deadline.After(now) {
			t.ending, t.at = true, now.Add(retryEnd)
			over = append(over, t)
		} else {
			t.at = t.deadline
		}
		heap.Fix(&s.queue, 0)
	}
	return over
}

// untilNext is how long until the next session may be due.
func (s *Sessions) untilNext() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return idle
	}
	return time.Until(s.queue[0].at)
}

// end ends sessions. Those that could not be ended become due again.
func (s *Sessions) end(ctx context.Context, over []*timer) {
	if len(over) == 0 {
		return
	}
	failed, last := 0, error(nil)
	each(len(over), func(i int) {
		id := over[i].id
		command := &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: id}}
		err := s.propose(ctx, model.CmdSession, command)
		if err == nil {
			s.logger.Debug("Session TTL expired", "session", id)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			failed, last = failed+1, err
			over[i].at = time.Now().Add(retryEnd)
			heap.Fix(&s.queue, over[i].place)
		} else {
			s.drop(over[i])
		}
	})
	if failed > 0 && ctx.Err() == nil {
		s.logger.Warn("could not end sessions whose TTL is over, trying again", "count", failed, "error", last)
	}
}

// timerQueue is a heap: the timer to look at first comes first.
type timerQueue []*timer

func (q timerQueue) Len() int           { return len(q) }
func (q timerQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q timerQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *timerQueue) Push(x any) {
	t := x.(*timer)
	t.place = len(*q)
	*q = append(*q, t)
}

func (q *timerQueue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return t
}
