package config

import (
	"net/netip"
	"testing"
)

// testHost is a machine named host with one private address and no files.
func testHost() Host {
	h := SystemHost()
	h.Hostname = func() (string, error) { return "host", nil }
	h.Addrs = func() ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3")}, nil
	}
	h.Getenv = func(string) string { return "" }
	return h
}

func TestDevDefaults(t *testing.T) {
	c, warnings, err := Load(LoadOptions{Flags: &Flags{Dev: true}, Host: testHost()})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %q", err, warnings)
	}
	if !c.Server || c.Bootstrap || c.DataDir != "" || c.RPC.Bind.String() != "127.0.0.1:8300" || c.Log.Level != "DEBUG" {
		t.Errorf("got %+v", c)
	}
}
