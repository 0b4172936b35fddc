package tlsx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"muster/internal/tlsx/tlstest"
)

// use reads files for a door as a reload does.
func use(t *testing.T, d *Door, f Files) {
	t.Helper()
	m, err := d.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	d.Use(m)
}

func TestOpenRefuses(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	own, second := ca.Issue(t, "server.dc1.consul"), ca.Issue(t, "server.dc1.consul")
	empty := t.TempDir()
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		rules Rules
		files Files
		want  string
	}{
		{"incoming without authorities", Rules{VerifyIncoming: true}, files(nil, own), "VerifyIncoming set, and no CA certificate provided!"},
		{"incoming without certificate", Rules{VerifyIncoming: true}, Files{CAFile: ca.File}, "VerifyIncoming set, and no Cert/Key pair provided!"},
		{"outgoing without authorities", Rules{VerifyOutgoing: true}, files(nil, own), "VerifyOutgoing set, and no CA certificate provided!"},
		{"names without authorities", Rules{ServerDomain: "consul."}, files(nil, own), "VerifyOutgoing set, and no CA certificate provided!"},
		{"certificate without key", Rules{}, Files{CertFile: own.Cert}, "cert_file without a key_file"},
		{"key without certificate", Rules{}, Files{KeyFile: own.Key}, "key_file without a cert_file"},
		{"key of another certificate", Rules{}, Files{CertFile: own.Cert, KeyFile: second.Key}, "private key does not match"},
		{"no such certificate", Rules{}, Files{CertFile: own.Cert + "x", KeyFile: own.Key}, "no such file"},
		{"no such authorities", Rules{}, Files{CAFile: ca.File + "x"}, "no such file"},
		{"no such folder of authorities", Rules{}, Files{CAPath: empty + "x"}, "no such file"},
		{"empty folder of authorities", Rules{}, Files{CAPath: empty}, "the folder is empty"},
		{"authorities that are none", Rules{}, Files{CAFile: junk}, "no certificate in PEM found"},
		{"a key for an authority", Rules{}, Files{CAFile: own.Key}, "no certificate in PEM found"},
	} {
		test.rules.Name = "tls.door"
		_, err := Open(test.rules, test.files)
		if err == nil || !strings.HasPrefix(err.Error(), "tls.door: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestAuthorityFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, other := tlstest.NewAuthority(t), tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		folder, both := t.TempDir(), filepath.Join(t.TempDir(), "both.pem")
		if err := os.Mkdir(filepath.Join(folder, "..data"), 0o700); err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, ca := range []*tlstest.Authority{first, second} {
			text, err := os.ReadFile(ca.File)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text...)
			if err := os.WriteFile(filepath.Join(folder, filepath.Base(filepath.Dir(ca.File))+".pem"), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(both, all, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, f := range []Files{{CAPath: folder}, {CAFile: both}, {CAFile: both, CAPath: filepath.Join(folder, "unread")}} {
			d := open(t, Rules{VerifyOutgoing: true}, f)
			for ca, good := range map[*tlstest.Authority]bool{first: true, second: true, other: false} {
				server := open(t, Rules{}, files(nil, ca.Issue(t, "x")))
				if _, _, err := meet(t, server.Listener(), d.Dialer("dc1")); (err == nil) != good {
					t.Errorf("%+v: %v", f, err)
				}
			}
		}
	})
}

// What is read again counts for listeners that exist and for the next
// connections of dialers.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, next := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		rules := Rules{VerifyIncoming: true, VerifyOutgoing: true}
		f := files(ca, ca.Issue(t, "first"))
		d := open(t, rules, f)
		listener := d.Listener()
		served := func() string {
			t.Helper()
			accepted, dialed, err := meet(t, listener, d.Dialer("dc1"))
			if err != nil {
				t.Fatal(err)
			}
			a, b := accepted.PeerCertificates[0].Subject.CommonName, dialed.PeerCertificates[0].Subject.CommonName
			if a != b {
				t.Errorf("dialers show %s, listeners %s", a, b)
			}
			return b
		}
		if name := served(); name != "first" {
			t.Errorf("shows %s", name)
		}
		ca.IssueTo(t, tlstest.Pair{Cert: f.CertFile, Key: f.KeyFile}, tlstest.Options{Names: []string{"second"}})
		if name := served(); name != "first" {
			t.Errorf("shows %s before it was told to", name)
		}
		use(t, d, f)
		if name := served(); name != "second" {
			t.Errorf("shows %s after the file had changed", name)
		}
		use(t, d, files(next, next.Issue(t, "third")))
		if name := served(); name != "third" {
			t.Errorf("shows %s after other files were named", name)
		}
		stranger := open(t, rules, f)
		if _, _, err := meet(t, listener, stranger.Dialer("dc1")); err == nil {
			t.Error("a listener trusts the authority before")
		}
		if _, _, err := meet(t, stranger.Listener(), d.Dialer("dc1")); err == nil {
			t.Error("a dialer trusts the authority before")
		}
		for _, bad := range []Files{{}, {CAFile: next.File}, {CAFile: next.File, CertFile: f.CertFile, KeyFile: f.CertFile}} {
			if _, err := d.Read(bad); err == nil {
				t.Errorf("%+v was read", bad)
			}
		}
		if name := served(); name != "third" {
			t.Errorf("shows %s after files that could not be read", name)
		}
	})
}

func TestCertificateMayComeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := tlstest.NewAuthority(t)
		d := open(t, Rules{}, Files{})
		listener := d.Listener()
		if _, _, err := meet(t, listener, anybody(t, tlstest.Pair{})); err == nil || d.HasCertificate() {
			t.Error("there is a certificate that nobody gave")
		}
		use(t, d, files(nil, ca.Issue(t, "x")))
		if _, _, err := meet(t, listener, anybody(t, tlstest.Pair{})); err != nil || !d.HasCertificate() {
			t.Errorf("has certificate %t, %v", d.HasCertificate(), err)
		}
	})
}
