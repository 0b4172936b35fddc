package local

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/model"
)

// A fakeCatalog is a catalog with one node in it.
type fakeCatalog struct {
	mu       sync.Mutex
	node     *model.Node
	services map[string]*model.NodeService
	checks   map[string]*model.HealthCheck
	fail     func(what string) error // asked before each request; nil: all works
	writes   []string                // what was asked for and done
	tokens   []string
	delay    time.Duration
	most     int // requests at a time
	now      int
}

func newFakeCatalog() *fakeCatalog {
	return &fakeCatalog{services: map[string]*model.NodeService{}, checks: map[string]*model.HealthCheck{}}
}

func (c *fakeCatalog) begin(what string) error {
	c.mu.Lock()
	c.now++
	c.most = max(c.most, c.now)
	delay := c.delay
	c.mu.Unlock()
	time.Sleep(delay)
	c.mu.Lock()
	c.now--
	if c.fail == nil {
		return nil
	}
	return c.fail(what)
}

func (c *fakeCatalog) Register(_ context.Context, token string, req *model.RegisterRequest) error {
	err := c.begin(described(req))
	defer c.mu.Unlock()
	if err != nil {
		return err
	}
	c.writes, c.tokens = append(c.writes, described(req)), append(c.tokens, token)
	if c.node == nil || !req.SkipNodeUpdate {
		c.node = &model.Node{
			ID: req.ID, Node: req.Node, Address: req.Address, Datacenter: req.Datacenter,
			TaggedAddresses: req.TaggedAddresses, Meta: req.NodeMeta, Locality: req.Locality,
		}
	}
	if req.Service != nil {
		c.services[req.Service.ID] = req.Service.Clone()
	}
	for _, hc := range req.Checks {
		if hc.ServiceID != "" && c.services[hc.ServiceID] == nil {
			return model.Errorf(model.Internal, "failed inserting check: Missing service registration on node %q", req.Node)
		}
		c.checks[hc.CheckID] = hc.Clone()
	}
	return nil
}

func described(req *model.RegisterRequest) string {
	var b strings.Builder
	b.WriteString("register")
	if !req.SkipNodeUpdate {
		b.WriteString(" node")
	}
	if req.Service != nil {
		b.WriteString(" service " + req.Service.ID)
	}
	if n := len(req.Checks); n > 0 {
		fmt.Fprintf(&b, " +%d checks", n)
	}
	return b.String()
}

func (c *fakeCatalog) Deregister(_ context.Context, token string, req *model.DeregisterRequest) error {
	what := "deregister service " + req.ServiceID
	if req.CheckID != "" {
		what = "deregister check " + req.CheckID
	}
	err := c.begin(what)
	defer c.mu.Unlock()
	if err != nil {
		return err
	}
	c.writes, c.tokens = append(c.writes, what), append(c.tokens, token)
	delete(c.checks, req.CheckID)
	if req.ServiceID != "" {
		delete(c.services, req.ServiceID)
		for id, hc := range c.checks {
			if hc.ServiceID == req.ServiceID {
				delete(c.checks, id)
			}
		}
	}
	return nil
}

func (c *fakeCatalog) NodeServices(_ context.Context, node string) (*model.NodeServices, error) {
	err := c.begin("read services")
	defer c.mu.Unlock()
	if err != nil || c.node == nil {
		return nil, err
	}
	all := &model.NodeServices{Node: c.node.Clone(), Services: map[string]*model.NodeService{}}
	for id, s := range c.services {
		all.Services[id] = s.Clone()
	}
	return all, nil
}

func (c *fakeCatalog) NodeChecks(_ context.Context, node string) ([]*model.HealthCheck, error) {
	err := c.begin("read checks")
	defer c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var all []*model.HealthCheck
	for _, hc := range c.checks {
		all = append(all, hc.Clone())
	}
	return all, nil
}

// took returns what was written since the last call.
func (c *fakeCatalog) took() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.writes
	c.writes = nil
	return w
}

func (c *fakeCatalog) edit(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// seen is a copy of what the catalog says, to be looked at.
func (c *fakeCatalog) seen() *fakeCatalog {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &fakeCatalog{
		node: c.node, services: maps.Clone(c.services), checks: maps.Clone(c.checks),
		tokens: slices.Clone(c.tokens), most: c.most,
	}
}

func (c *fakeCatalog) status(check string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hc := c.checks[check]; hc != nil {
		return hc.Status
	}
	return "none"
}

func testConfig(t *testing.T, c Catalog) Config {
	r := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	return Config{
		NodeID: "6c5a4e0a-0000-4000-8000-000000000001", NodeName: "n1", Datacenter: "dc1", Address: "10.0.0.1",
		TaggedAddresses: map[string]string{"lan": "10.0.0.1"}, Meta: map[string]string{"rack": "r7"},
		Catalog: c, CheckUpdateInterval: 5 * time.Minute,
		SidecarMinPort: 21000, SidecarMaxPort: 21001,
		Logger: hclog.New(&hclog.LoggerOptions{Name: "agent", Level: hclog.Trace, Output: testWriter{t}}),
		Rand: func() float64 {
			mu.Lock()
			defer mu.Unlock()
			return r.Float64()
		},
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// start makes an agent that is closed at the end of the bubble's test.
func start(t *testing.T, cfg Config) *Agent {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	must(t, a.Load(nil, nil))
	a.Start(t.Context())
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, kind model.Kind, text string) {
	t.Helper()
	if err == nil || err.Error() != text || model.KindOf(err) != kind {
		t.Errorf("got error %v of kind %d, want %q of kind %d", err, model.KindOf(err), text, kind)
	}
}

func ttl(d time.Duration) *model.CheckDefinition {
	return &model.CheckDefinition{TTL: model.Duration(d)}
}

func TestRegisterAndSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		synctest.Wait()
		if w := c.took(); fmt.Sprint(w) != "[register node]" {
			t.Errorf("at the start: %q", w)
		}
		must(t, a.AddService(&model.ServiceDefinition{ID: "web1", Name: "web", Port: 80, Check: ttl(time.Minute)}, SourceAPI, false))
		synctest.Wait()
		if w := c.took(); fmt.Sprint(w) != "[register service web1 +1 checks]" {
			t.Errorf("service: %q", w)
		}
		must(t, a.UpdateTTL("service:web1", model.HealthPassing, "fine"))
		synctest.Wait()
		if c.status("service:web1") != model.HealthPassing {
			t.Error("the catalog does not know the new state")
		}
		must(t, a.RemoveService("web1"))
		synctest.Wait()
		if w := c.took(); fmt.Sprint(w) != "[register +1 checks deregister service web1]" {
			t.Errorf("end: %q", w)
		}
	})
}
