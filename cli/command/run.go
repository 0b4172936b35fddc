package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/posener/complete"

	"github.com/hashicorp/cli"
)

// Program is the name that people type.
const Program = "muster"

// Adapt turns a command into what the dispatcher of hashicorp/cli takes.
func Adapt(cmd Command, world World) cli.Command {
	return &adapter{cmd: cmd, world: world}
}

type adapter struct {
	cmd   Command
	world World
}

func (a *adapter) Synopsis() string { return a.cmd.Doc().Synopsis }

func (a *adapter) Help() string {
	f, _ := a.flagSet()
	return help(a.cmd.Doc(), f)
}

// Run parses the flags and runs the command.
func (a *adapter) Run(args []string) int {
	f, conn := a.flagSet()
	c := &Call{World: a.world, doc: a.cmd.Doc(), flags: f, conn: conn}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return cli.RunResultHelp
		}
		for _, name := range []string{"namespace", "partition"} {
			if err.Error() == "flag provided but not defined: -"+name {
				return c.Fail("%s: %ss are a Consul Enterprise feature that %s does not have", err, name, Program)
			}
		}
		return c.Usage("%s", err)
	}
	c.Args = f.Args()
	return a.cmd.Run(c)
}

// EndFlags puts "--" between the flags of a command that runs what follows
// them and that, so that no "-h" in it is taken for one of ours.
func EndFlags(cmd Command, args []string) []string {
	f, _ := (&adapter{cmd: cmd}).flagSet()
	for i := 0; i < len(args); i++ {
		name := strings.TrimLeft(args[i], "-")
		switch {
		case args[i] == "--":
			return args
		case name == args[i] || name == "":
			return slices.Concat(args[:i], []string{"--"}, args[i:])
		case strings.Contains(name, "="):
		default:
			if known := f.Lookup(name); known != nil && !isBool(known) {
				i++ // its value
			}
		}
	}
	return args
}

func (a *adapter) flagSet() (*flag.FlagSet, *connection) {
	doc := a.cmd.Doc()
	f := flag.NewFlagSet(doc.Usage, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	a.cmd.Flags(f)
	conn := &connection{}
	conn.flags(f, doc.Groups)
	return f, conn
}

// AutocompleteArgs offers file names where the usage says that a file is
// taken.
func (a *adapter) AutocompleteArgs() complete.Predictor {
	if strings.Contains(a.cmd.Doc().Usage, "FILE") {
		return complete.PredictFiles("*")
	}
	return complete.PredictNothing
}

// AutocompleteFlags offers the names of the flags.
func (a *adapter) AutocompleteFlags() complete.Flags {
	f, _ := a.flagSet()
	flags := complete.Flags{}
	f.VisitAll(func(f *flag.Flag) {
		flags["-"+f.Name] = complete.PredictAnything
		if isBool(f) {
			flags["-"+f.Name] = complete.PredictNothing
		}
	})
	return flags
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// help is the page that -h shows.
func help(doc Doc, f *flag.FlagSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s %s\n", Program, doc.Usage)
	if doc.Text != "" {
		b.WriteString("\n" + indent(doc.Text, "  ") + "\n")
	}
	shared := flag.NewFlagSet("", flag.ContinueOnError)
	(&connection{}).flags(shared, doc.Groups)
	section := func(title string, of *flag.FlagSet, keep func(name string) bool) {
		first := true
		of.VisitAll(func(f *flag.Flag) {
			if !keep(f.Name) {
				return
			}
			if first {
				b.WriteString("\n" + title + "\n")
				first = false
			}
			b.WriteString("\n" + flagHelp(f))
		})
	}
	section("HTTP API Options", shared, func(string) bool { return true })
	section("Command Options", f, func(name string) bool { return shared.Lookup(name) == nil })
	return strings.TrimRight(b.String(), "\n")
}

func flagHelp(f *flag.Flag) string {
	kind, usage := flag.UnquoteUsage(f)
	head := "  -" + f.Name
	if !isBool(f) {
		head += "=<" + kind + ">"
	}
	return head + "\n" + wrap(usage, 75, "     ") + "\n"
}

// wrap breaks text into lines of at most width bytes, each after the indent.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	line := 0
	for _, word := range strings.Fields(text) {
		switch {
		case line == 0:
			b.WriteString(indent)
			line = len(indent)
		case line+1+len(word) > width:
			b.WriteString("\n" + indent)
			line = len(indent)
		default:
			b.WriteByte(' ')
			line++
		}
		b.WriteString(word)
		line += len(word)
	}
	return b.String()
}

func indent(text, by string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = by + l
		}
	}
	return strings.Join(lines, "\n")
}

// Group is a command that only has subcommands, such as "kv".
type Group struct {
	NoFlags
	// Name is the group's name, Synopsis its line in the list of commands and
	// Text its explanation.
	Name, Synopsis, Text string
}

// Doc describes the group.
func (g *Group) Doc() Doc {
	return Doc{Usage: g.Name + " <subcommand> [options] [args]", Synopsis: g.Synopsis, Text: wrap(g.Text, 75, "")}
}

// Run shows the help: a group does nothing by itself.
func (g *Group) Run(*Call) int { return cli.RunResultHelp }
