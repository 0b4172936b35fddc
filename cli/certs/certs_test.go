package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"

	"muster/cli/clitest"
)

// in runs the test in a directory of its own.
func in(t *testing.T) *clitest.Agent {
	t.Chdir(t.TempDir())
	return clitest.Start(t)
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(read(t, name))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestCreate(t *testing.T) {
	a := in(t)
	a.Run(&CreateAuthority{}, "").Want(t, 0, "==> Saved consul-agent-ca.pem\n==> Saved consul-agent-ca-key.pem\n", "")
	a.Run(&CreateAuthority{}, "").Want(t, 1, "", "consul-agent-ca.pem already exists.\n")
	got := a.Run(&CreateCert{}, "", "-server", "-node=s1")
	if !strings.HasSuffix(got.Out, "==> Using consul-agent-ca.pem and consul-agent-ca-key.pem\n"+
		"==> Saved dc1-server-consul-0.pem\n==> Saved dc1-server-consul-0-key.pem\n") || got.Code != 0 || got.ErrOut != "" {
		t.Error(got)
	}
	a.Run(&CreateCert{}, "", "-client", "-additional-dnsname=x", "-additional-ipaddress=10.0.0.1").Want(t, 0,
		"==> Using consul-agent-ca.pem and consul-agent-ca-key.pem\n"+
			"==> Saved dc1-client-consul-0.pem\n==> Saved dc1-client-consul-0-key.pem\n", "")
	a.Run(&CreateCert{}, "", "-client", "-days=1").Want(t, 0, "==> Using consul-agent-ca.pem and consul-agent-ca-key.pem\n"+
		"==> Saved dc1-client-consul-1.pem\n==> Saved dc1-client-consul-1-key.pem\n", "")
	a.Run(&CreateCert{}, "", "-cli", "-dc=dc2").Want(t, 0, "==> Using consul-agent-ca.pem and consul-agent-ca-key.pem\n"+
		"==> Saved dc2-cli-consul-0.pem\n==> Saved dc2-cli-consul-0-key.pem\n", "")

	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(read(t, "consul-agent-ca.pem")) {
		t.Fatal("the authority's certificate cannot be read")
	}
	for _, test := range []struct {
		file, name string
		usage      x509.ExtKeyUsage
		ok         bool
	}{
		{"dc1-server-consul-0", "server.dc1.consul", x509.ExtKeyUsageServerAuth, true},
		{"dc1-server-consul-0", "s1.server.dc1.consul", x509.ExtKeyUsageServerAuth, true},
		{"dc1-server-consul-0", "localhost", x509.ExtKeyUsageClientAuth, true},
		{"dc1-server-consul-0", "server.dc2.consul", x509.ExtKeyUsageServerAuth, false},
		{"dc1-client-consul-0", "client.dc1.consul", x509.ExtKeyUsageClientAuth, true},
		{"dc1-client-consul-0", "x", x509.ExtKeyUsageServerAuth, true},
		{"dc1-client-consul-0", "10.0.0.1", x509.ExtKeyUsageServerAuth, true},
		{"dc1-client-consul-0", "server.dc1.consul", x509.ExtKeyUsageServerAuth, false},
		{"dc2-cli-consul-0", "cli.dc2.consul", x509.ExtKeyUsageClientAuth, true},
		{"dc2-cli-consul-0", "cli.dc2.consul", x509.ExtKeyUsageServerAuth, false},
	} {
		cert := parse(t, test.file+".pem")
		_, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: test.name, KeyUsages: []x509.ExtKeyUsage{test.usage}})
		if (err == nil) != test.ok {
			t.Errorf("%s as %s for %d: %v", test.file, test.name, test.usage, err)
		}
		if _, err := tls.LoadX509KeyPair(test.file+".pem", test.file+"-key.pem"); err != nil {
			t.Error(err)
		}
		key, err := os.Stat(test.file + "-key.pem")
		if err != nil || key.Mode() != 0o600 {
			t.Errorf("mode %v, %v", key.Mode(), err)
		}
	}
	if days := time.Until(parse(t, "dc1-client-consul-1.pem").NotAfter).Hours() / 24; days > 1 || days < 0.9 {
		t.Errorf("valid for %v days", days)
	}
}

func TestConstraints(t *testing.T) {
	a := in(t)
	a.Run(&CreateAuthority{}, "", "-domain=org", "-name-constraint", "-additional-name-constraint=example.com",
		"-cluster-id=id", "-common-name=us", "-days=10").
		Want(t, 0, "==> Saved org-agent-ca.pem\n==> Saved org-agent-ca-key.pem\n", "")
	ca := parse(t, "org-agent-ca.pem")
	if ca.Subject.CommonName != "us" || ca.URIs[0].String() != "spiffe://id.org" || !ca.IsCA || len(ca.PermittedDNSDomains) != 3 {
		t.Errorf("%+v", ca)
	}
	if got := a.Run(&CreateCert{}, "", "-domain=org", "-server", "-additional-dnsname=a.example.com"); got.Code != 0 {
		t.Error(got)
	}
	got := a.Run(&CreateCert{}, "", "-domain=org", "-client", "-additional-dnsname=elsewhere.net")
	if got.Code != 1 || !strings.HasPrefix(got.ErrOut, "Error making the certificate: x509: ") {
		t.Error(got)
	}
	if _, err := os.Stat("dc1-client-org-0.pem"); err == nil {
		t.Error("a certificate that is not valid was saved")
	}
}

func TestRefused(t *testing.T) {
	a := in(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "Please provide either -server, -client, or -cli\n\nUsage: "},
		{[]string{"-server", "-client"}, "Please provide either -server, -client, or -cli\n\nUsage: "},
		{[]string{"-server", "x"}, "Too many arguments (expected 0, got 1)\n"},
		{[]string{"-client", "-node=x"}, "-node requires -server\n"},
		{[]string{"-client", "-days=0"}, "-days must be positive\n"},
		{[]string{"-client", "-additional-ipaddress=x"}, "invalid IP address: x\n"},
		{[]string{"-client"}, "Error reading CA: open consul-agent-ca.pem: no such file or directory\n"},
	} {
		if got := a.Run(&CreateCert{}, "", test.args...); got.Code != 1 || !strings.HasPrefix(got.ErrOut, test.want) {
			t.Errorf("%q: %s", test.args, got)
		}
	}
	a.Run(&CreateAuthority{}, "", "-days=0").Want(t, 1, "", "-days must be positive\n")
	a.Run(&CreateAuthority{}, "", "-additional-name-constraint=x").Want(t, 1, "", "-additional-name-constraint needs -name-constraint\n")
	for _, content := range []string{"", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		for _, name := range []string{"ca.pem", "key.pem"} {
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := a.Run(&CreateCert{}, "", "-client", "-ca=ca.pem", "-key=key.pem"); got.Code != 1 ||
			!strings.HasPrefix(got.ErrOut, "Error making the certificate: ") {
			t.Error(got)
		}
	}
}
