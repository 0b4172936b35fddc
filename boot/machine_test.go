package boot

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"muster/internal/log"
)

// TestRestoreForeignSnapshot: after a snapshot of Consul was restored, what is
// kept without being acted on is told, and the agents that are there are in the
// catalog at once.
func TestRestoreForeignSnapshot(t *testing.T) {
	snapshot, err := os.ReadFile("../internal/archive/testdata/consul-1.10.snap")
	if err != nil {
		t.Fatal(err)
	}
	cfg, socket := devConfig(t, "")
	var told bytes.Buffer
	logs, err := log.New(log.Config{Level: "INFO", Terminal: &told})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Start(cfg, logs, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, socket, "PUT", "/v1/kv/before", "v", is("true"))
	ask(t, socket, "PUT", "/v1/snapshot", string(snapshot[:len(snapshot)/2]), func(s string) bool { return strings.Contains(s, "failed to read snapshot file") })
	ask(t, socket, "GET", "/v1/kv/before?raw", "", is("v"))
	ask(t, socket, "PUT", "/v1/snapshot", string(snapshot), is(""))
	ask(t, socket, "GET", "/v1/kv/before", "", is(""))
	ask(t, socket, "GET", "/v1/catalog/nodes", "", func(s string) bool { return strings.Contains(s, `"Node": "n"`) && strings.Contains(s, `"origin"`) })
	a.Close()
	logs.Release()
	if text := told.String(); !strings.Contains(text, "the snapshot has records that are kept, and not acted on") || !strings.Contains(text, "ACLToken: ") {
		t.Errorf("told %s", text)
	}
}
