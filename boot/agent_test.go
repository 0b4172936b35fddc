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
