package tlsx

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/tlsx/tlstest"
)

var (
	callersOnly = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	serversOnly = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
)

func yesterday() time.Time { return time.Now().AddDate(0, 0, -1) }

// anybody is a dialer that accepts every server and shows one certificate.
func anybody(t *testing.T, p tlstest.Pair) *tls.Config {
	t.Helper()
	c := &tls.Config{InsecureSkipVerify: true}
	if p.Cert != "" {
		cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			t.Fatal(err)
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return c
}

func TestVerifyIncoming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, other := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		own := ca.Issue(t, "server.dc1.consul")
		verifying := open(t, Rules{VerifyIncoming: true}, files(ca, own))
		trusting := open(t, Rules{}, files(ca, own))
		for _, test := range []struct {
			name  string
			shown tlstest.Pair
			good  bool
		}{
			{"of the authority", ca.Issue(t, "client.dc1.consul"), true},
			{"of the authority, for callers", ca.IssueWith(t, tlstest.Options{Names: []string{"x"}, Usage: callersOnly}), true},
			{"none", tlstest.Pair{}, false},
			{"of another authority", other.Issue(t, "client.dc1.consul"), false},
			{"expired", ca.IssueWith(t, tlstest.Options{Names: []string{"client.dc1.consul"}, Expires: yesterday()}), false},
			{"for servers only", ca.IssueWith(t, tlstest.Options{Names: []string{"x"}, Usage: serversOnly}), false},
		} {
			if _, _, err := meet(t, verifying.Listener(), anybody(t, test.shown)); (err == nil) != test.good {
				t.Errorf("certificate %s: %v", test.name, err)
			}
			if _, _, err := meet(t, trusting.Listener(), anybody(t, test.shown)); err != nil {
				t.Errorf("certificate %s, nobody verifies: %v", test.name, err)
			}
		}
	})
}

// Whoever was let in is not let in later on the strength of that.
func TestVerifyIncomingEveryTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, next := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		d := open(t, Rules{VerifyIncoming: true}, files(ca, ca.Issue(t, "server.dc1.consul")))
		listener, caller := d.Listener(), anybody(t, ca.Issue(t, "client.dc1.consul"))
		caller.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		if _, _, err := meet(t, listener, caller); err != nil {
			t.Fatal(err)
		}
		if _, dialed, err := meet(t, listener, caller); err != nil || dialed.DidResume {
			t.Errorf("again: resumed %t, %v", dialed.DidResume, err)
		}
		use(t, d, files(next, next.Issue(t, "server.dc1.consul")))
		if _, _, err := meet(t, listener, caller); err == nil {
			t.Error("a certificate of the authority before was accepted")
		}
	})
}

func TestVerifyOutgoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, other := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		d := open(t, Rules{VerifyOutgoing: true}, Files{CAFile: ca.File})
		for _, test := range []struct {
			name  string
			shown tlstest.Pair
			good  bool
		}{
			{"of the authority", ca.Issue(t, "server.dc1.consul"), true},
			{"with another name", ca.Issue(t, "whatever"), true},
			{"of another authority", other.Issue(t, "server.dc1.consul"), false},
			{"expired", ca.IssueWith(t, tlstest.Options{Names: []string{"server.dc1.consul"}, Expires: yesterday()}), false},
			{"for callers only", ca.IssueWith(t, tlstest.Options{Names: []string{"server.dc1.consul"}, Usage: callersOnly}), false},
		} {
			server := open(t, Rules{}, files(nil, test.shown))
			if _, _, err := meet(t, server.Listener(), d.Dialer("dc1")); (err == nil) != test.good {
				t.Errorf("certificate %s: %v", test.name, err)
			}
		}
	})
}

func TestVerifyServerHostname(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, other := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		d := open(t, Rules{ServerDomain: "Consul."}, Files{CAFile: ca.File}) // implies VerifyOutgoing
		for _, test := range []struct {
			name       string
			shown      tlstest.Pair
			datacenter string
			good       bool
		}{
			{"of a server", ca.Issue(t, "node7.server.dc1.consul", "server.dc1.consul"), "dc1", true},
			{"of a server elsewhere", ca.Issue(t, "server.dc2.consul"), "dc2", true},
			{"of a client", ca.Issue(t, "client.dc1.consul", "localhost"), "dc1", false},
			{"of a server of another datacenter", ca.Issue(t, "server.dc2.consul"), "dc1", false},
			{"of another domain", ca.Issue(t, "server.dc1.example"), "dc1", false},
			{"of a server, no datacenter known", ca.Issue(t, "server.dc1.consul"), "", false},
			{"of another authority", other.Issue(t, "server.dc1.consul"), "dc1", false},
			{"expired", ca.IssueWith(t, tlstest.Options{Names: []string{"server.dc1.consul"}, Expires: yesterday()}), "dc1", false},
		} {
			server := open(t, Rules{}, files(nil, test.shown))
			if _, _, err := meet(t, server.Listener(), d.Dialer(test.datacenter)); (err == nil) != test.good {
				t.Errorf("certificate %s: %v", test.name, err)
			}
		}
	})
}

// An agent shows its certificate to whoever asks; with none it goes on and is
// refused by those who need one.
func TestDialerShowsCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := tlstest.NewAuthority(t)
		server := open(t, Rules{VerifyIncoming: true}, files(ca, ca.Issue(t, "server.dc1.consul")))
		for _, dialer := range []struct {
			files Files
			good  bool
		}{{files(ca, ca.Issue(t, "client.dc1.consul")), true}, {Files{CAFile: ca.File}, false}} {
			d := open(t, Rules{VerifyOutgoing: true}, dialer.files)
			if _, _, err := meet(t, server.Listener(), d.Dialer("dc1")); (err == nil) != dialer.good {
				t.Errorf("%+v: %v", dialer.files, err)
			}
		}
	})
}

func TestDialerWithoutRulesIsPlain(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	if c := open(t, Rules{VerifyIncoming: true}, files(ca, ca.Issue(t, "x"))).Dialer("dc1"); c != nil {
		t.Error("TLS is made although nobody asks for it")
	}
}

func TestVersionsAndCipherSuites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := tlstest.NewAuthority(t)
		own := files(ca, ca.Issue(t, "server.dc1.consul"))
		const strong, weak = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
		for _, test := range []struct {
			rules Rules
			other *tls.Config
			good  bool
		}{
			{Rules{MinVersion: tls.VersionTLS12}, &tls.Config{MaxVersion: tls.VersionTLS12}, true},
			{Rules{MinVersion: tls.VersionTLS13}, &tls.Config{MaxVersion: tls.VersionTLS12}, false},
			{Rules{MinVersion: tls.VersionTLS12}, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
			{Rules{MinVersion: tls.VersionTLS10}, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, true},
			{Rules{CipherSuites: []uint16{strong}}, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{strong, weak}}, true},
			{Rules{CipherSuites: []uint16{strong}}, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{weak}}, false},
		} {
			caller := test.other.Clone()
			caller.InsecureSkipVerify = true
			if _, _, err := meet(t, open(t, test.rules, own).Listener(), caller); (err == nil) != test.good {
				t.Errorf("%+v is called with %x to %x, %x: %v", test.rules, caller.MinVersion, caller.MaxVersion, caller.CipherSuites, err)
			}
			test.rules.VerifyOutgoing = true
			server := test.other.Clone()
			server.Certificates = open(t, Rules{}, own).now.Load().incoming.Certificates
			if _, _, err := meet(t, server, open(t, test.rules, own).Dialer("dc1")); (err == nil) != test.good {
				t.Errorf("%+v calls with %x to %x, %x: %v", test.rules, server.MinVersion, server.MaxVersion, server.CipherSuites, err)
			}
		}
	})
}

// A door that speaks one protocol does not let in callers who want another:
// who diverts a connection to another port of the same agent gains nothing.
func TestProtocols(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := tlstest.NewAuthority(t)
		own := files(ca, ca.Issue(t, "server.dc1.consul"))
		web := open(t, Rules{Protocols: []string{"h2", "http/1.1"}}, own)
		agents := open(t, Rules{Protocols: []string{"agents"}, VerifyOutgoing: true}, own)
		if _, dialed, err := meet(t, agents.Listener(), agents.Dialer("dc1")); err != nil || dialed.NegotiatedProtocol != "agents" {
			t.Errorf("agreed on %q, %v", dialed.NegotiatedProtocol, err)
		}
		if _, _, err := meet(t, web.Listener(), agents.Dialer("dc1")); err == nil {
			t.Error("the web let an agent in")
		}
	})
}

func TestCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := tlstest.NewAuthority(t)
		service := open(t, Rules{VerifyIncoming: true}, files(ca, ca.Issue(t, "web.example")))
		agent := open(t, Rules{}, Files{CAFile: ca.File})
		right, wrong := agent.Caller("web.example"), agent.Caller("other.example")
		if _, _, err := meet(t, service.Listener(), right); err == nil {
			t.Error("a caller without a certificate was let in")
		}
		use(t, agent, files(ca, ca.Issue(t, "client.dc1.consul")))
		if _, _, err := meet(t, service.Listener(), right); err != nil {
			t.Error("the new certificate was not shown:", err)
		}
		if _, _, err := meet(t, service.Listener(), wrong); err == nil {
			t.Error("a service with another name was accepted")
		}
	})
}
