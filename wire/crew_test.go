package wire

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestCrewRunsAllAtOnceAndKeepsFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		var ran atomic.Int32
		hold := make(chan struct{})
		for range 3 * maxIdle {
			c.run(func() {
				ran.Add(1)
				<-hold
			})
		}
		synctest.Wait()
		if n := ran.Load(); n != 3*maxIdle {
			t.Fatalf("%d of %d jobs run at a time", n, 3*maxIdle)
		}
		close(hold)
		synctest.Wait()
		if n := c.idle.Load(); n != maxIdle {
			t.Errorf("%d wait for jobs, not %d", n, maxIdle)
		}
		c.run(func() { ran.Add(1) })
		synctest.Wait()
		if n := c.idle.Load(); n != maxIdle {
			t.Errorf("%d wait after another job, not %d", n, maxIdle)
		}
		c.close()
		if n := ran.Load(); n != 3*maxIdle+1 {
			t.Errorf("%d jobs were run", n)
		}
	})
}

func TestCrewWaitsForItsJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		hold := make(chan struct{})
		var over atomic.Bool
		c.run(func() {
			<-hold
			over.Store(true)
		})
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			c.close()
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("close did not wait for a job")
		default:
		}
		close(hold)
		<-closed
		if !over.Load() {
			t.Error("the job had not ended")
		}
	})
}
