package relay_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/model"
	"muster/relay"
)

// limits bounds nothing yet.
func limits(change func(*relay.Rates)) *relay.Limits {
	r := relay.Rates{Mode: relay.Permissive, Reads: -1, Writes: -1, Sent: -1}
	change(&r)
	return relay.NewLimits(r, hclog.NewNullLogger(), nil)
}

// A client agent sends no more than it may; a server is not bound by that.
func TestSentRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(func(r *relay.Rates) { r.Sent, r.Burst = 1, 2 })
		k := newWorld(t, false, func(c *relay.Config) { c.Limits = l })
		s := &server{}
		address := k.serve("10.0.0.2", s)
		k.alive = func(string) ([]string, bool) { return []string{address}, true }
		send := func(want bool) {
			t.Helper()
			_, _, _, err := k.pass(leader, "x")
			if (err == nil) != want || err != nil && (model.KindOf(err) != model.TooMany || err.Error() != "RPC rate limit exceeded") {
				t.Errorf("%v, want it sent: %t", err, want)
			}
		}
		send(true)
		send(true)
		send(false)
		time.Sleep(time.Second)
		send(true)
		send(false)
		l.Set(relay.Rates{Sent: -1})
		send(true)
		send(true)
		if n := s.count(); n != 5 {
			t.Errorf("%d requests came", n)
		}
	})
}

// A server that does not answer is given up after the timeout: a read goes on with
// another one, the outcome of a write is unknown. What waits for a change has that
// much more time.
func TestAnswerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limits(func(r *relay.Rates) { r.Timeout, r.MaxWait = 10*time.Second, 10*time.Minute })
		k := newWorld(t, false, func(c *relay.Config) { c.Limits = l })
		end := make(chan struct{})
		defer close(end)
		hang := &server{answer: func(w http.ResponseWriter, r *http.Request) { <-end }}
		good := &server{answer: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "good") }}
		only := []string{k.serve("10.0.0.2", hang)}
		var addresses atomic.Pointer[[]string]
		addresses.Store(&only)
		k.alive = func(string) ([]string, bool) { return *addresses.Load(), true }
		began := time.Now()
		if _, _, _, err := k.pass(leader, "x"); model.KindOf(err) != model.LeadershipLost || time.Since(began) < 10*time.Second || time.Since(began) > 11*time.Second {
			t.Errorf("a write: %v after %s", err, time.Since(began))
		}
		for uri, want := range map[string]time.Duration{
			"/v1/kv/a": 10 * time.Second, "/v1/kv/a?index=0": 10 * time.Second,
			"/v1/kv/a?index=7&wait=16s": 27 * time.Second, "/v1/kv/a?index=7": 10*time.Second + 10*time.Minute + 10*time.Minute/16,
		} {
			addresses.Store(&only)
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", uri, nil)
			began := time.Now()
			go func() { // the other one comes while the first is being asked
				time.Sleep(time.Second)
				addresses.Store(&[]string{only[0], k.serve("10.0.0.3", good)})
			}()
			_, err := k.relay.Pass(w, r, relay.Need{Place: relay.Server})
			if took := time.Since(began); err != nil || w.Body.String() != "good" || took < want || took > want+time.Second {
				t.Errorf("%s: %q, %v after %s, want about %s", uri, w.Body, err, took, want)
			}
			k.relay = relay.New(k.cfg) // which has no favourite
			k.stop()
		}
	})
}
