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
	authorities *x509.CertPool   // nil: none
	cert        *tls.Certificate // nil: none
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
		m.authorities, err = readAuthorities(f.CAFile)
	case f.CAPath != "":
		m.authorities, err = readAuthoritiesIn(f.CAPath)
	}
	if err != nil {
		return nil, fmt.Errorf("load certificates of authorities: %w", err)
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

func readAuthorities(files ...string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, file := range files {
		rest, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		found := 0
		for {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			if block.Type != "CERTIFICATE" {
				continue
			}
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			pool.AddCert(cert)
			found++
		}
		if found == 0 {
			return nil, fmt.Errorf("%s: no certificate in PEM found", file)
		}
	}
	return pool, nil
}

// readAuthoritiesIn reads all files in a folder; folders in it, as those that
// mounted secrets have, are passed over.
func readAuthoritiesIn(folder string) (*x509.CertPool, error) {
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
