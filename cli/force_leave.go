package cli

import (
	"flag"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type forceLeave struct{ prune, wan bool }

func (l *forceLeave) Doc() command.Doc {
	return command.Doc{
		Usage:    "force-leave [options] NODE",
		Synopsis: "Declare a failed node gone",
		Text: `
Moves a node that failed to the state "left", so that the cluster no longer
waits for it to come back. A node that is still alive comes back by itself.

    $ muster force-leave web3
    $ muster force-leave -prune web3`,
		Groups: command.HTTP,
	}
}

func (l *forceLeave) Flags(f *flag.FlagSet) {
	f.BoolVar(&l.prune, "prune", false, "Take the node out of the list of members as well.")
	f.BoolVar(&l.wan, "wan", false, "Do so among the servers of all datacenters; the node is then named node.datacenter.")
}

func (l *forceLeave) Run(c *command.Call) int {
	if len(c.Args) != 1 {
		return c.Usage("A single node name must be specified to force leave.")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	err := client.Agent().ForceLeaveOpts(c.Args[0], api.ForceLeaveOpts{Prune: l.prune, WAN: l.wan})
	if err != nil {
		return c.Fail("Error force leaving: %s", err)
	}
	return 0
}
