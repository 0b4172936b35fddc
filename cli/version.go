package cli

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"muster/cli/command"
	"muster/internal/version"
)

// The versions of the protocol among agents, as every member shows them in
// its tags.
const (
	protocolDefault = 2
	protocolMin     = 2
	protocolMax     = 3
)

type showVersion struct{ format string }

func (v *showVersion) Doc() command.Doc {
	return command.Doc{
		Usage:    "version [options]",
		Synopsis: "Show the version",
		Text: `
Prints the version, and the release of Consul that it is compatible with.

    $ muster version
    $ muster version -format=json`,
	}
}

func (v *showVersion) Flags(f *flag.FlagSet) { formatVar(f, &v.format) }

func (v *showVersion) Run(c *command.Call) int {
	if !knownFormat(c, v.format) {
		return command.ExitError
	}
	if v.format == formatJSON {
		return c.JSON(versionInfo(), "   ")
	}
	c.Println(versionText())
	return 0
}

// Output formats of the commands that have a choice.
const (
	formatPretty = "pretty"
	formatJSON   = "json"
)

func formatVar(f *flag.FlagSet, to *string) {
	f.StringVar(to, "format", formatPretty, "The `format` to print: pretty or json.")
}

// knownFormat tells whether there is such a format, and says so if not.
func knownFormat(c *command.Call, format string) bool {
	if format == formatPretty || format == formatJSON {
		return true
	}
	c.Fail("Unknown format %q, must be one of: %s, %s", format, formatPretty, formatJSON)
	return false
}

func versionText() string {
	build := version.ReadBuild()
	lines := []string{
		fmt.Sprintf("%s v%s", command.Program, version.Version),
		"compatible with Consul " + version.Compatible,
	}
	if build.Revision != "" {
		lines = append(lines, "Revision "+build.Revision)
	}
	if !build.Date.IsZero() {
		lines = append(lines, "Build Date "+build.Date.Format(time.RFC3339))
	}
	lines = append(lines, fmt.Sprintf("Protocol %d spoken by default, understands %d to %d "+
		"(agent will automatically use protocol >%d when speaking to compatible agents)",
		protocolDefault, protocolMin, protocolMax, protocolDefault))
	return strings.Join(lines, "\n")
}

func versionInfo() any {
	type rpc struct{ Default, Min, Max int }
	build := version.ReadBuild()
	return struct {
		Version    string
		Revision   string
		Prerelease string
		BuildDate  time.Time
		FIPS       string `json:",omitempty"`
		RPC        rpc
	}{
		Version:   version.Full(),
		Revision:  build.Revision,
		BuildDate: build.Date,
		RPC:       rpc{protocolDefault, protocolMin, protocolMax},
	}
}
