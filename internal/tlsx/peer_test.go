package tlsx

import (
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/tlsx/tlstest"
)

func TestVerifyServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, other := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		own := files(ca, ca.Issue(t, "server.dc1.consul"))
		for _, incoming := range []bool{false, true} {
			d := open(t, Rules{VerifyIncoming: incoming, ServerDomain: "consul."}, own)
			for _, test := range []struct {
				name      string
				shown     tlstest.Pair
				here, any bool
			}{
				{"of a server", ca.Issue(t, "server.dc1.consul", "localhost"), true, true},
				{"of a server, in capitals", ca.Issue(t, "SERVER.DC1.CONSUL"), true, true},
				{"of a server of another datacenter", ca.Issue(t, "server.dc2.consul"), false, true},
				{"of a client", ca.Issue(t, "client.dc1.consul", "localhost"), false, false},
				{"of another domain", ca.Issue(t, "server.dc1.consul.example"), false, false},
				{"of a deeper name", ca.Issue(t, "server.a.dc1.consul"), false, false},
				{"of no datacenter", ca.Issue(t, "server.consul", "server..consul"), false, false},
				{"of a server of another authority", other.Issue(t, "server.dc1.consul"), false, false},
				{"of a server, for servers only", ca.IssueWith(t, tlstest.Options{Names: []string{"server.dc1.consul"}, Usage: serversOnly}), false, false},
				{"of a server, expired", ca.IssueWith(t, tlstest.Options{Names: []string{"server.dc1.consul"}, Expires: yesterday()}), false, false},
				{"none", tlstest.Pair{}, false, false},
			} {
				accepted, _, err := meet(t, d.Listener(), anybody(t, test.shown))
				if err != nil && !incoming {
					t.Errorf("certificate %s: %v", test.name, err)
				}
				if err := d.VerifyServer(&accepted, "dc1"); (err == nil) != test.here {
					t.Errorf("certificate %s, incoming %t, here: %v", test.name, incoming, err)
				}
				if err := d.VerifyServer(&accepted, ""); (err == nil) != test.any {
					t.Errorf("certificate %s, incoming %t, anywhere: %v", test.name, incoming, err)
				}
			}
			if d.VerifyServer(nil, "") == nil {
				t.Error("without TLS anybody is a server")
			}
		}
	})
}

// A certificate that was good at the handshake may be judged later.
func TestVerifyServerJudgesNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := tlstest.NewAuthority(t)
		d := open(t, Rules{VerifyIncoming: true, ServerDomain: "consul."}, files(ca, ca.Issue(t, "server.dc1.consul")))
		short := ca.IssueWith(t, tlstest.Options{Names: []string{"server.dc1.consul"}, Expires: time.Now().Add(time.Minute)})
		accepted, _, err := meet(t, d.Listener(), anybody(t, short))
		if err != nil || d.VerifyServer(&accepted, "dc1") != nil {
			t.Fatal("a good certificate is refused:", err, d.VerifyServer(&accepted, "dc1"))
		}
		time.Sleep(2 * time.Minute)
		if d.VerifyServer(&accepted, "dc1") == nil {
			t.Error("an expired certificate is accepted")
		}
	})
}

func TestWithoutServerDomainEverybodyPasses(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	d := open(t, Rules{VerifyIncoming: true}, files(ca, ca.Issue(t, "x")))
	for _, peer := range []*tls.ConnectionState{nil, {}} {
		if err := d.VerifyServer(peer, "dc1"); err != nil {
			t.Error(err)
		}
	}
}
