package cli

import (
	"maps"
	"slices"

	"muster/cli/command"
)

type info struct{ command.NoFlags }

func (i *info) Doc() command.Doc {
	return command.Doc{
		Usage:    "info [options]",
		Synopsis: "Show figures for debugging",
		Text: `
Prints the figures that the agent keeps about itself and its parts.

    $ muster info`,
		Groups: command.HTTP,
	}
}

func (i *info) Run(c *command.Call) int {
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	self, err := client.Agent().Self()
	if err != nil {
		return c.Fail("Error querying agent: %s", err)
	}
	stats, ok := self["Stats"]
	if !ok {
		return c.Fail("Agent response did not contain 'Stats' key: %v", self)
	}
	for _, part := range slices.Sorted(maps.Keys(stats)) {
		c.Println(part + ":")
		figures, ok := stats[part].(map[string]any)
		if !ok {
			return c.Fail("Agent response did not contain figures under %q", part)
		}
		for _, name := range slices.Sorted(maps.Keys(figures)) {
			c.Printf("\t%s = %v", name, figures[name])
		}
	}
	return 0
}
