package cli

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"muster/cli/clitest"
)

// TestConnections asks agents behind a socket and behind TLS, and sends the
// token of a file.
func TestConnections(t *testing.T) {
	a := clitest.Start(t)
	dir := t.TempDir()
	socket := filepath.Join(dir, "agent.sock")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `["token-`+r.Header.Get("X-Consul-Token")+`"]`)
	})
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	plain := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	plain.Start()
	defer plain.Close()
	secret := filepath.Join(dir, "token")
	if err := os.WriteFile(secret, []byte(" secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	unix := "-http-addr=unix://" + socket
	runCLI(a, "", "catalog", "datacenters", unix).Want(t, 0, "token-\n", "")
	runCLI(a, "", "catalog", "datacenters", unix, "-token=t").Want(t, 0, "token-t\n", "")
	runCLI(a, "", "catalog", "datacenters", unix, "-token=t", "-token-file="+secret).Want(t, 0, "token-secret\n", "")
	t.Setenv("CONSUL_HTTP_TOKEN_FILE", secret)
	t.Setenv("CONSUL_HTTP_ADDR", "unix://"+socket)
	runCLI(a, "", "catalog", "datacenters").Want(t, 0, "token-secret\n", "")
	runCLI(a, "", "catalog", "datacenters", "-token=t").Want(t, 0, "token-t\n", "")
}
