package cli

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type autopilotGetConfig struct{ command.NoFlags }

func (a *autopilotGetConfig) Doc() command.Doc {
	return command.Doc{
		Usage:    "operator autopilot get-config [options]",
		Synopsis: "Show the configuration of autopilot",
		Text: `
Prints how autopilot looks after the servers.

    $ muster operator autopilot get-config`,
		Groups: command.HTTP | command.Server,
	}
}

func (a *autopilotGetConfig) Run(c *command.Call) int {
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	config, err := client.Operator().AutopilotGetConfiguration(c.Query())
	if err != nil {
		return c.Fail("Error querying Autopilot configuration: %s", err)
	}
	c.Printf("CleanupDeadServers = %v", config.CleanupDeadServers)
	c.Printf("LastContactThreshold = %v", config.LastContactThreshold)
	c.Printf("MaxTrailingLogs = %v", config.MaxTrailingLogs)
	c.Printf("MinQuorum = %v", config.MinQuorum)
	c.Printf("ServerStabilizationTime = %v", config.ServerStabilizationTime)
	c.Printf("RedundancyZoneTag = %q", config.RedundancyZoneTag)
	c.Printf("DisableUpgradeMigration = %v", config.DisableUpgradeMigration)
	c.Printf("UpgradeVersionTag = %q", config.UpgradeVersionTag)
	return 0
}

// autopilotSetConfig changes the options that are given and lets the others
// be: each flag puts what to change into a list.
type autopilotSetConfig struct {
	changes []func(*api.AutopilotConfiguration)
}

func (a *autopilotSetConfig) Doc() command.Doc {
	return command.Doc{
		Usage:    "operator autopilot set-config [options]",
		Synopsis: "Change the configuration of autopilot",
		Text: `
Changes how autopilot looks after the servers. The rest stays as it is.

    $ muster operator autopilot set-config -cleanup-dead-servers=false`,
		Groups: command.HTTP | command.Server,
	}
}

func (a *autopilotSetConfig) Flags(f *flag.FlagSet) {
	option(f, a, "cleanup-dead-servers", "Whether to remove a dead server once its replacement is there: a `bool`.",
		strconv.ParseBool, func(c *api.AutopilotConfiguration, v bool) { c.CleanupDeadServers = v })
	option(f, a, "disable-upgrade-migration", "Whether new servers vote at once, even of a newer version: a `bool`.",
		strconv.ParseBool, func(c *api.AutopilotConfiguration, v bool) { c.DisableUpgradeMigration = v })
	option(f, a, "last-contact-threshold", "How long a healthy server may go without contact to the leader: a `duration`.",
		positive, func(c *api.AutopilotConfiguration, v time.Duration) {
			c.LastContactThreshold = api.NewReadableDuration(v)
		})
	option(f, a, "max-trailing-logs", "By what `number` of entries the log of a healthy server may lag behind the leader's.",
		unsigned, func(c *api.AutopilotConfiguration, v uint64) { c.MaxTrailingLogs = v })
	option(f, a, "min-quorum", "The `number` of servers that autopilot leaves in any case.",
		unsigned, func(c *api.AutopilotConfiguration, v uint64) { c.MinQuorum = uint(v) })
	option(f, a, "redundancy-zone-tag", "The `key` of the node metadata that names a server's zone.",
		text, func(c *api.AutopilotConfiguration, v string) { c.RedundancyZoneTag = v })
	option(f, a, "server-stabilization-time", "How long a new server has to be healthy before it votes: a `duration`.",
		positive, func(c *api.AutopilotConfiguration, v time.Duration) {
			c.ServerStabilizationTime = api.NewReadableDuration(v)
		})
	option(f, a, "upgrade-version-tag", "The `key` of the node metadata that names a server's version for upgrades.",
		text, func(c *api.AutopilotConfiguration, v string) { c.UpgradeVersionTag = v })
}

func option[T any](f *flag.FlagSet, a *autopilotSetConfig, name, usage string,
	parse func(string) (T, error), set func(*api.AutopilotConfiguration, T)) {
	f.Func(name, usage, func(given string) error {
		v, err := parse(given)
		if err == nil {
			a.changes = append(a.changes, func(c *api.AutopilotConfiguration) { set(c, v) })
		}
		return err
	})
}

func unsigned(s string) (uint64, error) { return strconv.ParseUint(s, 10, 32) }

func text(s string) (string, error) { return s, nil }

func positive(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("negative duration")
	}
	return d, err
}

func (a *autopilotSetConfig) Run(c *command.Call) int {
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	config, err := client.Operator().AutopilotGetConfiguration(nil)
	if err != nil {
		return c.Fail("Error querying Autopilot configuration: %s", err)
	}
	for _, change := range a.changes {
		change(config)
	}
	ok, err = client.Operator().AutopilotCASConfiguration(config, nil)
	switch {
	case err != nil:
		return c.Fail("Error setting Autopilot configuration: %s", err)
	case !ok:
		return c.Fail("Configuration could not be atomically updated, please try again")
	}
	c.Println("Configuration updated!")
	return 0
}

type autopilotState struct{ format string }

func (a *autopilotState) Doc() command.Doc {
	return command.Doc{
		Usage:    "operator autopilot state [options]",
		Synopsis: "Show what autopilot knows of the servers",
		Text: `
Prints how healthy each server is, and how many could fail.

    $ muster operator autopilot state
    $ muster operator autopilot state -format=json`,
		Groups: command.HTTP | command.Server,
	}
}

func (a *autopilotState) Flags(f *flag.FlagSet) { formatVar(f, &a.format) }

func (a *autopilotState) Run(c *command.Call) int {
	if !knownFormat(c, a.format) {
		return command.ExitError
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	state, err := client.Operator().AutopilotState(c.Query())
	if err != nil {
		return c.Fail("Error querying Autopilot state: %s", err)
	}
	if a.format == formatJSON {
		return c.JSON(state, "    ")
	}
	c.Println(strings.TrimRight(describeState(state), "\n"))
	return 0
}

func describeState(state *api.AutopilotState) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Healthy:                      %v\n", state.Healthy)
	fmt.Fprintf(&b, "Failure Tolerance:            %d\n", state.FailureTolerance)
	fmt.Fprintf(&b, "Optimistic Failure Tolerance: %d\n", state.OptimisticFailureTolerance)
	fmt.Fprintf(&b, "Leader:                       %s\n", state.Leader)
	list := func(title string, ids []string) {
		if len(ids) > 0 {
			fmt.Fprintf(&b, "%s:\n   %s\n", title, strings.Join(ids, "\n   "))
		}
	}
	list("Voters", state.Voters)
	list("Read Replicas", state.ReadReplicas)
	if len(state.RedundancyZones) > 0 {
		b.WriteString("Redundancy Zones:\n")
		for _, name := range slices.Sorted(maps.Keys(state.RedundancyZones)) {
			zone := state.RedundancyZones[name]
			fmt.Fprintf(&b, "   %s:\n      Failure Tolerance: %d\n      Voters:            %s\n      Servers:           %s\n",
				name, zone.FailureTolerance, strings.Join(zone.Voters, ", "), strings.Join(zone.Servers, ", "))
		}
	}
	b.WriteString("Servers:\n")
	servers := slices.SortedFunc(maps.Values(state.Servers), func(a, b api.AutopilotServer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	for _, s := range servers {
		describeServer(&b, s)
	}
	return b.String()
}

func describeServer(b *strings.Builder, s api.AutopilotServer) {
	row := func(name string, value any) { fmt.Fprintf(b, "      %-16s %v\n", name+":", value) }
	fmt.Fprintf(b, "   %s\n", s.ID)
	row("Name", s.Name)
	row("Address", s.Address)
	row("Version", s.Version)
	row("Status", s.Status)
	row("Node Type", s.NodeType)
	row("Node Status", s.NodeStatus)
	row("Healthy", s.Healthy)
	row("Last Contact", s.LastContact)
	row("Last Term", s.LastTerm)
	row("Last Index", s.LastIndex)
	if s.RedundancyZone != "" {
		row("Redundancy Zone", s.RedundancyZone)
	}
	if s.UpgradeVersion != "" {
		row("Upgrade Version", s.UpgradeVersion)
	}
	if len(s.Meta) > 0 {
		b.WriteString("      Meta\n")
		for _, k := range slices.Sorted(maps.Keys(s.Meta)) {
			fmt.Fprintf(b, "         %q: %q\n", k, s.Meta[k])
		}
	}
}
