// Package authority makes the certificates of a cluster's own certificate
// authority: its root, and those of agents. Names are SPIFFE IDs
// (https://spiffe.io, X.509-SVID): spiffe://TRUST-DOMAIN/agent/client/dc/DC/id/NODE.
package authority

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"

	"muster/internal/authority/keypair"
)

const (
	// rootLife is how long a root is good for.
	rootLife = 10 * 365 * 24 * time.Hour
	// skew is how far the clocks of agents may be behind that of the authority, or
	// behind what it once was: clocks that were set to a wrong zone are off by an hour.
	skew = time.Hour
)

// Root is a certificate that signs others, and its key, in PEM. Key is "" where
// it is not known.
type Root struct{ Cert, Key string }

// NewRoot makes a root for a trust domain. It signs itself.
func NewRoot(trustDomain string, serial uint64, now time.Time) (Root, error) {
	key, err := keypair.New()
	if err != nil {
		return Root{}, err
	}
	id, err := keypair.ID(key.Public())
	if err != nil {
		return Root{}, err
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(serial),
		Subject:      pkix.Name{CommonName: "pri-" + strings.ToLower(rand.Text()[:7]) + ".consul.ca." + short(trustDomain) + ".consul"},
		URIs:         []*url.URL{{Scheme: "spiffe", Host: trustDomain}},
		IsCA:         true, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		NotBefore: now.Add(-skew), NotAfter: now.Add(rootLife),
		SubjectKeyId: id, AuthorityKeyId: id,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Root{}, err
	}
	secret, err := keypair.EncodeKey(key)
	if err != nil {
		return Root{}, err
	}
	return Root{Cert: keypair.Encode(keypair.Certificate, der), Key: secret}, nil
}

// short is the beginning of a trust domain, which a UUID is enough of to tell
// clusters apart.
func short(trustDomain string) string { return trustDomain[:min(8, len(trustDomain))] }

// AgentURI is the name of a client agent.
func AgentURI(trustDomain, datacenter, node string) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: trustDomain, Path: "/agent/client/dc/" + datacenter + "/id/" + node}
}

// AgentRequest makes a key and a request for the certificate of a client agent,
// both in PEM.
func AgentRequest(name *url.URL, dnsNames []string, addresses []net.IP) (request, key string, err error) {
	secret, err := keypair.New()
	if err != nil {
		return "", "", err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		URIs: []*url.URL{name}, DNSNames: dnsNames, IPAddresses: addresses,
	}, secret)
	if err != nil {
		return "", "", err
	}
	if key, err = keypair.EncodeKey(secret); err != nil {
		return "", "", err
	}
	return keypair.Encode(keypair.Request, der), key, nil
}

// Request is what somebody asks a certificate for.
type Request struct {
	csr *x509.CertificateRequest
	// Datacenter and Node are those of its name.
	Datacenter, Node string
}

// maxNames bounds the names, and the addresses, in a request.
const maxNames = 64

// ParseAgentRequest reads a request of a client agent. It fails unless who asks
// has the key.
func ParseAgentRequest(text string) (*Request, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != keypair.Request || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errors.New("it is not one certificate request in PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, err
	}
	if len(csr.URIs) != 1 {
		return nil, fmt.Errorf("it has %d URIs, must have one", len(csr.URIs))
	}
	if len(csr.DNSNames) > maxNames || len(csr.IPAddresses) > maxNames {
		return nil, fmt.Errorf("it has more than %d names or addresses", maxNames)
	}
	for _, name := range csr.DNSNames {
		if strings.Contains(name, "*") {
			return nil, fmt.Errorf("it asks for all names like %q, must name each", name)
		}
	}
	u := csr.URIs[0]
	parts := strings.Split(u.Path, "/")
	if u.Scheme != "spiffe" || len(parts) != 7 || parts[1] != "agent" || parts[2] != "client" || parts[3] != "dc" ||
		parts[4] == "" || parts[5] != "id" || parts[6] == "" {
		return nil, fmt.Errorf("%q is not the name of a client agent", u)
	}
	return &Request{csr: csr, Datacenter: parts[4], Node: parts[6]}, nil
}

// DNSNames are those that are asked for.
func (r *Request) DNSNames() []string { return r.csr.DNSNames }

// SignAgent grants a request, for a time. The certificate is good for callers
// only: nobody can serve with it. What of the request is not about the agent's
// name is not believed.
func (r Root) SignAgent(req *Request, trustDomain string, serial uint64, now time.Time, life time.Duration) (string, error) {
	issuer, signer, err := r.parse()
	if err != nil {
		return "", err
	}
	id, err := keypair.ID(req.csr.PublicKey)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(serial),
		Subject:      pkix.Name{CommonName: short(req.Node) + ".agnt." + short(trustDomain) + "." + req.Datacenter + ".consul"},
		URIs:         []*url.URL{AgentURI(trustDomain, req.Datacenter, req.Node)},
		DNSNames:     req.csr.DNSNames, IPAddresses: req.csr.IPAddresses,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore:             now.Add(-skew), NotAfter: earlier(now.Add(life), issuer.NotAfter),
		SubjectKeyId: id, AuthorityKeyId: issuer.SubjectKeyId,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, req.csr.PublicKey, signer)
	if err != nil {
		return "", err
	}
	return keypair.Encode(keypair.Certificate, der), nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// parse reads a root, which may come from anywhere.
func (r Root) parse() (*x509.Certificate, crypto.Signer, error) {
	cert, err := keypair.ParseCertificate(r.Cert)
	if err != nil {
		return nil, nil, err
	}
	if r.Key == "" {
		return nil, nil, errors.New("the key of the root is not known")
	}
	signer, err := keypair.ParseKey(r.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("key of the root: %w", err)
	}
	return cert, signer, nil
}

// Fingerprint is the SHA-1 of a certificate: what roots are told apart by.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha1.Sum(cert.Raw)
	return colons(sum[:])
}

// KeyID is the ID of a certificate's key.
func KeyID(cert *x509.Certificate) string { return colons(cert.SubjectKeyId) }

// colons writes bytes as people compare them: c4:a7:1d.
func colons(b []byte) string { return strings.ReplaceAll(fmt.Sprintf("% x", b), " ", ":") }
