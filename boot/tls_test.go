package boot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	golog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"muster/config"
	"muster/internal/log"
	"muster/internal/tlsx"
	"muster/internal/tlsx/tlstest"
	"muster/wire"
)

// certified is a door's certificates.
func certified(ca *tlstest.Authority, p tlstest.Pair) config.TLSDoor {
	return config.TLSDoor{CAFile: ca.File, CertFile: p.Cert, KeyFile: p.Key}
}

// openDoor is somebody else's door.
func openDoor(t *testing.T, rules tlsx.Rules, d config.TLSDoor) *tlsx.Door {
	t.Helper()
	door, err := tlsx.Open(rules, tlsFiles(&d))
	if err != nil {
		t.Fatal(err)
	}
	return door
}

// get makes one request over TLS to a socket.
func get(t *testing.T, socket, path string, config *tls.Config) (string, *http.Response, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}}
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get("https://agent" + path)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), resp, err
}

// httpsConfig is devConfig with a second socket, for HTTPS.
func httpsConfig(t *testing.T, door config.TLSDoor) (cfg *config.Config, plain, secure string) {
	t.Helper()
	cfg, plain = devConfig(t, "")
	secure = plain + "s"
	cfg.HTTP.TLSAddrs = []config.Endpoint{{Net: "unix", Addr: secure}}
	cfg.TLS.HTTPS = door
	return cfg, plain, secure
}

func TestHTTPS(t *testing.T) {
	ca, other := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
	for _, verify := range []bool{false, true} {
		door := certified(ca, ca.Issue(t, "agent"))
		door.VerifyIncoming = verify
		cfg, plain, secure := httpsConfig(t, door)
		a := startDev(t, cfg, nil)
		ask(t, plain, "PUT", "/v1/kv/k", "v", is("true"))
		for _, test := range []struct {
			name string
			door config.TLSDoor
			good bool
		}{
			{"of the authority", certified(ca, ca.Issue(t, "operator")), true},
			{"none", config.TLSDoor{CAFile: ca.File}, !verify},
			{"of another authority", certified(ca, other.Issue(t, "operator")), !verify},
			{"expired", certified(ca, ca.IssueWith(t, tlstest.Options{Expires: time.Now().Add(-time.Hour)})), !verify},
		} {
			body, resp, err := get(t, secure, "/v1/kv/k?raw", openDoor(t, tlsx.Rules{}, test.door).Caller("agent"))
			if test.good && (err != nil || body != "v" || resp.ProtoMajor != 2) {
				t.Errorf("certificate %s: %q, %v", test.name, body, err)
			}
			if !test.good && err == nil {
				t.Errorf("certificate %s: is answered %q", test.name, body)
			}
		}
		stranger := openDoor(t, tlsx.Rules{}, config.TLSDoor{CAFile: other.File})
		if _, _, err := get(t, secure, "/", stranger.Caller("agent")); err == nil || !strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("somebody who does not know the authority: %v", err)
		}
		a.Close()
	}
}

// HTTP/2 is not offered where the cipher suites that it needs are forbidden.
func TestHTTPSWithFewCipherSuites(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	door := certified(ca, ca.Issue(t, "agent"))
	door.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	cfg, _, secure := httpsConfig(t, door)
	a := startDev(t, cfg, nil)
	defer a.Close()
	caller := openDoor(t, tlsx.Rules{}, config.TLSDoor{CAFile: ca.File}).Caller("agent")
	caller.MaxVersion = tls.VersionTLS12
	_, resp, err := get(t, secure, "/v1/agent/self", caller)
	if err != nil || resp.ProtoMajor != 1 || resp.TLS.CipherSuite != door.CipherSuites[0] {
		t.Errorf("%+v, %v", resp, err)
	}
	caller.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	if _, _, err := get(t, secure, "/v1/agent/self", caller); err == nil {
		t.Error("another cipher suite was agreed on")
	}
}

// HTTPS without a certificate lets nobody in, until a reload brings one.
func TestHTTPSCertificateMayComeLater(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	cfg, _, secure := httpsConfig(t, config.TLSDoor{})
	reloaded := *cfg
	reloaded.TLS.HTTPS = certified(ca, ca.Issue(t, "agent"))
	a := startDev(t, cfg, func() (*config.Config, []string, error) { return &reloaded, nil, nil })
	defer a.Close()
	caller := openDoor(t, tlsx.Rules{}, config.TLSDoor{CAFile: ca.File}).Caller("agent")
	if _, _, err := get(t, secure, "/v1/agent/self", caller); err == nil {
		t.Error("there is an answer")
	}
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, secure, "/v1/agent/self", caller); err != nil {
		t.Error(err)
	}
}

// TestReloadSetsCertificates: certificates change without a restart, all of
// them or none.
func TestReloadSetsCertificates(t *testing.T) {
	ca, next := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
	files := ca.Issue(t, "agent", "first")
	cfg, _, secure := httpsConfig(t, certified(ca, files))
	rpc := certified(ca, ca.Issue(t, "first"))
	rpc.VerifyOutgoing = true
	cfg.TLS.InternalRPC = rpc
	reloaded := *cfg
	a := startDev(t, cfg, func() (*config.Config, []string, error) { return &reloaded, nil, nil })
	defer a.Close()
	shown := func(ca *tlstest.Authority) (web, rpc string) {
		t.Helper()
		caller := openDoor(t, tlsx.Rules{}, config.TLSDoor{CAFile: ca.File}).Caller("agent")
		_, resp, err := get(t, secure, "/v1/agent/self", caller)
		if err != nil {
			t.Fatal(err)
		}
		return last(resp.TLS), shownTo(t, a)
	}
	if web, rpc := shown(ca); web != "first" || rpc != "first" {
		t.Errorf("shows %s and %s", web, rpc)
	}
	ca.IssueTo(t, files, tlstest.Options{Names: []string{"agent", "second"}})
	ca.IssueTo(t, tlstest.Pair{Cert: rpc.CertFile, Key: rpc.KeyFile}, tlstest.Options{Names: []string{"second"}})
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	if web, rpc := shown(ca); web != "second" || rpc != "second" {
		t.Errorf("shows %s and %s after the files had changed", web, rpc)
	}
	reloaded.TLS.InternalRPC = certified(next, next.Issue(t, "third"))
	reloaded.TLS.HTTPS = config.TLSDoor{CertFile: files.Cert}
	if err := a.Reload(); err == nil || !strings.Contains(err.Error(), "tls.https: there is a cert_file without a key_file") {
		t.Errorf("a reload without a key: %v", err)
	}
	if web, rpc := shown(ca); web != "second" || rpc != "second" {
		t.Errorf("shows %s and %s after a reload that failed", web, rpc)
	}
	reloaded.TLS.HTTPS = certified(next, next.Issue(t, "agent", "third"))
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	if web, rpc := shown(next); web != "third" || rpc != "third" {
		t.Errorf("shows %s and %s after other files were named", web, rpc)
	}
}

// last is the last name in the certificate of the other side.
func last(state *tls.ConnectionState) string {
	names := state.PeerCertificates[0].DNSNames
	return names[len(names)-1]
}

// shownTo is the name in the certificate that an agent shows on its port.
func shownTo(t *testing.T, a *Agent) string {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := d.DialContext(t.Context(), "tcp", a.port.Raft().Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	return last(&state)
}

// TestCertificateOfAClient: with the certificate of a client agent one may ask
// the servers, but not act as one of them.
func TestCertificateOfAClient(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	cfg, socket := devConfig(t, "")
	cfg.TLS.InternalRPC = certified(ca, ca.Issue(t, "server.dc1.consul"))
	cfg.TLS.InternalRPC.VerifyIncoming = true
	cfg.TLS.VerifyServerHostname = true
	a := startDev(t, cfg, nil)
	defer a.Close()
	ask(t, socket, "PUT", "/v1/kv/k", "v", is("true"))
	if tag := a.lan.LocalMember().Tags["use_tls"]; tag != "1" {
		t.Errorf("the tag use_tls is %q", tag)
	}
	address := a.port.Raft().Addr().String()
	plain := wire.NewClient(nil, nil)
	defer plain.Close()
	if resp, err := plain.Do(t.Context(), address, &wire.Request{Method: http.MethodGet, URI: "/v1/kv/k"}); !errors.Is(err, wire.ErrUnreachable) {
		t.Errorf("without TLS: %+v, %v", resp, err)
	}
	for _, test := range []struct {
		name         string
		certificate  config.TLSDoor
		server, raft bool
	}{
		{"server", cfg.TLS.InternalRPC, true, true},
		{"server of another datacenter", certified(ca, ca.Issue(t, "server.dc2.consul")), true, false},
		{"client", certified(ca, ca.Issue(t, "client.dc1.consul")), false, false},
	} {
		door := openDoor(t, rpcRules(cfg), test.certificate)
		c := wire.NewClient(nil, func(string) *tls.Config { return door.Dialer("dc1") })
		for uri, want := range map[string]int{
			"/v1/kv/k": http.StatusOK, "/v1/catalog/nodes": http.StatusOK,
			"/v1/snapshot": status(test.server), "/v1/%73napshot": status(test.server), "/v1/snapshot?stale": status(test.server),
		} {
			resp, err := c.Do(t.Context(), address, &wire.Request{Method: http.MethodGet, URI: uri})
			if err != nil || resp.Status != want {
				t.Errorf("%s: %s: %+v, %v", test.name, uri, resp, err)
			}
		}
		if got := raftAnswers(t, c, address); got != test.raft {
			t.Errorf("%s: Raft answers: %t", test.name, got)
		}
		c.Close()
	}
}

func status(allowed bool) int {
	if allowed {
		return http.StatusOK
	}
	return http.StatusForbidden
}

// raftAnswers calls Raft as a leader of a term long ago.
func raftAnswers(t *testing.T, c *wire.Client, address string) bool {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	transport := c.RaftTransport(l, l.Addr(), raft.NetworkTransportConfig{Timeout: patience, Logger: hclog.NewNullLogger()})
	defer transport.(raft.WithClose).Close()
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("old"), Addr: []byte(l.Addr().String())}
	var resp raft.AppendEntriesResponse
	err = transport.AppendEntries("n", raft.ServerAddress(address), &raft.AppendEntriesRequest{RPCHeader: header}, &resp)
	return err == nil && resp.Term > 0
}

// TestServersOverTLS: two servers that demand everything of each other agree.
func TestServersOverTLS(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	secure := func(cfg *config.Config) {
		cfg.TLS.InternalRPC = certified(ca, ca.Issue(t, "server.dc1.consul"))
		cfg.TLS.InternalRPC.VerifyIncoming = true
		cfg.TLS.VerifyServerHostname = true
	}
	first, socket := devConfig(t, "")
	secure(first)
	a := startOnFreePort(t, first)
	defer a.Close()
	ask(t, socket, "PUT", "/v1/kv/k", "v", is("true"))

	second, socket := devConfig(t, "")
	secure(second)
	second.Node.Name, second.Dev, second.Bootstrap = "m", false, false
	lan := a.lan.LocalMember()
	second.Join.LAN.Start = []string{net.JoinHostPort(lan.Addr, fmt.Sprint(lan.Port))}
	b := startOnFreePort(t, second)
	defer b.Close()
	ask(t, socket, "GET", "/v1/kv/k?raw", "", is("v"))
	ask(t, socket, "PUT", "/v1/kv/k2", "v2", is("true"))
	ask(t, socket, "GET", "/v1/kv/k2?raw&consistent", "", is("v2"))
	ask(t, socket, "GET", "/v1/operator/raft/configuration", "", func(s string) bool { return strings.Count(strings.ReplaceAll(s, " ", ""), `"Voter":true`) == 2 })
}

// startOnFreePort starts a server whose port others can be told. Somebody may
// take the port that was free: then another one is tried.
func startOnFreePort(t *testing.T, cfg *config.Config) *Agent {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cfg.RPC.Bind = netip.MustParseAddrPort(l.Addr().String())
		cfg.RPC.Advertise = cfg.RPC.Bind
		l.Close()
		logs, err := log.New(log.Config{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := Start(cfg, logs, nil)
		if err == nil {
			return a
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
	t.Fatal("no free port")
	return nil
}

// TestDatacenterAt: who is not known, or is in the pool of this datacenter, has
// to be a server of this one, whatever the pool of all datacenters says.
func TestDatacenterAt(t *testing.T) {
	own, _ := devConfig(t, "")
	a := startDev(t, own, nil)
	defer a.Close()
	wan := a.wan.LocalMember()
	far := map[string]string{"dc2": "127.0.0.1:8400", "dc3": own.RPC.Advertise.String()} // dc3 claims our address
	for dc, address := range far {
		cfg, _ := devConfig(t, "")
		cfg.Datacenter, cfg.PrimaryDatacenter, cfg.Node.Name = dc, dc, "a" // before ours, n
		cfg.RPC.Advertise = netip.MustParseAddrPort(address)
		cfg.Join.WAN.Start = []string{net.JoinHostPort(wan.Addr, fmt.Sprint(wan.Port))}
		b := startDev(t, cfg, nil)
		defer b.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for again := time.NewTicker(10 * time.Millisecond); len(a.wan.Members()) < 3; {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("the datacenters did not meet")
		}
	}
	for address, want := range map[string]string{"192.0.2.1:8300": "dc1", own.RPC.Advertise.String(): "dc1", far["dc2"]: "dc2"} {
		if dc := a.datacenterAt(address); dc != want {
			t.Errorf("%s is said to be in %s, not in %s", address, dc, want)
		}
	}
}

// TestChecksWithAgentTLS: a service that wants a certificate gets the agent's,
// if that is to be shown.
func TestChecksWithAgentTLS(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	service := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	service.TLS = openDoor(t, tlsx.Rules{VerifyIncoming: true}, certified(ca, ca.Issue(t, "web.example"))).Listener()
	service.Config.ErrorLog = golog.New(io.Discard, "", 0)
	service.StartTLS()
	defer service.Close()
	for _, show := range []bool{true, false} {
		cfg, socket := devConfig(t, fmt.Sprintf(`check = { id = "web" name = "web" http = %q interval = "20ms" }`, service.URL))
		cfg.TLS.InternalRPC = certified(ca, ca.Issue(t, "client.dc1.consul"))
		cfg.TLS.ServerName = "web.example"
		cfg.Check.UseAgentTLS = show
		a := startDev(t, cfg, nil)
		want := "HTTP GET " + service.URL + ": 200 OK"
		if !show {
			want = "x509: "
		}
		ask(t, socket, "GET", "/v1/agent/checks", "", func(s string) bool { return strings.Contains(s, want) })
		a.Close()
	}
}
