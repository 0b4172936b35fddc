package boot

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"muster/config"
	"muster/internal/log"
	"muster/internal/tlsx"
	"muster/internal/tlsx/tlstest"
	"muster/wire"
)

// givesCertificates makes a server demand all that it can of others, and give
// certificates to agents.
func givesCertificates(t *testing.T, ca *tlstest.Authority) (*config.Config, string) {
	t.Helper()
	cfg, socket := devConfig(t, "")
	cfg.TLS.InternalRPC = certified(ca, ca.Issue(t, "server.dc1.consul"))
	cfg.TLS.InternalRPC.VerifyIncoming = true
	cfg.TLS.VerifyServerHostname = true
	cfg.TLS.AllowAutoEncrypt = true
	return cfg, socket
}

// enrolls makes a client that has no files and gets its certificate from a
// server.
func enrolls(t *testing.T, server *Agent) (*config.Config, string) {
	t.Helper()
	cfg, socket := devConfig(t, "")
	cfg.Node.Name, cfg.Dev, cfg.Server, cfg.Bootstrap, cfg.Connect.Enabled = "c", false, false, false, false
	cfg.DataDir = t.TempDir()
	cfg.TLS.AutoEncrypt = true
	cfg.RPC.Bind = server.cfg.RPC.Bind
	lan := server.lan.LocalMember()
	cfg.Join.LAN.Retry = []string{net.JoinHostPort(lan.Addr, fmt.Sprint(lan.Port))}
	cfg.Join.LAN.Interval = 100 * time.Millisecond
	return cfg, socket
}

// TestEnroll: a client without files gets a certificate, with which it reaches
// the servers and cannot be one.
func TestEnroll(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	for _, hostname := range []bool{true, false} {
		cfg, socket := givesCertificates(t, ca)
		cfg.TLS.VerifyServerHostname = hostname
		server := startOnFreePort(t, cfg)
		ask(t, socket, "PUT", "/v1/kv/k", "v", is("true"))
		clientConfig, clientSocket := enrolls(t, server)
		clientConfig.TLS.AutoEncryptNames = []string{"c.example"}
		clientConfig.TLS.AutoEncryptAddresses = []netip.Addr{netip.MustParseAddr("10.1.2.3")}
		client := startDev(t, clientConfig, nil)
		ask(t, clientSocket, "GET", "/v1/kv/k?raw", "", is("v"))
		ask(t, clientSocket, "GET", "/v1/catalog/nodes", "", func(s string) bool { return strings.Contains(s, `"c"`) })

		address := server.port.Raft().Addr().String()
		c := wire.NewClient(nil, func(string) *tls.Config { return client.rpcTLS.Dialer("dc1") })
		for uri, want := range map[string]int{"/v1/kv/k": http.StatusOK, "/v1/snapshot": http.StatusForbidden} {
			resp, err := c.Do(t.Context(), address, &wire.Request{Method: http.MethodGet, URI: uri})
			if err != nil || resp.Status != want {
				t.Errorf("hostname %t: %s: %+v, %v", hostname, uri, resp, err)
			}
		}
		if raftAnswers(t, c, address) {
			t.Errorf("hostname %t: with the certificate of an agent one can be a server", hostname)
		}
		c.Close()

		shown := shownBy(t, client)
		leaf := shown.Leaf
		if uri := leaf.URIs[0].String(); !strings.HasPrefix(uri, "spiffe://") || !strings.HasSuffix(uri, ".consul/agent/client/dc/dc1/id/c") {
			t.Errorf("it is called %s", uri)
		}
		if leaf.DNSNames[1] != "c.example" || leaf.IPAddresses[2].String() != "10.1.2.3" {
			t.Errorf("for %v and %v", leaf.DNSNames, leaf.IPAddresses)
		}
		if life := leaf.NotAfter.Sub(leaf.NotBefore); life < 71*time.Hour || life > 73*time.Hour {
			t.Errorf("it lives %s", life)
		}
		due := renewAt(leaf.NotBefore, leaf.NotAfter)
		if in := time.Until(due); in < 42*time.Hour || in > 51*time.Hour {
			t.Errorf("it is renewed in %s", in)
		}
		// Whoever sets the clock is noticed soon; who set it forward finds it due.
		if in := lookAgain(due); in <= 0 || in > time.Minute {
			t.Errorf("it is looked at in %s", in)
		}
		if in := lookAgain(due.Add(-52 * time.Hour)); in != 0 {
			t.Errorf("it is due, and is looked at in %s", in)
		}
		if _, _, err := client.enroll(t.Context()); err != nil {
			t.Errorf("renewal: %v", err)
		}
		if again := shownBy(t, client).Leaf; again.SerialNumber.Cmp(leaf.SerialNumber) <= 0 {
			t.Errorf("serial number %v after %v", again.SerialNumber, leaf.SerialNumber)
		}
		client.Close()
		server.Close()
	}
}

// shownBy is the certificate that an agent shows to servers.
func shownBy(t *testing.T, a *Agent) *tls.Certificate {
	t.Helper()
	cert, err := a.rpcTLS.Dialer("dc1").GetClientCertificate(nil)
	if err != nil || cert.Leaf == nil {
		t.Fatalf("%v, %v", cert, err)
	}
	return cert
}

// TestStrangers: who has no certificate can ask for one, and for nothing else.
func TestStrangers(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	cfg, socket := givesCertificates(t, ca)
	server := startOnFreePort(t, cfg)
	defer server.Close()
	ask(t, socket, "PUT", "/v1/kv/k", "v", is("true"))
	address := server.port.Raft().Addr().String()
	say := func(protocol, text string) string {
		t.Helper()
		c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		fmt.Fprint(c, text)
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err.Error()
		}
		return strings.TrimSpace(line)
	}
	for _, test := range []struct{ protocol, text, want string }{
		{enrollProtocol, "GET /v1/kv/k HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{enrollProtocol, "PUT /v1/kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nv", "HTTP/1.1 400 Bad Request"},
		{enrollProtocol, "PUT " + enrollPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nv", "HTTP/1.1 400 Bad Request"},
		{enrollProtocol, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{enrollProtocol, "R\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{"muster", "GET /v1/kv/k HTTP/1.1\r\n\r\n", "remote error: tls: certificate required"},
	} {
		if got := say(test.protocol, test.text); got != test.want {
			t.Errorf("%s %q: %q, want %q", test.protocol, test.text, got, test.want)
		}
	}
	// Over the API nobody gets one.
	ask(t, socket, "PUT", enrollPath, "x", is(""))
}

// Every reason not to give or to take a certificate is told.
func TestNotEnrolled(t *testing.T) {
	ca, other := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
	cfg, socket := givesCertificates(t, ca)
	server := startOnFreePort(t, cfg)
	defer server.Close()
	ask(t, socket, "PUT", "/v1/kv/k", "v", is("true"))
	silent, silentSocket := givesCertificates(t, ca)
	silent.TLS.AllowAutoEncrypt, silent.Node.Name = false, "silent"
	none := startOnFreePort(t, silent)
	defer none.Close()
	ask(t, silentSocket, "PUT", "/v1/kv/k", "v", is("true"))
	for name, test := range map[string]struct {
		server *Agent
		change func(*config.Config)
		want   string
	}{
		"name of a server": {server, func(c *config.Config) { c.TLS.AutoEncryptNames = []string{"server.dc1.consul"} },
			`"server.dc1.consul" is the name of a server: take it out of auto_encrypt.dns_san`},
		"all names":         {server, func(c *config.Config) { c.TLS.AutoEncryptNames = []string{"*.dc1.consul"} }, "must name each"},
		"other datacenter":  {server, func(c *config.Config) { c.Datacenter = "dc2" }, `the agent is of datacenter "dc2", not of "dc1"`},
		"other authority":   {server, func(c *config.Config) { c.TLS.InternalRPC.CAFile = other.File }, "certificate signed by unknown authority"},
		"server gives none": {none, func(*config.Config) {}, "no application protocol"},
		"no such provider":  {server, func(c *config.Config) { c.Join.LAN.Retry = []string{"provider=none"} }, "discover provider=none: "},
	} {
		clientConfig, _ := enrolls(t, test.server)
		test.change(clientConfig)
		logs, err := log.New(log.Config{})
		if err != nil {
			t.Fatal(err)
		}
		door, err := tlsx.Open(rpcRules(clientConfig), tlsFiles(&clientConfig.TLS.InternalRPC))
		if err != nil {
			t.Fatal(err)
		}
		a := &Agent{cfg: clientConfig, log: logs, rpcTLS: door}
		if _, _, err := a.enroll(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestInterruptedEnrollment: an agent that waits for servers can be stopped.
func TestInterruptedEnrollment(t *testing.T) {
	cfg, _ := devConfig(t, "")
	cfg.Dev, cfg.Server, cfg.Bootstrap, cfg.DataDir = false, false, false, t.TempDir()
	cfg.TLS.AutoEncrypt = true
	cfg.Join.LAN.Retry = []string{"127.0.0.1"}
	logs, err := log.New(log.Config{})
	if err != nil {
		t.Fatal(err)
	}
	interrupt := make(chan struct{})
	world := World{Interrupt: interrupt, Dial: func(context.Context, string) (net.Conn, error) {
		close(interrupt)
		return nil, errors.New("nobody there")
	}}
	a, err := StartIn(world, cfg, logs, nil)
	if err == nil {
		a.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "interrupted: ") || !strings.Contains(err.Error(), "nobody there") {
		t.Error(err)
	}
}
