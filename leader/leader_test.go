package leader

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// slowDuty records when it runs, and takes a second to stop.
type slowDuty struct {
	log     *fakeLog
	running atomic.Int32
	mu      sync.Mutex
	terms   []uint64 // guarded by mu
}

func (d *slowDuty) Run(ctx context.Context) {
	if d.running.Add(1) > 1 {
		panic("a duty runs twice")
	}
	status, _ := d.log.Status()
	d.mu.Lock()
	d.terms = append(d.terms, status.Term)
	d.mu.Unlock()
	<-ctx.Done()
	time.Sleep(time.Second)
	d.running.Add(-1)
}

func TestDutiesFollowTheTerms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLog()
		one, two := &slowDuty{log: log}, &slowDuty{log: log}
		l := Start(log, hclog.NewNullLogger(), one, two)
		expect := func(when string, running int32) {
			t.Helper()
			synctest.Wait()
			if a, b := one.running.Load(), two.running.Load(); a != running || b != running {
				t.Errorf("%s: %d and %d duties run, want %d of each", when, a, b, running)
			}
		}
		expect("as a follower", 0)
		log.lead(3)
		expect("in term 3", 1)
		log.lead(0)
		expect("just deposed", 1)
		time.Sleep(2 * time.Second)
		expect("deposed", 0)

		log.lead(5)
		expect("in term 5", 1)
		log.lead(7) // lost and won again, faster than anybody could look
		time.Sleep(2 * time.Second)
		expect("in term 7", 1)
		log.lead(7) // something else changed
		time.Sleep(2 * time.Second)
		expect("still in term 7", 1)

		l.Close()
		expect("closed", 0)
		if want := []uint64{3, 5, 7}; !slices.Equal(one.terms, want) || !slices.Equal(two.terms, want) {
			t.Errorf("the duties ran in the terms %v and %v, want %v", one.terms, two.terms, want)
		}
	})
}

func TestCloseWithoutLeading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDuty{}
		Start(newLog(), hclog.NewNullLogger(), d).Close()
		if d.terms != nil {
			t.Error("a duty ran on a follower")
		}
	})
}

func TestEachCallsSeveralAtATime(t *testing.T) {
	for _, n := range []int{0, 1, 2, atOnce, 10 * atOnce} {
		synctest.Test(t, func(t *testing.T) {
			var now, most atomic.Int32
			called := make([]atomic.Bool, n)
			each(n, func(i int) {
				if called[i].Swap(true) {
					t.Errorf("%d was called twice", i)
				}
				running := now.Add(1)
				for m := most.Load(); running > m && !most.CompareAndSwap(m, running); m = most.Load() {
				}
				time.Sleep(time.Second)
				now.Add(-1)
			})
			for i := range called {
				if !called[i].Load() {
					t.Errorf("%d was not called", i)
				}
			}
			if want := int32(min(n, atOnce)); most.Load() != want {
				t.Errorf("%d of %d ran at a time, want %d", most.Load(), n, want)
			}
		})
	}
}
