package boot

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"muster/config"
	"muster/gossip"
	"muster/internal/tlsx"
)

// startTLS reads the certificates of the doors.
func (a *Agent) startTLS() (err error) {
	if a.rpcTLS, err = tlsx.Open(rpcRules(a.cfg), tlsFiles(&a.cfg.TLS.InternalRPC)); err != nil {
		return err
	}
	if a.webTLS, err = tlsx.Open(webRules(a.cfg), tlsFiles(&a.cfg.TLS.HTTPS)); err != nil {
		return err
	}
	if rpc := a.cfg.TLS.InternalRPC; a.cfg.Server && rpc.VerifyIncoming && !rpc.VerifyOutgoing {
		a.log.Named("agent").Warn("verify_incoming is on and verify_outgoing is off: other servers with these settings will refuse this one")
	}
	return nil
}

// readTLS reads the certificates again. None of them counts until use is
// called.
func (a *Agent) readTLS(next *config.Config) (use func(), err error) {
	rpc, err := a.rpcTLS.Read(tlsFiles(&next.TLS.InternalRPC))
	if err != nil {
		return nil, err
	}
	web, err := a.webTLS.Read(tlsFiles(&next.TLS.HTTPS))
	if err != nil {
		return nil, err
	}
	return func() {
		a.rpcTLS.Use(rpc)
		a.webTLS.Use(web)
	}, nil
}

func tlsFiles(d *config.TLSDoor) tlsx.Files {
	return tlsx.Files{CAFile: d.CAFile, CAPath: d.CAPath, CertFile: d.CertFile, KeyFile: d.KeyFile}
}

func rpcRules(cfg *config.Config) tlsx.Rules {
	d := &cfg.TLS.InternalRPC
	r := tlsx.Rules{
		Strangers: strangers(cfg), Name: "tls.internal_rpc", Protocols: []string{"muster"}, MinVersion: d.MinVersion, CipherSuites: d.CipherSuites,
		VerifyIncoming: d.VerifyIncoming, VerifyOutgoing: d.VerifyOutgoing,
	}
	if cfg.TLS.VerifyServerHostname {
		r.ServerDomain = cfg.DNS.Domain
	}
	return r
}

// strangers is the protocol that agents without a certificate may speak; "" is
// none.
func strangers(cfg *config.Config) string {
	if cfg.Server && cfg.TLS.AllowAutoEncrypt {
		return enrollProtocol
	}
	return ""
}

// webRules are those of HTTPS, whose verify_incoming counts only where it is
// served.
func webRules(cfg *config.Config) tlsx.Rules {
	d := &cfg.TLS.HTTPS
	serves := len(cfg.HTTP.TLSAddrs) > 0
	r := tlsx.Rules{
		Name: "tls.https", Protocols: []string{"h2", "http/1.1"}, MinVersion: d.MinVersion, CipherSuites: d.CipherSuites,
		// Without a certificate HTTPS is open and every handshake fails, until
		// a reload brings one: that is what a port alone has always meant.
		VerifyIncoming: serves && d.VerifyIncoming,
	}
	if !allowsHTTP2(d.CipherSuites) {
		r.Protocols = []string{"http/1.1"}
	}
	return r
}

// allowsHTTP2 tells whether connections with these cipher suites may speak
// HTTP/2, whose specification forbids most of those before TLS 1.3.
func allowsHTTP2(suites []uint16) bool {
	return len(suites) == 0 || slices.ContainsFunc(suites, func(s uint16) bool {
		return s == tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 || s == tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	})
}

// dialTLS is how to connect to a server; nil is without TLS.
func (a *Agent) dialTLS(address string) *tls.Config { return a.rpcTLS.Dialer(a.datacenterAt(address)) }

// datacenterAt is the datacenter of the server at an address. What gossip does
// not know is of this one: servers begin with the addresses in their log.
func (a *Agent) datacenterAt(address string) string {
	at := func(p gossip.Peer) bool { return p.Address == address }
	if lan := a.pool.Load(); lan != nil && slices.ContainsFunc(lan.Servers(), at) {
		return a.cfg.Datacenter
	}
	if wan := a.poolWAN.Load(); wan != nil {
		members := wan.Servers()
		if i := slices.IndexFunc(members, at); i >= 0 {
			return members[i].Datacenter()
		}
	}
	return a.cfg.Datacenter
}

// checkTLS is the configuration of TLS that checks start from.
func (a *Agent) checkTLS() *tls.Config {
	if !a.cfg.Check.UseAgentTLS {
		return &tls.Config{}
	}
	return a.rpcTLS.Caller(a.cfg.TLS.ServerName)
}

// allowRaft refuses callers that are no servers of this datacenter.
func (a *Agent) allowRaft(peer *tls.ConnectionState) error {
	return a.rpcTLS.VerifyServer(peer, a.cfg.Datacenter)
}

// guarded answers other agents: what is not for all of them only when they are
// servers, of whatever datacenter.
func (a *Agent) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forServers(r.URL.Path) {
			if err := a.rpcTLS.VerifyServer(r.TLS, ""); err != nil {
				a.log.Named("agent.rpc").Warn("refused a snapshot", "method", r.Method, "error", err)
				http.Error(w, fmt.Sprintf("Permission denied: only servers hand on snapshots; ask a server: %s", err), http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// forServers tells whether a path is that of a snapshot: all that a cluster
// knows, or is to know.
func forServers(path string) bool {
	return path == "/v1/snapshot" || strings.HasPrefix(path, "/v1/snapshot/")
}
