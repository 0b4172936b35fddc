// Package keypair makes, names and reads the keys of certificates, and
// certificates, in PEM (RFC 7468). New keys are on the curve P-256.
package keypair

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The kinds of blocks in PEM.
const (
	Certificate = "CERTIFICATE"
	Request     = "CERTIFICATE REQUEST"
	ecKey       = "EC PRIVATE KEY"
	rsaKey      = "RSA PRIVATE KEY"
	anyKey      = "PRIVATE KEY"
)

// New makes a key.
func New() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// ID is what a key is named by in certificates (RFC 5280, 4.2.1.2): the SHA-256
// of the public half, as Consul has it.
func ID(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return sum[:], nil
}

// Encode writes a block of a kind in PEM.
func Encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// EncodeKey writes a key in PEM.
func EncodeKey(key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", err
	}
	return Encode(ecKey, der), nil
}

// ParseKey reads the first key of a text in PEM. It may be of any kind that can
// sign, from anywhere.
func ParseKey(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("there is no key in PEM")
	}
	switch block.Type {
	case ecKey:
		return x509.ParseECPrivateKey(block.Bytes)
	case rsaKey:
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case anyKey:
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return nil, fmt.Errorf("%q is not a kind of key that is known", block.Type)
}

// ParseCertificate reads the first certificate of a text in PEM.
func ParseCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != Certificate {
		return nil, errors.New("there is no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
