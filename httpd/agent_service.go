package httpd

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/mitchellh/hashstructure"

	"muster/acl"
	"muster/httpd/shape"
	"muster/local"
	"muster/model"
	"muster/ops"
)

// agentService is a service in the form of /v1/agent/services.
type agentService struct {
	Kind              model.ServiceKind `json:",omitempty"`
	ID                string
	Service           string
	Tags              []string
	Meta              map[string]string
	Port              int
	Ports             []model.ServicePort `json:",omitempty" bexpr:"-"`
	Address           string
	SocketPath        string                          `json:",omitempty"`
	TaggedAddresses   map[string]model.ServiceAddress `json:",omitempty"`
	Weights           model.Weights
	EnableTagOverride bool
	ContentHash       string                `json:",omitempty" bexpr:"-"`
	Proxy             *model.ProxyConfig    `json:",omitempty"`
	Connect           *model.ServiceConnect `json:",omitempty"`
	Locality          *model.Locality       `json:",omitempty" bexpr:"-"`
	Datacenter        string                `bexpr:"-"`
}

func (c *call) newAgentService(s *model.NodeService) *agentService {
	a := &agentService{Kind: s.Kind, ID: s.ID, Service: s.Service, Tags: s.Tags, Meta: s.Meta, Port: s.Port, Ports: s.Ports,
		Address: s.Address, SocketPath: s.SocketPath, TaggedAddresses: s.TaggedAddresses, EnableTagOverride: s.EnableTagOverride,
		Locality: s.Locality, Datacenter: c.door.cfg.Datacenter}
	if a.Tags == nil {
		a.Tags = []string{}
	}
	if a.Meta == nil {
		a.Meta = map[string]string{}
	}
	if s.Weights != nil {
		a.Weights = *s.Weights
	}
	if !s.Proxy.IsZero() {
		a.Proxy = &s.Proxy
	}
	if s.Connect.Native {
		a.Connect = &s.Connect
	}
	return a
}

func (c *call) agentServices() error {
	caller, err := c.caller()
	if err != nil {
		return err
	}
	out := map[string]*agentService{}
	for id, s := range c.door.cfg.Local.Services() {
		if caller.Allowed(acl.Service, s.Service, acl.Read) {
			out[id] = c.newAgentService(s)
		}
	}
	out, err = ops.FilterMap(out, c.q.Filter)
	if err != nil {
		return err
	}
	return c.json(out)
}

// agentService answers with one service; with ?hash it waits until it is
// another one than that.
func (c *call) agentService() error {
	hash := c.param("hash")
	var timeout <-chan time.Time
	if hash != "" {
		wait := c.q.Wait
		if wait <= 0 {
			wait = 5 * time.Minute
		}
		timeout = time.After(min(wait, 10*time.Minute))
	}
	for {
		changed := c.door.cfg.Local.ServicesChanged()
		s := c.door.cfg.Local.Service(c.name)
		if s == nil {
			return c.text(http.StatusNotFound, "unknown service ID: "+c.name)
		}
		err := c.may(acl.Service, s.Service, acl.Read)
		if err != nil {
			return err
		}
		a := c.newAgentService(s)
		if a.ContentHash, err = contentHash(a); err != nil {
			return err
		}
		if hash == "" || a.ContentHash != hash {
			c.w.Header()["X-Consul-Contenthash"] = []string{a.ContentHash}
			return c.json(a)
		}
		select {
		case <-changed:
		case <-timeout:
			hash = ""
		case <-c.context().Done():
			return nil
		}
	}
}

// contentHash is the hash of a service that the original computes, so that a
// client may go from one to the other while it waits.
func contentHash(a *agentService) (string, error) {
	b, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	var as api.AgentService
	if err := json.Unmarshal(b, &as); err != nil {
		return "", err
	}
	sum, err := hashstructure.Hash(&as, nil)
	if err != nil {
		return "", err
	}
	return strconv.FormatUint(sum, 16), nil
}

// decodeDefinition reads a definition, whose fields may also be spelled in
// snake case.
func (c *call) decodeDefinition(v any) error {
	b, err := c.body(maxJSONBody, "")
	if err != nil {
		return err
	}
	err = unmarshal(b, v)
	if err != nil && bytes.IndexByte(b, '_') >= 0 {
		if relaxed, ok := shape.CamelKeys(b); ok && unmarshal(relaxed, v) == nil {
			return nil
		}
	}
	if err != nil {
		return undecodable(err)
	}
	return nil
}

func (c *call) agentServiceRegister() error {
	var def model.ServiceDefinition
	if err := c.decodeDefinition(&def); err != nil {
		return err
	}
	for _, check := range def.AllChecks() {
		if check.Script != "" {
			return unknownField("Script")
		}
	}
	if err := inDefault(def.Namespace, def.Partition); err != nil {
		return err
	}
	if def.Token == "" {
		def.Token = c.q.Token
	}
	if def.Name == "" {
		return model.Errorf(model.BadRequest, "Missing service name")
	}
	if err := c.mayRegister(&def); err != nil {
		return err
	}
	replace := c.has("replace-existing-checks") && c.param("replace-existing-checks") != "false"
	if err := c.door.cfg.Local.AddService(&def, local.SourceAPI, replace); err != nil {
		return err
	}
	c.door.cfg.Local.AwaitSync(c.context())
	return c.empty(http.StatusOK)
}

// sidecarSuffix makes the ID and the name of a sidecar of its service's.
const sidecarSuffix = "-sidecar-proxy"

// mayRegister checks the permissions for all that a registration touches: the
// service under its name, the one whose ID it takes, those whose checks it
// replaces, the one that it is a proxy for, and its sidecar.
func (c *call) mayRegister(def *model.ServiceDefinition) error {
	id := cmp.Or(def.ID, def.Name)
	if err := c.may(acl.Service, def.Name, acl.Write); err != nil {
		return err
	}
	if err := c.mayChangeService(id); err != nil {
		return err
	}
	for _, check := range def.AllChecks() {
		if err := c.mayReplaceCheck(cmp.Or(check.CheckID, check.ID)); err != nil {
			return err
		}
	}
	if def.Kind == model.KindConnectProxy && def.Proxy != nil && def.Proxy.DestinationServiceName != "" {
		if err := c.may(acl.Service, def.Proxy.DestinationServiceName, acl.Write); err != nil {
			return err
		}
	}
	if def.Connect == nil || def.Connect.SidecarService == nil {
		return nil
	}
	sidecar := *def.Connect.SidecarService
	sidecar.ID, sidecar.Name = id+sidecarSuffix, cmp.Or(sidecar.Name, def.Name+sidecarSuffix)
	sidecar.Kind, sidecar.Connect = model.KindConnectProxy, nil // local refuses a sidecar's sidecar
	return c.mayRegister(&sidecar)
}

func (c *call) agentServiceDeregister() error {
	if c.name == "" {
		return model.Errorf(model.Internal, "ServiceID missing")
	}
	if err := c.mayChangeService(c.name); err != nil {
		return err
	}
	if err := c.door.cfg.Local.RemoveService(c.name); err != nil {
		return err
	}
	c.door.cfg.Local.AwaitSync(c.context())
	return c.empty(http.StatusOK)
}

// mayChangeService checks the permission to write a service by its ID.
func (c *call) mayChangeService(id string) error {
	s := c.door.cfg.Local.Service(id)
	if s == nil {
		return nil
	}
	return c.may(acl.Service, s.Service, acl.Write)
}

func (c *call) agentServiceMaintenance() error {
	if c.name == "" {
		return model.Errorf(model.BadRequest, "Missing service ID")
	}
	on, err := c.enable()
	if err != nil {
		return err
	}
	if err := c.mayChangeService(c.name); err != nil {
		return err
	}
	if err := c.door.cfg.Local.SetServiceMaintenance(c.name, on, c.param("reason"), c.q.Token); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

// agentHealth is the health of a service of this agent.
type agentHealth struct {
	AggregatedStatus string
	Service          *agentService
	Checks           []*api.HealthCheck
}

// healthStatus is the HTTP status that stands for a state of health.
var healthStatus = map[string]int{
	model.HealthPassing:  http.StatusOK,
	model.HealthWarning:  http.StatusTooManyRequests,
	model.HealthCritical: http.StatusServiceUnavailable,
	model.HealthMaint:    http.StatusServiceUnavailable,
}

func (c *call) healthOf(id string) *agentHealth {
	s, byID := c.door.cfg.Local.ServiceHealth(id)
	if s == nil {
		return nil
	}
	return &agentHealth{Service: c.newAgentService(s), Checks: shape.HealthChecks(byID),
		AggregatedStatus: model.Aggregate(slices.Collect(maps.Values(byID)))}
}

func (c *call) wantsText() bool {
	return c.param("format") == "text" || strings.HasPrefix(c.r.Header.Get("Accept"), "text/plain")
}

func (c *call) agentHealthByID() error {
	if c.name == "" {
		return model.Errorf(model.Internal, "Bad request: Missing serviceID")
	}
	h := c.healthOf(c.name)
	if h == nil {
		c.reason(model.HealthCritical)
		if c.wantsText() {
			return c.jsonStatus(http.StatusNotFound, "ServiceId "+c.name+" not found")
		}
		return c.jsonStatus(http.StatusNotFound, agentHealth{AggregatedStatus: model.HealthCritical})
	}
	if err := c.may(acl.Service, h.Service.Service, acl.Read); err != nil {
		return err
	}
	c.reason(h.AggregatedStatus)
	if c.wantsText() {
		return c.text(healthStatus[h.AggregatedStatus], h.AggregatedStatus)
	}
	return c.jsonStatus(healthStatus[h.AggregatedStatus], h)
}

// reason tells in a header why the status is not 200.
func (c *call) reason(status string) {
	if status != model.HealthPassing {
		c.w.Header()["X-Consul-Reason"] = []string{status}
	}
}

func (c *call) agentHealthByName() error {
	if c.name == "" {
		return model.Errorf(model.Internal, "Bad request: Missing service Name")
	}
	if err := c.may(acl.Service, c.name, acl.Read); err != nil {
		return err
	}
	list := []*agentHealth{}
	worst := model.HealthPassing
	services := c.door.cfg.Local.Services()
	for _, id := range sortedKeys(services) {
		if services[id].Service != c.name {
			continue
		}
		if h := c.healthOf(id); h != nil {
			list = append(list, h)
			worst = model.Worse(worst, h.AggregatedStatus)
		}
	}
	if len(list) == 0 {
		c.reason(model.HealthCritical)
		if c.wantsText() {
			return c.text(http.StatusNotFound, "ServiceName "+c.name+" Not Found")
		}
		return c.jsonStatus(http.StatusNotFound, list)
	}
	c.reason(worst)
	if c.wantsText() {
		return c.text(healthStatus[worst], worst)
	}
	return c.jsonStatus(healthStatus[worst], list)
}
