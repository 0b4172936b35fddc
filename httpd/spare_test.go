package httpd

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/cache"
	"muster/internal/memnet"
	"muster/model"
	"muster/relay"
	"muster/wire"
)

// A pair is an agent that is no server, and the server that it asks.
type pair struct {
	server *rig
	client *Door
	alive  atomic.Bool  // as gossip tells
	asked  atomic.Int64 // requests that came to the server
}

func newPair(t *testing.T, change ...func(*Config)) *pair {
	p := &pair{server: newRig(t)}
	p.alive.Store(true)
	network := memnet.New(1)
	l, err := network.Host("10.0.0.1").Listen(8300)
	if err != nil {
		t.Fatal(err)
	}
	forwarded := p.server.door.Forwarded()
	port := wire.Serve(wire.ServerConfig{Listener: l, Logger: hclog.NewNullLogger(), Handler: answering{func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		forwarded.ServeHTTP(w, r)
	}}})
	host := network.Host("10.0.0.2")
	wires := wire.NewClient(func(ctx context.Context, address string) (net.Conn, error) { return host.Dial(ctx, "tcp", address) }, nil)
	kept := cache.New(cache.Config{Bytes: 1 << 20, Followed: 10, Idle: CacheTTL})
	cfg := Config{
		ACL: p.server.door.cfg.ACL, Logger: hclog.NewNullLogger(), NodeName: "c1", Datacenter: "dc1", CacheBytes: 1 << 20,
		DefaultToken: func() string { return "" }, Cache: kept, UseCache: true,
		Relay: relay.New(relay.Config{Datacenter: "dc1", NodeName: "c1", Client: wires, Hold: 7 * time.Second, Servers: func(string) ([]string, bool) {
			if !p.alive.Load() {
				return nil, true
			}
			return []string{"10.0.0.1:8300"}, true
		}}),
	}
	for _, f := range change {
		f(&cfg)
	}
	p.client = New(cfg)
	t.Cleanup(func() {
		kept.Close()
		wires.Close()
		port.Close()
	})
	return p
}

type answering struct{ http.HandlerFunc }

func (answering) ReadIndex(context.Context, bool) (uint64, error) { return 0, nil }

func (p *pair) get(url string, headers ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.client.ServeHTTP(w, request("GET", url, "", headers...))
	return w
}

// told are the headers that tell how current an answer is.
func told(w *httptest.ResponseRecorder) string {
	h := w.Header()
	return h.Get("X-Cache") + " " + h.Get("Age") + " " + h.Get("X-Consul-KnownLeader") + " " + h.Get("X-Consul-LastContact")
}

// While no server can be reached the last answer is given, and its age told;
// once one is, it is asked.
func TestSpareAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.server.put("a", "b") // so that there is an index before
		p.server.register("n1", "web", "web1")
		const url = "/v1/health/service/web?passing"
		first := p.get(url)
		if first.Code != 200 || told(first) != "  true 0" {
			t.Fatalf("%d %s %s", first.Code, told(first), first.Body)
		}
		p.get("/v1/health/service/plain")
		time.Sleep(time.Minute)
		p.alive.Store(false)
		for i, wait := range []time.Duration{2 * time.Second, 0, 0} {
			began := time.Now()
			w := p.get(url)
			if w.Code != 200 || w.Body.String() != first.Body.String() || time.Since(began).Round(time.Second) != wait {
				t.Errorf("%d: after %s %d %s", i, time.Since(began), w.Code, w.Body)
			}
			if age := w.Header().Get("Age"); w.Header().Get("X-Consul-KnownLeader") != "false" || w.Header().Get("X-Cache") != "HIT" || age != "62" && age != "63" {
				t.Errorf("%d: %s", i, told(w))
			}
			if w.Header().Get("X-Consul-Index") != first.Header().Get("X-Consul-Index") {
				t.Error("another index")
			}
		}
		index := first.Header().Get("X-Consul-Index")
		for name, w := range map[string]*httptest.ResponseRecorder{
			"consistent":          p.get(url + "&consistent"),
			"leader":              p.get(url + "&leader"),
			"must-revalidate":     p.get(url, "Cache-Control: must-revalidate"),
			"stale-if-error=1":    p.get(url, "Cache-Control: stale-if-error=1"),
			"max_stale=1s":        p.get(url + "&max_stale=1s"),
			"another token":       p.get(url + "&token=x"),
			"another question":    p.get("/v1/health/service/web"),
			"not that route":      p.get("/v1/health/checks/web"),
			"it has that already": p.get(url + "&index=" + index + "&wait=1s"),
		} {
			if w.Code != 500 || w.Body.String() != "No known Consul servers" {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		for name, w := range map[string]*httptest.ResponseRecorder{
			"no parameters":    p.get("/v1/health/service/plain"),
			"stale":            p.get(url + "&stale"),
			"stale-if-error":   p.get(url, "Cache-Control: stale-if-error=3600"),
			"a smaller index":  p.get(url + "&index=1"),
			"pretty":           p.get("/v1/health/service/web?pretty&passing"),
			"max_stale of 1 h": p.get(url + "&max_stale=1h"),
		} {
			if w.Code != 200 || w.Header().Get("X-Cache") != "HIT" {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		time.Sleep(spareAge)
		if w := p.get(url); w.Code != 500 {
			t.Errorf("too old: %d %s", w.Code, told(w))
		}
		p.alive.Store(true)
		p.server.register("n2", "web", "web2")
		if w := p.get(url); w.Code != 200 || w.Body.String() == first.Body.String() || told(w) != "  true 0" {
			t.Errorf("a server is back: %d %s %s", w.Code, told(w), w.Body)
		}
	})
}

// A server that was reached has the last word, whatever that is.
func TestSpareIsNotForErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.server.register("n1", "web", "web1")
		const url = "/v1/catalog/service/web"
		if w := p.get(url); w.Code != 200 {
			t.Fatal(w.Body)
		}
		p.server.log.SetReign(func() uint64 { return 0 })
		p.server.log.SetConfirm(func(context.Context, bool) error { return model.ErrNoLeader })
		if w := p.get(url); w.Code != 500 || w.Body.String() != model.TextNoLeader {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// With ?cached the server is asked once, and the answer follows what happens
// there.
func TestCachedOnClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.server.register("n1", "web", "web1")
		const url = "/v1/health/service/web?cached"
		first := p.get(url)
		if first.Code != 200 || told(first) != "MISS  true 0" {
			t.Fatalf("%d %s", first.Code, told(first))
		}
		synctest.Wait()
		asked := p.asked.Load()
		for range 10 {
			if w := p.get("/v1/health/service/web?cached&pretty"); w.Code != 200 || told(w) != "HIT 0 true 0" {
				t.Errorf("%d %s", w.Code, told(w))
			}
		}
		if p.asked.Load() != asked {
			t.Errorf("asked %d times more", p.asked.Load()-asked)
		}
		time.AfterFunc(time.Second, func() { p.server.register("n2", "web", "web2") })
		began := time.Now()
		w := p.get(url + "&wait=10s&index=" + first.Header().Get("X-Consul-Index"))
		if time.Since(began) != time.Second || w.Body.String() == first.Body.String() || told(w) != "HIT 0 true 0" {
			t.Errorf("after %s: %s", time.Since(began), told(w))
		}
		if w := p.get(url + "&consistent"); w.Code != 400 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := p.get(url, "Cache-Control: max-age=x"); w.Code != 400 || w.Body.String() != "Invalid Cache-Control header." {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := p.get("/v1/health/service/?cached"); w.Code != 400 || w.Body.String() != "Missing service name" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// A cache that is switched off is not used, and an answer that this agent's
// configuration lets be stale is asked for as such.
func TestCacheIsConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(c *Config) { c.UseCache, c.DiscoveryMaxStale = false, time.Hour })
		p.server.door.cfg.UseCache = false
		p.server.register("n1", "web", "web1")
		for range 2 {
			w := p.get("/v1/catalog/service/web?cached")
			if w.Code != 200 || w.Header().Get("X-Cache") != "" || w.Header().Get("X-Consul-Effective-Consistency") != "stale" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		}
		if p.asked.Load() != 2 {
			t.Errorf("asked %d times", p.asked.Load())
		}
	})
}
