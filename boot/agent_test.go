package boot

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"muster/config"
	"muster/internal/log"
	"muster/internal/meter"
	"muster/model"
)

// patience is how long tests wait for what should take milliseconds.
const patience = 30 * time.Second

// devConfig is that of an agent in development mode, with an HTTP door on a
// Unix socket and ports that nobody else has.
func devConfig(t *testing.T, fragment string) (cfg *config.Config, socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "boot") // a short path: those of sockets are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "http")
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	parsed := config.AddFlags(flags)
	err = flags.Parse([]string{"-dev", "-node=n", "-dns-port=-1", "-bind=127.0.0.1",
		"-hcl", fmt.Sprintf("addresses { http = %q }", "unix://"+socket), "-hcl", fragment})
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err = config.Load(config.LoadOptions{Flags: parsed, Host: config.SystemHost()})
	if err != nil {
		t.Fatal(err)
	}
	free := netip.MustParseAddrPort("127.0.0.1:0")
	cfg.RPC.Bind, cfg.Gossip.LAN.Bind, cfg.Gossip.LAN.Advertise, cfg.Gossip.WAN.Bind, cfg.Gossip.WAN.Advertise = free, free, free, free, free
	return cfg, socket
}

func startDev(t *testing.T, cfg *config.Config, load Loader) *Agent {
	t.Helper()
	logs, err := log.New(log.Config{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Start(cfg, logs, load)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ask makes a request over a socket until the answer is as wanted.
func ask(t *testing.T, socket, method, path, body string, want func(answer string) bool) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	var answer string
	for {
		req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(req); err == nil {
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if answer = string(b); want(answer) {
				return
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("%s %s answers %q", method, path, answer)
		}
	}
}

func is(want string) func(string) bool {
	return func(s string) bool { return strings.TrimSpace(s) == want }
}

// TestNothingStaysBehind starts and stops an agent that has everything to do,
// again and again: every goroutine ends.
func TestNothingStaysBehind(t *testing.T) {
	const times = 20
	fragment := `
		services { name = "web" port = 80 checks = [
			{ id = "ttl" ttl = "10s" }, { id = "tcp" tcp = "127.0.0.1:1" interval = "1s" }, { id = "node" alias_node = "n" } ] }
		watches = [ { type = "key" key = "k" args = ["true"] }, { type = "nodes" args = ["sleep", "1000"] } ]`
	cfg, socket := devConfig(t, fragment)
	before := 0
	for i := range times + 1 {
		a := startDev(t, cfg, nil)
		ask(t, socket, "PUT", "/v1/kv/k", fmt.Sprint(i), is("true"))
		if i == 0 {
			ask(t, socket, "GET", "/v1/health/checks/web", "", func(s string) bool { return strings.Contains(s, `"tcp"`) })
		}
		a.Close()
		a.Close() // does nothing
		if i == 0 {
			// What libraries start once and keep does not count.
			before = settled(t, 0)
		}
	}
	if now := settled(t, before); now > before {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines after %d agents, %d after the first:\n%s", now, times+1, before, stacks[:runtime.Stack(stacks, true)])
	}
}

// settled counts goroutines when there are few enough, or no fewer come to an
// end for a while.
func settled(t *testing.T, enough int) int {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	least, still := runtime.NumGoroutine(), 0
	for least > enough && still < 25 {
		<-ticker.C
		if n := runtime.NumGoroutine(); n < least {
			least, still = n, 0
		} else {
			still++
		}
	}
	return least
}

// TestReloadSetsWatches: a watch that comes with a reload is carried out, one
// that cannot be refuses it.
func TestReloadSetsWatches(t *testing.T) {
	first, socket := devConfig(t, "")
	out := filepath.Join(t.TempDir(), "out")
	next := *first
	a := startDev(t, first, func() (*config.Config, []string, error) { return &next, nil, nil })
	defer a.Close()
	watch := func(kind string) config.Watch {
		return config.Watch{HandlerType: "script", Args: []string{"sh", "-c", "cat > " + out},
			Params: map[string]any{"type": kind, "key": "k"}}
	}
	next.Watches = []config.Watch{watch("connect_roots")}
	if err := a.Reload(); err == nil || !strings.Contains(err.Error(), "connect_roots") {
		t.Errorf("a watch that cannot be: %v", err)
	}
	next.Watches = []config.Watch{watch("key")}
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	ask(t, socket, "PUT", "/v1/kv/k", "v", is("true"))
	ask(t, socket, "GET", "/v1/kv/k?raw", "", func(s string) bool {
		b, _ := os.ReadFile(out)
		return s == "v" && strings.Contains(string(b), `"Value":"dg=="`)
	})
}

func TestWatchThatCannotBe(t *testing.T) {
	cfg, _ := devConfig(t, `watches = [ { type = "connect_roots" args = ["true"] } ]`)
	if _, err := Start(cfg, nil, nil); err == nil || !strings.Contains(err.Error(), "watches[0]: Watch type 'connect_roots'") {
		t.Errorf("Start = %v", err)
	}
	cfg, _ = devConfig(t, `watches = [ { type = "nodes" args = ["true"] } ]`)
	cfg.HTTP.Addrs = nil
	logs, err := log.New(log.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(cfg, logs, nil); err == nil || !strings.Contains(err.Error(), "watches need the HTTP API") {
		t.Errorf("Start without HTTP = %v", err)
	}
}

// TestMetrics: an agent gives every metric of the table from the start, those
// that are looked at have their values, and what happens is counted.
func TestMetrics(t *testing.T) {
	cfg, socket := devConfig(t, `telemetry { prometheus_retention_time = "60s" disable_hostname = true }
		service { name = "web" }`)
	a := startDev(t, cfg, nil)
	defer a.Close()
	ask(t, socket, "PUT", "/v1/kv/k", "x", is("true"))
	ask(t, socket, "GET", "/v1/health/service/web?passing", "", func(s string) bool { return strings.Contains(s, `"web"`) })
	ask(t, socket, "GET", "/v1/agent/metrics?format=prometheus", "", func(s string) bool {
		for _, line := range []string{
			"consul_server_isLeader 1\n", "consul_members_servers 1\n", "consul_members_clients 0\n",
			`consul_state_nodes{datacenter="dc1"} 1` + "\n", `consul_state_services{datacenter="dc1"} 2` + "\n",
			`consul_state_service_instances{datacenter="dc1"} 2` + "\n", `consul_state_billable_service_instances{datacenter="dc1"} 1` + "\n",
			`consul_state_kv_entries{datacenter="dc1"} 1` + "\n", `consul_health_service_query{service="web"} `,
			"consul_kvs_apply_count 1\n", "consul_fsm_kvs_count 1\n", "consul_raft_state_leader 1\n", "consul_raft_apply ", "consul_session_ttl_active 0\n",
			"consul_catalog_register_count ", "consul_client_rpc 0\n", "consul_rpc_rate_limit_exceeded 0\n",
		} {
			if !strings.Contains(s, line) {
				return false
			}
		}
		return true
	})
	ask(t, socket, "GET", "/v1/agent/metrics?format=prometheus", "", func(s string) bool {
		for _, row := range meter.Table() {
			name := "consul_" + strings.NewReplacer(".", "_", "-", "_").Replace(row.Name)
			if !strings.Contains(s, "# HELP "+name+" ") {
				t.Errorf("%s is not there", row.Name)
			}
		}
		return true
	})
}

// TestReload: what can be changed is, and each change is told.
func TestReload(t *testing.T) {
	cfg, socket := devConfig(t, `limits { request_limits { mode = "enforcing" write_rate = 0 } }`)
	next, _ := devConfig(t, `limits { http_max_conns_per_client = 7 rpc_max_conns_per_client = 8 } telemetry { prefix_filter = ["-consul.kvs"] }
		ports { https = 1 } log_level = "warn"`)
	loaded := next
	a := startDev(t, cfg, func() (*config.Config, []string, error) { return loaded, nil, nil })
	defer a.Close()
	ask(t, socket, "GET", "/v1/status/leader", "", func(s string) bool { return len(s) > 2 })
	ask(t, socket, "PUT", "/v1/kv/k", "x", is(model.TextOverloaded))
	lines, err := a.log.Monitor("info", false, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	reload := func() string {
		t.Helper()
		if err := a.Reload(); err != nil {
			t.Fatal(err)
		}
		var told strings.Builder
		for len(lines.Lines()) > 0 {
			told.Write(<-lines.Lines())
		}
		return told.String()
	}
	const later = "[WARN]  agent: Configuration changed, the change takes effect at the next start: key="
	told := reload()
	ask(t, socket, "PUT", "/v1/kv/k", "x", is("true"))
	for _, want := range []string{
		"[INFO]  agent: Configuration changed: key=limits.http_max_conns_per_client from=200 to=7\n",
		"[INFO]  agent: Configuration changed: key=limits.rpc_max_conns_per_client from=100 to=8\n",
		"[INFO]  agent: Configuration changed: key=limits.request_limits.mode from=enforcing to=permissive\n",
		"[INFO]  agent: Configuration changed: key=telemetry.prefix_filter from=\"\" to=[-consul.kvs]\n",
		"[INFO]  agent: Configuration changed: key=log_level from=DEBUG to=warn\n",
		later + "ports.https from=-1 to=1\n",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("no line %q in\n%s", want, told)
		}
	}
	if told = reload(); !strings.Contains(told, later+"ports.https from=-1 to=1\n") {
		t.Errorf("what still waits for a restart is not told again:\n%s", told)
	}
	loaded = cfg
	if told = reload(); strings.Contains(told, later) {
		t.Errorf("what was taken back is said to wait for a restart:\n%s", told)
	}
}
