package authority

import (
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"muster/internal/authority/keypair"
)

const domain = "3ce944ac-0df7-bb58-4c95-bc518d459579.consul"

func root(t *testing.T) Root {
	t.Helper()
	r, err := NewRoot(domain, 7, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func request(t *testing.T, dns ...string) *Request {
	t.Helper()
	text, _, err := AgentRequest(AgentURI(domain, "dc1", "n1"), dns, []net.IP{net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseAgentRequest(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	c, err := keypair.ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRoot(t *testing.T) {
	c := parse(t, root(t).Cert)
	if !c.IsCA || c.SerialNumber.Uint64() != 7 || c.URIs[0].String() != "spiffe://"+domain || c.CheckSignatureFrom(c) != nil {
		t.Errorf("root %+v", c)
	}
	if !strings.HasSuffix(c.Subject.CommonName, ".consul.ca.3ce944ac.consul") {
		t.Errorf("it is called %s", c.Subject.CommonName)
	}
}

func TestSignAgent(t *testing.T) {
	r, req := root(t), request(t, "localhost", "n1.example")
	if req.Datacenter != "dc1" || req.Node != "n1" {
		t.Errorf("request of %q in %q", req.Node, req.Datacenter)
	}
	text, err := r.SignAgent(req, domain, 8, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, text)
	if c.URIs[0].String() != "spiffe://"+domain+"/agent/client/dc/dc1/id/n1" || strings.Join(c.DNSNames, " ") != "localhost n1.example" {
		t.Errorf("certificate for %v and %v", c.URIs, c.DNSNames)
	}
	if life := c.NotAfter.Sub(c.NotBefore); life != time.Hour+skew {
		t.Errorf("it lives %s", life)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, r.Cert))
	verify := func(pool *x509.CertPool, usage x509.ExtKeyUsage) error {
		_, err := c.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	if err := verify(roots, x509.ExtKeyUsageClientAuth); err != nil {
		t.Error(err)
	}
	if verify(roots, x509.ExtKeyUsageServerAuth) == nil {
		t.Error("an agent can serve with it")
	}
	others := x509.NewCertPool()
	others.AddCert(parse(t, root(t).Cert))
	if verify(others, x509.ExtKeyUsageClientAuth) == nil {
		t.Error("another authority vouches for it")
	}
}

// A certificate does not outlive the authority that vouches for it.
func TestNotLongerThanRoot(t *testing.T) {
	r := root(t)
	text, err := r.SignAgent(request(t), domain, 8, time.Now().Add(rootLife-time.Hour), 72*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if end, root := parse(t, text).NotAfter, parse(t, r.Cert).NotAfter; !end.Equal(root) {
		t.Errorf("it ends %s, its root %s", end, root)
	}
}

// The names of what Consul 1.10 made, as its API told them.
func TestNamesAsConsul(t *testing.T) {
	const cert = `-----BEGIN CERTIFICATE-----
MIICDTCCAbOgAwIBAgIBCjAKBggqhkjOPQQDAjAwMS4wLAYDVQQDEyVwcmktMTYy
YnhtMy5jb25zdWwuY2EuM2NlOTQ0YWMuY29uc3VsMB4XDTI2MTEyMjEyMTA1NloX
DTM2MTEyMjEyMTA1NlowMDEuMCwGA1UEAxMlcHJpLTE2MmJ4bTMuY29uc3VsLmNh
LjNjZTk0NGFjLmNvbnN1bDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAoMPESG
FEykA2pp6Cz3nciztS1S1l/PF/FtNNsHAZ8Ajj7Kkh8t9Glo2NCSNHQeSk1WbzrV
CG/sSr9d23mXV56jgb0wgbowDgYDVR0PAQH/BAQDAgGGMA8GA1UdEwEB/wQFMAMB
Af8wKQYDVR0OBCIEIGuZOjSvc9ZPbe0vRHVMStXFjTxgXlIhXSsxB40r/oeXMCsG
A1UdIwQkMCKAIGuZOjSvc9ZPbe0vRHVMStXFjTxgXlIhXSsxB40r/oeXMD8GA1Ud
EQQ4MDaGNHNwaWZmZTovLzNjZTk0NGFjLTBkZjctYmI1OC00Yzk1LWJjNTE4ZDQ1
OTU3OS5jb25zdWwwCgYIKoZIzj0EAwIDSAAwRQIgdIhjbrz18/+63/fwInfpGnzG
NJWd6cGRmhyk1YOLo8oCIQCeysQVNEMaiou6Pu9uX4g4ltSYm4scYBzlQUSaHzV9
Gw==
-----END CERTIFICATE-----
`
	c := parse(t, cert)
	if got := Fingerprint(c); got != "c4:a7:1d:ed:22:44:27:04:85:85:8e:e9:41:e0:39:d3:dc:83:79:21" {
		t.Errorf("fingerprint %s", got)
	}
	const key = "6b:99:3a:34:af:73:d6:4f:6d:ed:2f:44:75:4c:4a:d5:c5:8d:3c:60:5e:52:21:5d:2b:31:07:8d:2b:fe:87:97"
	if got := KeyID(c); got != key {
		t.Errorf("key %s", got)
	}
	if id, err := keypair.ID(c.PublicKey); err != nil || colons(id) != key {
		t.Errorf("key computed as %s, %v", colons(id), err)
	}
}

func TestBadRequests(t *testing.T) {
	good, _, err := AgentRequest(AgentURI(domain, "dc1", "n1"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	service := AgentURI(domain, "dc1", "n1")
	service.Path = "/ns/default/dc/dc1/svc/web"
	wrong, _, err := AgentRequest(service, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	many, _, err := AgentRequest(AgentURI(domain, "dc1", "n1"), strings.Fields(strings.Repeat("a.example ", maxNames+1)), nil)
	if err != nil {
		t.Fatal(err)
	}
	wild, _, err := AgentRequest(AgentURI(domain, "dc1", "n1"), []string{"*.dc1.consul"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"for many names": wild,
		"nothing":        "", "a certificate": root(t).Cert, "two": good + good, "that of a service": wrong, "too many names": many,
		"a forged one": strings.Replace(good, "A", "B", 1),
	} {
		if r, err := ParseAgentRequest(text); err == nil {
			t.Errorf("%s is taken for a request: %+v", name, r)
		}
	}
	if _, err := (Root{Cert: root(t).Cert}).SignAgent(request(t), domain, 1, time.Now(), time.Hour); err == nil {
		t.Error("a root signs without its key")
	}
}

func FuzzParseAgentRequest(f *testing.F) {
	good, _, err := AgentRequest(AgentURI(domain, "dc1", "n1"), []string{"localhost"}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := ParseAgentRequest(text); err == nil && (r.Node == "" || r.Datacenter == "") {
			t.Errorf("a request of nobody: %+v", r)
		}
	})
}
