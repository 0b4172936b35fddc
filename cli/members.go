package cli

import (
	"cmp"
	"flag"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type members struct {
	detailed, wan           bool
	filter, segment, status string
}

func (m *members) Doc() command.Doc {
	return command.Doc{
		Usage:    "members [options]",
		Synopsis: "List the members of the cluster",
		Text: `
Lists the members that the agent knows by gossip, with their addresses and
states: alive, leaving, left or failed. The exit code is 2 if none matches.

    $ muster members
    $ muster members -detailed
    $ muster members -wan -status=failed`,
		Groups: command.HTTP,
	}
}

func (m *members) Flags(f *flag.FlagSet) {
	f.BoolVar(&m.detailed, "detailed", false, "Print all tags of the members.")
	f.StringVar(&m.filter, "filter", "", "An `expression` that members have to match.")
	f.StringVar(&m.segment, "segment", api.AllSegments, "The network `segment` to list.")
	f.StringVar(&m.status, "status", ".*", "A regular `expression` for the states to list.")
	f.BoolVar(&m.wan, "wan", false, "List the servers of all datacenters, if the agent is a server.")
}

func (m *members) Run(c *command.Call) int {
	status, err := regexp.Compile(m.status)
	if err != nil {
		return c.Fail("Failed to compile status regexp: %s", err)
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	all, err := client.Agent().MembersOpts(api.MembersOpts{WAN: m.wan, Segment: m.segment, Filter: m.filter})
	if err != nil {
		return c.Fail("Error retrieving members: %s", err)
	}
	listed := slices.DeleteFunc(all, func(member *api.AgentMember) bool {
		return !status.MatchString(memberStatus(member))
	})
	if len(listed) == 0 {
		return command.ExitSpecial
	}
	for _, member := range listed {
		nameSegment(member)
	}
	slices.SortFunc(listed, func(a, b *api.AgentMember) int {
		return cmp.Or(cmp.Compare(a.Tags["segment"], b.Tags["segment"]), cmp.Compare(a.Name, b.Name))
	})
	c.Table(m.rows(listed))
	return 0
}

// nameSegment spells the segment out: servers are in all of them, and the one
// without a name is the default.
func nameSegment(member *api.AgentMember) {
	switch {
	case member.Tags == nil:
		member.Tags = map[string]string{"segment": "<default>"}
	case member.Tags["role"] == "consul":
		member.Tags["segment"] = "<all>"
	case member.Tags["segment"] == "":
		member.Tags["segment"] = "<default>"
	}
}

func (m *members) rows(listed []*api.AgentMember) [][]string {
	header := []string{"Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"}
	if m.detailed {
		header = []string{"Node", "Address", "Status", "Tags"}
	}
	rows := [][]string{header}
	for _, member := range listed {
		address := net.JoinHostPort(member.Addr, strconv.Itoa(int(member.Port)))
		row := []string{member.Name, address, memberStatus(member)}
		if m.detailed {
			row = append(row, joinPairs(member.Tags, ","))
		} else {
			build, _, _ := strings.Cut(member.Tags["build"], ":")
			row = append(row, memberType(member), build, member.Tags["vsn"], member.Tags["dc"], member.Tags["segment"])
		}
		rows = append(rows, row)
	}
	return rows
}

func memberType(member *api.AgentMember) string {
	switch member.Tags["role"] {
	case "consul":
		return "server"
	case "node":
		return "client"
	}
	return "unknown"
}

// memberStatus names the state that a number in the API stands for.
func memberStatus(member *api.AgentMember) string {
	names := [...]string{"none", "alive", "leaving", "left", "failed"}
	if member.Status < 0 || member.Status >= len(names) {
		return "unknown"
	}
	return names[member.Status]
}
