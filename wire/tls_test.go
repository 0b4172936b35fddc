package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"muster/internal/memnet"
	"muster/internal/tlsx"
	"muster/internal/tlsx/tlstest"
)

// names answers with what the caller's certificate says.
type names struct{}

func (names) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.TLS == nil:
		io.WriteString(w, "no TLS")
	case len(r.TLS.PeerCertificates) == 0:
		io.WriteString(w, "no certificate")
	default:
		io.WriteString(w, strings.Join(r.TLS.PeerCertificates[0].DNSNames, " "))
	}
}

func (names) ReadIndex(context.Context, bool) (uint64, error) { return 7, nil }

// pki is the certificates of a test, on a network of its own.
type pki struct {
	t         *testing.T
	net       *memnet.Network
	ca, other *tlstest.Authority
}

func newPKI(t *testing.T) *pki {
	return &pki{t, memnet.New(1), tlstest.NewAuthority(t), tlstest.NewAuthority(t)}
}

const port = "10.0.0.1:8300"

func files(ca *tlstest.Authority, p tlstest.Pair) tlsx.Files {
	return tlsx.Files{CAFile: ca.File, CertFile: p.Cert, KeyFile: p.Key}
}

func (p *pki) door(rules tlsx.Rules, f tlsx.Files) *tlsx.Door {
	p.t.Helper()
	rules.Name, rules.Protocols = "tls.internal_rpc", []string{"muster"}
	d, err := tlsx.Open(rules, f)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

// serve opens a server's port; door nil is one without TLS.
func (p *pki) serve(door *tlsx.Door, require bool) (s *Server, log *bytes.Buffer) {
	p.t.Helper()
	l, err := p.net.Host("10.0.0.1").Listen(8300)
	if err != nil {
		p.t.Fatal(err)
	}
	log = new(bytes.Buffer)
	cfg := ServerConfig{Listener: l, Handler: names{}, RequireTLS: require, HandshakeTimeout: 5 * time.Second,
		Logger: hclog.New(&hclog.LoggerOptions{Output: log})}
	if door != nil {
		cfg.TLS = door.Listener()
		cfg.AllowRaft = func(peer *tls.ConnectionState) error { return door.VerifyServer(peer, "dc1") }
	}
	return Serve(cfg), log
}

// client is another agent; door nil is one without TLS.
func (p *pki) client(door *tlsx.Door) *Client {
	return NewClient(p.dial, func(string) *tls.Config {
		if door == nil {
			return nil
		}
		return door.Dialer("dc1")
	})
}

func (p *pki) dial(ctx context.Context, address string) (net.Conn, error) {
	return p.net.Host("10.0.0.2").Dial(ctx, "tcp", address)
}

// ask makes a request and returns the answer's body.
func ask(t *testing.T, c *Client) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	resp, err := c.Do(ctx, port, &Request{Method: http.MethodGet, URI: "/"})
	if err != nil {
		return "", err
	}
	var streamed []byte
	err = c.Stream(ctx, port, &Request{Method: http.MethodGet, URI: "/"}, http.NoBody, func(_ *Response, r io.Reader) error {
		streamed, err = io.ReadAll(r)
		return err
	})
	if err == nil && string(streamed) != string(resp.Body) {
		t.Errorf("a stream is told %q, a request %q", streamed, resp.Body)
	}
	if _, err := c.ReadIndex(ctx, port, true); err != nil {
		return "", err
	}
	return string(resp.Body), err
}

// raftReaches tells whether a stream of Raft arrives at the other end.
func raftReaches(t *testing.T, s *Server, c *Client) bool {
	t.Helper()
	arrived := make(chan string, 1)
	go func() {
		defer close(arrived)
		conn, err := s.Raft().Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var text [4]byte
		if _, err := io.ReadFull(conn, text[:]); err == nil {
			arrived <- string(text[:])
		}
	}()
	stream := raftStream{Listener: s.Raft(), client: c}
	conn, err := stream.Dial(raft.ServerAddress(port), 5*time.Second)
	if err == nil {
		conn.Write([]byte("vote"))
		defer conn.Close()
	}
	select {
	case text := <-arrived:
		return text == "vote"
	case <-time.After(10 * time.Second):
		s.Raft().Close()
		<-arrived
		return false
	}
}

func TestVerifyIncomingRefusesCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPKI(t)
		expired := tlstest.Options{Names: []string{"client.dc1.consul"}, Expires: time.Now().Add(-time.Hour)}
		out := tlsx.Rules{VerifyOutgoing: true}
		s, log := p.serve(p.door(tlsx.Rules{VerifyIncoming: true}, files(p.ca, p.ca.Issue(t, "server.dc1.consul"))), true)
		defer s.Close()
		for _, test := range []struct {
			name   string
			caller *tlsx.Door
			good   bool
		}{
			{"a certificate of the authority", p.door(out, files(p.ca, p.ca.Issue(t, "client.dc1.consul"))), true},
			{"no TLS", nil, false},
			{"no certificate", p.door(out, tlsx.Files{CAFile: p.ca.File}), false},
			{"a certificate of another authority", p.door(out, files(p.ca, p.other.Issue(t, "client.dc1.consul"))), false},
			{"an expired certificate", p.door(out, files(p.ca, p.ca.IssueWith(t, expired))), false},
		} {
			c := p.client(test.caller)
			body, err := ask(t, c)
			if test.good != (err == nil && body == "client.dc1.consul") {
				t.Errorf("%s: %q, %v", test.name, body, err)
			}
			// Nothing was begun: a write may be tried elsewhere.
			if !test.good && test.caller == nil && !errors.Is(err, ErrUnreachable) {
				t.Errorf("%s: %v", test.name, err)
			}
			c.Close()
		}
		synctest.Wait()
		for _, want := range []string{"it does not use TLS", "client didn't provide a certificate", "unknown authority", "expired"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, log)
			}
		}
	})
}

// Where nobody must use TLS, some may already: clusters are moved to it agent
// by agent.
func TestBothKindsOfCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPKI(t)
		own := p.ca.Issue(t, "server.dc1.consul")
		s, _ := p.serve(p.door(tlsx.Rules{}, files(p.ca, own)), false)
		defer s.Close()
		for want, door := range map[string]*tlsx.Door{
			"no TLS": nil, "no certificate": p.door(tlsx.Rules{VerifyOutgoing: true}, files(p.ca, p.ca.Issue(t, "unasked"))),
		} {
			c := p.client(door)
			if body, err := ask(t, c); err != nil || body != want {
				t.Errorf("%s: %q, %v", want, body, err)
			}
			if !raftReaches(t, s, c) {
				t.Errorf("%s: Raft does not get through", want)
			}
			c.Close()
		}
	})
}

func TestWithoutTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPKI(t)
		s, log := p.serve(nil, false)
		defer s.Close()
		plain, secure := p.client(nil), p.client(p.door(tlsx.Rules{VerifyOutgoing: true}, tlsx.Files{CAFile: p.ca.File}))
		defer plain.Close()
		defer secure.Close()
		if body, err := ask(t, plain); err != nil || body != "no TLS" {
			t.Errorf("%q, %v", body, err)
		}
		if body, err := ask(t, secure); !errors.Is(err, ErrUnreachable) {
			t.Errorf("went on without TLS: %q, %v", body, err)
		}
		synctest.Wait()
		if !strings.Contains(log.String(), "speaks no protocol of this port") {
			t.Error(log)
		}
	})
}

func TestVerifyOutgoingRefusesServers(t *testing.T) {
	for _, rules := range []tlsx.Rules{{VerifyOutgoing: true}, {ServerDomain: "consul."}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPKI(t)
			names := rules.ServerDomain != ""
			c := p.client(p.door(rules, tlsx.Files{CAFile: p.ca.File}))
			defer c.Close()
			for _, test := range []struct {
				name string
				pair tlstest.Pair
				good bool
			}{
				{"of a server", p.ca.Issue(t, "server.dc1.consul"), true},
				{"of a client", p.ca.Issue(t, "client.dc1.consul"), !names},
				{"of a server elsewhere", p.ca.Issue(t, "server.dc2.consul"), !names},
				{"of another authority", p.other.Issue(t, "server.dc1.consul"), false},
				{"expired", p.ca.IssueWith(t, tlstest.Options{Names: []string{"server.dc1.consul"}, Expires: time.Now().Add(-time.Hour)}), false},
			} {
				s, _ := p.serve(p.door(tlsx.Rules{}, files(p.ca, test.pair)), false)
				if _, err := ask(t, c); (err == nil) != test.good || (err != nil && !errors.Is(err, ErrUnreachable)) {
					t.Errorf("%+v: certificate %s: %v", rules, test.name, err)
				}
				s.Close()
				hangUp(c)
			}
		})
	}
}

// An agent's certificate lets it ask, but not take part in Raft.
func TestRaftIsForServers(t *testing.T) {
	for _, incoming := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPKI(t)
			rules := tlsx.Rules{VerifyIncoming: incoming, ServerDomain: "consul."}
			door := p.door(rules, files(p.ca, p.ca.Issue(t, "server.dc1.consul")))
			for _, test := range []struct {
				name         string
				caller       *tlsx.Door
				asks, agrees bool
			}{
				{"server", door, true, true},
				{"client", p.door(rules, files(p.ca, p.ca.Issue(t, "client.dc1.consul"))), true, false},
				{"server of another datacenter", p.door(rules, files(p.ca, p.ca.Issue(t, "server.dc2.consul"))), true, false},
				{"server of another authority", p.door(rules, files(p.ca, p.other.Issue(t, "server.dc1.consul"))), !incoming, false},
				{"somebody without certificate", p.door(tlsx.Rules{VerifyOutgoing: true}, tlsx.Files{CAFile: p.ca.File}), !incoming, false},
				{"somebody without TLS", nil, !incoming, false},
			} {
				s, log := p.serve(door, incoming)
				c := p.client(test.caller)
				if body, err := ask(t, c); (err == nil) != test.asks {
					t.Errorf("%s, verify_incoming %t: %q, %v", test.name, incoming, body, err)
				}
				if got := raftReaches(t, s, c); got != test.agrees {
					t.Errorf("%s, verify_incoming %t: takes part %t", test.name, incoming, got)
				}
				synctest.Wait()
				if test.asks && !test.agrees && !strings.Contains(log.String(), "Raft is for servers only") {
					t.Errorf("%s: the log does not say why: %s", test.name, log)
				}
				c.Close()
				s.Close()
			}
		})
	}
}

// A reload counts for the port and for the next connection to others.
func TestReloadCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPKI(t)
		rules := tlsx.Rules{VerifyIncoming: true, ServerDomain: "consul."}
		server := p.door(rules, files(p.ca, p.ca.Issue(t, "server.dc1.consul", "old")))
		caller := p.door(rules, files(p.ca, p.ca.Issue(t, "client.dc1.consul", "old")))
		s, _ := p.serve(server, true)
		defer s.Close()
		c := p.client(caller)
		defer c.Close()
		if body, err := ask(t, c); err != nil || body != "client.dc1.consul old" {
			t.Errorf("%q, %v", body, err)
		}
		reload := func(d *tlsx.Door, name string) {
			t.Helper()
			m, err := d.Read(files(p.other, p.other.Issue(t, name, "new")))
			if err != nil {
				t.Fatal(err)
			}
			d.Use(m)
		}
		reload(server, "server.dc1.consul")
		if _, err := ask(t, c); err != nil {
			t.Error("a connection that was there was cut off:", err)
		}
		hangUp(c)
		if _, err := ask(t, c); err == nil {
			t.Error("the port and the caller trust different authorities, and still talk")
		}
		reload(caller, "client.dc1.consul")
		hangUp(c)
		if body, err := ask(t, c); err != nil || body != "client.dc1.consul new" {
			t.Errorf("%q, %v", body, err)
		}
	})
}

// Who begins and does not go on is cut off.
func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPKI(t)
		s, _ := p.serve(p.door(tlsx.Rules{}, files(p.ca, p.ca.Issue(t, "server.dc1.consul"))), false)
		defer s.Close()
		for _, begin := range []string{"", "\x16", "\x16\x03\x01\x00\xff\x01"} {
			conn, err := p.dial(t.Context(), port)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			io.WriteString(conn, begin)
			if _, err := io.ReadAll(conn); err != nil || time.Since(start) != 5*time.Second {
				t.Errorf("%q: cut off after %v, %v", begin, time.Since(start), err)
			}
			conn.Close()
		}
	})
}
