package cli

import (
	"flag"

	"muster/cli/command"
)

type join struct{ wan bool }

func (j *join) Doc() command.Doc {
	return command.Doc{
		Usage:    "join [options] ADDRESS...",
		Synopsis: "Join a cluster",
		Text: `
Tells the agent to join the cluster of another agent. One member that can be
reached is enough; it is told about all the others.

    $ muster join 10.0.0.1
    $ muster join -wan 10.1.0.1`,
		Groups: command.HTTP,
	}
}

func (j *join) Flags(f *flag.FlagSet) {
	f.BoolVar(&j.wan, "wan", false, "Join a server to the servers of other datacenters.")
}

func (j *join) Run(c *command.Call) int {
	if len(c.Args) == 0 {
		return c.Usage("At least one address to join must be specified.")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	joined := 0
	for _, address := range c.Args {
		if err := client.Agent().Join(address, j.wan); err != nil {
			c.Fail("Error joining address '%s': %s", address, err)
			continue
		}
		joined++
	}
	if joined == 0 {
		return c.Fail("Failed to join any nodes.")
	}
	c.Printf("Successfully joined cluster by contacting %d nodes.", joined)
	return 0
}
