package model

import "time"

// CommandType numbers of the certificate authority. Snapshots hold each of its
// parts in a record of its own; in the log there is one command, with the number
// of the roots.
const (
	CmdCA         CommandType = 13 // in snapshots: a CARoot
	CmdCAProvider CommandType = 14 // in snapshots only: a CAProvider
	CmdCAConfig   CommandType = 15 // in snapshots only: a CAConfig
)

// Time is a time that is encoded as the original's snapshots have it.
type Time struct{ time.Time }

// TrustDomainSuffix ends all trust domains, whatever the domain of DNS is.
const TrustDomainSuffix = ".consul"

// CARoot is a root certificate of the cluster's certificate authority. Roots
// that were replaced stay until what they have signed has expired.
type CARoot struct {
	ID                  string // SHA-1 of the certificate: c4:a7:...
	Name                string
	SerialNumber        uint64
	SigningKeyID        string
	ExternalTrustDomain string // without TrustDomainSuffix
	NotBefore           Time
	NotAfter            Time
	RootCert            string   // PEM
	IntermediateCerts   []string // PEM, those that sign by order of the root
	SigningCert         string   `json:"-"`
	SigningKey          string   `json:"-"`
	Active              bool     // signs; one root does
	RotatedOutAt        Time     `json:"-"`
	PrivateKeyType      string
	PrivateKeyBits      int
	RaftIndex
}

// CAProvider is what the built-in authority signs with.
type CAProvider struct {
	ID               string // of the configuration that it belongs to
	PrivateKey       string // PEM
	RootCert         string // PEM
	IntermediateCert string // PEM; "" where the root signs
	RaftIndex
}

// CAConfig is how the authority is configured.
type CAConfig struct {
	ClusterID                string // UUID: the trust domain, without TrustDomainSuffix
	Provider                 string // CABuiltin, or one that muster does not have
	Config                   map[string]any
	State                    map[string]string
	ForceWithoutCrossSigning bool
	RaftIndex
}

// CABuiltin is the name of the provider that the servers are themselves.
const CABuiltin = "consul"

// TrustDomain is the domain of all names that the authority gives out.
func (c *CAConfig) TrustDomain() string { return c.ClusterID + TrustDomainSuffix }

// CAOp is what a CACommand does.
type CAOp string

// The operations on the authority.
const (
	// CAInit begins with an authority unless there is one. Its result is a bool:
	// whether it was begun.
	CAInit CAOp = "init"
	// CASerial takes a serial number for a certificate. Its result is a uint64
	// that nobody else gets.
	CASerial CAOp = "increment-provider-serial"
)

// CACommand changes the certificate authority.
type CACommand struct {
	Op       CAOp
	Config   *CAConfig   `codec:",omitempty"`
	Provider *CAProvider `codec:",omitempty"`
	Root     *CARoot     `codec:",omitempty"`
}
