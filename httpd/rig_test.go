package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/acl"
	"muster/check"
	"muster/gossip"
	"muster/internal/log"
	"muster/internal/memnet"
	"muster/internal/meter"
	"muster/local"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
	"muster/relay"
)

// A rig is the door of an agent that is a server and leads, all in memory.
type rig struct {
	t       testing.TB
	log     *opstest.Log
	agent   *fakeAgent
	cluster *fakeCluster
	door    *Door
}

// newRig makes a door without gossip, logs and metrics: see full.
func newRig(t testing.TB, change ...func(*Config)) *rig {
	r := &rig{t: t, log: opstest.NewLog(), agent: &fakeAgent{}, cluster: &fakeCluster{leading: true}}
	cfg := Config{
		ACL: acl.Open{}, Agent: r.agent, Logger: hclog.NewNullLogger(), Relay: relay.New(relay.Config{Datacenter: "dc1", Cluster: r.cluster, Hold: time.Second,
			Servers: func(string) ([]string, bool) { return nil, false }}),
		NodeName: "s1", Datacenter: "dc1", CacheBytes: 1 << 20, UseCache: true, DefaultToken: func() string { return "" },
		Connect: true, IsServerName: func(name string) bool { return strings.HasPrefix(name, "server.") },
	}
	for _, f := range change {
		f(&cfg)
	}
	if cfg.Ops == nil {
		cfg.Ops = r.log.Ops(cfg.ACL)
	}
	if cfg.Events == nil {
		var events *ops.Events
		events = ops.NewEvents(cfg.ACL, func(ev *model.UserEvent) error {
			events.Receive(ev)
			return nil
		}, func(*model.UserEvent) bool { return true })
		cfg.Events = events
	}
	var err error
	cfg.Local, err = local.New(local.Config{NodeName: "s1", Datacenter: "dc1", Catalog: noCatalog{},
		Checks: check.Options{Dial: noNetwork, Rand: func() float64 { return 0.999 }, DockerHost: "unix:///nonexistent"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cfg.Local.Close() })
	r.door = New(cfg)
	return r
}

const gossipKey = "AAAAAAAAAAAAAAAAAAAAAA=="

// full adds what most tests can do without.
func full(t testing.TB) func(*Config) {
	return func(c *Config) {
		transport, err := memnet.New(1).Host("10.0.0.1").Gossip(8301)
		if err != nil {
			t.Fatal(err)
		}
		c.LAN, err = gossip.Open(gossip.Config{NodeName: "s1", NodeID: opstest.ServerID, Datacenter: "dc1", BindAddr: "10.0.0.1",
			BindPort: 8301, Transport: transport, Tuning: gossip.Dev(), EncryptKey: gossipKey})
		if err != nil {
			t.Fatal(err)
		}
		pool := c.LAN
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			for range pool.Events() {
			}
		}()
		t.Cleanup(func() {
			pool.Close()
			<-drained
		})
		if c.Log, err = log.New(log.Config{}); err != nil {
			t.Fatal(err)
		}
		if c.Meter, err = meter.Start(meter.Config{Prefix: "consul", PrometheusRetention: time.Minute, DisableHostname: true}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Meter.Close)
	}
}

// withACL has the door ask for tokens.
func withACL(tokens opstest.Tokens) func(*Config) { return func(c *Config) { c.ACL = tokens } }

// request makes a request; headers are "Name: value".
func request(method, url, body string, headers ...string) *http.Request {
	req := httptest.NewRequest(method, url, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	return req
}

// do answers a request.
func (r *rig) do(method, url, body string, headers ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.door.ServeHTTP(w, request(method, url, body, headers...))
	return w
}

// want answers a request and compares status and body.
func (r *rig) want(status int, text, method, url, body string, headers ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	w := r.do(method, url, body, headers...)
	if w.Code != status || w.Body.String() != text {
		r.t.Errorf("%s %s: %d %q, want %d %q", method, url, w.Code, w.Body, status, text)
	}
	return w
}

// put sets a key past the door.
func (r *rig) put(key, value string) {
	r.log.Apply(r.t, model.CmdKV, &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: key, Value: []byte(value)}})
}

// register puts an instance with a passing check into the catalog.
func (r *rig) register(node, service, id string) {
	req := &model.RegisterRequest{Datacenter: "dc1", Node: node, Address: "10.0.0.7"}
	if service != "" {
		req.Service = &model.NodeService{ID: id, Service: service, Port: 80, Weights: &model.Weights{Passing: 1, Warning: 1}}
		req.Checks = []*model.HealthCheck{{Node: node, CheckID: id + "-check", Name: "c", Status: model.HealthPassing, ServiceID: id}}
	}
	r.log.Apply(r.t, model.CmdRegister, req)
}

// trace is all that a request can have changed.
func (r *rig) trace() string {
	l := r.door.cfg.Local
	services, err := json.Marshal(l.Services())
	if err != nil {
		r.t.Fatal(err)
	}
	checks, err := json.Marshal(l.Checks())
	if err != nil {
		r.t.Fatal(err)
	}
	root := ""
	if tokens, ok := r.door.cfg.ACL.(opstest.Tokens); ok {
		for name, a := range tokens {
			if a.AllowsAll() {
				root = name
			}
		}
	}
	events, _, err := r.door.cfg.Events.List(r.t.Context(), root, ops.EventFilter{}, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	servers, _, _ := r.log.Configuration()
	return fmt.Sprintf("index %d, services %s, checks %s, %d events, agent %v, servers %v, transfers %q",
		r.log.Store.Current().Applied(), services, checks, len(events), r.agent.made(), servers, r.log.Transferred())
}

type fakeAgent struct {
	mu    sync.Mutex
	calls []string
}

func (a *fakeAgent) note(call string) {
	a.mu.Lock()
	a.calls = append(a.calls, call)
	a.mu.Unlock()
}

func (a *fakeAgent) made() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

func (a *fakeAgent) Self() any                          { return map[string]string{"Name": "s1"} }
func (a *fakeAgent) Leave() error                       { a.note("leave"); return nil }
func (a *fakeAgent) Reload() error                      { a.note("reload"); return nil }
func (a *fakeAgent) Datacenters() []string              { return []string{"dc1"} }
func (a *fakeAgent) WANCoordinates(context.Context) any { return []string{} }

// A fakeCluster leads or does not.
type fakeCluster struct {
	mu      sync.Mutex
	leading bool
	changed chan struct{}
}

func (c *fakeCluster) Leading() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leading
}

func (c *fakeCluster) Leader() string { return "" }

func (c *fakeCluster) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

func (c *fakeCluster) lead(leading bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leading = leading
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// noNetwork is for checks.
func noNetwork(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("there is no network here")
}

// noCatalog cannot be reached: nothing is synced here.
type noCatalog struct{}

func (noCatalog) Register(context.Context, string, *model.RegisterRequest) error {
	return model.ErrNoServers
}

func (noCatalog) Deregister(context.Context, string, *model.DeregisterRequest) error {
	return model.ErrNoServers
}

func (noCatalog) NodeServices(context.Context, string) (*model.NodeServices, error) {
	return nil, model.ErrNoServers
}

func (noCatalog) NodeChecks(context.Context, string) ([]*model.HealthCheck, error) {
	return nil, model.ErrNoServers
}
