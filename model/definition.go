package model

import (
	"cmp"
	"slices"
	"time"
)

// ServiceDefinition is how a service is told to an agent: in its configuration
// or by PUT /v1/agent/service/register.
type ServiceDefinition struct {
	Kind              ServiceKind               `json:",omitempty"`
	ID                string                    `json:",omitempty"` // the name, when empty
	Name              string                    `json:",omitempty"`
	Tags              []string                  `json:",omitempty"`
	Address           string                    `json:",omitempty"`
	TaggedAddresses   map[string]ServiceAddress `json:",omitempty"`
	Meta              map[string]string         `json:",omitempty"`
	Port              int                       `json:",omitempty"`
	Ports             []ServicePort             `json:",omitempty"`
	SocketPath        string                    `json:",omitempty"`
	Check             *CheckDefinition          `json:",omitempty"`
	Checks            []*CheckDefinition        `json:",omitempty"`
	Weights           *Weights                  `json:",omitempty"`
	Token             string                    `json:",omitempty"`
	EnableTagOverride bool                      `json:",omitempty"`
	Proxy             *ProxyConfig              `json:",omitempty"`
	Connect           *ServiceConnect           `json:",omitempty"`
	Locality          *Locality                 `json:",omitempty"`
	// What later releases send and muster gives no meaning; kept for nobody.
	AI        map[string]any `json:",omitempty"`
	Namespace string         `json:",omitempty"`
	Partition string         `json:",omitempty"`
}

// NodeService is the instance that the definition describes.
func (d *ServiceDefinition) NodeService() *NodeService {
	s := &NodeService{
		Kind: d.Kind, ID: d.ID, Service: d.Name, Tags: d.Tags, Address: d.Address,
		TaggedAddresses: d.TaggedAddresses, Meta: d.Meta, Port: d.Port, Ports: d.Ports,
		SocketPath: d.SocketPath, EnableTagOverride: d.EnableTagOverride, Locality: d.Locality,
		Weights: &Weights{Passing: 1, Warning: 1},
	}
	if s.ID == "" {
		s.ID = s.Service
	}
	if d.Weights != nil {
		*s.Weights = *d.Weights
	}
	if d.Proxy != nil {
		s.Proxy = *d.Proxy
	}
	if d.Connect != nil {
		s.Connect = *d.Connect
	}
	return s
}

// AllChecks are Check and Checks in the order in which they get their IDs.
func (d *ServiceDefinition) AllChecks() []*CheckDefinition {
	all := slices.DeleteFunc(slices.Clone(d.Checks), func(c *CheckDefinition) bool { return c == nil }) // JSON has null
	if d.Check != nil && !d.Check.Empty() {
		all = append([]*CheckDefinition{d.Check}, all...)
	}
	return all
}

// CheckDefinition is how a check is told to an agent: in its configuration,
// within a service, or by PUT /v1/agent/check/register.
type CheckDefinition struct {
	ID        string `json:",omitempty"`
	CheckID   string `json:",omitempty"` // the same as ID
	Name      string `json:",omitempty"`
	Notes     string `json:",omitempty"`
	ServiceID string `json:",omitempty"`
	Token     string `json:",omitempty"`
	Status    string `json:",omitempty"` // the first state; critical when empty

	// One of these says what kind of check it is.
	ScriptArgs        []string `json:",omitempty"`
	Args              []string `json:",omitempty"` // the same as ScriptArgs
	Script            string   `json:",omitempty"` // deprecated, in files only: run by a shell
	HTTP              string   `json:",omitempty"`
	TCP               string   `json:",omitempty"`
	UDP               string   `json:",omitempty"`
	GRPC              string   `json:",omitempty"`
	H2PING            string   `json:",omitempty"`
	OSService         string   `json:",omitempty"`
	DockerContainerID string   `json:",omitempty"`
	AliasNode         string   `json:",omitempty"`
	AliasService      string   `json:",omitempty"`
	TTL               Duration `json:",omitzero"`

	Header           map[string][]string `json:",omitempty"`
	Method           string              `json:",omitempty"`
	Body             string              `json:",omitempty"`
	DisableRedirects bool                `json:",omitempty"`
	TCPUseTLS        bool                `json:",omitempty"`
	GRPCUseTLS       bool                `json:",omitempty"`
	H2PingUseTLS     bool                `json:",omitempty"`
	TLSServerName    string              `json:",omitempty"`
	TLSSkipVerify    bool                `json:",omitempty"`
	Shell            string              `json:",omitempty"`

	Interval Duration `json:",omitzero"`
	Timeout  Duration `json:",omitzero"`

	SuccessBeforePassing           int      `json:",omitempty"`
	FailuresBeforeWarning          int      `json:",omitempty"`
	FailuresBeforeCritical         int      `json:",omitempty"`
	DeregisterCriticalServiceAfter Duration `json:",omitzero"`
	OutputMaxSize                  int      `json:",omitempty"`

	Namespace string `json:",omitempty"`
	Partition string `json:",omitempty"`
}

// Empty tells whether nothing says what kind of check it is, nor anything else.
func (d *CheckDefinition) Empty() bool {
	return d.ID == "" && d.CheckID == "" && d.Name == "" && d.Status == "" && d.Notes == "" && d.Kind() == "" &&
		d.Interval == 0 && d.Timeout == 0
}

// Kinds of checks, as HealthCheck.Type tells them.
const (
	CheckTTL       = "ttl"
	CheckScript    = "script"
	CheckHTTP      = "http"
	CheckTCP       = "tcp"
	CheckUDP       = "udp"
	CheckGRPC      = "grpc"
	CheckH2Ping    = "h2ping"
	CheckOSService = "os_service"
	CheckDocker    = "docker"
	CheckAlias     = "alias"
	CheckMaint     = "maintenance"
)

// Kind says what kind of check it is; "" when nothing tells.
func (d *CheckDefinition) Kind() string {
	catalog := HealthCheckDefinition{AliasNode: d.AliasNode, AliasService: d.AliasService, TTL: d.TTL,
		DockerContainerID: d.DockerContainerID, ScriptArgs: d.Command(), HTTP: d.HTTP, GRPC: d.GRPC, TCP: d.TCP,
		UDP: d.UDP, H2PING: d.H2PING, OSService: d.OSService}
	return catalog.Kind()
}

// Command is what a script or Docker check runs.
func (d *CheckDefinition) Command() []string {
	switch {
	case len(d.ScriptArgs) > 0:
		return d.ScriptArgs
	case len(d.Args) > 0:
		return d.Args
	case d.Script != "":
		return []string{"/bin/sh", "-c", d.Script}
	}
	return nil
}

// Bounds and defaults of checks.
const (
	CheckIntervalMin          = time.Second
	CheckOutputMaxSize        = 4096 // bytes; default of check_output_max_size
	CheckTimeoutDefault       = 10 * time.Second
	CheckScriptTimeoutDefault = 30 * time.Second
	DeregisterCriticalMin     = time.Minute
)

// Validate returns a BadRequest error with the exact text when the definition
// contradicts itself.
func (d *CheckDefinition) Validate() error {
	interval := time.Duration(d.Interval)
	switch kind := d.Kind(); {
	case d.Interval != 0 && d.TTL != 0:
		return Errorf(BadRequest, "Interval and TTL cannot both be specified")
	case kind == CheckAlias && d.Interval != 0:
		return Errorf(BadRequest, "Interval cannot be set for Alias checks")
	case kind == CheckAlias && d.TTL != 0:
		return Errorf(BadRequest, "TTL must be not be set for Alias checks")
	case kind == CheckAlias:
	case kind == CheckTTL && d.TTL < 0, kind == "":
		return Errorf(BadRequest, "TTL must be > 0 for TTL checks")
	case kind != CheckTTL && interval <= 0:
		return Errorf(BadRequest, "Interval must be > 0 for Script, HTTP, or TCP checks")
	}
	if d.OutputMaxSize < 0 {
		return Errorf(BadRequest, "MaxOutputMaxSize must be positive")
	}
	return validateNames(d.Name, cmp.Or(d.CheckID, d.ID))
}

// HealthCheck is the catalog's view of the check on a node.
func (d *CheckDefinition) HealthCheck(node string) *HealthCheck {
	c := &HealthCheck{
		Node: node, CheckID: d.CheckID, Name: d.Name, Status: HealthCritical, Notes: d.Notes,
		ServiceID: d.ServiceID, Type: d.Kind(),
	}
	if c.CheckID == "" {
		c.CheckID = d.ID
	}
	if c.CheckID == "" {
		c.CheckID = d.Name
	}
	if d.Status != "" {
		c.Status = d.Status
	}
	if d.Interval != 0 {
		c.Interval = d.Interval.String()
	}
	if d.Timeout != 0 {
		c.Timeout = d.Timeout.String()
	}
	return c
}
