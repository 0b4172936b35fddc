package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// The states of a check. Of several the worst counts.
const (
	HealthAny      = "any" // only in questions
	HealthPassing  = "passing"
	HealthWarning  = "warning"
	HealthCritical = "critical"
	// HealthMaint is only reported in aggregates.
	HealthMaint = "maintenance"
)

// Checks that the agents make themselves.
const (
	SerfHealthID         = "serfHealth"
	SerfHealthName       = "Serf Health Status"
	SerfAliveOutput      = "Agent alive and reachable"
	SerfFailedOutput     = "Agent not live or unreachable"
	NodeMaintID          = "_node_maintenance"
	NodeMaintName        = "Node Maintenance Mode"
	ServiceMaintPrefix   = "_service_maintenance:"
	ServiceMaintName     = "Service Maintenance Mode"
	DefaultNodeReason    = "Maintenance mode is enabled for this node, but no reason was provided. This is a default message."
	DefaultServiceReason = "Maintenance mode is enabled for this service, but no reason was provided. This is a default message."
)

// ValidStatus tells whether s can be the state of a check.
func ValidStatus(s string) bool {
	return s == HealthPassing || s == HealthWarning || s == HealthCritical
}

// HealthCheck is a check in the catalog: of a node, or (ServiceID set) of one
// of its instances. CheckID is unique on the node.
type HealthCheck struct {
	Node        string
	CheckID     string
	Name        string
	Status      string
	Notes       string                `codec:",omitempty"`
	Output      string                `codec:",omitempty"`
	ServiceID   string                `codec:",omitempty"`
	ServiceName string                `codec:",omitempty"`
	ServiceTags []string              `codec:",omitempty"`
	Type        string                `codec:",omitempty"` // ttl, http, tcp, script, ...; "" when nobody said
	Interval    string                `json:",omitempty" codec:",omitempty" bexpr:"-"`
	Timeout     string                `json:",omitempty" codec:",omitempty" bexpr:"-"`
	ExposedPort int                   `json:",omitempty" codec:",omitempty" bexpr:"-"`
	PeerName    string                `json:",omitempty" codec:",omitempty"`
	Definition  HealthCheckDefinition `bexpr:"-" codec:",omitempty"`
	RaftIndex   `bexpr:"-"`
}

// HealthCheckDefinition is how a check in the catalog says it is made. The
// catalog only keeps it (external monitors read it).
type HealthCheckDefinition struct {
	HTTP                           string              `json:",omitempty"`
	TLSServerName                  string              `json:",omitempty" codec:",omitempty"`
	TLSSkipVerify                  bool                `json:",omitempty"`
	Header                         map[string][]string `json:",omitempty"`
	Method                         string              `json:",omitempty"`
	Body                           string              `json:",omitempty"`
	DisableRedirects               bool                `json:",omitempty" codec:",omitempty"`
	TCP                            string              `json:",omitempty"`
	TCPUseTLS                      bool                `json:",omitempty" codec:",omitempty"`
	UDP                            string              `json:",omitempty" codec:",omitempty"`
	H2PING                         string              `json:",omitempty" codec:",omitempty"`
	H2PingUseTLS                   bool                `json:",omitempty" codec:",omitempty"`
	OSService                      string              `json:",omitempty" codec:",omitempty"`
	ScriptArgs                     []string            `json:",omitempty"`
	DockerContainerID              string              `json:",omitempty"`
	Shell                          string              `json:",omitempty"`
	GRPC                           string              `json:",omitempty"`
	GRPCUseTLS                     bool                `json:",omitempty"`
	AliasNode                      string              `json:",omitempty"`
	AliasService                   string              `json:",omitempty"`
	SessionName                    string              `json:",omitempty" codec:",omitempty"`
	TTL                            Duration            `json:",omitzero" codec:",omitempty"`
	Interval                       Duration            `json:",omitzero" codec:",omitempty"`
	OutputMaxSize                  uint                `json:",omitempty"`
	Timeout                        Duration            `json:",omitzero" codec:",omitempty"`
	DeregisterCriticalServiceAfter Duration            `json:",omitzero" codec:",omitempty"`
	// Names that the Go client of some releases sends besides the others:
	// the same durations as integers (nanoseconds).
	IntervalDuration                       Duration `json:"IntervalDuration,omitzero" codec:"-"`
	TimeoutDuration                        Duration `json:"TimeoutDuration,omitzero" codec:"-"`
	DeregisterCriticalServiceAfterDuration Duration `json:"DeregisterCriticalServiceAfterDuration,omitzero" codec:"-"`
}

// Normalize moves the durations of older spellings to where they belong.
func (d *HealthCheckDefinition) Normalize() {
	for _, p := range [][2]*Duration{
		{&d.Interval, &d.IntervalDuration}, {&d.Timeout, &d.TimeoutDuration},
		{&d.DeregisterCriticalServiceAfter, &d.DeregisterCriticalServiceAfterDuration},
	} {
		if *p[0] == 0 {
			*p[0] = *p[1]
		}
		*p[1] = 0
	}
}

// Kind says what kind of check it is (CheckHTTP, ...); "" when nothing tells.
func (d *HealthCheckDefinition) Kind() string {
	switch {
	case d.AliasNode != "" || d.AliasService != "":
		return CheckAlias
	case d.TTL != 0:
		return CheckTTL
	case d.DockerContainerID != "":
		return CheckDocker
	case len(d.ScriptArgs) > 0:
		return CheckScript
	case d.HTTP != "":
		return CheckHTTP
	case d.GRPC != "":
		return CheckGRPC
	case d.TCP != "":
		return CheckTCP
	case d.UDP != "":
		return CheckUDP
	case d.H2PING != "":
		return CheckH2Ping
	case d.OSService != "":
		return CheckOSService
	}
	return ""
}

// Clone returns a copy that can be modified.
func (c *HealthCheck) Clone() *HealthCheck {
	d := *c
	d.ServiceTags = slices.Clone(c.ServiceTags)
	d.Definition.Header = maps.Clone(c.Definition.Header)
	for k, v := range d.Definition.Header {
		d.Definition.Header[k] = slices.Clone(v)
	}
	d.Definition.ScriptArgs = slices.Clone(c.Definition.ScriptArgs)
	return &d
}

// Same tells whether two checks are equal but for their indexes.
func (c *HealthCheck) Same(o *HealthCheck) bool {
	return c.Node == o.Node && c.CheckID == o.CheckID && c.Name == o.Name && c.Status == o.Status &&
		c.Notes == o.Notes && c.Output == o.Output && c.ServiceID == o.ServiceID && c.ServiceName == o.ServiceName &&
		c.Type == o.Type && c.Interval == o.Interval && c.Timeout == o.Timeout && c.ExposedPort == o.ExposedPort &&
		c.PeerName == o.PeerName && slices.Equal(c.ServiceTags, o.ServiceTags) &&
		reflect.DeepEqual(&c.Definition, &o.Definition)
}

// Worse returns the worse of two states.
func Worse(a, b string) string {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func rank(s string) int {
	switch s {
	case HealthPassing:
		return 0
	case HealthWarning:
		return 1
	case HealthMaint:
		return 3
	default:
		return 2
	}
}

// Aggregate is the worst state of some checks; maintenance mode beats all.
// No checks at all are passing.
func Aggregate(checks []*HealthCheck) string {
	worst := HealthPassing
	for _, c := range checks {
		s := c.Status
		if c.CheckID == NodeMaintID || (len(c.CheckID) >= len(ServiceMaintPrefix) && c.CheckID[:len(ServiceMaintPrefix)] == ServiceMaintPrefix) {
			s = HealthMaint
		}
		worst = Worse(worst, s)
	}
	return worst
}

// Duration is a time.Duration that JSON spells as "10s". It reads such text or
// a number of nanoseconds.
type Duration time.Duration

// MarshalJSON writes the text form.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads "10s" or nanoseconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		if s == "" {
			*d = 0
			return nil
		}
		v, err := time.ParseDuration(s)
		if err != nil {
			return err
		}
		*d = Duration(v)
		return nil
	}
	if string(b) == "null" {
		return nil
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("duration %s is neither a text such as \"10s\" nor a number of nanoseconds", b)
	}
	*d = Duration(f)
	return nil
}

func (d Duration) String() string { return time.Duration(d).String() }
