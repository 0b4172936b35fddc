package local

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/model"
)

func web(n int) *model.ServiceDefinition {
	return &model.ServiceDefinition{ID: fmt.Sprint("web", n), Name: "web", Port: 80, Check: ttl(time.Hour)}
}

func TestUnchangedRegistrationWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		cfg := testConfig(t, c)
		cfg.DataDir = t.TempDir()
		a := start(t, cfg)
		must(t, a.AddService(web(1), SourceAPI, false))
		must(t, a.UpdateTTL("service:web1", model.HealthPassing, ""))
		synctest.Wait()
		c.took()
		must(t, a.AddService(web(1), SourceAPI, true))
		time.Sleep(10 * time.Minute)
		if w := c.took(); len(w) != 0 {
			t.Errorf("wrote %q", w)
		}
		if s := a.Check("service:web1").Status; s != model.HealthPassing {
			t.Errorf("the check has become %s", s)
		}
	})
}

func TestChangesOnTheirWayAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		synctest.Wait()
		c.edit(func() { c.delay = time.Second })
		c.took()
		for i := range 50 {
			must(t, a.AddService(&model.ServiceDefinition{ID: "web1", Name: "web", Port: 80 + i, Check: ttl(time.Hour)}, SourceAPI, false))
			must(t, a.UpdateTTL("service:web1", []string{"passing", "warning"}[i%2], ""))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		if w := c.took(); fmt.Sprint(w) != "[register service web1 +1 checks register service web1 +1 checks]" {
			t.Errorf("wrote %q", w)
		}
		if p := c.seen().services["web1"].Port; p != 129 {
			t.Errorf("port %d", p)
		}
	})
}

func TestFullSyncRepairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		must(t, a.AddService(web(1), SourceAPI, false))
		must(t, a.AddCheck(&model.CheckDefinition{Name: "disk", TTL: model.Duration(time.Hour)}, SourceAPI))
		synctest.Wait()
		c.edit(func() {
			c.services["consul"] = &model.NodeService{ID: "consul", Service: "consul"}
			c.services["old"] = &model.NodeService{ID: "old", Service: "old"}
			c.checks[model.SerfHealthID] = &model.HealthCheck{CheckID: model.SerfHealthID}
			c.checks["consul-check"] = &model.HealthCheck{CheckID: "consul-check", ServiceID: "consul"}
			c.checks["old-check"] = &model.HealthCheck{CheckID: "old-check", ServiceID: "old"}
			c.checks["stray"] = &model.HealthCheck{CheckID: "stray"}
			c.services["web1"].Port = 1
			delete(c.checks, "disk")
			c.checks["service:web1"].Status = model.HealthPassing
			c.node.Meta = nil
		})
		c.took()
		time.Sleep(76 * time.Second)
		w := c.took()
		slices.Sort(w)
		want := []string{"deregister check stray", "deregister service old", "register +1 checks", "register node", "register service web1 +1 checks"}
		if !slices.Equal(w, want) {
			t.Errorf("wrote %q, want %q", w, want)
		}
		if c.seen().services["consul"] == nil || c.seen().checks[model.SerfHealthID] == nil || c.seen().checks["consul-check"] == nil {
			t.Error("what the leader registers is gone")
		}
		if c.seen().node.Meta["rack"] != "r7" || c.seen().services["web1"].Port != 80 || c.status("disk") != "critical" {
			t.Error("not repaired")
		}
	})
}

func TestTagsOfTheCatalogWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		add := func(id string, override bool) {
			must(t, a.AddService(&model.ServiceDefinition{ID: id, Name: id, Tags: []string{"local"}, EnableTagOverride: override, Check: ttl(time.Hour)}, SourceAPI, false))
		}
		add("own", false)
		add("free", true)
		synctest.Wait()
		c.edit(func() {
			c.services["own"].Tags = []string{"remote"}
			c.services["free"].Tags = []string{"remote"}
		})
		time.Sleep(2 * time.Minute)
		add("free", true) // nothing new: the tags stay
		time.Sleep(2 * time.Minute)
		for id, want := range map[string]string{"own": "local", "free": "remote"} {
			if got := a.Service(id).Tags[0] + " " + c.seen().services[id].Tags[0] + " " + a.Check("service:" + id).ServiceTags[0]; got != want+" "+want+" "+want {
				t.Errorf("%s: %s, want %s", id, got, want)
			}
		}
	})
}

// TestNothingIsPushedBeforeTheComparison: an agent that starts has tags from
// its disk that the catalog may have replaced.
func TestNothingIsPushedBeforeTheComparison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		c.node = &model.Node{Node: "n1"}
		c.services["free"] = &model.NodeService{ID: "free", Service: "free", Tags: []string{"remote"}, EnableTagOverride: true, Weights: &model.Weights{Passing: 1, Warning: 1}}
		reads := 0
		c.fail = func(what string) error {
			if reads++; strings.HasPrefix(what, "read") && reads < 4 {
				return model.ErrNoLeader
			}
			return nil
		}
		a := start(t, testConfig(t, c))
		must(t, a.AddService(&model.ServiceDefinition{Name: "free", Tags: []string{"local"}, EnableTagOverride: true}, SourceAPI, false))
		time.Sleep(time.Minute)
		if w := c.took(); fmt.Sprint(w) != "[register node]" {
			t.Errorf("wrote %q", w)
		}
		if tags := a.Service("free").Tags; tags[0] != "remote" {
			t.Errorf("tags %q", tags)
		}
	})
}

func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		begin := time.Now()
		var tries []time.Duration
		c.fail = func(what string) error {
			if time.Since(begin) > 3*time.Minute {
				return nil
			}
			tries = append(tries, time.Since(begin))
			return model.ErrNoLeader
		}
		cfg := testConfig(t, c)
		cfg.Rand = func() float64 { return 0.5 }
		a := start(t, cfg)
		must(t, a.AddService(web(1), SourceAPI, false))
		time.Sleep(90 * time.Second)
		synctest.Wait()
		want := []time.Duration{0, 1, 3, 7, 15, 30, 45, 60, 75, 90}
		for i := range want {
			want[i] *= time.Second
		}
		tried := func() (at []time.Duration) {
			c.edit(func() { at, tries = tries, nil })
			return at
		}
		if at := tried(); !slices.Equal(at, want) {
			t.Errorf("tried at %v, want %v", at, want)
		}
		a.ServersUp()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if at := tried(); len(at) != 1 {
			t.Errorf("tried at %v when servers had come back", at)
		}
		time.Sleep(3 * time.Minute)
		if c.status("service:web1") != "critical" {
			t.Error("not registered in the end")
		}
	})
}

// TestOneRefusalHoldsNothingUp has the catalog refuse one service for good, and
// fail for another for a while.
func TestOneRefusalHoldsNothingUp(t *testing.T) {
	for name, refusal := range map[string]error{
		"denied":  model.ErrDenied,
		"refused": model.Errorf(model.BadRequest, "Invalid service address"),
		"failed":  errors.New("rpc error"),
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeCatalog()
			refusals := 0
			c.fail = func(what string) error {
				if strings.Contains(what, "web1") {
					refusals++
					return refusal
				}
				return nil
			}
			a := start(t, testConfig(t, c))
			must(t, a.AddService(web(1), SourceAPI, false))
			must(t, a.AddService(web(2), SourceAPI, false))
			synctest.Wait()
			must(t, a.AddService(web(3), SourceAPI, false))
			synctest.Wait()
			if c.status("service:web2") != "critical" || c.status("service:web3") != "critical" {
				t.Errorf("%s: others are held up", name)
			}
			time.Sleep(10*time.Second - 1)
			c.edit(func() {
				if again := refusals > 1; again != (name == "failed") {
					t.Errorf("%s: tried %d times", name, refusals)
				}
				c.fail = nil
			})
			time.Sleep(76 * time.Second)
			if c.status("service:web1") != "critical" {
				t.Errorf("%s: not registered in the end", name)
			}
		})
	}
}

func TestOutputsAreDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		must(t, a.AddService(web(1), SourceAPI, false))
		must(t, a.AddService(web(2), SourceAPI, false))
		synctest.Wait()
		c.took()
		begin := time.Now()
		for i := range 149 {
			must(t, a.UpdateTTL("service:web1", model.HealthCritical, fmt.Sprint("output ", i)))
			time.Sleep(time.Second)
		}
		if w := c.took(); len(w) != 0 {
			t.Errorf("pushed at once: %q", w)
		}
		for len(c.took()) == 0 {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if d := time.Since(begin); d < 150*time.Second || d > 450*time.Second {
			t.Errorf("pushed after %v", d)
		}
		if o := c.seen().checks["service:web1"].Output; o != "output 148" {
			t.Errorf("pushed %q", o)
		}
		// A change of the state takes the output along at once.
		must(t, a.UpdateTTL("service:web2", model.HealthCritical, "x"))
		must(t, a.UpdateTTL("service:web2", model.HealthPassing, "y"))
		synctest.Wait()
		if o := c.seen().checks["service:web2"].Output; o != "y" {
			t.Errorf("pushed %q", o)
		}
		time.Sleep(10 * time.Minute)
		if w := c.took(); len(w) != 1 {
			t.Errorf("wrote %q", w)
		}
	})
}

func TestFullSyncScales(t *testing.T) {
	for n, want := range map[int]time.Duration{1: 1, 128: 1, 129: 2, 256: 2, 257: 3, 1000: 4} {
		if got := syncScale(n); got != want {
			t.Errorf("%d nodes: %d, want %d", n, got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		reads := 0
		c.fail = func(what string) error {
			if what == "read services" {
				reads++
			}
			return nil
		}
		cfg := testConfig(t, c)
		cfg.ClusterSize = func() int { return 512 }
		start(t, cfg)
		time.Sleep(time.Hour)
		c.edit(func() {
			if reads < 15 || reads > 25 {
				t.Errorf("%d full syncs in an hour, want about 20", reads)
			}
		})
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		synctest.Wait()
		c.took()
		a.Pause()
		a.Pause()
		must(t, a.AddService(web(1), SourceAPI, false))
		a.Resume()
		time.Sleep(10 * time.Minute)
		if w := c.took(); len(w) != 0 {
			t.Errorf("wrote %q while paused", w)
		}
		a.Resume()
		synctest.Wait()
		if w := c.took(); len(w) != 1 {
			t.Errorf("wrote %q afterwards", w)
		}
	})
}

func TestManyServicesAndChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		c.delay = 10 * time.Millisecond
		a := start(t, testConfig(t, c))
		big := &model.ServiceDefinition{Name: "big", Token: "t1"}
		for i := range 300 {
			big.Checks = append(big.Checks, &model.CheckDefinition{Name: fmt.Sprint(i), TTL: model.Duration(time.Hour), Token: []string{"t1", "t2"}[i/299]})
		}
		must(t, a.AddService(big, SourceAPI, false))
		for i := range 100 {
			must(t, a.AddService(web(i), SourceAPI, false))
		}
		time.Sleep(time.Second)
		if len(c.seen().services) != 101 || len(c.seen().checks) != 400 {
			t.Errorf("%d services, %d checks", len(c.seen().services), len(c.seen().checks))
		}
		w := c.took()
		if len(w) != 1+101+3 || w[0] != "register node" {
			t.Errorf("%d requests: %q", len(w), w[0])
		}
		for _, more := range w[102:] {
			if !strings.HasPrefix(more, "register +") {
				t.Errorf("late: %q", more)
			}
		}
		if c.seen().most != pushers {
			t.Errorf("%d requests at a time", c.seen().most)
		}
		if n := slices.Index(c.seen().tokens, "t2"); n < 102 {
			t.Errorf("request %d had the token of the last check", n)
		}
	})
}

func TestNodeMeta(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		synctest.Wait()
		a.SetMeta(map[string]string{"rack": "r8"})
		a.SetMeta(map[string]string{"rack": "r8"})
		synctest.Wait()
		if w := c.took(); fmt.Sprint(w) != "[register node register node]" || c.seen().node.Meta["rack"] != "r8" || a.Meta()["rack"] != "r8" {
			t.Errorf("wrote %q", w)
		}
	})
}

// TestConvergence does anything at all on both sides, with a catalog that
// fails now and then. In the end the catalog says what the agent does.
func TestConvergence(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			c := newFakeCatalog()
			cfg := testConfig(t, c)
			cfg.Logger = nil
			failing := 0
			luck := rand.New(rand.NewPCG(seed, 2))
			c.fail = func(string) error {
				if failing > 0 && luck.IntN(3) > 0 {
					failing--
					return []error{model.ErrNoLeader, model.ErrDenied, errors.New("x")}[luck.IntN(3)]
				}
				return nil
			}
			a := start(t, cfg)
			for range 200 {
				n := r.IntN(5)
				id := fmt.Sprint("web", n)
				switch r.IntN(9) {
				case 0, 1:
					def := web(n)
					def.Port, def.EnableTagOverride, def.Tags = r.IntN(3), n == 4, []string{fmt.Sprint(r.IntN(2))}
					must(t, a.AddService(def, SourceAPI, r.IntN(2) == 0))
				case 2:
					must(t, a.RemoveService(id))
				case 3:
					_ = a.UpdateTTL("service:"+id, []string{"passing", "critical"}[r.IntN(2)], fmt.Sprint(r.IntN(3)))
				case 4:
					_ = a.AddCheck(&model.CheckDefinition{Name: fmt.Sprint("c", r.IntN(4)), AliasService: id}, SourceAPI)
				case 5:
					must(t, a.RemoveCheck(fmt.Sprint("c", r.IntN(4))))
				case 6:
					_ = a.SetServiceMaintenance(id, r.IntN(2) == 0, "", "")
				case 7:
					c.edit(func() {
						failing += r.IntN(6)
						delete(c.services, id)
						c.services["stray"] = &model.NodeService{ID: "stray"}
						if s := c.services["web4"]; s != nil {
							s.Tags = []string{fmt.Sprint(r.IntN(3))}
						}
					})
				case 8:
					time.Sleep(time.Duration(r.IntN(int(40 * time.Second))))
				}
			}
			c.edit(func() { failing = 0 })
			time.Sleep(10 * time.Minute)
			equalToCatalog(t, a, c)
		})
	}
}

func equalToCatalog(t *testing.T, a *Agent, c *fakeCatalog) {
	t.Helper()
	services, checks := a.Services(), a.Checks()
	c = c.seen()
	if len(services) != len(c.services) || len(checks) != len(c.checks) {
		t.Errorf("%d services and %d checks here, %d and %d in the catalog", len(services), len(checks), len(c.services), len(c.checks))
	}
	for id, s := range services {
		if theirs := c.services[id]; theirs == nil || !s.Same(theirs) {
			t.Errorf("service %s: %+v here, %+v in the catalog", id, s, theirs)
		}
	}
	for id, hc := range checks {
		if theirs := c.checks[id]; theirs == nil || !sameCheck(hc, theirs, false) {
			t.Errorf("check %s: %+v here, %+v in the catalog", id, hc, theirs)
		}
	}
}

// TestJSONOnItsWay: what goes over the wire comes back with other Go types.
func TestJSONOnItsWay(t *testing.T) {
	ours := &model.NodeService{ID: "p", Kind: model.KindConnectProxy, Proxy: model.ProxyConfig{
		Config: map[string]any{"port": 9191, "list": []string{"a"}}, Upstreams: []model.Upstream{},
	}}
	theirs := ours.Clone()
	theirs.CreateIndex, theirs.Tags, theirs.Meta = 7, []string{}, map[string]string{}
	theirs.Proxy.Config = map[string]any{"port": 9191.0, "list": []any{"a"}}
	theirs.Proxy.Upstreams = nil
	if !sameService(ours, theirs) {
		t.Error("the same service counts as another")
	}
	theirs.Proxy.Config["port"] = 9192.0
	if sameService(ours, theirs) {
		t.Error("another service counts as the same")
	}
}

func TestSyncNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		synctest.Wait()
		c.edit(func() { c.node.Address = "elsewhere" })
		a.SyncNow()
		synctest.Wait()
		if c.seen().node.Address != "10.0.0.1" {
			t.Error("not repaired at once")
		}
	})
}
