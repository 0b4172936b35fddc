package httpd

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"muster/acl"
	"muster/local"
	"muster/model"
	"muster/ops"
)

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func (c *call) agentChecks() error {
	caller, err := c.caller()
	if err != nil {
		return err
	}
	out := map[string]*model.HealthCheck{}
	for id, check := range c.door.cfg.Local.Checks() {
		r, name := acl.Node, check.Node
		if check.ServiceName != "" {
			r, name = acl.Service, check.ServiceName
		}
		if !caller.Allowed(r, name, acl.Read) {
			continue
		}
		shown := *check
		if shown.ServiceTags == nil {
			shown.ServiceTags = []string{}
		}
		shown.Definition = model.HealthCheckDefinition{}
		out[id] = &shown
	}
	out, err = ops.FilterMap(out, c.q.Filter)
	if err != nil {
		return err
	}
	return c.json(out)
}

// mayChangeCheck checks the permission to write a check of this agent: that of
// its service, or of the node.
func (c *call) mayChangeCheck(serviceID string) error {
	if serviceID != "" {
		return c.mayChangeService(serviceID)
	}
	return c.may(acl.Node, c.door.cfg.NodeName, acl.Write)
}

func (c *call) agentCheckRegister() error {
	var def model.CheckDefinition
	if err := c.decodeDefinition(&def); err != nil {
		return err
	}
	if def.CheckID != "" { // known only within services
		return unknownField("CheckID")
	}
	if def.Script != "" {
		return unknownField("Script")
	}
	if err := inDefault(def.Namespace, def.Partition); err != nil {
		return err
	}
	if def.Name == "" {
		return model.Errorf(model.BadRequest, "Missing check name")
	}
	if def.Status != "" && !model.ValidStatus(def.Status) {
		return model.Errorf(model.BadRequest, "Bad check status")
	}
	if def.Token == "" {
		def.Token = c.q.Token
	}
	if err := c.mayChangeCheck(def.ServiceID); err != nil {
		return err
	}
	if err := c.mayReplaceCheck(cmp.Or(def.ID, def.Name)); err != nil {
		return err
	}
	if err := c.door.cfg.Local.AddCheck(&def, local.SourceAPI); err != nil {
		return err
	}
	c.door.cfg.Local.AwaitSync(c.context())
	return c.empty(http.StatusOK)
}

// unknownField refuses a field that definitions have elsewhere. Script, above
// all, is for files: it would be a program that comes over the network.
func unknownField(name string) error {
	return undecodable(fmt.Errorf("json: unknown field %q", name))
}

// mayReplaceCheck checks the permission to change a check that may be there.
func (c *call) mayReplaceCheck(id string) error {
	if check := c.door.cfg.Local.Check(id); check != nil {
		return c.mayChangeCheck(check.ServiceID)
	}
	return nil
}

func (c *call) agentCheckDeregister() error {
	if c.name == "" {
		return model.Errorf(model.Internal, "CheckID missing")
	}
	if err := c.mayReplaceCheck(c.name); err != nil {
		return err
	}
	if err := c.door.cfg.Local.RemoveCheck(c.name); err != nil {
		return err
	}
	c.door.cfg.Local.AwaitSync(c.context())
	return c.empty(http.StatusOK)
}

func (c *call) agentCheckSet(status, output string) error {
	if err := c.mayReplaceCheck(c.name); err != nil {
		return err
	}
	if err := c.door.cfg.Local.UpdateTTL(c.name, status, output); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) agentCheckUpdate() error {
	var in struct{ Status, Output string }
	if err := c.decode(&in); err != nil {
		return err
	}
	if !model.ValidStatus(in.Status) {
		return model.Errorf(model.BadRequest, "Invalid check status: '%s'", in.Status)
	}
	return c.agentCheckSet(in.Status, in.Output)
}
