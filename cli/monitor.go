package cli

import (
	"flag"

	"muster/cli/command"
)

type monitor struct {
	logJSON  bool
	logLevel string
}

func (m *monitor) Doc() command.Doc {
	return command.Doc{
		Usage:    "monitor [options]",
		Synopsis: "Show an agent's log as it is written",
		Text: `
Prints the log of the agent as it is written, at a level of its own, which may
be finer than what the agent itself logs. It ends with an interrupt.

    $ muster monitor -log-level=debug`,
		Groups: command.HTTP,
	}
}

func (m *monitor) Flags(f *flag.FlagSet) {
	f.BoolVar(&m.logJSON, "log-json", false, "Print one JSON object for each line.")
	f.StringVar(&m.logLevel, "log-level", "INFO", "The least `level` to print: trace, debug, info, warn or err.")
}

func (m *monitor) Run(c *command.Call) int {
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	ctx, stop := c.Interrupted()
	defer stop()
	err := command.Logs(ctx, client.Agent(), m.logLevel, m.logJSON, func(line string) { c.Println(line) })
	switch {
	case ctx.Err() != nil: // interrupted
	case err != nil:
		return c.Fail("Error starting monitor: %s", err)
	default:
		c.Warn("The agent ended the log; it is probably stopping.")
	}
	return 0
}
