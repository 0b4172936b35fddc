package boot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/log"
)

// TestDiscoveredServers: clouds are asked at every attempt, until an agent that
// they name is joined.
func TestDiscoveredServers(t *testing.T) {
	serverConfig, socket := devConfig(t, "")
	server := startOnFreePort(t, serverConfig)
	defer server.Close()
	ask(t, socket, "PUT", "/v1/kv/k", "v", is("true"))
	lan := server.lan.LocalMember()
	at := net.JoinHostPort(lan.Addr, fmt.Sprint(lan.Port))

	cfg, clientSocket := devConfig(t, "")
	cfg.Node.Name, cfg.Dev, cfg.Server, cfg.Bootstrap, cfg.DataDir = "c", false, false, false, t.TempDir()
	cfg.Join.LAN.Retry = []string{"provider=fake secret_access_key=s3"}
	cfg.Join.LAN.Interval = 10 * time.Millisecond
	logs, err := log.New(log.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	client, err := StartIn(World{Discover: func(_ context.Context, text string) ([]string, error) {
		if text != cfg.Join.LAN.Retry[0] {
			t.Errorf("asked for %q", text)
		}
		switch asked.Add(1) {
		case 1:
			return nil, errors.New("the cloud is away")
		case 2:
			return nil, nil
		}
		return []string{at}, nil
	}}, cfg, logs, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ask(t, clientSocket, "GET", "/v1/kv/k?raw", "", is("v"))
	if n := asked.Load(); n < 3 {
		t.Errorf("the cloud was asked %d times", n)
	}
}

// TestJoinAddresses: what can be found out is joined, what cannot is told.
func TestJoinAddresses(t *testing.T) {
	logs, err := log.New(log.Config{})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := logs.Monitor("info", false, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	a := &Agent{log: logs, world: World{Discover: func(_ context.Context, text string) ([]string, error) {
		var told string
		for len(lines.Lines()) > 0 {
			told = string(<-lines.Lines())
		}
		if !strings.Contains(told, "Discovering servers") || strings.Contains(told, "api_token=t") {
			t.Errorf("while %s is asked the log says %q", text, told)
		}
		switch {
		case strings.Contains(text, "good"):
			return []string{"10.0.0.2", "10.0.0.3"}, nil
		case strings.Contains(text, "empty"):
			return nil, nil
		}
		return nil, errors.New("no such thing")
	}}}
	got, err := a.joinAddresses(t.Context(), []string{"10.0.0.1", "provider=good", "provider=empty", "provider=bad api_token=t"})
	if strings.Join(got, " ") != "10.0.0.1 10.0.0.2 10.0.0.3" {
		t.Errorf("found %q", got)
	}
	if err == nil || err.Error() != "discover provider=empty: no address found\ndiscover provider=bad api_token=hidden: no such thing" {
		t.Error(err)
	}
}

// TestStartJoinWithoutAddresses: an agent that can join nobody does not start.
func TestStartJoinWithoutAddresses(t *testing.T) {
	cfg, _ := devConfig(t, "")
	cfg.Join.LAN.Start = []string{"provider=none"}
	logs, err := log.New(log.Config{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Start(cfg, logs, nil)
	if err == nil {
		a.Close()
	}
	if err == nil || !strings.Contains(err.Error(), `join LAN: discover provider=none: there is no provider "none": there are aws,`) {
		t.Error(err)
	}
}
