package gossip

import (
	"maps"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/memberlist"
)

// Config describes one Pool.
type Config struct {
	// WAN tells the pool of all servers, where members are called
	// <node>.<datacenter>, from that of one datacenter.
	WAN bool

	// NodeName, NodeID (a UUID) and Datacenter say who this agent is. All are required.
	NodeName, NodeID, Datacenter string
	// Build is "version:revision" of this program.
	Build string
	// Protocol is the protocol version that this agent speaks; 0 is 2.
	Protocol int
	// Server is set on servers. A WAN pool needs it.
	Server *Server
	// ACLs tells that access control is on.
	ACLs bool
	// TLS tells that this agent's server port wants TLS.
	TLS bool
	// ExtraTags are published beside the tags made from the fields above.
	// All tags together must fit in 512 bytes.
	ExtraTags map[string]string

	// BindAddr is the IP address to listen on, UDP and TCP; BindPort 0 picks
	// a free one. BindPort is also the port of join addresses that have none.
	BindAddr string
	BindPort int
	// AdvertiseAddr and AdvertisePort are what others are told to use; ""
	// and 0 are the bound ones.
	AdvertiseAddr string
	AdvertisePort int
	// AllowedCIDRs, when not empty, are the only networks that members may be in.
	AllowedCIDRs []string

	Tuning Tuning
	// ReconnectTimeout is how long a failed member is tried again before it
	// is forgotten; 0 is 72 hours.
	ReconnectTimeout time.Duration
	// AdvertiseReconnectTimeout asks the others to use another time for this
	// agent; 0 does not.
	AdvertiseReconnectTimeout time.Duration
	// DisableCoordinates saves the work of estimating round trip times.
	DisableCoordinates bool

	// SnapshotPath is the file that remembers the members over a restart, so
	// that this agent finds them again without a join; "" remembers nothing.
	SnapshotPath string
	// RejoinAfterLeave uses the snapshot even after a Leave.
	RejoinAfterLeave bool

	// EncryptKey is a base64 key of 16, 24 or 32 bytes; "" with no keyring
	// file: no encryption. Once KeyringFile exists, its keys count instead.
	EncryptKey string
	// KeyringFile is where keys are kept; "" keeps them in memory.
	KeyringFile string
	// AcceptPlain and SendPlain switch off encryption of what comes in and
	// what goes out, while a running cluster is moved to encryption.
	AcceptPlain, SendPlain bool

	// Logger is the agent's; nil logs nothing.
	Logger hclog.Logger
	// Transport replaces UDP and TCP; nil uses them.
	Transport memberlist.Transport
}

// Server is what servers tell about themselves.
type Server struct {
	// Port of requests between agents.
	Port int
	// WANPort of the WAN pool; 0 where there is none.
	WANPort int
	// Bootstrap: this server may elect itself; Expect: it waits for that many.
	Bootstrap bool
	Expect    int
	// ReadReplica: this server never votes.
	ReadReplica bool
}

// Tuning sets the speed of a pool against its traffic. Zero fields take the
// value for the kind of pool.
type Tuning struct {
	GossipNodes    int           // whom to send news to, each GossipInterval
	GossipInterval time.Duration // how often
	ProbeInterval  time.Duration // between looks at one other member
	ProbeTimeout   time.Duration // without an answer the member is suspected
	SuspicionMult  int           // × log(members) × ProbeInterval: a suspect has failed
	RetransmitMult int           // × log(members): how often news are sent
}

// DefaultLAN is for members of one datacenter: a failure is known within seconds.
func DefaultLAN() Tuning {
	return Tuning{3, 200 * time.Millisecond, time.Second, 500 * time.Millisecond, 4, 4}
}

// DefaultWAN is for servers far from each other.
func DefaultWAN() Tuning {
	return Tuning{3, 500 * time.Millisecond, 5 * time.Second, 3 * time.Second, 6, 4}
}

// Dev is for trying things out on one machine.
func Dev() Tuning {
	const fast = 100 * time.Millisecond
	return Tuning{3, fast, fast, fast, 3, 4}
}

func (t Tuning) or(d Tuning) Tuning {
	return Tuning{
		first(t.GossipNodes, d.GossipNodes), first(t.GossipInterval, d.GossipInterval),
		first(t.ProbeInterval, d.ProbeInterval), first(t.ProbeTimeout, d.ProbeTimeout),
		first(t.SuspicionMult, d.SuspicionMult), first(t.RetransmitMult, d.RetransmitMult),
	}
}

// first returns a, or b where a is zero.
func first[T comparable](a, b T) T {
	var zero T
	if a == zero {
		return b
	}
	return a
}

// The names and fixed values of tags.
const (
	TagRole       = "role"
	TagDatacenter = "dc"
	TagID         = "id"
	TagPort       = "port"

	RoleServer = "consul"
	RoleClient = "node"

	tagWANPort   = "wan_join_port"
	tagReconnect = "rc_tm" // a duration: AdvertiseReconnectTimeout
)

// memberName is what this agent is called in the pool.
func (c *Config) memberName() string {
	if c.WAN {
		return c.NodeName + "." + c.Datacenter
	}
	return c.NodeName
}

// tags are what this agent tells all members about itself.
func (c *Config) tags() map[string]string {
	t := map[string]string{
		TagRole:       RoleClient,
		TagDatacenter: c.Datacenter,
		TagID:         c.NodeID,
		"segment":     "",
		"build":       c.Build,
		"vsn":         strconv.Itoa(first(c.Protocol, 2)),
		"vsn_min":     "2",
		"vsn_max":     "3",
		"acls":        flag(c.ACLs),
	}
	if c.TLS {
		t["use_tls"] = "1"
	}
	if c.AdvertiseReconnectTimeout > 0 {
		t[tagReconnect] = c.AdvertiseReconnectTimeout.String()
	}
	if s := c.Server; s != nil {
		t[TagRole] = RoleServer
		t[TagPort] = strconv.Itoa(s.Port)
		t["raft_vsn"], t["ft_fs"], t["ft_si"] = "3", "1", "1"
		if s.Bootstrap {
			t["bootstrap"] = "1"
		}
		if s.Expect > 0 {
			t["expect"] = strconv.Itoa(s.Expect)
		}
		if s.ReadReplica {
			t["read_replica"], t["nonvoter"] = "1", "1"
		}
		if s.WANPort > 0 && !c.WAN {
			t[tagWANPort] = strconv.Itoa(s.WANPort)
		}
	}
	maps.Copy(t, c.ExtraTags)
	return t
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
