// Package certs is the commands under "tls": they make a certificate authority
// and certificates for agents, as files in the working directory.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"muster/internal/authority/keypair"
)

// pair is a certificate and its key, both as PEM.
type pair struct{ cert, key string }

// authorityOptions describe a certificate authority.
type authorityOptions struct {
	commonName  string // empty for one with the serial number
	clusterID   string // for a SPIFFE name; may be empty
	domain      string
	days        int
	constrained bool     // whether it may only sign names under the domain
	permitted   []string // further names that it may sign then
}

func newAuthority(o authorityOptions, now time.Time) (*pair, error) {
	key, err := keypair.New()
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	if o.commonName == "" {
		o.commonName = fmt.Sprintf("muster Agent CA %d", serial)
	}
	id, err := keypair.ID(key.Public())
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"muster"}, CommonName: o.commonName},
		BasicConstraintsValid: true,
		IsCA:                  true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		NotBefore:             now,
		NotAfter:              now.AddDate(0, 0, o.days),
		AuthorityKeyId:        id,
		SubjectKeyId:          id,
	}
	if o.clusterID != "" {
		template.URIs = []*url.URL{{Scheme: "spiffe", Host: o.clusterID + "." + o.domain}}
	}
	if o.constrained {
		template.PermittedDNSDomainsCritical = true
		template.PermittedDNSDomains = append([]string{o.domain, "localhost"}, o.permitted...)
	}
	return sign(template, template, key, key)
}

// certOptions describe a certificate that an authority signs.
type certOptions struct {
	commonName string
	names      []string
	addresses  []net.IP
	days       int
	usage      []x509.ExtKeyUsage
}

// newCert makes a certificate that the authority has signed. It is verified
// before it is returned: constraints on names would show only in use.
func newCert(authority pair, o certOptions, now time.Time) (*pair, error) {
	issuer, signer, err := authority.parse()
	if err != nil {
		return nil, err
	}
	key, err := keypair.New()
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	id, err := keypair.ID(key.Public())
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: o.commonName},
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           o.usage,
		DNSNames:              o.names,
		IPAddresses:           o.addresses,
		NotBefore:             now,
		NotAfter:              now.AddDate(0, 0, o.days),
		AuthorityKeyId:        issuer.SubjectKeyId,
		SubjectKeyId:          id,
	}
	made, err := sign(template, issuer, key, signer)
	if err != nil {
		return nil, err
	}
	return made, made.verify(issuer, now)
}

func (p *pair) verify(issuer *x509.Certificate, now time.Time) error {
	cert, err := keypair.ParseCertificate(p.cert)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(issuer)
	_, err = cert.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

func sign(template, issuer *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (*pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	secret, err := keypair.EncodeKey(key)
	if err != nil {
		return nil, err
	}
	return &pair{cert: keypair.Encode(keypair.Certificate, der), key: secret}, nil
}

// parse reads the pair of an authority, which may come from elsewhere.
func (p pair) parse() (*x509.Certificate, crypto.Signer, error) {
	cert, err := keypair.ParseCertificate(p.cert)
	if err != nil {
		return nil, nil, err
	}
	signer, err := keypair.ParseKey(p.key)
	return cert, signer, err
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
}
