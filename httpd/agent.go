package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"muster/acl"
	"muster/gossip"
	"muster/internal/version"
	"muster/model"
	"muster/ops"
	"muster/relay"
)

// Agent is what the door needs to know of the agent around it.
type Agent interface {
	// Self is what /v1/agent/self answers.
	Self() any
	// Leave has the agent leave the cluster and stop.
	Leave() error
	// Reload has it read its configuration again.
	Reload() error
	// Datacenters are the names of all known, this one first, then by distance.
	Datacenters() []string
	// WANCoordinates is what /v1/coordinate/datacenters answers. It may wait for
	// servers that have just come.
	WANCoordinates(ctx context.Context) any
}

func agentRoutes() []route {
	row := func(method, path string, r rule, handle func(*call) error) route {
		return route{method: method, path: path, place: relay.Agent, rule: r, handle: handle}
	}
	agentRead, agentWrite := must(acl.Agent, acl.Read), must(acl.Agent, acl.Write)
	service, check := must(acl.Service, acl.Write), must(acl.Node, acl.Write)
	rows := []route{
		row("GET", "/v1/agent/self", agentRead, (*call).agentSelf),
		row("GET", "/v1/agent/version", public, (*call).agentVersion),
		row("GET", "/v1/agent/host", must(acl.Operator, acl.Read), (*call).agentHost),
		row("GET", "/v1/agent/metrics", agentRead, (*call).agentMetrics),
		row("GET", "/v1/agent/metrics/stream", agentRead, (*call).agentMetricsStream),
		row("GET", "/v1/agent/monitor", agentRead, (*call).agentMonitor),
		row("GET", "/v1/agent/members", filtered(acl.Node), (*call).agentMembers),
		row("PUT", "/v1/agent/join/", agentWrite, (*call).agentJoin),
		row("PUT", "/v1/agent/leave", agentWrite, (*call).agentLeave),
		row("PUT", "/v1/agent/force-leave/", must(acl.Operator, acl.Write), (*call).agentForceLeave),
		row("PUT", "/v1/agent/reload", agentWrite, (*call).agentReload),
		row("PUT", "/v1/agent/maintenance", check, (*call).agentMaintenance),

		row("GET", "/v1/agent/services", filtered(acl.Service), (*call).agentServices),
		row("GET", "/v1/agent/service/", must(acl.Service, acl.Read), (*call).agentService),
		row("PUT", "/v1/agent/service/register", service, (*call).agentServiceRegister),
		row("PUT", "/v1/agent/service/deregister/", service, (*call).agentServiceDeregister),
		row("PUT", "/v1/agent/service/maintenance/", service, (*call).agentServiceMaintenance),
		row("GET", "/v1/agent/health/service/name/", must(acl.Service, acl.Read), (*call).agentHealthByName),
		row("GET", "/v1/agent/health/service/id/", must(acl.Service, acl.Read), (*call).agentHealthByID),

		row("GET", "/v1/agent/checks", filtered(acl.Node), (*call).agentChecks),
		row("PUT", "/v1/agent/check/register", check, (*call).agentCheckRegister),
		row("PUT", "/v1/agent/check/deregister/", check, (*call).agentCheckDeregister),
		row("PUT", "/v1/agent/check/update/", check, (*call).agentCheckUpdate),
	}
	for path, status := range map[string]string{
		"/v1/agent/check/pass/": model.HealthPassing,
		"/v1/agent/check/warn/": model.HealthWarning,
		"/v1/agent/check/fail/": model.HealthCritical,
	} {
		rows = append(rows, row("PUT", path, check, func(c *call) error { return c.agentCheckSet(status, c.param("note")) }))
	}
	return rows
}

// may checks a permission for what an agent keeps itself. What the cluster
// keeps is guarded by ops.
func (c *call) may(r acl.Resource, name string, a acl.Access) error {
	return ops.Permit(c.door.cfg.ACL, c.q.Token, r, name, a)
}

// caller is who asks, for handlers that leave out what he may not see.
func (c *call) caller() (acl.Authorizer, error) { return c.door.cfg.ACL.Resolve(c.q.Token) }

func (c *call) agentSelf() error {
	if err := c.may(acl.Agent, c.door.cfg.NodeName, acl.Read); err != nil {
		return err
	}
	return c.json(c.door.cfg.Agent.Self())
}

func (c *call) agentVersion() error {
	b := version.ReadBuild()
	return c.json(struct {
		SHA, BuildDate, HumanVersion, FIPS string
	}{b.Revision, b.Date.Format("2006-01-02T15:04:05Z07:00"), version.Full(), ""})
}

// pool is the gossip pool that the request is about.
func (c *call) pool() (*gossip.Pool, error) {
	if v := c.param("wan"); v == "" || v == "0" || v == "false" {
		return c.door.cfg.LAN, nil
	}
	if c.door.cfg.WAN == nil {
		return nil, model.Errorf(model.Internal, "Must be a server to join WAN cluster")
	}
	return c.door.cfg.WAN, nil
}

func (c *call) agentMembers() error {
	switch segment := c.param("segment"); {
	case segment != "" && segment != "_all" && c.param("wan") != "":
		return model.Errorf(model.BadRequest, "Cannot provide a segment with wan=true")
	case segment != "" && segment != "_all":
		return model.Errorf(model.Internal, "Network segments are not supported in this version of Consul")
	}
	caller, err := c.caller()
	if err != nil {
		return err
	}
	members := []gossip.Member{}
	if pool, err := c.pool(); err == nil {
		for _, m := range pool.Members() {
			if caller.Allowed(acl.Node, m.Name, acl.Read) {
				members = append(members, m)
			}
		}
	}
	members, err = ops.Filter(members, c.q.Filter)
	if err != nil {
		return err
	}
	return c.json(members)
}

func (c *call) agentJoin() error {
	if err := c.may(acl.Agent, c.door.cfg.NodeName, acl.Write); err != nil {
		return err
	}
	pool, err := c.pool()
	if err != nil {
		return err
	}
	if _, err := pool.Join([]string{c.name}, true); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) agentForceLeave() error {
	if err := c.may(acl.Operator, "", acl.Write); err != nil {
		return err
	}
	pool, err := c.pool()
	if err != nil {
		return err
	}
	name := c.name
	if !slices.ContainsFunc(pool.Members(), func(m gossip.Member) bool { return m.Name == name }) {
		return model.Errorf(model.Internal, "agent: No node found with name '%s'", name)
	}
	prune := c.has("prune") && c.param("prune") != "false"
	if err := pool.ForceLeave(name, prune); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) agentLeave() error {
	if err := c.may(acl.Agent, c.door.cfg.NodeName, acl.Write); err != nil {
		return err
	}
	if err := c.door.cfg.Agent.Leave(); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) agentReload() error {
	if err := c.may(acl.Agent, c.door.cfg.NodeName, acl.Write); err != nil {
		return err
	}
	if err := c.door.cfg.Agent.Reload(); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

// enable reads the parameter of the maintenance endpoints.
func (c *call) enable() (bool, error) {
	v := c.param("enable")
	if v == "" {
		return false, model.Errorf(model.BadRequest, "Missing value for enable")
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		return false, model.Errorf(model.BadRequest, "Invalid value for enable: %q", v)
	}
	return on, nil
}

func (c *call) agentMaintenance() error {
	on, err := c.enable()
	if err != nil {
		return err
	}
	if err := c.may(acl.Node, c.door.cfg.NodeName, acl.Write); err != nil {
		return err
	}
	if err := c.door.cfg.Local.SetNodeMaintenance(on, c.param("reason"), c.q.Token); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

// monitorBuffer is how many log lines wait for a slow reader.
const monitorBuffer = 512

// agentMonitor streams log lines until the reader goes away.
func (c *call) agentMonitor() error {
	if err := c.may(acl.Agent, c.door.cfg.NodeName, acl.Read); err != nil {
		return err
	}
	level := c.param("loglevel")
	if level == "" {
		level = "INFO"
	}
	json := false
	if v := c.param("logjson"); v != "" {
		var err error
		if json, err = strconv.ParseBool(v); err != nil {
			return model.Errorf(model.BadRequest, "%w", err)
		}
	}
	flusher, ok := c.w.(http.Flusher)
	if !ok {
		return errors.New("Streaming not supported") //lint:ignore ST1005 text of the API
	}
	m, err := c.door.cfg.Log.Monitor(level, json, monitorBuffer)
	if err != nil {
		return model.Errorf(model.BadRequest, "Bad request: %w", err)
	}
	defer m.Close()
	c.w.Header()["Content-Type"] = hText
	c.wrote = true
	c.w.WriteHeader(http.StatusOK)
	flusher.Flush()
	for {
		select {
		case line := <-m.Lines():
			if _, err := c.w.Write(line); err != nil {
				return nil
			}
			flusher.Flush()
		case <-c.context().Done():
			return io.EOF
		}
	}
}
