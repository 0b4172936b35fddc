package cli

import "muster/cli/command"

type leave struct{ command.NoFlags }

func (l *leave) Doc() command.Doc {
	return command.Doc{
		Usage:    "leave [options]",
		Synopsis: "Have the agent leave the cluster and stop",
		Text: `
Has the agent leave the cluster and stop. The others take it out of the
catalog at once, and a server out of the peers, rather than waiting for it to
come back.

    $ muster leave`,
		Groups: command.HTTP,
	}
}

func (l *leave) Run(c *command.Call) int {
	if len(c.Args) > 0 {
		return c.Usage("Too many arguments (expected 0, got %d)", len(c.Args))
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	if err := client.Agent().Leave(); err != nil {
		return c.Fail("Error leaving: %s", err)
	}
	c.Println("Graceful leave complete")
	return 0
}
