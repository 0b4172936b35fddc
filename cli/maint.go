package cli

import (
	"flag"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type maint struct {
	enable, disable bool
	reason, service string
}

func (m *maint) Doc() command.Doc {
	return command.Doc{
		Usage:    "maint [options]",
		Synopsis: "Put a node or a service into maintenance",
		Text: `
Puts the agent's node, or one of its services, into maintenance: it counts as
critical, and is not handed out to anyone, until maintenance is disabled.

    $ muster maint -enable -reason="new disk"
    $ muster maint -enable -service=web

Without flags it lists what is in maintenance, and why.`,
		Groups: command.HTTP,
	}
}

func (m *maint) Flags(f *flag.FlagSet) {
	f.BoolVar(&m.enable, "enable", false, "Begin maintenance.")
	f.BoolVar(&m.disable, "disable", false, "End maintenance.")
	f.StringVar(&m.reason, "reason", "", "The `reason`, to be shown to others.")
	f.StringVar(&m.service, "service", "", "The `id` of a service; otherwise the whole node is meant.")
}

func (m *maint) Run(c *command.Call) int {
	switch {
	case m.enable && m.disable:
		return c.Fail("Only one of -enable or -disable may be provided")
	case m.reason != "" && !m.enable:
		return c.Fail("Reason may only be provided with -enable")
	case m.service != "" && !m.enable && !m.disable:
		return c.Fail("Service requires either -enable or -disable")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	switch {
	case !m.enable && !m.disable:
		return m.list(c, client)
	case m.service != "":
		return m.setService(c, client.Agent())
	}
	return m.setNode(c, client.Agent())
}

func (m *maint) setNode(c *command.Call, agent *api.Agent) int {
	if m.enable {
		if err := agent.EnableNodeMaintenance(m.reason); err != nil {
			return c.Fail("Error enabling node maintenance: %s", err)
		}
		c.Println("Node maintenance is now enabled")
		return 0
	}
	if err := agent.DisableNodeMaintenance(); err != nil {
		return c.Fail("Error disabling node maintenance: %s", err)
	}
	c.Println("Node maintenance is now disabled")
	return 0
}

func (m *maint) setService(c *command.Call, agent *api.Agent) int {
	if m.enable {
		if err := agent.EnableServiceMaintenance(m.service, m.reason); err != nil {
			return c.Fail("Error enabling service maintenance: %s", err)
		}
		c.Printf("Service maintenance is now enabled for %q", m.service)
		return 0
	}
	if err := agent.DisableServiceMaintenance(m.service); err != nil {
		return c.Fail("Error disabling service maintenance: %s", err)
	}
	c.Printf("Service maintenance is now disabled for %q", m.service)
	return 0
}

func (m *maint) list(c *command.Call, client *api.Client) int {
	node, _, err := command.Self(client)
	if err != nil {
		return c.Fail("Error querying Consul agent: %s", err)
	}
	checks, err := client.Agent().Checks()
	if err != nil {
		return c.Fail("Error getting checks: %s", err)
	}
	if check, ok := checks[api.NodeMaint]; ok {
		c.Printf("Node:\n  Name:   %s\n  Reason: %s\n", node, check.Notes)
	}
	for _, id := range slices.Sorted(maps.Keys(checks)) {
		if service, ok := strings.CutPrefix(id, api.ServiceMaintPrefix); ok {
			c.Printf("Service:\n  ID:     %s\n  Reason: %s\n", service, checks[id].Notes)
		}
	}
	return 0
}
