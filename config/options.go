package config

import (
	"slices"
	"strings"
)

// Type is what values an option takes.
type Type string

// The types of options. Texts that spell a number or a bool are accepted for
// one; one value is accepted for a list of one.
const (
	Bool     Type = "bool"
	Int      Type = "int"
	Float    Type = "float"
	String   Type = "string"
	Duration Type = "duration" // "10s"
	Strings  Type = "list of strings"
	Map      Type = "map"             // text to text
	Lists    Type = "map of lists"    // text to list of texts
	Any      Type = "object"          // anything, kept as it is
	Object   Type = "block"           // with Fields
	Objects  Type = "list of blocks"  // with Fields, or anything when there are none
	Named    Type = "map of blocks"   // text to a block with Fields
	Span     Type = "duration or int" // in definitions: a number is nanoseconds
)

// list tells whether the values of several sources are appended.
func (t Type) list() bool { return t == Strings || t == Objects }

// Mark says where an option comes from.
type Mark int

// The origins of options.
const (
	Core       Mark = iota
	Modern          // came after the first releases
	Mesh            // belongs to the service mesh
	Newer           // of later releases than 1.10
	Enterprise      // had to be paid for in the original; accepted with a warning
	Internal        // accepted, but only muster itself sets it
)

func (m Mark) String() string {
	return [...]string{"core", "modern", "mesh", "newer", "enterprise", "internal"}[m]
}

// Option is one row of the table of options: one key that a configuration file may hold.
type Option struct {
	Key  string // dotted path, lower case
	Flag string // of `muster agent`, without the dash; "" for none
	Type Type
	// Default is what counts when nothing is said, as one would write it (lists
	// with commas). "" is the zero value, or as Doc says.
	Default string
	Dev     string // the default under -dev; "" for Default
	Reload  bool   // a reload applies a change; everything else needs a restart
	Mark    Mark
	// For is the key that this one is another spelling of.
	For string
	// Deprecated: a warning names For.
	Deprecated bool
	// Removed: the key is tolerated with a warning and its value is not looked at.
	Removed bool
	Secret  bool // Debug shows "hidden"
	// Idle says why muster does not act on the option yet. A warning repeats it
	// when the value differs from the default.
	Idle string
	// Moot says why there is nothing for muster to do. No warning: ignoring the
	// option does what it says.
	Moot string
	// Name is what the HTTP API calls the option, when it is not Key in camel
	// case: in DebugConfig, or the field of a definition.
	Name   string
	Doc    string
	Fields func() []Option // of Object, Objects and Named
}

// Acted tells whether the option has an effect, by itself or for another key.
func (o *Option) Acted() bool {
	return o.Idle == "" && o.Moot == "" && o.Mark != Enterprise && o.Mark != Internal && !o.Removed
}

// Options is the table of all options of the configuration, without those
// inside of services and checks (see Option.Fields).
func Options() []Option {
	return slices.Concat(
		nodeOptions(), addressOptions(), clusterOptions(), gossipOptions(),
		serviceOptions(), dnsOptions(), httpOptions(), uiOptions(), limitOptions(),
		logOptions(), telemetryOptions(), tlsOptions(), aclOptions(), meshOptions(),
		enterpriseOptions(), internalOptions(),
	)
}

// Reasons why an option has no effect, shared by several rows.
const (
	noACL      = "access control is not enforced yet"
	noMesh     = "there is no service mesh yet"
	noCirconus = "the library for Circonus is not maintained any more; StatsD, DogStatsD and Prometheus reach it"
	noFixed    = "the value is fixed"
	noAuto     = "agents are not configured by servers yet"
	noPeering  = "clusters do not peer yet"
	noEntries  = "configuration entries are not there yet"
	noCentral  = "definitions are not completed from configuration entries yet"
	mootUpdate = "muster never asks for updates"
	mootDNS    = "what DNS was asked is always kept, and kept up to date"
	mootStream = "answers are always pushed to those who wait"
	mootLog    = "the log is always kept in segments"
)

// initialisms are the words that camel case writes in capitals.
func initialism(w string) (string, bool) {
	switch w {
	case "acl", "api", "ca", "dns", "grpc", "http", "https", "id", "ip", "json", "kv", "lan", "os", "rpc",
		"soa", "tcp", "tls", "ttl", "txt", "udp", "ui", "url", "wan", "xds", "jwt", "jwks", "oidc":
		return strings.ToUpper(w), true
	case "cidrs":
		return "CIDRs", true
	case "h2ping":
		return "H2Ping", true
	}
	return "", false
}

func camel(key string) string {
	var b strings.Builder
	for w := range strings.SplitSeq(key, "_") {
		if s, ok := initialism(w); ok {
			b.WriteString(s)
		} else if w != "" {
			b.WriteString(strings.ToUpper(w[:1]) + w[1:])
		}
	}
	return b.String()
}

// debugName is the option's name in DebugConfig; dots nest.
func (o *Option) debugName() string {
	if o.Name != "" {
		return o.Name
	}
	return strings.ReplaceAll(o.fieldName(), ".", "")
}

// fieldName is the name in the API's form of a definition; dots nest.
func (o *Option) fieldName() string {
	if o.Name != "" {
		return o.Name
	}
	parts := strings.Split(o.Key, ".")
	for i, p := range parts {
		parts[i] = camel(p)
	}
	return strings.Join(parts, ".")
}
