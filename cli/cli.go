// Package cli is the command line: one file per command. The commands speak
// to an agent through its public HTTP API only, as any other client does.
package cli

import (
	"io"
	"os"
	"os/signal"
	"slices"

	"github.com/hashicorp/cli"

	"muster/cli/certs"
	"muster/cli/command"
	"muster/cli/debug"
	"muster/cli/lock"
	"muster/cli/rexec"
)

// Run runs the command line args, without the program's name, and returns the
// exit code: 127 for an unknown command, else what the command says.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	world := command.World{Stdin: stdin, Stdout: stdout, Stderr: stderr, Notify: notify}
	return run(args, world, commands(wire()))
}

func notify(signals ...os.Signal) (<-chan os.Signal, func()) {
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, signals...)
	return ch, func() { signal.Stop(ch) }
}

func run(args []string, world command.World, rows []row) int {
	// A binary may be called by another name, as where it stands in for
	// "consul"; what it prints and completes goes by its own.
	c := cli.NewCLI(command.Program, versionText())
	c.Args = protectArgs(args, rows)
	c.HelpWriter, c.ErrorWriter = world.Stdout, world.Stderr
	c.Commands = make(map[string]cli.CommandFactory, len(rows))
	for _, r := range rows {
		c.Commands[r.name] = func() (cli.Command, error) {
			return command.Adapt(r.new(), world), nil
		}
	}
	code, err := c.Run()
	if err != nil {
		io.WriteString(world.Stderr, "Error executing CLI: "+err.Error()+"\n")
		return command.ExitError
	}
	return code
}

// protectArgs keeps the dispatcher, which looks for -h everywhere, out of
// command lines that a command is to run.
func protectArgs(args []string, rows []row) []string {
	for _, r := range rows {
		if len(args) == 0 || r.name != args[0] {
			continue
		}
		if cmd := r.new(); cmd.Doc().RunsArgs {
			return append([]string{args[0]}, command.EndFlags(cmd, args[1:])...)
		}
	}
	return args
}

// Names are the commands that there are, sorted, groups of commands included.
func Names() []string {
	var names []string
	for _, r := range commands(wire()) {
		names = append(names, r.name)
	}
	slices.Sort(names)
	return names
}

// A row is a command: what is typed, and how its value is made.
type row struct {
	name string
	new  func() command.Command
}

func of[T any, P interface {
	*T
	command.Command
}]() func() command.Command {
	return func() command.Command { return P(new(T)) }
}

func group(name, synopsis, text string) row {
	return row{name, func() command.Command {
		return &command.Group{Name: name, Synopsis: synopsis, Text: text}
	}}
}

// commands is every command there is. What other rooms do in this process is
// there only if it is wired.
func commands(rooms rooms) []row {
	rows := []row{
		group("acl", "Control who may do what", "Tokens say who asks. Agents do not control access yet: they refuse all of this in a sentence."),
		{"acl bootstrap", of[aclBootstrap]()},
		{"acl set-agent-token", of[aclSetAgentToken]()},
		group("acl token", "Look at tokens", "What is known of a token besides its secret."),
		{"acl token list", of[aclTokenList]()},
		group("catalog", "Look at nodes and services", "The catalog is what the cluster knows: its datacenters, nodes and services."),
		{"catalog datacenters", of[catalogDatacenters]()},
		{"catalog nodes", of[catalogNodes]()},
		{"catalog services", of[catalogServices]()},
		{"debug", of[debug.Debug]()},
		{"event", of[event]()},
		{"exec", of[rexec.Exec]()},
		{"force-leave", of[forceLeave]()},
		{"info", of[info]()},
		{"join", of[join]()},
		{"keygen", of[keygen]()},
		{"keyring", of[keyring]()},
		group("kv", "Read and write keys", "Keys and values that all servers agree on. A key is any text; slashes in it make folders by convention."),
		{"kv delete", of[kvDelete]()},
		{"kv export", of[kvExport]()},
		{"kv get", of[kvGet]()},
		{"kv import", of[kvImport]()},
		{"kv put", of[kvPut]()},
		{"leave", of[leave]()},
		{"lock", of[lock.Lock]()},
		{"maint", of[maint]()},
		{"members", of[members]()},
		{"monitor", of[monitor]()},
		group("operator", "Tools for those who run the cluster", "What operators need when the servers themselves want care."),
		group("operator autopilot", "Look after the servers' automatic care", "Autopilot watches the servers, lets new ones vote once they are stable and removes dead ones."),
		{"operator autopilot get-config", of[autopilotGetConfig]()},
		{"operator autopilot set-config", of[autopilotSetConfig]()},
		{"operator autopilot state", of[autopilotState]()},
		group("operator raft", "Look at and repair the Raft peers", "The Raft peers are the servers that agree on the order of all writes."),
		{"operator raft list-peers", of[raftListPeers]()},
		{"operator raft remove-peer", of[raftRemovePeer]()},
		{"operator raft transfer-leader", of[raftTransferLeader]()},
		group("operator usage", "Count what there is", "How much there is in the catalog."),
		{"operator usage instances", of[operatorUsage]()},
		{"reload", of[reload]()},
		{"rtt", of[rtt]()},
		group("services", "Register and deregister services", "Services of the agent that is asked."),
		{"services deregister", of[servicesDeregister]()},
		{"services register", of[servicesRegister]()},
		group("snapshot", "Save and restore the servers' state", "A snapshot is a file with all that the servers agree on."),
		{"snapshot decode", of[snapshotDecode]()},
		{"snapshot inspect", of[snapshotInspect]()},
		{"snapshot restore", of[snapshotRestore]()},
		{"snapshot save", of[snapshotSave]()},
		group("tls", "Make certificates", "Certificates with which the agents of a cluster know each other."),
		group("tls ca", "Make a certificate authority", "The authority signs the certificates of a cluster."),
		{"tls ca create", of[certs.CreateAuthority]()},
		group("tls cert", "Make certificates", "Certificates of servers, of clients and of the command line."),
		{"tls cert create", of[certs.CreateCert]()},
		{"version", of[showVersion]()},
		{"watch", of[watcher]()},
	}
	if rooms.agent != nil {
		rows = append(rows, row{"agent", rooms.agent})
	}
	if rooms.validate != nil {
		rows = append(rows, row{"validate", func() command.Command { return &validate{check: rooms.validate} }})
	}
	return rows
}
