package local

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/check"
	"muster/model"
)

func sortedChecks(a *Agent) []string { return slices.Sorted(maps.Keys(a.Checks())) }

func TestServiceDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, testConfig(t, newFakeCatalog()))
		tagged := map[string]model.ServiceAddress{"wan_ipv4": {Address: "198.51.100.1", Port: 9}}
		must(t, a.AddService(&model.ServiceDefinition{Name: "web", Port: 80, Address: "10.0.0.1", TaggedAddresses: tagged}, SourceAPI, false))
		want := &model.NodeService{
			ID: "web", Service: "web", Port: 80, Address: "10.0.0.1", Weights: &model.Weights{Passing: 1, Warning: 1},
			TaggedAddresses: map[string]model.ServiceAddress{"lan_ipv4": {Address: "10.0.0.1", Port: 80}, "wan_ipv4": {Address: "198.51.100.1", Port: 9}},
		}
		if got := a.Service("web"); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if len(tagged) != 1 {
			t.Error("the map of the definition was modified")
		}
		must(t, a.AddService(&model.ServiceDefinition{Name: "six", Port: 80, Address: "2001:db8::1"}, SourceAPI, false))
		if got := slices.Sorted(maps.Keys(a.Service("six").TaggedAddresses)); fmt.Sprint(got) != "[lan_ipv6 wan_ipv6]" {
			t.Errorf("addresses %q", got)
		}
		must(t, a.AddService(&model.ServiceDefinition{Name: "named", Address: "web.example"}, SourceAPI, false))
		if got := a.Service("named").TaggedAddresses; got != nil {
			t.Errorf("addresses %v", got)
		}
	})
}

func TestChecksOfServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, testConfig(t, newFakeCatalog()))
		own := &model.CheckDefinition{CheckID: "own-id", TTL: model.Duration(time.Hour), Status: "warning"}
		first := &model.CheckDefinition{Name: "first", Notes: "a note", Status: "passing", TTL: model.Duration(time.Hour)}
		must(t, a.AddService(&model.ServiceDefinition{ID: "web1", Name: "web", Check: ttl(time.Hour)}, SourceAPI, false))
		must(t, a.AddService(&model.ServiceDefinition{ID: "api1", Name: "api", Tags: []string{"t"}, Checks: []*model.CheckDefinition{first, own}}, SourceAPI, false))
		for id, want := range map[string]string{
			"service:web1":   "Service 'web' check critical web1 web [] ttl ",
			"service:api1:1": "first passing api1 api [t] ttl a note",
			"own-id":         "Service 'api' check warning api1 api [t] ttl ",
		} {
			hc := a.Check(id)
			if got := fmt.Sprint(hc.Name, " ", hc.Status, " ", hc.ServiceID, " ", hc.ServiceName, " ", hc.ServiceTags, " ", hc.Type, " ", hc.Notes); got != want {
				t.Errorf("%s: got %q, want %q", id, got, want)
			}
		}
		must(t, a.AddService(&model.ServiceDefinition{ID: "api1", Name: "api", Tags: []string{"u"}}, SourceAPI, false))
		if got := sortedChecks(a); fmt.Sprint(got) != "[own-id service:api1:1 service:web1]" || a.Check("own-id").ServiceTags[0] != "u" {
			t.Errorf("left: %q with tags %q", got, a.Check("own-id").ServiceTags)
		}
		must(t, a.AddService(&model.ServiceDefinition{ID: "api1", Name: "api", Check: ttl(time.Hour)}, SourceAPI, true))
		if got := sortedChecks(a); fmt.Sprint(got) != "[service:api1 service:web1]" {
			t.Errorf("replaced: %q", got)
		}
		must(t, a.RemoveService("web1"))
		must(t, a.RemoveService("web1"))
		if got := sortedChecks(a); fmt.Sprint(got) != "[service:api1]" {
			t.Errorf("removed: %q", got)
		}
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, testConfig(t, newFakeCatalog()))
		script := &model.CheckDefinition{Name: "s", Args: []string{"true"}, Interval: model.Duration(time.Second)}
		remote := "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
		wantError(t, a.AddCheck(script, SourceAPI), model.Internal, remote)
		wantError(t, a.AddService(&model.ServiceDefinition{Name: "web", Check: script}, SourceAPI, false), model.Internal, remote)
		wantError(t, a.AddCheck(script, SourceConfig), model.Internal,
			"Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true")
		wantError(t, a.AddCheck(&model.CheckDefinition{Name: "x", TTL: 1, ServiceID: "none"}, SourceAPI), model.Internal, `ServiceID "none" does not exist`)
		wantError(t, a.AddCheck(&model.CheckDefinition{}, SourceAPI), model.BadRequest, "Missing check name")
		wantError(t, a.AddService(&model.ServiceDefinition{}, SourceAPI, false), model.BadRequest, "Missing service name")
		wantError(t, a.RemoveService(""), model.Internal, "ServiceID missing")
		wantError(t, a.RemoveCheck(""), model.Internal, "CheckID missing")
		wantError(t, a.UpdateTTL("zz", "passing", ""), model.Internal, `CheckID "zz" does not have associated TTL`)
		wantError(t, a.UpdateTTL("zz", "bogus", ""), model.BadRequest, "Invalid check status: 'bogus'")
		wantError(t, a.SetServiceMaintenance("none", true, "", ""), model.NotFound, `No service registered with ID "none"`)
		bad := &model.CheckDefinition{Name: "x", HTTP: "http://[", Interval: 1}
		if err := a.AddService(&model.ServiceDefinition{Name: "web", Checks: []*model.CheckDefinition{ttl(time.Hour), bad}}, SourceAPI, false); err == nil {
			t.Error("a broken URL was accepted")
		}
		if len(a.Services()) != 0 || len(a.Checks()) != 0 {
			t.Errorf("something was registered: %v %v", a.Services(), a.Checks())
		}
	})
}

func TestScriptsFromFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(t, newFakeCatalog())
		cfg.ScriptsLocal = true
		a := start(t, cfg)
		script := &model.CheckDefinition{Name: "s", Args: []string{"true"}, Interval: model.Duration(time.Hour)}
		must(t, a.AddCheck(script, SourceConfig))
		if err := a.AddCheck(script, SourceAPI); err == nil {
			t.Error("accepted over the API")
		}
		if s := a.Stats(); s != (Stats{Checks: 1, CheckMonitors: 1}) {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestTTLCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		cfg := testConfig(t, c)
		cfg.OutputMaxSize = 10
		a := start(t, cfg)
		must(t, a.AddCheck(&model.CheckDefinition{Name: "beat", TTL: model.Duration(10 * time.Second)}, SourceAPI))
		must(t, a.UpdateTTL("beat", "passing", strings.Repeat("x", 12)))
		if o := a.Check("beat").Output; o != "xxxxxxxxxx ... (captured 10 of 12 bytes)" {
			t.Errorf("output %q", o)
		}
		must(t, a.UpdateTTL("beat", "passing", "a\xff\xfeb"))
		if o := a.Check("beat").Output; o != "a\uFFFDb" {
			t.Errorf("output %q", o)
		}
		time.Sleep(9 * time.Second)
		must(t, a.UpdateTTL("beat", "passing", "ok"))
		time.Sleep(9 * time.Second)
		if s := c.status("beat"); s != "passing" {
			t.Errorf("state %s before its time", s)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if o := a.Check("beat").Output; c.status("beat") != "critical" || o != "TTL expired (last output before timeout follows): ok" {
			t.Errorf("state %s, output %q", c.status("beat"), o)
		}
	})
}

func TestReaper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, testConfig(t, newFakeCatalog()))
		def := func(id string, after time.Duration) *model.ServiceDefinition {
			return &model.ServiceDefinition{ID: id, Name: "web", Check: &model.CheckDefinition{
				TTL: model.Duration(time.Hour), DeregisterCriticalServiceAfter: model.Duration(after)}}
		}
		must(t, a.AddService(def("soon", time.Second), SourceAPI, false)) // raised to a minute
		must(t, a.AddService(def("late", 5*time.Minute), SourceAPI, false))
		must(t, a.AddService(def("never", 0), SourceAPI, false))
		must(t, a.AddService(def("fine", time.Minute), SourceAPI, false))
		must(t, a.UpdateTTL("service:fine", "warning", ""))
		time.Sleep(time.Minute + time.Millisecond)
		if a.Service("soon") == nil {
			t.Error("deregistered too soon")
		}
		time.Sleep(30 * time.Second)
		if a.Service("soon") != nil {
			t.Error("still there")
		}
		must(t, a.UpdateTTL("service:late", "passing", ""))
		must(t, a.UpdateTTL("service:late", "critical", "")) // begins anew
		time.Sleep(4 * time.Minute)
		if a.Service("late") == nil {
			t.Error("deregistered although it was well meanwhile")
		}
		time.Sleep(2 * time.Minute)
		if got := slices.Sorted(maps.Keys(a.Services())); fmt.Sprint(got) != "[fine never]" || len(a.Checks()) != 2 {
			t.Errorf("left: %q", got)
		}
	})
}

func TestMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		must(t, a.AddService(web(1), SourceAPI, false))
		must(t, a.SetNodeMaintenance(true, "upgrade", ""))
		must(t, a.SetNodeMaintenance(true, "ignored", ""))
		must(t, a.SetServiceMaintenance("web1", true, "", ""))
		synctest.Wait()
		want := &model.HealthCheck{Node: "n1", CheckID: "_node_maintenance", Name: "Node Maintenance Mode", Status: "critical", Notes: "upgrade", Type: "maintenance"}
		if got := c.seen().checks["_node_maintenance"]; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
		want = &model.HealthCheck{
			Node: "n1", CheckID: "_service_maintenance:web1", Name: "Service Maintenance Mode", Status: "critical",
			Notes: model.DefaultServiceReason, Type: "maintenance", ServiceID: "web1", ServiceName: "web",
		}
		if got := c.seen().checks["_service_maintenance:web1"]; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
		must(t, a.AddService(web(1), SourceAPI, true)) // does not end it
		must(t, a.SetNodeMaintenance(false, "", ""))
		must(t, a.SetNodeMaintenance(false, "", ""))
		synctest.Wait()
		if got := slices.Sorted(maps.Keys(c.seen().checks)); fmt.Sprint(got) != "[_service_maintenance:web1 service:web1]" {
			t.Errorf("left: %q", got)
		}
		must(t, a.SetServiceMaintenance("web1", false, "", ""))
		synctest.Wait()
		if c.status("_service_maintenance:web1") != "none" {
			t.Error("still in maintenance")
		}
	})
}

func TestAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		alias := func(name, service string) {
			must(t, a.AddCheck(&model.CheckDefinition{Name: name, AliasService: service}, SourceAPI))
		}
		see := func(want ...string) {
			t.Helper()
			synctest.Wait()
			for i, id := range []string{"direct", "indirect"} {
				if got := a.Check(id).Status + " " + a.Check(id).Output; got != want[i] || c.status(id) != a.Check(id).Status {
					t.Errorf("%s: %q, in the catalog %s, want %q", id, got, c.status(id), want[i])
				}
			}
		}
		must(t, a.AddService(&model.ServiceDefinition{Name: "proxy"}, SourceAPI, false))
		must(t, a.AddCheck(&model.CheckDefinition{ID: "direct", Name: "direct", AliasService: "web1", ServiceID: "proxy"}, SourceAPI))
		must(t, a.AddService(&model.ServiceDefinition{Name: "behind"}, SourceAPI, false))
		must(t, a.AddCheck(&model.CheckDefinition{ID: "indirect", Name: "indirect", AliasService: "proxy", ServiceID: "behind"}, SourceAPI))
		missing := "critical Service web1 could not be found on node n1"
		see(missing, `critical Aliased check "direct" failing: Service web1 could not be found on node n1`)
		must(t, a.AddService(&model.ServiceDefinition{ID: "web1", Name: "web"}, SourceAPI, false))
		see("passing No checks found.", "passing All checks passing.")
		must(t, a.AddService(web(1), SourceAPI, false))
		must(t, a.UpdateTTL("service:web1", "warning", "slow"))
		see(`warning Aliased check "Service 'web' check" failing: slow`, `warning Aliased check "direct" failing: Aliased check "Service 'web' check" failing: slow`)
		must(t, a.UpdateTTL("service:web1", "passing", ""))
		must(t, a.SetNodeMaintenance(true, "", ""))
		see(`critical Aliased check "Node Maintenance Mode" failing: `, `critical Aliased check "Node Maintenance Mode" failing: `)
		must(t, a.SetNodeMaintenance(false, "", ""))
		see("passing All checks passing.", "passing All checks passing.")
		must(t, a.RemoveService("web1"))
		see(missing, `critical Aliased check "direct" failing: Service web1 could not be found on node n1`)
		// A circle comes to rest.
		must(t, a.AddService(&model.ServiceDefinition{Name: "a"}, SourceAPI, false))
		must(t, a.AddService(&model.ServiceDefinition{Name: "b"}, SourceAPI, false))
		must(t, a.AddCheck(&model.CheckDefinition{Name: "a to b", AliasService: "b", ServiceID: "a"}, SourceAPI))
		must(t, a.AddCheck(&model.CheckDefinition{Name: "b to a", AliasService: "a", ServiceID: "b"}, SourceAPI))
		alias("node of its own", "a")
	})
}

func TestRemoteAliasNeedsTheCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, testConfig(t, newFakeCatalog()))
		if err := a.AddCheck(&model.CheckDefinition{Name: "x", AliasNode: "n2"}, SourceAPI); err == nil {
			t.Error("accepted without anybody to ask")
		}
		must(t, a.AddCheck(&model.CheckDefinition{Name: "x", AliasNode: "N1"}, SourceAPI))
	})
}

func TestSidecar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCatalog()
		a := start(t, testConfig(t, c))
		def := func(id string) *model.ServiceDefinition {
			return &model.ServiceDefinition{ID: id, Name: "web", Port: 8080, Tags: []string{"t"}, Token: "secret",
				Connect: &model.ServiceConnect{SidecarService: &model.ServiceDefinition{Proxy: &model.ProxyConfig{
					Upstreams: []model.Upstream{{DestinationName: "db", LocalBindPort: 9191}}}}}}
		}
		must(t, a.AddService(def("web1"), SourceAPI, false))
		must(t, a.AddService(def("web1"), SourceAPI, false)) // keeps its port
		if s := a.Service("web1"); s.Connect.SidecarService != nil {
			t.Error("the sidecar's definition is part of the service")
		}
		want := &model.NodeService{
			Kind: "connect-proxy", ID: "web1-sidecar-proxy", Service: "web-sidecar-proxy", Port: 21000, Tags: []string{"t"},
			Weights: &model.Weights{Passing: 1, Warning: 1},
			Proxy: model.ProxyConfig{
				DestinationServiceName: "web", DestinationServiceID: "web1", LocalServiceAddress: "127.0.0.1", LocalServicePort: 8080,
				Upstreams: []model.Upstream{{DestinationType: "service", DestinationName: "db", LocalBindPort: 9191}},
			},
		}
		if got := a.Service("web1-sidecar-proxy"); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if tcp, alias := a.Check("service:web1-sidecar-proxy:1"), a.Check("service:web1-sidecar-proxy:2"); tcp.Type != "tcp" || tcp.Name != "Connect Sidecar Listening" ||
			alias.Type != "alias" || alias.Status != "passing" || alias.Name != "Connect Sidecar Aliasing web1" {
			t.Errorf("checks %+v, %+v", tcp, alias)
		}
		must(t, a.AddService(def("web2"), SourceAPI, false))
		wantError(t, a.AddService(def("web3"), SourceAPI, false), model.Internal,
			"no port provided for sidecar_service and none in the configured range [21000, 21001]")
		if a.Service("web3") != nil {
			t.Error("registered without its sidecar")
		}
		bad := def("web1")
		bad.Connect.SidecarService.Port = 1
		bad.Connect.SidecarService.Meta = map[string]string{"!": ""}
		if err := a.AddService(bad, SourceAPI, false); err == nil || !strings.HasPrefix(err.Error(), "Bad request: Invalid SidecarService: ") {
			t.Errorf("got %v", err)
		}
		must(t, a.RemoveService("web1"))
		synctest.Wait()
		if got := slices.Sorted(maps.Keys(c.seen().services)); fmt.Sprint(got) != "[web2 web2-sidecar-proxy]" {
			t.Errorf("left: %q", got)
		}
	})
}

func TestReload(t *testing.T) {
	for _, onDisk := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeCatalog()
			cfg := testConfig(t, c)
			if onDisk {
				cfg.DataDir = t.TempDir()
			}
			a := start(t, cfg)
			late := &model.CheckDefinition{Name: "late", ServiceID: "web1", TTL: model.Duration(time.Hour)}
			load := func(port int, ids ...int) error {
				var defs []*model.ServiceDefinition
				for _, n := range ids {
					defs = append(defs, web(n))
					defs[len(defs)-1].Port = port
				}
				check := *late
				return a.Reload(defs, []*model.CheckDefinition{&check})
			}
			must(t, load(80, 1, 2))
			must(t, a.AddService(web(9), SourceAPI, false))
			must(t, a.AddCheck(&model.CheckDefinition{Name: "api", ServiceID: "web1", TTL: model.Duration(time.Hour)}, SourceAPI))
			must(t, a.SetNodeMaintenance(true, "", ""))
			must(t, a.SetServiceMaintenance("web1", true, "", ""))
			for _, id := range []string{"service:web1", "late", "api", "service:web9"} {
				must(t, a.UpdateTTL(id, "passing", "fine"))
			}
			synctest.Wait()
			c.took()
			must(t, load(81, 1, 3))
			synctest.Wait()
			services, checks := "[web1 web3]", "[_node_maintenance _service_maintenance:web1 late service:web1 service:web3]"
			if onDisk {
				services, checks = "[web1 web3 web9]", "[_node_maintenance _service_maintenance:web1 api late service:web1 service:web3 service:web9]"
			}
			if got := slices.Sorted(maps.Keys(c.seen().services)); fmt.Sprint(got) != services || !slices.Equal(got, slices.Sorted(maps.Keys(a.Services()))) {
				t.Errorf("services %q", got)
			}
			if got := slices.Sorted(maps.Keys(c.seen().checks)); fmt.Sprint(got) != checks || !slices.Equal(got, sortedChecks(a)) {
				t.Errorf("checks %q", got)
			}
			for _, id := range []string{"service:web1", "late"} {
				if hc := a.Check(id); hc.Status != "passing" || hc.Output != "fine" {
					t.Errorf("%s has become %s", id, hc.Status)
				}
			}
			if w := c.took(); slices.ContainsFunc(w, func(s string) bool { return strings.Contains(s, "register service web1 +") }) || a.Service("web1").Port != 81 {
				t.Errorf("wrote %q", w)
			}
			// What contradicts itself leaves everything as it was.
			if err := a.Reload([]*model.ServiceDefinition{web(5), {Name: ""}}, nil); err == nil {
				t.Error("accepted a service without a name")
			}
			synctest.Wait()
			if w := c.took(); len(w) != 0 {
				t.Errorf("wrote %q", w)
			}
		})
	}
}

func TestChangedChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, testConfig(t, newFakeCatalog()))
		closed := func(c <-chan struct{}) bool {
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		s, c := a.ServicesChanged(), a.ChecksChanged()
		must(t, a.AddService(web(1), SourceAPI, false))
		if !closed(s) || !closed(c) {
			t.Error("not told of a service")
		}
		s, c = a.ServicesChanged(), a.ChecksChanged()
		before := a.Services()
		must(t, a.AddService(web(1), SourceAPI, false))
		if closed(s) || closed(c) {
			t.Error("told of nothing")
		}
		must(t, a.UpdateTTL("service:web1", "passing", ""))
		if closed(s) || !closed(c) {
			t.Error("a check: told of the wrong thing")
		}
		must(t, a.RemoveService("web1"))
		if !closed(s) || len(before) != 1 || len(a.Services()) != 0 {
			t.Error("not told of the end")
		}
		if ns, checks := a.ServiceHealth("web1"); ns != nil || checks != nil {
			t.Error("health of nothing")
		}
	})
}

func TestServiceHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, testConfig(t, newFakeCatalog()))
		must(t, a.AddService(web(1), SourceAPI, false))
		must(t, a.AddService(web(2), SourceAPI, false))
		must(t, a.AddCheck(&model.CheckDefinition{Name: "disk", TTL: model.Duration(time.Hour)}, SourceConfig))
		ns, checks := a.ServiceHealth("web1")
		if got := slices.Sorted(maps.Keys(checks)); ns.ID != "web1" || fmt.Sprint(got) != "[disk service:web1]" {
			t.Errorf("got %q", got)
		}
		if typ := checks["disk"].Type; typ != "" {
			t.Errorf("type %q of a check from a file", typ)
		}
		if s := a.Stats(); s != (Stats{Services: 2, Checks: 3, CheckTTLs: 3}) {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestDiscardOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, testConfig(t, newFakeCatalog()))
		must(t, a.AddService(web(1), SourceAPI, false))
		must(t, a.UpdateTTL("service:web1", "passing", "words"))
		a.SetDiscardOutput(true)
		if o := a.Check("service:web1").Output; o != "" {
			t.Errorf("kept %q", o)
		}
		must(t, a.UpdateTTL("service:web1", "passing", "more"))
		if o := a.Check("service:web1").Output; o != "" {
			t.Errorf("kept %q", o)
		}
	})
}

// TestResultOfAReplacedCheck has a result arrive from a check that was replaced
// meanwhile.
func TestResultOfAReplacedCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, testConfig(t, newFakeCatalog()))
		must(t, a.AddService(web(1), SourceAPI, false))
		old := a.checks["service:web1"]
		def := web(1)
		def.Check = ttl(time.Minute)
		must(t, a.AddService(def, SourceAPI, false))
		a.report(old, check.Result{CheckID: "service:web1", Status: "passing"})
		if s := a.Check("service:web1").Status; s != "critical" {
			t.Errorf("state %s", s)
		}
	})
}

func TestUseAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := New(testConfig(t, newFakeCatalog()))
		must(t, err)
		must(t, a.Close())
		wantError(t, a.AddService(web(1), SourceAPI, false), model.Canceled, "the agent is shutting down")
	})
}
