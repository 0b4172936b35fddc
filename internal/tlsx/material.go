package tlsx

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Files are where the certificates of a door are, all in PEM. What is "" is
// not there.
type Files struct {
	// CAFile holds certificates of authorities. It takes precedence over
	// CAPath, a folder in which every file does.
	CAFile, CAPath string
	// CertFile holds the certificate and those between it and an authority.
	CertFile, KeyFile string
}

// Material is what Files held when they were read.
type Material struct {
	authorities *x509.CertPool      // nil: none
	roots       []*x509.Certificate // what is in authorities
	cert        *tls.Certificate    // nil: none
}

// HasCertificate tells whether there is a certificate and its key.
func (m *Material) HasCertificate() bool { return m.cert != nil }

// Expires is when the certificate does; zero without one.
func (m *Material) Expires() time.Time {
	if m.cert == nil || m.cert.Leaf == nil {
		return time.Time{}
	}
	return m.cert.Leaf.NotAfter
}

// load reads files. A file that is named must be there and hold what it should.
func load(f Files) (*Material, error) {
	m := new(Material)
	var err error
	switch {
	case f.CAFile != "":
		m.roots, err = readAuthorities(f.CAFile)
	case f.CAPath != "":
		m.roots, err = readAuthoritiesIn(f.CAPath)
	}
	if err != nil {
		return nil, fmt.Errorf("load certificates of authorities: %w", err)
	}
	if m.roots != nil {
		m.authorities = pool(m.roots)
	}
	switch {
	case f.CertFile == "" && f.KeyFile == "":
		return m, nil
	case f.CertFile == "":
		return nil, errors.New("there is a key_file without a cert_file")
	case f.KeyFile == "":
		return nil, errors.New("there is a cert_file without a key_file")
	}
	cert, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s and key %s: %w", f.CertFile, f.KeyFile, err)
	}
	m.cert = &cert
	return m, nil
}

func pool(roots []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range roots {
		p.AddCert(c)
	}
	return p
}

func readAuthorities(files ...string) ([]*x509.Certificate, error) {
	var roots []*x509.Certificate
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		found, err := ParseCertificates(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		roots = append(roots, found...)
	}
	return roots, nil
}

// ParseCertificates reads the certificates, one at least, of a text in PEM.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in PEM found")
	}
	return all, nil
}

// readAuthoritiesIn reads all files in a folder; folders in it, as those that
// mounted secrets have, are passed over.
func readAuthoritiesIn(folder string) ([]*x509.Certificate, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		info, err := os.Stat(path) // a link counts as what it points to
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: the folder is empty", folder)
	}
	return readAuthorities(files...)
}
