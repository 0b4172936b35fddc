package model

import (
	"maps"
	"reflect"
	"slices"
)

// ServiceKind tells ordinary services ("") from proxies and gateways.
type ServiceKind string

// The kinds of services.
const (
	KindTypical            ServiceKind = ""
	KindConnectProxy       ServiceKind = "connect-proxy"
	KindMeshGateway        ServiceKind = "mesh-gateway"
	KindTerminatingGateway ServiceKind = "terminating-gateway"
	KindIngressGateway     ServiceKind = "ingress-gateway"
	KindAPIGateway         ServiceKind = "api-gateway"
)

// ConsulService is the name under which the servers themselves are registered.
// Clients and tools look for it, so it keeps the original's name.
const ConsulService = "consul"

// Weights of an instance in DNS SRV answers, by its worst check.
type Weights struct {
	Passing int
	Warning int
}

// ServiceAddress is an address of an instance for one kind of caller.
type ServiceAddress struct {
	Address string
	Port    int
}

// ServicePort is one of several named ports of an instance.
type ServicePort struct {
	Name    string
	Port    int
	Default bool `json:",omitempty"`
}

// NodeService is an instance of a service on a node. The ID is unique on its
// node; the name (Service) is what callers look up, without regard to case.
type NodeService struct {
	Kind              ServiceKind `json:",omitempty" codec:",omitempty"`
	ID                string
	Service           string
	Tags              []string
	Address           string                    `codec:",omitempty"`
	TaggedAddresses   map[string]ServiceAddress `json:",omitempty"`
	Meta              map[string]string         `codec:",omitempty"`
	Port              int                       `codec:",omitempty"`
	Ports             []ServicePort             `json:",omitempty" codec:",omitempty" bexpr:"-"`
	SocketPath        string                    `json:",omitempty"`
	Weights           *Weights
	EnableTagOverride bool           `codec:",omitempty"`
	Proxy             ProxyConfig    `codec:",omitempty"`
	Connect           ServiceConnect `codec:",omitempty"`
	PeerName          string         `json:",omitempty" codec:",omitempty"`
	Locality          *Locality      `json:",omitempty" codec:",omitempty" bexpr:"-"`
	RaftIndex         `bexpr:"-"`
}

// ServiceConnect says how an instance takes part in the mesh.
type ServiceConnect struct {
	Native         bool               `json:",omitempty"`
	SidecarService *ServiceDefinition `json:",omitempty" codec:",omitempty" bexpr:"-"`
}

// ProxyConfig describes a proxy and what it stands for.
type ProxyConfig struct {
	EnvoyExtensions        []map[string]any  `json:",omitempty" codec:",omitempty" bexpr:"-"`
	DestinationServiceName string            `json:",omitempty"`
	DestinationServiceID   string            `json:",omitempty"`
	LocalServiceAddress    string            `json:",omitempty"`
	LocalServicePort       int               `json:",omitempty"`
	LocalServiceSocketPath string            `json:",omitempty" codec:",omitempty"`
	Mode                   string            `json:",omitempty" codec:",omitempty"`
	Config                 map[string]any    `json:",omitempty" bexpr:"-"`
	Upstreams              []Upstream        `json:",omitempty"`
	MeshGateway            MeshGatewayConfig `json:",omitempty"`
	Expose                 ExposeConfig      `json:",omitempty"`
	TransparentProxy       *TransparentProxy `json:",omitempty" codec:",omitempty"`
	MutualTLSMode          string            `json:",omitempty" codec:",omitempty" bexpr:"-"`
	AccessLogs             map[string]any    `json:",omitempty" codec:",omitempty" bexpr:"-"`
}

// Upstream is a service that a proxy makes reachable for its own.
type Upstream struct {
	DestinationType      string `json:",omitempty"`
	DestinationNamespace string `json:",omitempty"`
	DestinationPartition string `json:",omitempty" codec:",omitempty"`
	DestinationPeer      string `json:",omitempty" codec:",omitempty"`
	DestinationName      string
	Datacenter           string            `json:",omitempty"`
	LocalBindAddress     string            `json:",omitempty"`
	LocalBindPort        int               `json:",omitempty"`
	LocalBindSocketPath  string            `json:",omitempty" codec:",omitempty"`
	LocalBindSocketMode  string            `json:",omitempty" codec:",omitempty"`
	Config               map[string]any    `json:",omitempty" bexpr:"-"`
	MeshGateway          MeshGatewayConfig `json:",omitempty"`
	CentrallyConfigured  bool              `json:",omitempty" codec:",omitempty" bexpr:"-"`
}

// MeshGatewayConfig says how traffic leaves the datacenter.
type MeshGatewayConfig struct {
	Mode string `json:",omitempty"`
}

// ExposeConfig lists paths that are reachable past the proxy.
type ExposeConfig struct {
	Checks bool         `json:",omitempty"`
	Paths  []ExposePath `json:",omitempty"`
}

// ExposePath is one path that is reachable past the proxy.
type ExposePath struct {
	ListenerPort    int    `json:",omitempty"`
	Path            string `json:",omitempty"`
	LocalPathPort   int    `json:",omitempty"`
	Protocol        string `json:",omitempty"`
	ParsedFromCheck bool   `json:",omitempty"`
}

// TransparentProxy configures a proxy that traffic is redirected to.
type TransparentProxy struct {
	OutboundListenerPort int  `json:",omitempty"`
	DialedDirectly       bool `json:",omitempty"`
}

// Clone returns a copy whose maps and lists can be modified. What lies inside
// Proxy.Config, Upstreams and the sidecar is shared.
func (s *NodeService) Clone() *NodeService {
	c := *s
	c.Tags = slices.Clone(s.Tags)
	c.TaggedAddresses = maps.Clone(s.TaggedAddresses)
	c.Meta = maps.Clone(s.Meta)
	c.Ports = slices.Clone(s.Ports)
	if s.Weights != nil {
		w := *s.Weights
		c.Weights = &w
	}
	return &c
}

// Same tells whether two instances are equal but for their indexes.
func (s *NodeService) Same(o *NodeService) bool {
	if s.Kind != o.Kind || s.ID != o.ID || s.Service != o.Service || s.Address != o.Address || s.Port != o.Port ||
		s.SocketPath != o.SocketPath || s.EnableTagOverride != o.EnableTagOverride || s.PeerName != o.PeerName ||
		!equalPtr(s.Weights, o.Weights) || !equalPtr(s.Locality, o.Locality) {
		return false
	}
	return slices.Equal(s.Tags, o.Tags) && maps.Equal(s.Meta, o.Meta) &&
		maps.Equal(s.TaggedAddresses, o.TaggedAddresses) && slices.Equal(s.Ports, o.Ports) &&
		reflect.DeepEqual(&s.Connect, &o.Connect) && reflect.DeepEqual(&s.Proxy, &o.Proxy)
}

// IsZero tells whether nothing is configured.
func (p *ProxyConfig) IsZero() bool {
	return reflect.ValueOf(p).Elem().IsZero()
}

// ServiceNode is an instance together with its node, in the flat form of
// /v1/catalog/service.
type ServiceNode struct {
	ID                       string
	Node                     string
	Address                  string
	Datacenter               string
	TaggedAddresses          map[string]string
	NodeMeta                 map[string]string
	ServiceKind              ServiceKind
	ServiceID                string
	ServiceName              string
	ServiceTags              []string
	ServiceAddress           string
	ServiceTaggedAddresses   map[string]ServiceAddress `json:",omitempty"`
	ServiceWeights           Weights
	ServiceMeta              map[string]string
	ServicePort              int
	ServicePorts             []ServicePort `json:",omitempty" bexpr:"-"`
	ServiceSocketPath        string        `json:",omitempty"`
	ServiceEnableTagOverride bool
	ServiceProxy             ProxyConfig
	ServiceConnect           ServiceConnect
	ServiceLocality          *Locality `json:",omitempty" bexpr:"-"`
	PeerName                 string    `json:",omitempty"`
	RaftIndex                `bexpr:"-"`
}

// NewServiceNode joins an instance with its node.
func NewServiceNode(n *Node, s *NodeService) *ServiceNode {
	sn := &ServiceNode{
		ID: n.ID, Node: n.Node, Address: n.Address, Datacenter: n.Datacenter,
		TaggedAddresses: n.TaggedAddresses, NodeMeta: n.Meta,
		ServiceKind: s.Kind, ServiceID: s.ID, ServiceName: s.Service, ServiceTags: s.Tags,
		ServiceAddress: s.Address, ServiceTaggedAddresses: s.TaggedAddresses,
		ServiceMeta: s.Meta, ServicePort: s.Port, ServicePorts: s.Ports, ServiceSocketPath: s.SocketPath,
		ServiceEnableTagOverride: s.EnableTagOverride, ServiceProxy: s.Proxy, ServiceConnect: s.Connect,
		ServiceLocality: s.Locality, PeerName: s.PeerName, RaftIndex: s.RaftIndex,
	}
	if s.Weights != nil {
		sn.ServiceWeights = *s.Weights
	}
	if sn.ServiceMeta == nil {
		sn.ServiceMeta = map[string]string{}
	}
	return sn
}

// NodeServices is a node with its instances by ID.
type NodeServices struct {
	Node     *Node
	Services map[string]*NodeService
}

// NodeServiceList is a node with its instances in order of their IDs.
type NodeServiceList struct {
	Node     *Node
	Services []*NodeService
}

// CheckServiceNode is an instance with its node and the checks that decide
// about it: those of the node first, then its own, each in order of their IDs.
type CheckServiceNode struct {
	Node    *Node
	Service *NodeService
	Checks  []*HealthCheck
}

// ServicesList is the answer of /v1/catalog/services: the tags of each name.
type ServicesList map[string][]string
