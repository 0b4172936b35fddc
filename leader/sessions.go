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
// time, so that a new leader gives every session its whole time again: a
// session may live longer than promised, never shorter.
type Sessions struct {
	proposer
	store  *state.Store
	logger hclog.Logger

	mu        sync.Mutex
	deadlines map[string]time.Time // by session ID; guarded by mu
}

// NewSessions makes the duty.
func NewSessions(log Log, store *state.Store, logger hclog.Logger) *Sessions {
	return &Sessions{proposer: proposer{log}, store: store, logger: logger, deadlines: map[string]time.Time{}}
}

// Name of the duty.
func (s *Sessions) Name() string { return "sessions" }

// Renew begins the TTL of a session anew.
func (s *Sessions) Renew(session *model.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.deadlines[session.ID]; ok {
		s.deadlines[session.ID] = deadline(session)
	}
}

func ttlOf(session *model.Session) time.Duration {
	d, err := time.ParseDuration(session.TTL)
	if err != nil || d < 0 {
		return 0
	}
	return d
}

// deadline is when a session that is renewed now ends.
func deadline(session *model.Session) time.Time {
	return time.Now().Add(ttlOf(session) * model.SessionTTLMultiply)
}

// settle is how long changes of the sessions are gathered before they are
// looked at. It is far below the shortest TTL.
const settle = 100 * time.Millisecond

// retryEnd is how long the end of a session waits after it failed.
const retryEnd = time.Second

// Run keeps the deadlines until ctx ends.
func (s *Sessions) Run(ctx context.Context) {
	s.mu.Lock()
	s.deadlines = map[string]time.Time{}
	s.mu.Unlock()
	var queue dueQueue
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		watch := s.store.Watch(state.TopicSessions)
		s.adopt(&queue)
		if len(queue) > 0 {
			timer.Reset(time.Until(queue[0].at))
		} else {
			timer.Reset(time.Hour)
		}
		select {
		case <-watch.Done():
			select {
			case <-time.After(settle):
			case <-ctx.Done():
				return
			}
		case <-timer.C:
			watch.Close()
			s.expire(ctx, &queue)
		case <-ctx.Done():
			watch.Close()
			return
		}
	}
}

// adopt takes in sessions that are new and forgets those that are gone.
func (s *Sessions) adopt(queue *dueQueue) {
	_, all := s.store.Current().Sessions()
	s.mu.Lock()
	defer s.mu.Unlock()
	alive := make(map[string]bool, len(all))
	for _, session := range all {
		if ttlOf(session) == 0 {
			continue
		}
		alive[session.ID] = true
		if _, ok := s.deadlines[session.ID]; !ok {
			at := deadline(session)
			s.deadlines[session.ID] = at
			heap.Push(queue, due{session.ID, at})
		}
	}
	for id := range s.deadlines {
		if !alive[id] {
			delete(s.deadlines, id)
		}
	}
}

// expire ends the sessions that are due. A renewal moved the deadline and not
// the place in the queue: such a session is queued again.
func (s *Sessions) expire(ctx context.Context, queue *dueQueue) {
	now := time.Now()
	for len(*queue) > 0 && !(*queue)[0].at.After(now) {
		d := heap.Pop(queue).(due)
		s.mu.Lock()
		at, ok := s.deadlines[d.id]
		s.mu.Unlock()
		switch {
		case !ok:
		case at.After(now):
			heap.Push(queue, due{d.id, at})
		default:
			err := s.propose(ctx, model.CmdSession, &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: d.id}})
			if err != nil {
				s.logger.Warn("could not end a session that was not renewed", "session", d.id, "error", err)
				heap.Push(queue, due{d.id, now.Add(retryEnd)})
				return
			}
			s.logger.Debug("session ended: its TTL was not renewed", "session", d.id)
		}
	}
}

// due is a session and the time to look at it.
type due struct {
	id string
	at time.Time
}

type dueQueue []due

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q dueQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(x any)        { *q = append(*q, x.(due)) }
func (q *dueQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
