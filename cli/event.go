package cli

import (
	"flag"
	"regexp"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type event struct {
	name string
	targets
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
	e.targets.flags(f)
}

func (e *event) Run(c *command.Call) int {
	if e.name == "" {
		return c.Usage("Event name must be specified")
	}
	if problem := e.check(); problem != "" {
		return c.Fail("%s", problem)
	}
	if len(c.Args) > 1 {
		return c.Usage("Too many command line arguments.")
	}
	fired := &api.UserEvent{Name: e.name, NodeFilter: e.node, ServiceFilter: e.service, TagFilter: e.tag}
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

// targets are the regular expressions that say which agents heed an event.
type targets struct{ node, service, tag string }

func (t *targets) flags(f *flag.FlagSet) {
	f.StringVar(&t.node, "node", "", "A regular `expression` for the names of the nodes.")
	f.StringVar(&t.service, "service", "", "A regular `expression` for the name of a service that the nodes offer.")
	f.StringVar(&t.tag, "tag", "", "A regular `expression` for a tag of that service; it needs -service.")
}

// check returns what is wrong with the filters, or "".
func (t *targets) check() string {
	for _, filter := range []struct{ name, text string }{
		{"node", t.node}, {"service", t.service}, {"tag", t.tag},
	} {
		if _, err := regexp.Compile(filter.text); err != nil {
			return "Failed to compile " + filter.name + " filter regexp: " + err.Error()
		}
	}
	if t.tag != "" && t.service == "" {
		return "Cannot provide tag filter without service filter."
	}
	return ""
}
