package leader

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/model"
)

// sessionBench is a leader that keeps sessions, on a node without checks.
type sessionBench struct {
	*fakeLog
	t    *testing.T
	duty *Sessions
}

func newSessionBench(t *testing.T) *sessionBench {
	b := &sessionBench{fakeLog: newLog(), t: t}
	b.apply(t, model.CmdRegister, &model.RegisterRequest{Node: "n", Address: "10.0.0.1"})
	b.duty = NewSessions(b.fakeLog, b.store, hclog.NewNullLogger())
	return b
}

func sessionID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", i) }

// create makes a session and gives the duty the time to adopt it.
func (b *sessionBench) create(i int, ttl time.Duration) {
	b.t.Helper()
	s := model.Session{ID: sessionID(i), Node: "n", Behavior: model.SessionsRelease}
	if ttl != 0 {
		s.TTL = ttl.String()
	}
	b.apply(b.t, model.CmdSession, &model.SessionCommand{Op: model.SessionCreate, Session: s})
	synctest.Wait()
}

func (b *sessionBench) destroy(i int) {
	b.t.Helper()
	b.apply(b.t, model.CmdSession, &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: sessionID(i)}})
}

func (b *sessionBench) session(i int) *model.Session {
	_, s := b.store.Current().Session(sessionID(i))
	return s
}

// timers is how many sessions the duty keeps the time of, twice.
func (b *sessionBench) timers() (byID, queued int) {
	b.duty.mu.Lock()
	defer b.duty.mu.Unlock()
	return len(b.duty.timers), len(b.duty.queue)
}

func (b *sessionBench) renew(i int) bool {
	b.t.Helper()
	s := b.session(i)
	if s == nil {
		b.t.Fatalf("session %d ended too early", i)
	}
	return b.duty.Renew(s)
}

// expect checks now whether a session is there.
func (b *sessionBench) expect(i int, there bool) {
	b.t.Helper()
	synctest.Wait()
	if s := b.session(i); (s != nil) != there {
		b.t.Errorf("session %d: there: %v, want %v", i, s != nil, there)
	}
}

// late is how long after its time a session may be there yet.
const late = 2 * settle

func TestSessionEndsUnlessRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSessionBench(t)
		b.begin(t, b.duty)
		b.create(1, 10*time.Second)
		b.create(2, 0)
		b.apply(t, model.CmdSession, &model.SessionCommand{Op: model.SessionCreate,
			Session: model.Session{ID: sessionID(3), Node: "n", TTL: "0s"}})
		for range 5 {
			time.Sleep(9 * time.Second)
			if !b.renew(1) {
				t.Fatal("the renewal was refused")
			}
		}
		time.Sleep(20*time.Second - 1)
		b.expect(1, true)
		time.Sleep(time.Nanosecond)
		b.expect(1, false)
		time.Sleep(24 * time.Hour)
		b.expect(2, true) // no TTL
		b.expect(3, true)
		if n := len(b.takeProposals()); n != 1 {
			t.Errorf("%d proposals for the end of one session", n)
		}
	})
}

// TestSessionBeforeAdoption: a session that is renewed before the duty has seen
// it gets its time.
func TestSessionBeforeAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSessionBench(t)
		b.begin(t, b.duty)
		b.create(1, time.Second)
		b.create(2, time.Second) // while changes are gathered
		if !b.renew(2) {
			t.Error("the renewal was refused")
		}
		time.Sleep(2*time.Second - 1)
		b.expect(2, true)
		time.Sleep(late)
		b.expect(2, false)
	})
}

func TestNewTermGivesAllTheTimeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSessionBench(t)
		b.begin(t, b.duty)
		b.create(1, 10*time.Second)
		time.Sleep(19 * time.Second)
		b.lead(0)
		time.Sleep(time.Hour)
		b.expect(1, true) // nobody leads, nothing ends
		if !b.renew(1) {
			t.Error("a renewal between terms was refused")
		}
		b.lead(2)
		time.Sleep(20*time.Second - 1)
		b.expect(1, true)
		time.Sleep(time.Nanosecond)
		b.expect(1, false)
	})
}

// TestNoRenewalOnceEnding: whoever was told of a renewal keeps the session for
// a TTL, even if the renewal comes at the last moment.
func TestNoRenewalOnceEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSessionBench(t)
		b.latency = time.Second
		b.begin(t, b.duty)
		b.create(1, 10*time.Second)
		b.create(2, 10*time.Second)
		time.Sleep(20*time.Second - 1)
		if !b.renew(2) {
			t.Error("a renewal in time was refused")
		}
		time.Sleep(2 * settle) // either may have been adopted a little later
		if b.renew(1) {
			t.Error("a session was renewed while its end was under way")
		}
		time.Sleep(time.Second)
		b.expect(1, false)
		time.Sleep(10 * time.Second)
		b.expect(2, true)
	})
}

func TestEndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSessionBench(t)
		failures := 3
		b.before = func(model.CommandType) error {
			if failures--; failures >= 0 {
				return errors.New("the disk is slow today")
			}
			return nil
		}
		b.begin(t, b.duty)
		b.create(1, 10*time.Second)
		time.Sleep(20*time.Second + 3*retryEnd - 1)
		b.expect(1, true)
		if b.renew(1) {
			t.Error("renewed although its end may have been agreed on")
		}
		time.Sleep(late)
		b.expect(1, false)
	})
}

func TestSessionsThatEndOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSessionBench(t)
		b.begin(t, b.duty)
		for i := range 100 {
			b.create(i, 24*time.Hour)
			if i%2 == 0 {
				b.destroy(i)
			}
		}
		time.Sleep(time.Second)
		if n, q := b.timers(); n != 50 || q != 50 {
			t.Errorf("%d timers, %d in the queue for 50 sessions", n, q)
		}
		b.apply(t, model.CmdDeregister, &model.DeregisterRequest{Node: "n"})
		time.Sleep(time.Second)
		if n, q := b.timers(); n != 0 || q != 0 {
			t.Errorf("%d timers, %d in the queue for no session", n, q)
		}
		if p := b.takeProposals(); len(p) != 0 {
			t.Errorf("proposals for sessions that others ended: %v", p)
		}
	})
}

// TestManySessionsEndTogether: the sessions of all who died while there was no
// leader end soon one after the other.
func TestManySessionsEndTogether(t *testing.T) {
	const n = 3000
	synctest.Test(t, func(t *testing.T) {
		b := newSessionBench(t)
		b.latency = 5 * time.Millisecond
		for i := range n {
			b.create(i, 10*time.Second)
		}
		b.begin(t, b.duty)
		synctest.Wait()
		time.Sleep(20*time.Second - 1)
		if _, all := b.store.Current().Sessions(); len(all) != n {
			t.Errorf("%d of %d sessions left before their time", len(all), n)
		}
		time.Sleep(n/atOnce*b.latency + late)
		if _, all := b.store.Current().Sessions(); len(all) != 0 {
			t.Errorf("%d of %d sessions left after their time", len(all), n)
		}
		if n, q := b.timers(); n != 0 || q != 0 {
			t.Errorf("%d timers left, %d in the queue", n, q)
		}
	})
}

// TestSessionsRandomly plays random histories and checks the promise: nothing
// ends within a TTL of its last renewal, everything within two and a little.
func TestSessionsRandomly(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { playSessions(t, seed) })
	}
}

func playSessions(t *testing.T, seed uint64) {
	const n = 40
	type promise struct {
		id    int // 0: there is no such session
		ttl   time.Duration
		since time.Time
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	b := newSessionBench(t)
	b.latency = time.Duration(rng.IntN(20)) * time.Millisecond
	b.begin(t, b.duty)
	// Twice: it is adopted late, and ended late.
	slow := 2 * (settle + n*settleEach + 2*b.latency)
	term, sessions := uint64(1), make([]promise, n)
	for step := range 2000 {
		time.Sleep(time.Duration(rng.Int64N(int64(300 * time.Millisecond))))
		p := &sessions[rng.IntN(n)]
		switch {
		case p.id == 0:
			*p = promise{step + 1, time.Second + time.Duration(rng.Int64N(int64(20*time.Second))), time.Now()}
			b.create(p.id, p.ttl)
		case rng.IntN(20) == 0:
			b.destroy(p.id)
			p.id = 0
		case b.session(p.id) != nil && rng.IntN(4) > 0 && b.renew(p.id):
			p.since = time.Now()
		case rng.IntN(200) == 0:
			term++
			b.lead(term)
			for i := range sessions {
				if b.session(sessions[i].id) != nil {
					sessions[i].since = time.Now()
				}
			}
		}
		for i := range sessions {
			p := &sessions[i]
			if p.id == 0 {
				continue
			}
			there, age := b.session(p.id) != nil, time.Since(p.since)
			if !there && age < p.ttl || there && age > 2*p.ttl+slow {
				t.Fatalf("seed %d, step %d: TTL %v, there: %v, %v after its renewal", seed, step, p.ttl, there, age)
			}
			if !there {
				p.id = 0
			}
		}
	}
}

// TestRestoredSessions: a session that a snapshot brings back has its whole time
// again, and ends when that is over.
func TestRestoredSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSessionBench(t)
		b.begin(t, b.duty)
		b.create(1, 10*time.Second)
		var snapshot bytes.Buffer
		if err := b.store.Snapshot().Persist(&snapshot); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		b.destroy(1)
		time.Sleep(time.Second)
		b.expect(1, false)
		if _, err := b.store.Restore(&snapshot); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20*time.Second - 1)
		b.expect(1, true)
		time.Sleep(late)
		b.expect(1, false)
		if byID, queued := b.timers(); byID != 0 || queued != 0 {
			t.Errorf("%d timers, %d queued", byID, queued)
		}
	})
}
