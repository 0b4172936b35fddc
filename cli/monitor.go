package cli

import (
	"flag"
	"os"
	"syscall"

	"github.com/hashicorp/consul/api"

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
be finer than what the agent itself logs. It ends with an interrupt.`,
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
	interrupt, ignore := c.Notify(os.Interrupt, syscall.SIGTERM)
	defer ignore()
	stop := make(chan struct{})
	defer close(stop)
	lines, err := m.open(client.Agent(), stop)
	if err != nil {
		return c.Fail("Error starting monitor: %s", err)
	}
	for {
		select {
		case line, ok := <-lines:
			if !ok || line == "" {
				c.Warn("The agent ended the log; it is probably stopping.")
				return 0
			}
			c.Println(line)
		case <-interrupt:
			return 0
		}
	}
}

func (m *monitor) open(agent *api.Agent, stop <-chan struct{}) (chan string, error) {
	if m.logJSON {
		return agent.MonitorJSON(m.logLevel, stop, nil)
	}
	return agent.Monitor(m.logLevel, stop, nil)
}
