// Package tlsx makes the TLS configurations of an agent's doors from files that
// can be read again while listeners and dialers go on.
package tlsx

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Rules are what holds at a door for as long as it exists.
type Rules struct {
	// Name is the block of the configuration, which errors begin with.
	Name string
	// Protocols are offered to callers and servers (ALPN).
	Protocols []string
	// MinVersion is one of crypto/tls; 0 is what that thinks best.
	MinVersion uint16
	// CipherSuites are those allowed up to TLS 1.2; none: what crypto/tls
	// thinks best.
	CipherSuites []uint16
	// VerifyIncoming: callers must show a certificate of the authorities.
	VerifyIncoming bool
	// VerifyOutgoing: connections are made only with TLS, to servers that show
	// a certificate of the authorities.
	VerifyOutgoing bool
	// Strangers, when not "", is a protocol for which callers need no
	// certificate in spite of VerifyIncoming. Whoever accepts them must not
	// let them near anything else.
	Strangers string
	// ServerDomain, when not "", has servers prove that they are
	// server.DATACENTER.DOMAIN.
	ServerDomain string
}

// Door is the certificates and rules of one door. It may be used from several
// goroutines.
type Door struct {
	rules Rules
	now   atomic.Pointer[state]
	// changing is held by whoever makes the next state.
	changing sync.Mutex
}

// state is replaced as a whole when files are read again.
type state struct {
	*Material
	incoming  *tls.Config
	strangers *tls.Config
	agents    []*x509.Certificate // TrustAgents
	issued    *Issued             // nil: Enroll was not called
}

// Issued is what an agent was given by the servers instead of files.
type Issued struct {
	Certificate tls.Certificate
	// Authorities vouch for the servers. Those of the files count as well.
	Authorities []*x509.Certificate
	// ServerDomain has servers prove that they are server.DATACENTER.DOMAIN,
	// unless it is "".
	ServerDomain string
}

// Open reads the files of a door. It fails when they do not suffice for the
// rules.
func Open(rules Rules, files Files) (*Door, error) {
	rules.ServerDomain = strings.ToLower(strings.TrimSuffix(rules.ServerDomain, "."))
	d := &Door{rules: rules}
	m, err := d.Read(files)
	if err != nil {
		return nil, err
	}
	d.Use(m)
	return d, nil
}

// Read reads files, which may be other ones than before, for Use. It fails when
// they do not suffice for the rules, and then nothing has changed.
func (d *Door) Read(files Files) (*Material, error) {
	m, err := load(files)
	if err == nil {
		err = d.rules.suffices(m)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.rules.Name, err)
	}
	return m, nil
}

// suffices begins with the words that operators know and search for.
func (r *Rules) suffices(m *Material) error {
	switch {
	case r.VerifyIncoming && m.authorities == nil:
		return errors.New("VerifyIncoming set, and no CA certificate provided!")
	case r.VerifyIncoming && m.cert == nil:
		return errors.New("VerifyIncoming set, and no Cert/Key pair provided!")
	case (r.VerifyOutgoing || r.ServerDomain != "") && m.authorities == nil:
		return errors.New("VerifyOutgoing set, and no CA certificate provided!")
	}
	return nil
}

// Use has all handshakes from now on use what Read returned. Connections that
// exist go on.
func (d *Door) Use(m *Material) { d.change(func(s *state) { s.Material = m }) }

// TrustAgents has callers pass that show a certificate of these authorities, as
// well as those with one of the files' authorities. They pass as agents, never
// as servers.
func (d *Door) TrustAgents(roots []*x509.Certificate) { d.change(func(s *state) { s.agents = roots }) }

// Enroll has connections from now on made with what the servers gave to this
// agent, instead of what is in the files, and only with TLS.
func (d *Door) Enroll(issued Issued) {
	issued.ServerDomain = strings.ToLower(strings.TrimSuffix(issued.ServerDomain, "."))
	d.change(func(s *state) { s.issued = &issued })
}

func (d *Door) change(f func(*state)) {
	d.changing.Lock()
	defer d.changing.Unlock()
	next := new(state)
	if now := d.now.Load(); now != nil {
		*next = *now
	}
	f(next)
	next.incoming = d.incoming(next)
	next.strangers = next.incoming.Clone()
	next.strangers.ClientAuth, next.strangers.NextProtos = tls.NoClientCert, []string{d.rules.Strangers}
	d.now.Store(next)
}

// HasCertificate tells whether the door can be entered with TLS.
func (d *Door) HasCertificate() bool { return d.now.Load().HasCertificate() }

// Expires is when the certificate in use does; zero without one.
func (d *Door) Expires() time.Time { return d.now.Load().Expires() }

// Listener is the configuration for those who accept connections. It follows
// Use.
func (d *Door) Listener() *tls.Config {
	return &tls.Config{
		NextProtos: d.rules.Protocols,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			s := d.now.Load()
			if s.cert == nil {
				return nil, fmt.Errorf("%s: there is no certificate", d.rules.Name)
			}
			if d.rules.Strangers != "" && slices.Contains(hello.SupportedProtos, d.rules.Strangers) {
				return s.strangers, nil
			}
			return s.incoming, nil
		},
	}
}

func (d *Door) incoming(m *state) *tls.Config {
	c := d.basic()
	if m.cert != nil {
		c.Certificates = []tls.Certificate{*m.cert}
	}
	switch {
	case d.rules.VerifyIncoming:
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, m.authorities
		if len(m.agents) > 0 {
			c.ClientCAs = pool(slices.Concat(m.roots, m.agents))
		}
	case d.rules.ServerDomain != "":
		c.ClientAuth = tls.RequestClientCert // VerifyServer judges it
	}
	// Who was let in once must show its certificate again: the authorities may
	// be others by then.
	c.SessionTicketsDisabled = c.ClientAuth != tls.NoClientCert
	return c
}

// Dialer is the configuration for one connection to a server of a datacenter,
// nil when it is to be made without TLS.
func (d *Door) Dialer(datacenter string) *tls.Config {
	s := d.now.Load()
	domain := d.rules.ServerDomain
	if s.issued != nil {
		domain = cmp.Or(domain, s.issued.ServerDomain)
	}
	if !d.rules.VerifyOutgoing && domain == "" && s.issued == nil {
		return nil
	}
	c := d.basic()
	c.RootCAs = s.outgoing()
	c.GetClientCertificate = s.clientCertificate
	if domain != "" {
		c.ServerName = serverName(datacenter, domain)
		return c
	}
	// Servers have no name that counts, only their certificate does.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(peer tls.ConnectionState) error {
		return verifyChain(&peer, c.RootCAs, x509.ExtKeyUsageServerAuth)
	}
	return c
}

// Stranger is the configuration for a connection of one who has no certificate
// yet, for the protocol Strangers. Servers prove as much as the files allow to
// ask for; without authorities there, nothing.
func (d *Door) Stranger(protocol, datacenter string) *tls.Config {
	s := d.now.Load()
	c := d.basic()
	c.NextProtos = []string{protocol}
	switch {
	case s.authorities == nil:
		c.InsecureSkipVerify = true
	case d.rules.ServerDomain != "":
		c.RootCAs, c.ServerName = s.authorities, serverName(datacenter, d.rules.ServerDomain)
	default:
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(peer tls.ConnectionState) error {
			return verifyChain(&peer, s.authorities, x509.ExtKeyUsageServerAuth)
		}
	}
	return c
}

// Authorities are those of the files.
func (d *Door) Authorities() []*x509.Certificate { return d.now.Load().roots }

// outgoing are the authorities that vouch for servers.
func (s *state) outgoing() *x509.CertPool {
	if s.issued == nil || len(s.issued.Authorities) == 0 {
		return s.authorities
	}
	return pool(slices.Concat(s.roots, s.issued.Authorities))
}

// Caller is the configuration for calls to strangers with this agent's
// certificate. The certificate follows Use; the authorities, which are the
// system's when there are none, are those of now.
func (d *Door) Caller(serverName string) *tls.Config {
	c := d.basic()
	c.NextProtos = nil
	c.RootCAs, c.ServerName = d.now.Load().authorities, serverName
	c.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return d.now.Load().clientCertificate(r)
	}
	return c
}

func (d *Door) basic() *tls.Config {
	return &tls.Config{MinVersion: d.rules.MinVersion, CipherSuites: d.rules.CipherSuites, NextProtos: d.rules.Protocols}
}

// clientCertificate shows the certificate to whoever asks, so that the other
// side logs whose it refused. crypto/tls by itself would show none to those
// who name other authorities.
func (s *state) clientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	switch {
	case s.issued != nil:
		return &s.issued.Certificate, nil
	case s.cert == nil:
		return &tls.Certificate{}, nil
	}
	return s.cert, nil
}
