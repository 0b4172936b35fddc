package cli

import "muster/cli/command"

type reload struct{ command.NoFlags }

func (r *reload) Doc() command.Doc {
	return command.Doc{
		Usage:    "reload [options]",
		Synopsis: "Have the agent read its configuration again",
		Text: `
Has the agent read its configuration files again, as the signal HUP does, and
take over what can change while it runs: services, checks, watches, the level
of the log, tokens and certificates among others.

    $ muster reload`,
		Groups: command.HTTP,
	}
}

func (r *reload) Run(c *command.Call) int {
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	if err := client.Agent().Reload(); err != nil {
		return c.Fail("Error reloading: %s", err)
	}
	c.Println("Configuration reload triggered")
	return 0
}
