package gossip

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

// Over real sockets: two pools find each other, and a taken port is told.
func TestRealNetwork(t *testing.T) {
	config := func(name string) Config {
		return Config{NodeName: name, NodeID: name, Datacenter: "dc1", BindAddr: "127.0.0.1", Tuning: Dev()}
	}
	open := func(c Config) *Pool {
		p, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	a, b := open(config("a")), open(config("b"))
	port := int(a.LocalMember().Port)
	if port == 0 {
		t.Fatal("no port")
	}
	to := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if n, err := b.Join([]string{to}, true); n != 1 || err != nil {
		t.Fatalf("join: %d, %v", n, err)
	}
	if len(b.Members()) != 2 {
		t.Errorf("members %v", b.Members())
	}
	c := config("c")
	c.BindPort = port
	if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a taken port: %v", err)
	}
}

// BenchmarkOpen is the start of an agent that is alone, and its end.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		p, err := Open(Config{NodeName: "a", NodeID: "a", Datacenter: "dc1", BindAddr: "127.0.0.1"})
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Leave(); err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}
