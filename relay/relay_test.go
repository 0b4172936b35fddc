package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/memnet"
	"muster/model"
	"muster/relay"
	"muster/wire"
)

// A cluster is what a server knows of the others.
type cluster struct {
	mu      sync.Mutex
	leads   bool
	leader  string
	changed chan struct{}
}

func newCluster() *cluster { return &cluster{changed: make(chan struct{})} }

func (c *cluster) set(leads bool, leader string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leads, c.leader = leads, leader
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *cluster) Leading() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leads
}

func (c *cluster) Leader() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leader
}

func (c *cluster) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// A server is another server, at the other end of the wire.
type server struct {
	answer func(w http.ResponseWriter, r *http.Request)
	index  uint64

	mu    sync.Mutex
	asked []string // "METHOD URI body" of what came
	reads int
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	s.mu.Unlock()
	if s.answer == nil {
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s from %s, final %q", body, r.Header.Get(relay.HeaderNode), r.Header.Get("X-Muster-Final"))
		return
	}
	s.answer(w, r)
}

func (s *server) ReadIndex(context.Context, bool) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.index == 0 {
		return 0, model.ErrNotLeader
	}
	return s.index, nil
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// notLeader is the answer of a server that a request for the leader came to.
func notLeader(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(relay.HeaderError, relay.NotLeader)
	w.WriteHeader(http.StatusInternalServerError)
}

// A world is an agent that relays, and the network around it.
type world struct {
	t       *testing.T
	net     *memnet.Network
	cluster *cluster
	client  *wire.Client
	relay   *relay.Relay
	alive   func(datacenter string) ([]string, bool)
	cfg     relay.Config // of relay
	stop    func()       // ends the server that was started last
}

const hold = 2 * time.Second

// newWorld makes an agent at 10.0.0.1; a client if asServer is false.
func newWorld(t *testing.T, asServer bool, change ...func(*relay.Config)) *world {
	k := &world{t: t, net: memnet.New(1), cluster: newCluster(), alive: func(string) ([]string, bool) { return nil, false }}
	host := k.net.Host("10.0.0.1")
	client := wire.NewClient(func(ctx context.Context, address string) (net.Conn, error) { return host.Dial(ctx, "tcp", address) }, nil)
	t.Cleanup(client.Close)
	k.client = client
	cfg := relay.Config{Datacenter: "dc1", NodeName: "s1", Client: client, Hold: hold,
		Servers: func(dc string) ([]string, bool) { return k.alive(dc) }}
	if asServer {
		cfg.Cluster = k.cluster
	}
	for _, f := range change {
		f(&cfg)
	}
	k.cfg, k.relay = cfg, relay.New(cfg)
	t.Cleanup(k.relay.Close)
	return k
}

// serve starts another server; its address is ip:8300.
func (k *world) serve(ip string, s *server) string {
	l, err := k.net.Host(ip).Listen(8300)
	if err != nil {
		k.t.Fatal(err)
	}
	port := wire.Serve(wire.ServerConfig{Listener: l, Handler: s, Logger: hclog.NewNullLogger()})
	k.t.Cleanup(port.Close)
	k.stop = port.Close
	return ip + ":8300"
}

// pass relays a request and tells what became of it.
func (k *world) pass(need relay.Need, body string) (passed bool, w *httptest.ResponseRecorder, r *http.Request, err error) {
	w = httptest.NewRecorder()
	r = httptest.NewRequest("PUT", "/v1/kv/a%2Fb?dc=&x=1", strings.NewReader(body))
	passed, err = k.relay.Pass(w, r, need)
	return passed, w, r, err
}

var leader = relay.Need{Place: relay.Leader, Write: true}

func TestHere(t *testing.T) {
	s, c := newWorld(t, true), newWorld(t, false)
	if !s.relay.IsServer() || c.relay.IsServer() {
		t.Error("which is the server?")
	}
	for _, x := range []struct {
		need                      relay.Need
		client, follower, leading bool
	}{
		{relay.Need{Place: relay.Agent}, true, true, true},
		{relay.Need{Place: relay.Agent, Datacenter: "dc1"}, true, true, true},
		{relay.Need{Place: relay.Agent, Datacenter: "dc2"}, false, false, false},
		{relay.Need{Place: relay.Server}, false, true, true},
		{relay.Need{Place: relay.Server, Datacenter: "dc1"}, false, true, true},
		{relay.Need{Place: relay.Server, Datacenter: "dc2"}, false, false, false},
		{relay.Need{Place: relay.Leader}, false, false, true},
		{relay.Need{Place: relay.Leader, Datacenter: "dc2"}, false, false, false},
	} {
		s.cluster.set(false, "")
		follower := s.relay.Here(x.need)
		s.cluster.set(true, "")
		if got := s.relay.Here(x.need); c.relay.Here(x.need) != x.client || follower != x.follower || got != x.leading {
			t.Errorf("%+v: client %t, follower %t, leader %t", x.need, c.relay.Here(x.need), follower, got)
		}
	}
}

func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newWorld(t, true), newWorld(t, false)
		began := time.Now()
		admit := func(r *relay.Relay, p relay.Place, dc string) error { return r.Admit(t.Context(), p, dc) }
		if err := errors.Join(admit(s.relay, relay.Agent, ""), admit(s.relay, relay.Server, "dc1"), admit(c.relay, relay.Agent, "dc1")); err != nil {
			t.Error(err)
		}
		for _, err := range []error{admit(s.relay, relay.Agent, "dc2"), admit(c.relay, relay.Leader, "dc2")} {
			if !errors.Is(err, model.ErrNoDatacenter) {
				t.Errorf("another datacenter: %v", err)
			}
		}
		if err := admit(c.relay, relay.Server, ""); !errors.Is(err, model.ErrNoServers) {
			t.Errorf("a client: %v", err)
		}
		if time.Since(began) != 0 {
			t.Error("it waited")
		}
		if err := admit(s.relay, relay.Leader, ""); !errors.Is(err, model.ErrNoLeader) || time.Since(began) != hold {
			t.Errorf("without a leader: %v after %s", err, time.Since(began))
		}
		time.AfterFunc(time.Second, func() { s.cluster.set(false, "10.0.0.2:8300") })
		time.AfterFunc(hold-1, func() { s.cluster.set(true, "") })
		began = time.Now()
		if err := admit(s.relay, relay.Leader, ""); err != nil || time.Since(began) != hold-1 {
			t.Errorf("with a leader to come: %v after %s", err, time.Since(began))
		}
		s.cluster.set(false, "")
		gone, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("gone"))
		if err := s.relay.Admit(gone, relay.Leader, ""); model.KindOf(err) != model.Canceled || err.Error() != "gone" {
			t.Errorf("a caller who is gone: %v", err)
		}
	})
}

// A request travels to the leader as it came, and the answer comes back so.
func TestPassToLeader(t *testing.T) {
	for _, stream := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := newWorld(t, true)
			s := &server{}
			k.cluster.set(false, k.serve("10.0.0.2", s))
			need := leader
			need.Stream = stream
			passed, w, _, err := k.pass(need, "body")
			if !passed || err != nil || w.Code != http.StatusTeapot || w.Header().Get("X-Answer") != "yes" || w.Body.String() != `body from s1, final "1"` {
				t.Errorf("%t, %v: %d %s", passed, err, w.Code, w.Body)
			}
			if len(s.asked) != 1 || s.asked[0] != "PUT /v1/kv/a%2Fb?dc=&x=1 body" {
				t.Errorf("asked %q", s.asked)
			}
			k.cluster.set(true, "")
			if passed, _, _, err := k.pass(need, "body"); passed || err != nil {
				t.Errorf("on the leader: %t, %v", passed, err)
			}
		})
	}
}

// Whoever is told that a request is for the leader must not hand it on again.
func TestPassOnce(t *testing.T) {
	k := newWorld(t, true)
	k.cluster.set(false, "10.0.0.2:8300")
	r := httptest.NewRequest("PUT", "/v1/kv/a", nil)
	r.Header.Set("X-Muster-Final", "1")
	if passed, err := k.relay.Pass(httptest.NewRecorder(), r, leader); passed || !errors.Is(err, model.ErrNotLeader) {
		t.Errorf("%t, %v", passed, err)
	}
}

// The leader reads in a body for which datacenter a request is. It hands it on,
// whoever sent it to the leader.
func TestPassOnToOtherDatacenter(t *testing.T) {
	k := newWorld(t, true)
	k.cluster.set(true, "")
	there := k.serve("10.1.0.2", &server{})
	k.alive = func(dc string) ([]string, bool) { return []string{there}, dc == "dc2" }
	r := httptest.NewRequest("PUT", "/v1/catalog/register", strings.NewReader("body"))
	r.Header.Set("X-Muster-Final", "1")
	need := leader
	need.Datacenter = "dc2"
	w := httptest.NewRecorder()
	passed, err := k.relay.Pass(w, r, need)
	if got := w.Body.String(); !passed || err != nil || got != `body from s1, final ""` {
		t.Errorf("%t, %v, %q", passed, err, got)
	}
}

// A server that comes to lead while it looks for the leader answers itself,
// and has all of the request for it.
func TestPassBecomesLeader(t *testing.T) {
	for _, stream := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := newWorld(t, true)
			time.AfterFunc(hold/2, func() { k.cluster.set(true, "") })
			need := leader
			need.Stream = stream
			passed, _, r, err := k.pass(need, "body")
			body, readErr := io.ReadAll(r.Body)
			if passed || err != nil || string(body) != "body" || readErr != nil {
				t.Errorf("%t, %v, body %q, %v", passed, err, body, readErr)
			}
		})
	}
}

// What never began is repeated until there is a leader, at most for Hold.
func TestPassRepeatsWhatNeverBegan(t *testing.T) {
	for _, stream := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := newWorld(t, true)
			need := leader
			need.Stream = stream

			began := time.Now()
			if _, _, _, err := k.pass(need, ""); !errors.Is(err, model.ErrNoLeader) || time.Since(began) < hold {
				t.Errorf("without a leader: %v after %s", err, time.Since(began))
			}
			began = time.Now()
			k.cluster.set(false, "10.0.0.2:8300") // nobody listens there
			if _, _, _, err := k.pass(need, ""); model.KindOf(err) != model.NoServers || time.Since(began) < hold {
				t.Errorf("a leader that can't be reached: %v after %s", err, time.Since(began))
			}
			old, next := &server{answer: notLeader}, &server{}
			k.cluster.set(false, k.serve("10.0.0.3", old))
			began = time.Now()
			if _, _, _, err := k.pass(need, ""); !errors.Is(err, model.ErrNoLeader) || time.Since(began) < hold || old.count() < 2 {
				t.Errorf("a leader that was: %v after %s, asked %d times", err, time.Since(began), old.count())
			}
			address := k.serve("10.0.0.4", next)
			time.AfterFunc(hold/2, func() { k.cluster.set(false, address) })
			if passed, w, _, err := k.pass(need, ""); !passed || err != nil || w.Code != http.StatusTeapot || next.count() != 1 {
				t.Errorf("a leader to come: %t, %v: %d, asked %d times", passed, err, w.Code, next.count())
			}
		})
	}
}

// The body of a stream can be read once: it is not sent again as a rest.
func TestPassSendsStreamsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWorld(t, true)
		s := &server{answer: notLeader}
		k.cluster.set(false, k.serve("10.0.0.2", s))
		need := leader
		need.Stream = true
		passed, _, _, err := k.pass(need, strings.Repeat("body", 1000))
		if !passed || model.KindOf(err) != model.LeadershipLost || s.count() != 1 {
			t.Errorf("%t, %v, asked %d times", passed, err, s.count())
		}
	})
}

// A write whose connection breaks may have happened: it is not sent again, and
// the caller hears that nobody knows. A read is.
func TestPassDoesNotRepeatWrites(t *testing.T) {
	for _, write := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			k := newWorld(t, true)
			first := true
			s := &server{}
			l, err := k.net.Host("10.0.0.2").Listen(8300)
			if err != nil {
				t.Fatal(err)
			}
			conns := &kept{Listener: l}
			s.answer = func(w http.ResponseWriter, _ *http.Request) {
				if first {
					first = false
					conns.cut()
				}
				io.WriteString(w, "done")
			}
			port := wire.Serve(wire.ServerConfig{Listener: conns, Handler: s, Logger: hclog.NewNullLogger()})
			defer port.Close()
			k.cluster.set(false, "10.0.0.2:8300")
			need := leader
			need.Write = write
			passed, w, _, err := k.pass(need, "v")
			if write && (!passed || model.KindOf(err) != model.LeadershipLost || s.count() != 1) {
				t.Errorf("a write: %t, %v, asked %d times", passed, err, s.count())
			}
			if !write && (!passed || err != nil || w.Body.String() != "done" || s.count() != 2) {
				t.Errorf("a read: %t, %v, %q, asked %d times", passed, err, w.Body, s.count())
			}
		})
	}
}

// kept remembers the connections that it accepted.
type kept struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (l *kept) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, c)
		l.mu.Unlock()
	}
	return c, err
}

func (l *kept) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
}

// A client asks any server, the one that answered last if it can, and another
// when that fails.
func TestPassFromClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWorld(t, false)
		if _, _, _, err := k.pass(leader, ""); !errors.Is(err, model.ErrNoServers) {
			t.Errorf("without servers: %v", err)
		}
		a, b := &server{}, &server{}
		servers := []string{k.serve("10.0.0.2", a), k.serve("10.0.0.3", b), "10.0.0.4:8300"}
		k.alive = func(dc string) ([]string, bool) { return servers, dc == "dc1" }
		for range 20 {
			if passed, w, _, err := k.pass(leader, "v"); !passed || err != nil || w.Body.String() != `v from s1, final ""` {
				t.Fatalf("%t, %v: %s", passed, err, w.Body)
			}
		}
		if a.count() != 0 && b.count() != 0 {
			t.Errorf("asked %d and %d times: it does not stay with one", a.count(), b.count())
		}
		if a.count() == 0 {
			servers = servers[:1]
		} else {
			servers = servers[1:2]
		}
		if _, _, _, err := k.pass(leader, "v"); err != nil || a.count() == 0 || b.count() == 0 {
			t.Errorf("%v, asked %d and %d times", err, a.count(), b.count())
		}
	})
}

// Another datacenter is asked through its servers.
func TestPassToOtherDatacenters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWorld(t, true)
		far := &server{}
		servers := map[string][]string{"dc2": {k.serve("10.0.2.1", far)}, "dc3": {}}
		k.alive = func(dc string) ([]string, bool) { list, known := servers[dc]; return list, known }
		need := func(dc string) relay.Need { return relay.Need{Place: relay.Server, Datacenter: dc} }
		if passed, w, _, err := k.pass(need("dc2"), "v"); !passed || err != nil || w.Code != http.StatusTeapot || far.count() != 1 {
			t.Errorf("%t, %v: %d", passed, err, w.Code)
		}
		if _, _, _, err := k.pass(need("dc3"), "v"); err == nil || err.Error() != model.TextRemoteNoServer {
			t.Errorf("no server alive: %v", err)
		}
		began := time.Now()
		if _, _, _, err := k.pass(need("dc4"), "v"); !errors.Is(err, model.ErrNoDatacenter) || time.Since(began) != 0 {
			t.Errorf("unknown: %v after %s", err, time.Since(began))
		}
	})
}

func TestPassCallerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWorld(t, true)
		s := &server{answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
		for _, address := range []string{"", k.serve("10.0.0.2", s)} {
			k.cluster.set(false, address)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			began := time.Now()
			r := httptest.NewRequest("GET", "/v1/kv/a", nil).WithContext(ctx)
			if _, err := k.relay.Pass(httptest.NewRecorder(), r, leader); model.KindOf(err) != model.Canceled || time.Since(began) != time.Second {
				t.Errorf("leader %q: %v after %s", address, err, time.Since(began))
			}
		}
	})
}

func TestPassRefusesLargeBodies(t *testing.T) {
	k := newWorld(t, true)
	k.cluster.set(false, "10.0.0.2:8300")
	r := httptest.NewRequest("PUT", "/v1/kv/a", io.LimitReader(zeros{}, 32<<20+1))
	if passed, err := k.relay.Pass(httptest.NewRecorder(), r, leader); !passed || model.KindOf(err) != model.TooLarge {
		t.Errorf("%t, %v", passed, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// An applier is this server's copy of the data.
type applier struct {
	mu    sync.Mutex
	waits []uint64
}

func (a *applier) WaitApplied(_ context.Context, index uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waits = append(a.waits, index)
	return nil
}

// Reads on a follower ask the leader how far it is, once for all that come
// meanwhile; none gets an answer to a question that was put before it came.
func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWorld(t, true)
		s := &server{index: 7}
		k.cluster.set(false, k.serve("10.0.0.2", s))
		for _, d := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"10.0.0.2", "10.0.0.1"}} {
			k.net.SetLink(d[0], d[1], memnet.Link{Delay: 10 * time.Millisecond})
		}
		local := &applier{}
		if err := k.relay.CatchUp(t.Context(), false, local); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := k.relay.CatchUp(t.Context(), false, local); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(local.waits) != 101 || local.waits[0] != 7 || s.reads > 3 {
			t.Errorf("waited %d times, asked %d times", len(local.waits), s.reads)
		}
		time.AfterFunc(hold/2, func() { k.cluster.set(true, "") })
		k.cluster.set(false, "")
		if err := k.relay.CatchUp(t.Context(), true, local); !errors.Is(err, relay.ErrLeads) {
			t.Errorf("a server that came to lead: %v", err)
		}
		k.cluster.set(false, "")
		began := time.Now()
		if err := k.relay.CatchUp(t.Context(), false, local); model.KindOf(err) != model.NoLeader || time.Since(began) != hold {
			t.Errorf("without a leader: %v after %s", err, time.Since(began))
		}
		for range 3 { // those that come while it is asked in vain do not wait twice
			wg.Go(func() {
				began := time.Now()
				if err := k.relay.CatchUp(t.Context(), false, local); model.KindOf(err) != model.NoLeader || time.Since(began) != hold {
					t.Errorf("without a leader, among others: %v after %s", err, time.Since(began))
				}
			})
			time.Sleep(hold / 4)
		}
		wg.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := k.relay.CatchUp(gone, false, local); model.KindOf(err) != model.Canceled {
			t.Errorf("a caller who is gone: %v", err)
		}
		began = time.Now()
		k.relay.Close() // ends the question that he left behind
		if err := k.relay.CatchUp(t.Context(), false, local); model.KindOf(err) != model.NoLeader || time.Since(began) != 0 {
			t.Errorf("after Close: %v, after %s", err, time.Since(began))
		}
	})
}

// Who has an answer of his own waits for servers that can't be reached not as
// long as others, and not at all when somebody has waited in vain; but all
// servers are tried each time.
func TestSpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWorld(t, false)
		servers := []string{"10.0.0.2:8300", "10.0.0.3:8300", "10.0.0.4:8300"}
		k.alive = func(string) ([]string, bool) { return servers, true }
		read := relay.Need{Place: relay.Server, Spare: true}
		pass := func(want error, waits bool) {
			t.Helper()
			began := time.Now()
			_, _, _, err := k.pass(read, "")
			if model.KindOf(err) != model.KindOf(want) || (err == nil) != (want == nil) || (time.Since(began) > 0) != waits {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		}
		pass(model.ErrNoServers, true)
		pass(model.ErrNoServers, false)
		servers = nil
		pass(model.ErrNoServers, false)
		// The last one that is tried can be reached.
		servers = []string{"10.0.0.2:8300", "10.0.0.3:8300", k.serve("10.0.0.5", &server{})}
		for range 10 {
			k.relay = relay.New(relay.Config{Datacenter: "dc1", NodeName: "s1", Client: k.client, Hold: hold,
				Servers: func(dc string) ([]string, bool) { return k.alive(dc) }})
			alive := servers
			servers = servers[:2]
			pass(model.ErrNoServers, true)
			servers = alive
			pass(nil, false)
		}
		servers = servers[:2]
		pass(model.ErrNoServers, true)
	})
}
