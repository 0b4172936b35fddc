package boot

import (
	"net/netip"
	"testing"

	"muster/config"
)

// A server knows its own address before gossip knows anybody: Raft asks for it
// when it starts, and warns if nobody can tell.
func TestServerAddr(t *testing.T) {
	a := &Agent{id: "me", cfg: &config.Config{}}
	a.cfg.RPC.Advertise = netip.MustParseAddrPort("10.0.0.1:8300")
	if got, err := (addresses{a}).ServerAddr("me"); err != nil || got != "10.0.0.1:8300" {
		t.Errorf("own address: %q, %v", got, err)
	}
	if got, err := (addresses{a}).ServerAddr("other"); err == nil {
		t.Errorf("an address of nobody: %q", got)
	}
}
