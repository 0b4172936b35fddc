// Package config turns files (HCL 1 and JSON), flags and what the machine says
// about itself into one validated Config. It has no side effects: it reads what
// Host lets it read and changes nothing.
//
// The table of all options is Options (options.go). The decoder, the agent's
// flags, the refusal of unknown keys, the warnings about keys that have no
// effect, Diff and Debug all come from it.
package config

import (
	"net/netip"
	"time"

	"muster/model"
)

// Config is everything an agent is told, resolved: templates are evaluated,
// addresses are real, defaults are filled in, lists are merged. It is not
// modified after Load; all durations are as configured, 0 where the option
// says "off".
type Config struct {
	Dev             bool // one server in memory that elects itself; nothing is kept on disk
	Server          bool
	ReadReplica     bool   // this server never votes
	Bootstrap       bool   // this server may elect itself; bootstrap_expect = 1 is turned into it
	BootstrapExpect int    // servers to wait for before the first election, 0 or at least 2
	Datacenter      string // lower case
	// PrimaryDatacenter is Datacenter unless configured.
	PrimaryDatacenter string
	DataDir           string // "" only with Dev
	PidFile           string

	Node   Node
	RPC    RPC
	Gossip Gossip
	Join   Join
	Leave  Leave
	Raft   Raft

	// ClientAddrs are the addresses of client_addr: IPs, and unix://PATH.
	ClientAddrs []string

	DNS    DNS
	HTTP   HTTP
	GRPC   GRPC
	UI     UI
	Limits Limits

	Check    CheckOptions
	Services []*model.ServiceDefinition // of the files, in order
	Checks   []*model.CheckDefinition   // of the files that belong to no service definition
	Watches  []Watch

	Log       Log
	Telemetry Telemetry
	TLS       TLS
	ACL       ACL
	Autopilot Autopilot
	Connect   Connect
	// ConfigEntries are those of config_entries.bootstrap as they were written.
	ConfigEntries []map[string]any

	SessionTTLMin      time.Duration
	EnableDebug        bool // /debug/pprof
	DisableRemoteExec  bool
	DisableCoordinates bool

	// Sources are the files and folders that were read, as they were named; a
	// change of them may change the configuration.
	Sources []string
	// AutoReload: the agent reads Sources and the certificates again when they change.
	AutoReload bool

	values *values // the source of Debug and Diff
}

// Node says who this agent is.
type Node struct {
	Name string
	ID   string // UUID in lower case; "" lets the agent choose and keep one
	Meta map[string]string
	// DisableHostID: the ID is random, not derived from the machine.
	DisableHostID bool
	// TaggedAddresses holds lan, wan, their _ipv4 and _ipv6 forms, and those configured.
	TaggedAddresses map[string]string
	Locality        *model.Locality // nil unless configured
}

// RPC is the port between agents.
type RPC struct {
	Bind             netip.AddrPort
	Advertise        netip.AddrPort // how agents of this datacenter reach this server
	AdvertiseWAN     netip.AddrPort
	HandshakeTimeout time.Duration
	// HoldTimeout is how long a request waits for a leader.
	HoldTimeout       time.Duration
	MaxConnsPerClient int
	// TranslateWANAddrs: answers about other datacenters show WAN addresses.
	TranslateWANAddrs bool
	Protocol          int // version spoken, 2 or 3
}

// Gossip is both pools and what they share.
type Gossip struct {
	LAN Pool
	WAN Pool // used by servers whose WAN.Bind is valid
	// Key encrypts gossip: 16, 24 or 32 bytes, nil for none. A keyring on
	// disk goes before it.
	Key                []byte
	VerifyIncoming     bool
	VerifyOutgoing     bool
	DisableKeyringFile bool // keep the keyring in memory
	// AdvertisedReconnectTimeout is how soon others may forget this client; 0: as they are configured.
	AdvertisedReconnectTimeout time.Duration
}

// Pool is one gossip pool. WAN.Bind is invalid when ports.serf_wan disables it.
type Pool struct {
	Bind             netip.AddrPort
	Advertise        netip.AddrPort
	AllowedCIDRs     []netip.Prefix // empty: everybody may join
	Nodes            int            // number of nodes each round of gossip goes to
	Interval         time.Duration
	ProbeInterval    time.Duration
	ProbeTimeout     time.Duration
	SuspicionMult    int
	RetransmitMult   int
	ReconnectTimeout time.Duration // after which a failed member is forgotten
}

// Join is whom to look for at start.
type Join struct {
	LAN JoinTarget
	WAN JoinTarget
}

// JoinTarget is one pool's addresses to join: host, host:port or a cloud
// discovery text ("provider=...").
type JoinTarget struct {
	Start    []string // tried once; a failure ends the agent
	Retry    []string // tried until one answers
	Interval time.Duration
	Max      int // attempts, 0 for no end
}

// Leave is how the agent goes.
type Leave struct {
	OnTerminate     bool // SIGTERM leaves the cluster
	SkipOnInterrupt bool // SIGINT does not leave the cluster
	// DrainTime is how long a leaving server goes on answering.
	DrainTime time.Duration
	// RejoinAfterLeave: at start, the members known before are joined even after a leave.
	RejoinAfterLeave bool
	// ServerRejoinAgeMax: a server away longer than this does not start with its old data.
	ServerRejoinAgeMax time.Duration
}

// Raft is agreement among the servers. The timeouts are already multiplied by
// performance.raft_multiplier.
type Raft struct {
	Protocol           int
	Multiplier         int // 1..10
	HeartbeatTimeout   time.Duration
	ElectionTimeout    time.Duration
	LeaderLeaseTimeout time.Duration
	SnapshotThreshold  uint64 // log entries
	SnapshotInterval   time.Duration
	TrailingLogs       uint64 // entries kept after a snapshot
	SegmentSize        int    // of the log on disk, in bytes
	DisableLogCache    bool
}

// DNS is the DNS door.
type DNS struct {
	Port                int              // -1: off
	Addrs               []netip.AddrPort // each over UDP and TCP
	Domain              string           // ends in a dot
	AltDomain           string           // ends in a dot, or is ""
	AllowStale          bool
	MaxStale            time.Duration
	NodeTTL             time.Duration
	ServiceTTL          map[string]time.Duration // by name, "prefix*" or "*"
	EnableTruncate      bool
	OnlyPassing         bool
	DisableCompression  bool
	UDPAnswerLimit      int
	ARecordLimit        int // 0: no limit
	NodeMetaTXT         bool
	SOA                 SOA
	UseCache            bool
	CacheMaxAge         time.Duration
	Recursors           []string // host:port
	RecursorTimeout     time.Duration
	RecursorsRandomized bool // recursor_strategy = random
}

// SOA holds the fields of SOA records, in seconds.
type SOA struct {
	Refresh, Retry, Expire, MinTTL uint32
}

// Endpoint is where a door listens. It implements net.Addr.
type Endpoint struct {
	Net  string // "tcp" or "unix"
	Addr string // host:port or path
}

// Network is "tcp" or "unix".
func (e Endpoint) Network() string { return e.Net }

// String is host:port or a path.
func (e Endpoint) String() string { return e.Addr }

// HTTP is the HTTP door.
type HTTP struct {
	Port    int // -1: off
	TLSPort int // -1: off
	Addrs   []Endpoint
	// TLSAddrs are served with HTTPS.
	TLSAddrs            []Endpoint
	Socket              UnixSocket
	ResponseHeaders     map[string]string
	BlockEndpoints      []string       // prefixes of paths that answer 403
	AllowWriteFrom      []netip.Prefix // empty: everybody
	UseCache            bool
	CacheFetchRate      float64 // fetches of one cached answer per second
	CacheFetchBurst     int     // and in a row
	MaxHeaderBytes      int
	MaxConnsPerClient   int // per address; <= 0: no limit
	TLSHandshakeTimeout time.Duration
	// DisableUnprintableFilter lets paths with unprintable characters pass.
	DisableUnprintableFilter bool
	DefaultQueryTime         time.Duration // wait of a blocking query that names none
	MaxQueryTime             time.Duration
	// DiscoveryMaxStale > 0: catalog and health reads without a mode are stale, not older than this.
	DiscoveryMaxStale time.Duration
}

// UnixSocket is the owner and mode of the sockets that doors listen on.
type UnixSocket struct {
	User, Group string
	Mode        string // octal digits; "" leaves what the system gives
}

// GRPC is the port for proxies.
type GRPC struct {
	Port, TLSPort   int // -1: off
	Addrs, TLSAddrs []Endpoint
}

// UI is the web page.
type UI struct {
	Enabled     bool
	Dir         string // files instead of the built-in ones
	ContentPath string // begins and ends with a slash
	// The rest is handed to the page.
	MetricsProvider       string
	MetricsProviderFiles  []string
	MetricsProviderOpts   string // JSON object or ""
	MetricsProxyURL       string
	MetricsProxyHeaders   map[string]string
	MetricsProxyPaths     []string
	DashboardURLTemplates map[string]string
}

// Limits bounds what callers may send.
type Limits struct {
	KVMaxValueSize   int64 // bytes
	TxnMaxReqLen     int64 // bytes
	RPCRate          float64
	RPCMaxBurst      int
	RPCClientTimeout time.Duration
	RequestMode      string // disabled, permissive or enforcing
	ReadRate         float64
	WriteRate        float64
	// DisableKVKeyValidation lets keys with dot segments and the like pass.
	DisableKVKeyValidation bool
}

// CheckOptions holds for all checks of this agent.
type CheckOptions struct {
	// UpdateInterval is how long a change of only the output may wait to be synced.
	UpdateInterval     time.Duration
	OutputMaxSize      int // bytes
	DiscardOutput      bool
	EnableScripts      bool // from files and from the API
	EnableLocalScripts bool // only from files
	UseAgentTLS        bool
}

// ScriptsFromFiles tells whether definitions in files may run programs.
func (o CheckOptions) ScriptsFromFiles() bool { return o.EnableScripts || o.EnableLocalScripts }

// Watch is a query whose changes start a program or an HTTP request.
type Watch struct {
	// Params say what is watched, in the form of the Go client's watch package
	// (type, key, prefix, service, token, ...). The caller checks them.
	Params      map[string]any
	HandlerType string   // "script" or "http"
	Args        []string // program and arguments
	Handler     string   // deprecated: run by a shell
	HTTP        *WatchHTTP
}

// WatchHTTP is the request that a change makes.
type WatchHTTP struct {
	Path          string
	Method        string
	Timeout       time.Duration
	Header        map[string][]string
	TLSSkipVerify bool
}

// Log is where the log goes.
type Log struct {
	Level          string // TRACE, DEBUG, INFO, WARN, ERROR
	JSON           bool
	File           string // a name, or a folder (ends in a slash)
	RotateDuration time.Duration
	RotateBytes    int // 0: no limit
	RotateMaxFiles int // 0: all are kept, -1: none
	Syslog         bool
	SyslogFacility string
}

// Telemetry is where the metrics go.
type Telemetry struct {
	Prefix              string
	DisableHostname     bool
	PrometheusRetention time.Duration // 0: no Prometheus form
	AllowedPrefixes     []string
	BlockedPrefixes     []string
	FilterDefault       bool // metrics with neither prefix are kept
	StatsdAddr          string
	StatsiteAddr        string
	DogstatsdAddr       string
	DogstatsdTags       []string
	// RetryFailedConnection: where metrics cannot be sent to is tried again; else the agent does not start.
	RetryFailedConnection bool
	EnableHostMetrics     bool // measure the machine, too
}

// TLS is the certificates of each door, with tls.defaults already applied.
type TLS struct {
	ServerName  string // node name unless configured
	InternalRPC TLSDoor
	HTTPS       TLSDoor
	GRPC        TLSDoor
	// VerifyServerHostname: servers must prove to be server.<dc>.<domain>.
	VerifyServerHostname bool
	// AutoEncrypt: this client is to get its certificate from the servers, for
	// these names and addresses besides its own.
	AutoEncrypt          bool
	AutoEncryptNames     []string
	AutoEncryptAddresses []netip.Addr
	// AllowAutoEncrypt: this server gives certificates to clients.
	AllowAutoEncrypt bool
}

// TLSDoor is the certificates and rules of one door.
type TLSDoor struct {
	CAFile, CAPath    string
	CertFile, KeyFile string
	MinVersion        uint16   // of crypto/tls
	CipherSuites      []uint16 // of crypto/tls; empty: its own choice
	VerifyIncoming    bool
	VerifyOutgoing    bool
}

// ACL is access control.
type ACL struct {
	Enabled                bool
	DefaultPolicy          string // allow or deny
	DownPolicy             string // allow, deny, extend-cache or async-cache
	PolicyTTL              time.Duration
	RoleTTL                time.Duration
	TokenTTL               time.Duration
	EnableKeyListPolicy    bool
	EnableTokenReplication bool
	EnableTokenPersistence bool
	Tokens                 Tokens
}

// Tokens are the secrets the agent itself uses.
type Tokens struct {
	InitialManagement      string // only on servers
	Agent                  string
	AgentRecovery          string
	Default                string
	Replication            string
	DNS                    string
	ConfigFileRegistration string
}

// Autopilot is the first configuration of autopilot; the operator API changes it later.
type Autopilot struct {
	CleanupDeadServers      bool
	LastContactThreshold    time.Duration
	MaxTrailingLogs         uint64
	MinQuorum               uint
	ServerStabilizationTime time.Duration
}

// Connect is the service mesh.
type Connect struct {
	Enabled       bool
	CAProvider    string
	CAConfig      map[string]any
	SidecarPorts  PortRange
	ExposePorts   PortRange
	WANFederation bool // datacenters meet through mesh gateways
}

// PortRange is inclusive at both ends.
type PortRange struct{ Min, Max int }
