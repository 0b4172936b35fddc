package model

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
)

// Bounds of the metadata of nodes and services.
const (
	MetaPairsMax = 64
	MetaKeyMax   = 128 // characters
	MetaValueMax = 512 // characters
	// MetaReservedPrefix begins keys that only agents themselves set.
	MetaReservedPrefix = "consul-"
)

// NameMax bounds names and IDs of nodes, services and checks, in bytes.
const NameMax = 4 << 10

// nameSpare is left free in the names that agents are told: others are made of
// them, for checks and sidecars, and must be within NameMax, too.
const nameSpare = 64

// ValidateName tells what is wrong with a name: a NUL separates the parts of keys
// in the tables, so that one in a name would not be found again.
func ValidateName(what, name string) error { return validateName(what, name, NameMax) }

func validateName(what, name string, longest int) error {
	if strings.IndexByte(name, 0) >= 0 {
		return Errorf(BadRequest, "%s must not contain a NUL byte", what)
	}
	if len(name) > longest {
		return Errorf(BadRequest, "%s is %d bytes long, at most %d are allowed", what, len(name), longest)
	}
	return nil
}

// validateNames looks at how a service or a check calls itself.
func validateNames(name, id string) error {
	if err := validateName("Name", name, NameMax-nameSpare); err != nil {
		return err
	}
	return validateName("ID", id, NameMax-nameSpare)
}

// WeightMax is the largest weight of an instance.
const WeightMax = 65535

// ValidateMeta tells what is wrong with the metadata of a node or service, in
// the exact words. Keys are looked at in order, so that the same map always
// gets the same answer. Reserved keys are allowed only to agents themselves.
func ValidateMeta(meta map[string]string, allowReserved bool) error {
	if len(meta) > MetaPairsMax {
		return Errorf(BadRequest, "Node metadata cannot contain more than %d key/value pairs", MetaPairsMax)
	}
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		if text := metaPair(k, meta[k], allowReserved); text != "" {
			return Errorf(BadRequest, "Couldn't load metadata pair ('%s', '%s'): %s", k, meta[k], text)
		}
	}
	return nil
}

func metaPair(key, value string, allowReserved bool) string {
	switch {
	case key == "":
		return "Key cannot be blank"
	case strings.IndexFunc(key, notMetaKey) >= 0:
		return "Key contains invalid characters"
	case len(key) > MetaKeyMax:
		return fmt.Sprintf("Key is too long (limit: %d characters)", MetaKeyMax)
	case strings.HasPrefix(key, MetaReservedPrefix) && !allowReserved:
		return fmt.Sprintf("Key prefix '%s' is reserved for internal use", MetaReservedPrefix)
	case len(value) > MetaValueMax:
		return fmt.Sprintf("Value is too long (limit: %d characters)", MetaValueMax)
	}
	return ""
}

func notMetaKey(r rune) bool {
	return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// Validate tells what is wrong with weights; nil ones are right.
func (w *Weights) Validate() error {
	switch {
	case w == nil:
		return nil
	case w.Passing < 1:
		return Errorf(BadRequest, "Passing must be greater than 0")
	case w.Warning < 0:
		return Errorf(BadRequest, "Warning must be greater or equal than 0")
	case w.Passing > WeightMax || w.Warning > WeightMax:
		return Errorf(BadRequest, "DNS Weight must be between 0 and %d", WeightMax)
	}
	return nil
}

// AnyAddress tells whether an address means every interface of a machine, and
// so says nothing about where a service is.
func AnyAddress(address string) bool {
	ip := net.ParseIP(strings.Trim(address, "[]"))
	return ip != nil && ip.IsUnspecified()
}

// Validate returns a BadRequest error with the exact text when a service can't
// be registered as defined. Its sidecar, if any, is a definition of its own.
func (d *ServiceDefinition) Validate() error {
	if d.Name == "" {
		return Errorf(BadRequest, "Missing service name")
	}
	if err := validateNames(d.Name, d.ID); err != nil {
		return err
	}
	if AnyAddress(d.Address) {
		return Errorf(BadRequest, "Invalid service address")
	}
	if err := d.Weights.Validate(); err != nil {
		return Errorf(BadRequest, "Invalid Weights: %w", err)
	}
	if err := ValidateMeta(d.Meta, d.Kind != KindTypical); err != nil {
		return Errorf(BadRequest, "Invalid Service Meta: %w", err)
	}
	if err := d.validateMesh(); err != nil {
		return err
	}
	for _, c := range d.AllChecks() {
		if err := c.Validate(); err != nil {
			return Errorf(BadRequest, "Invalid check: %w", err)
		}
	}
	for _, c := range d.AllChecks() {
		if c.Status != "" && !ValidStatus(c.Status) {
			return Errorf(BadRequest, "Status for checks must 'passing', 'warning', 'critical'")
		}
	}
	return nil
}

// ValidateAlone returns a BadRequest error with the exact text when a check
// that does not come with its service can't be registered as defined.
func (d *CheckDefinition) ValidateAlone() error {
	if d.Name == "" {
		return Errorf(BadRequest, "Missing check name")
	}
	if d.Status != "" && !ValidStatus(d.Status) {
		return Errorf(BadRequest, "Bad check status")
	}
	if err := d.Validate(); err != nil {
		return Errorf(BadRequest, "Invalid check: %w", err)
	}
	return nil
}

// validateMesh looks at what concerns proxies, gateways and sidecars.
func (d *ServiceDefinition) validateMesh() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch d.Kind {
	case KindConnectProxy:
		d.validateProxy(bad)
	case KindMeshGateway, KindTerminatingGateway, KindIngressGateway, KindAPIGateway:
		d.validateGateway(bad)
	}
	if d.Connect != nil && d.Connect.SidecarService != nil {
		if d.Connect.SidecarService.ID != "" {
			bad("A SidecarService cannot specify an ID as this is managed by the agent")
		}
		if c := d.Connect.SidecarService.Connect; c != nil && c.SidecarService != nil {
			bad("A SidecarService cannot have a nested SidecarService")
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &Error{Kind: BadRequest, Text: ListErrors(errs), Err: errors.Join(errs...)}
}

func (d *ServiceDefinition) validateProxy(bad func(string, ...any)) {
	p := d.Proxy
	if p == nil {
		p = &ProxyConfig{}
	}
	if strings.TrimSpace(p.DestinationServiceName) == "" {
		bad("Proxy.DestinationServiceName must be non-empty for Connect proxy services")
	}
	if d.Port == 0 && d.SocketPath == "" {
		bad("Port must be set for a Connect proxy")
	}
	if d.Connect != nil && d.Connect.Native {
		bad("A Proxy cannot also be Connect Native, only typical services")
	}
	names, binds := map[string]bool{}, map[string]bool{}
	for _, u := range p.Upstreams {
		name := u.DestinationType + "/" + u.DestinationPeer + "/" + u.DestinationNamespace + "/" + u.DestinationName + "?dc=" + u.Datacenter
		if names[name] {
			bad("upstreams cannot contain duplicates of %s", u.DestinationName)
		}
		names[name] = true
		bind := u.bind()
		if bind == "" {
			continue
		}
		if binds[bind] {
			bad("upstreams cannot contain duplicates by local bind address and port; %q is specified twice", bind)
		}
		binds[bind] = true
	}
	p.Expose.validate(bad)
}

// bind is where a proxy offers an upstream; "" when that is not said.
func (u *Upstream) bind() string {
	if u.LocalBindPort == 0 {
		return u.LocalBindSocketPath
	}
	address := u.LocalBindAddress
	if address == "" {
		address = "127.0.0.1"
	}
	return fmt.Sprintf("%s:%d", address, u.LocalBindPort)
}

func (e *ExposeConfig) validate(bad func(string, ...any)) {
	paths, ports := map[string]bool{}, map[int]bool{}
	for _, p := range e.Paths {
		switch {
		case p.Path == "":
			bad("expose.paths: empty path exposed")
		case paths[p.Path]:
			bad("expose.paths: duplicate paths exposed")
		}
		if p.ListenerPort <= 0 || p.ListenerPort > 65535 {
			bad("expose.paths: invalid listener port: %d", p.ListenerPort)
		} else if ports[p.ListenerPort] {
			bad("expose.paths: duplicate listener ports exposed")
		}
		paths[p.Path], ports[p.ListenerPort] = true, true
	}
}

func (d *ServiceDefinition) validateGateway(bad func(string, ...any)) {
	if d.Port == 0 && d.Kind != KindIngressGateway && d.Kind != KindAPIGateway {
		bad("Port must be non-zero for a %s", d.Kind)
	}
	if d.Connect != nil && d.Connect.SidecarService != nil {
		bad("A %s cannot have a sidecar service defined", d.Kind)
	}
	if d.Proxy == nil {
		return
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"DestinationServiceName", d.Proxy.DestinationServiceName != ""},
		{"DestinationServiceID", d.Proxy.DestinationServiceID != ""},
		{"LocalServiceAddress", d.Proxy.LocalServiceAddress != ""},
		{"LocalServicePort", d.Proxy.LocalServicePort != 0},
		{"Upstreams", len(d.Proxy.Upstreams) != 0},
	} {
		if f.set {
			bad("The Proxy.%s configuration is invalid for a %s", f.name, d.Kind)
		}
	}
}

// ListErrors is the form in which clients are shown several errors at once.
func ListErrors(errs []error) string {
	var b strings.Builder
	if len(errs) == 1 {
		b.WriteString("1 error occurred:\n")
	} else {
		fmt.Fprintf(&b, "%d errors occurred:\n", len(errs))
	}
	for _, err := range errs {
		fmt.Fprintf(&b, "\t* %s\n", err)
	}
	b.WriteString("\n")
	return b.String()
}
