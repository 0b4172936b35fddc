package local

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/model"
)

// awaited is how long a registration waited.
func awaited(t *testing.T, a *Agent, n int) time.Duration {
	t.Helper()
	must(t, a.AddService(web(n), SourceAPI, false))
	began := time.Now()
	a.AwaitSync(t.Context())
	return time.Since(began)
}

// Who changes something and waits finds it in the catalog.
func TestAwaitSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		synctest.Wait()
		a.AwaitSync(t.Context()) // there is nothing to wait for
		c.edit(func() { c.delay = 5 * time.Millisecond })
		var wg sync.WaitGroup
		for i := range awaitFew {
			wg.Go(func() {
				if d := awaited(t, a, i); d > awaitMax/2 {
					t.Errorf("%d waited %s", i, d)
				}
				if c.seen().services[fmt.Sprint("web", i)] == nil {
					t.Errorf("%d is not there", i)
				}
			})
		}
		wg.Wait()
		waited := make(chan time.Duration, 50)
		for i := range cap(waited) {
			wg.Go(func() { waited <- awaited(t, a, 100+i) })
		}
		wg.Wait()
		patient := 0
		for range cap(waited) {
			if <-waited > 0 {
				patient++
			}
		}
		if patient == 0 || patient > awaitFew {
			t.Errorf("%d waited at a time", patient)
		}
		must(t, a.RemoveService("web1"))
		a.AwaitSync(t.Context())
		if c.seen().services["web1"] != nil {
			t.Error("it is still there")
		}
	})
}

// Without servers nobody waits: but for the first who finds that out, and he not
// for long.
func TestAwaitSyncWithoutServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		synctest.Wait()
		c.edit(func() { c.delay = 7 * time.Second }) // as when a server is looked for
		if d := awaited(t, a, 1); d != awaitMax {
			t.Errorf("the first waited %s", d)
		}
		if d := awaited(t, a, 2); d != 0 {
			t.Errorf("the second waited %s", d)
		}
		c.edit(func() { c.delay = 0; c.fail = func(string) error { return model.ErrNoServers } })
		time.Sleep(time.Minute)
		if d := awaited(t, a, 3); d != 0 {
			t.Errorf("after a failure one waited %s", d)
		}
		c.edit(func() { c.delay, c.fail = time.Millisecond, nil })
		time.Sleep(time.Minute)
		if d := awaited(t, a, 4); d == 0 || c.seen().services["web4"] == nil {
			t.Errorf("when servers are back one waited %s", d)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		must(t, a.AddService(web(5), SourceAPI, false))
		a.AwaitSync(gone)
		a.Pause()
		if d := awaited(t, a, 6); d != 0 {
			t.Errorf("while nothing may be told one waited %s", d)
		}
		a.Resume()
	})
}

// An agent that has never reached a server answers at once.
func TestAwaitSyncAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		c.fail = func(string) error { return model.ErrNoServers }
		a := start(t, testConfig(t, c))
		synctest.Wait()
		if d := awaited(t, a, 1); d != 0 {
			t.Errorf("waited %s", d)
		}
	})
}
