package cli

import (
	"flag"

	"muster/cli/command"
)

type validate struct {
	check  ValidateFunc
	format string
	quiet  bool
}

func (v *validate) Doc() command.Doc {
	return command.Doc{
		Usage:    "validate [options] FILE_OR_DIRECTORY...",
		Synopsis: "Check configuration files",
		Text: `
Checks that an agent would start with the configuration that the files, and
the .hcl and .json files in the directories, make together. It should be used
before a reload or a restart. At a terminal it also names the lines that are
wrong.

    $ muster validate /etc/muster.d`,
	}
}

func (v *validate) Flags(f *flag.FlagSet) {
	f.StringVar(&v.format, "config-format", "", "Read all files in this `format`, hcl or json, whatever their names are.")
	f.BoolVar(&v.quiet, "quiet", false, "Print nothing if the configuration is valid.")
}

func (v *validate) Run(c *command.Call) int {
	switch {
	case len(c.Args) == 0:
		return c.Usage("Must specify at least one config file or directory")
	case v.format != "" && v.format != "hcl" && v.format != "json":
		return c.Fail("-config-format must be either 'hcl' or 'json")
	}
	warnings, places, err := v.check(c.Args, v.format)
	if err != nil {
		c.Fail("Config validation failed: %s", err)
		// Programs get what Consul prints, and nothing else.
		if command.IsTerminal(c.Stderr) {
			for _, p := range places {
				c.Warn("%s", p)
			}
		}
		return command.ExitError
	}
	for _, w := range warnings {
		c.Warn("%s", w)
	}
	if !v.quiet {
		c.Println("Configuration is valid!")
	}
	return 0
}
