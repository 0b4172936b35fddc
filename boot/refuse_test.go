package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/config"
	"muster/internal/log"
	"muster/internal/tlsx/tlstest"
)

// TestRefusesToStart: an agent that cannot give the protection that its
// configuration asks for does not start.
func TestRefusesToStart(t *testing.T) {
	ca := tlstest.NewAuthority(t)
	own := ca.Issue(t, "server.dc1.consul")
	https := []config.Endpoint{{Net: "unix", Addr: filepath.Join(t.TempDir(), "https")}}
	for _, test := range []struct {
		name string
		ask  func(*config.Config)
		want string
	}{
		{"access control", func(c *config.Config) { c.ACL.Enabled = true },
			"acl.enabled: access control lists are not built yet; muster refuses to start rather than run open"},
		{"certificates from nobody", func(c *config.Config) { c.TLS.AutoEncrypt = true }, "auto_encrypt.tls needs the addresses of servers: set retry_join"},
		{"certificates for agents without one of its own", func(c *config.Config) { c.TLS.AllowAutoEncrypt = true },
			"auto_encrypt.allow_tls needs a certificate of this server: "},
		{"callers verified without authority", func(c *config.Config) { c.TLS.InternalRPC.VerifyIncoming = true },
			"tls.internal_rpc: VerifyIncoming set, and no CA certificate provided!"},
		{"callers verified without certificate", func(c *config.Config) {
			c.TLS.InternalRPC = config.TLSDoor{VerifyIncoming: true, CAFile: ca.File}
		}, "tls.internal_rpc: VerifyIncoming set, and no Cert/Key pair provided!"},
		{"servers verified without authority", func(c *config.Config) { c.TLS.InternalRPC.VerifyOutgoing = true },
			"tls.internal_rpc: VerifyOutgoing set, and no CA certificate provided!"},
		{"names verified without authority", func(c *config.Config) { c.TLS.VerifyServerHostname = true },
			"tls.internal_rpc: VerifyOutgoing set, and no CA certificate provided!"},
		{"no such file", func(c *config.Config) { c.TLS.InternalRPC.CAFile = ca.File + "x" }, "tls.internal_rpc: load certificates of authorities: "},
		{"callers of HTTPS verified without authority", func(c *config.Config) {
			c.HTTP.TLSAddrs = https
			c.TLS.HTTPS = config.TLSDoor{VerifyIncoming: true, CertFile: own.Cert, KeyFile: own.Key}
		}, "tls.https: VerifyIncoming set, and no CA certificate provided!"},
	} {
		cfg, _ := devConfig(t, "")
		cfg.PidFile = filepath.Join(t.TempDir(), "pid")
		test.ask(cfg)
		logs, err := log.New(log.Config{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := Start(cfg, logs, nil)
		if err == nil {
			a.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if _, err := os.Stat(cfg.PidFile); err == nil {
			t.Errorf("%s: the file with the process ID is still there", test.name)
		}
	}
}
