package cli

import (
	"muster/cli/command"
	"muster/config"
)

// rooms are the things that commands do in this process, by way of other
// rooms, rather than by asking an agent.
type rooms struct {
	// agent makes the command that runs an agent.
	agent func() command.Command
	// validate checks configuration files.
	validate ValidateFunc
}

// ValidateFunc checks the configuration that the files and directories make
// together. The format is "hcl", "json" or "" for what each file's name says.
type ValidateFunc func(paths []string, format string) (warnings, places []string, err error)

// wire is the one place that says which rooms are part of this program.
func wire() rooms {
	return rooms{agent: of[agent](), validate: config.Validate}
}
