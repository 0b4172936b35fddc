package cli

import (
	"flag"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type event struct {
	name    string
	targets command.Targets
}

func (e *event) Doc() command.Doc {
	return command.Doc{
		Usage:    "event [options] [payload]",
		Synopsis: "Fire an event",
		Text: `
Sends a small named message to the agents of a datacenter, to all of them or
to those that match the filters, and prints its id. Agents keep the last 256;
watches act on them.

    $ muster event -name=deploy -service=web 1f3a9c2`,
		Groups: command.HTTP | command.Server,
	}
}

func (e *event) Flags(f *flag.FlagSet) {
	f.StringVar(&e.name, "name", "", "The `name` of the event. It is required.")
	e.targets.Flags(f)
}

func (e *event) Run(c *command.Call) int {
	if e.name == "" {
		return c.Usage("Event name must be specified")
	}
	if problem := e.targets.Check(); problem != "" {
		return c.Fail("%s", problem)
	}
	if len(c.Args) > 1 {
		return c.Usage("Too many command line arguments.")
	}
	fired := &api.UserEvent{Name: e.name, NodeFilter: e.targets.Node, ServiceFilter: e.targets.Service, TagFilter: e.targets.Tag}
	if len(c.Args) == 1 {
		fired.Payload = []byte(c.Args[0])
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	id, _, err := client.Event().Fire(fired, nil)
	if err != nil {
		return c.Fail("Error firing event: %s", err)
	}
	c.Printf("Event ID: %s", id)
	return 0
}
