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
// Without ServerDomain everybody passes.
func (d *Door) VerifyServer(peer *tls.ConnectionState, datacenter string) error {
	if d.rules.ServerDomain == "" {
		return nil
	}
	if peer == nil || len(peer.PeerCertificates) == 0 {
		return ErrNoCertificate
	}
	// The handshake verified the certificate only where VerifyIncoming is on.
	if err := verifyChain(peer, d.now.Load().authorities, x509.ExtKeyUsageClientAuth); err != nil {
		return err
	}
	leaf := peer.PeerCertificates[0]
	if datacenter != "" {
		return leaf.VerifyHostname(d.rules.serverName(datacenter))
	}
	for _, name := range leaf.DNSNames {
		if d.rules.isServerName(name) {
			return nil
		}
	}
	return fmt.Errorf("certificate is valid for %s, not for a server of %s", strings.Join(leaf.DNSNames, ", "), d.rules.ServerDomain)
}

func (r *Rules) serverName(datacenter string) string {
	return "server." + datacenter + "." + r.ServerDomain
}

// isServerName tells whether a name is that of the servers of some datacenter.
func (r *Rules) isServerName(name string) bool {
	rest, ok1 := strings.CutPrefix(strings.ToLower(name), "server.")
	datacenter, ok2 := strings.CutSuffix(rest, "."+r.ServerDomain)
	return ok1 && ok2 && datacenter != "" && !strings.Contains(datacenter, ".")
}

func (m *Material) verifyChainOnly(peer tls.ConnectionState) error {
	return verifyChain(&peer, m.authorities, x509.ExtKeyUsageServerAuth)
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
