package cli

import (
	"flag"
	"fmt"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type raftListPeers struct{ detailed bool }

func (r *raftListPeers) Doc() command.Doc {
	return command.Doc{
		Usage:    "operator raft list-peers [options]",
		Synopsis: "List the Raft peers",
		Text: `
Lists the servers that agree on writes, and which of them leads.

    $ muster operator raft list-peers`,
		Groups: command.HTTP | command.Server,
	}
}

func (r *raftListPeers) Flags(f *flag.FlagSet) {
	f.BoolVar(&r.detailed, "detailed", false, "Print how far each server's log is, and how far behind the leader's.")
}

func (r *raftListPeers) Run(c *command.Call) int {
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	config, err := client.Operator().RaftGetConfiguration(c.Query())
	if err != nil {
		return c.Fail("Error getting peers: Failed to retrieve raft configuration: %s", err)
	}
	c.Table(r.rows(config.Servers))
	return 0
}

func (r *raftListPeers) rows(servers []*api.RaftServer) [][]string {
	header := []string{"Node", "ID", "Address", "State", "Voter", "RaftProtocol"}
	if r.detailed {
		header = append(header, "Commit Index", "Trails Leader By")
	}
	rows := [][]string{header}
	var lead uint64
	for _, s := range servers {
		if s.Leader {
			lead = s.LastIndex
		}
	}
	for _, s := range servers {
		state, protocol := "follower", s.ProtocolVersion
		if s.Leader {
			state = "leader"
		}
		if protocol == "" {
			protocol = "<=1"
		}
		row := []string{s.Node, s.ID, s.Address, state, fmt.Sprint(s.Voter), protocol}
		if r.detailed {
			row = append(row, fmt.Sprint(s.LastIndex), trails(s, lead))
		}
		rows = append(rows, row)
	}
	return rows
}

func trails(s *api.RaftServer, lead uint64) string {
	switch {
	case s.Leader:
		return "-"
	case lead == 0 || s.LastIndex > lead:
		return "unknown"
	case lead-s.LastIndex == 1:
		return "1 commit"
	}
	return fmt.Sprintf("%d commits", lead-s.LastIndex)
}

type raftRemovePeer struct{ address, id string }

func (r *raftRemovePeer) Doc() command.Doc {
	return command.Doc{
		Usage:    "operator raft remove-peer [options]",
		Synopsis: "Remove a server from the Raft peers",
		Text: `
Removes a server from those that agree on writes, by its address or its id.
That is for a server that is gone for good and was not removed by itself; one
that still runs should leave.

    $ muster operator raft remove-peer -address=10.0.0.3:8300`,
		Groups: command.HTTP | command.Server,
	}
}

func (r *raftRemovePeer) Flags(f *flag.FlagSet) {
	f.StringVar(&r.address, "address", "", "The `address` of the server, as ip:port.")
	f.StringVar(&r.id, "id", "", "The `id` of the server.")
}

func (r *raftRemovePeer) Run(c *command.Call) int {
	switch {
	case r.address == "" && r.id == "":
		return c.Usage("Error removing peer: an address or id is required for the peer to remove")
	case r.address != "" && r.id != "":
		return c.Usage("Error removing peer: cannot give both an address and id")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	what, which, remove := "address", r.address, client.Operator().RaftRemovePeerByAddress
	if r.id != "" {
		what, which, remove = "id", r.id, client.Operator().RaftRemovePeerByID
	}
	if err := remove(which, nil); err != nil {
		return c.Fail("Error removing peer: %s", err)
	}
	c.Printf("Removed peer with %s %q", what, which)
	return 0
}

type raftTransferLeader struct{ id string }

func (r *raftTransferLeader) Doc() command.Doc {
	return command.Doc{
		Usage:    "operator raft transfer-leader [options]",
		Synopsis: "Have another server lead",
		Text: `
Hands the leadership over to another server, without a pause for an election.

    $ muster operator raft transfer-leader`,
		Groups: command.HTTP | command.Server,
	}
}

func (r *raftTransferLeader) Flags(f *flag.FlagSet) {
	f.StringVar(&r.id, "id", "", "The `id` of the server that is to lead; otherwise the one whose log is longest.")
}

func (r *raftTransferLeader) Run(c *command.Call) int {
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	answer, err := client.Operator().RaftLeaderTransfer(r.id, c.Query())
	if err != nil {
		return c.Fail("Error transferring leadership: %s", err)
	}
	if !answer.Success {
		return c.Fail("Error transferring leadership: the leader refused")
	}
	c.Println("Success")
	return 0
}
