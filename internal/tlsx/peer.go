package tlsx

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// ErrNoCertificate says that a caller showed no certificate, or came without
// TLS.
var ErrNoCertificate = errors.New("it shows no certificate")

// VerifyServer returns nil when a caller has proven to be a server of a
// datacenter, or of any when that is "". peer is nil when there is no TLS.
// Without ServerDomain everybody passes, but for those whom only TrustAgents
// lets in.
func (d *Door) VerifyServer(peer *tls.ConnectionState, datacenter string) error {
	s := d.now.Load()
	if d.rules.ServerDomain == "" && (len(s.agents) == 0 || !d.rules.VerifyIncoming) {
		return nil
	}
	if peer == nil || len(peer.PeerCertificates) == 0 {
		return ErrNoCertificate
	}
	// The handshake verified the certificate only where VerifyIncoming is on,
	// and may have found that it is good for an agent.
	if err := verifyChain(peer, s.authorities, x509.ExtKeyUsageClientAuth); err != nil {
		return err
	}
	if d.rules.ServerDomain == "" {
		return nil
	}
	leaf := peer.PeerCertificates[0]
	if datacenter != "" {
		return leaf.VerifyHostname(serverName(datacenter, d.rules.ServerDomain))
	}
	for _, name := range leaf.DNSNames {
		if IsServerName(name, d.rules.ServerDomain) {
			return nil
		}
	}
	return fmt.Errorf("certificate is valid for %s, not for a server of %s", strings.Join(leaf.DNSNames, ", "), d.rules.ServerDomain)
}

func serverName(datacenter, domain string) string { return "server." + datacenter + "." + domain }

// IsServerName tells whether a name is that of the servers of some datacenter,
// under a domain of DNS.
func IsServerName(name, domain string) bool {
	rest, ok1 := strings.CutPrefix(strings.ToLower(strings.TrimSuffix(name, ".")), "server.")
	datacenter, ok2 := strings.CutSuffix(rest, "."+strings.ToLower(strings.TrimSuffix(domain, ".")))
	return ok1 && ok2 && datacenter != "" && !strings.Contains(datacenter, ".")
}

func verifyChain(peer *tls.ConnectionState, authorities *x509.CertPool, usage x509.ExtKeyUsage) error {
	if len(peer.PeerCertificates) == 0 {
		return ErrNoCertificate
	}
	between := x509.NewCertPool()
	for _, c := range peer.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := peer.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}
