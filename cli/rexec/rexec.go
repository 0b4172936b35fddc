// Package rexec is the command "exec": it has agents run a command, and
// gathers what they print.
//
// The job lies in the KV store under PREFIX/SESSION/job, and an event tells
// the agents about it. Each agent that heeds it answers with keys under
// PREFIX/SESSION/NODE/: "ack" when it begins, "out/00000" and so on with what
// the command prints, and "exit" with its exit code.
package rexec

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

// eventName is the event that agents take a job by.
const eventName = "_rexec"

// Exec is the command.
type Exec struct {
	targets        command.Targets
	prefix         string
	shell, verbose bool
	wait, waitRepl time.Duration
}

// Doc describes the command.
func (e *Exec) Doc() command.Doc {
	return command.Doc{
		Usage:    "exec [options] [-|COMMAND...]",
		Synopsis: "Run a command on many nodes",
		Text: `
Runs a command on all nodes of a datacenter, or on those that match the
filters, and prints what it prints there. For "-" it runs a script that it
reads from standard input.

    $ muster exec -service=web uptime
    $ muster exec - < update.sh

Agents do so only if their option "disable_remote_exec" is false, which it is
not by default. The exit code is 2 if the command fails on any node.`,
		Groups:   command.HTTP | command.Server,
		RunsArgs: true,
	}
}

// Flags declares the flags.
func (e *Exec) Flags(f *flag.FlagSet) {
	e.targets.Flags(f)
	f.StringVar(&e.prefix, "prefix", eventName, "The `prefix` in the KV store that the job and the answers go by.")
	f.BoolVar(&e.shell, "shell", true, "Run the command by a shell; with -shell=false its words are a program and its arguments.")
	f.BoolVar(&e.verbose, "verbose", false, "Say what is going on.")
	f.DurationVar(&e.wait, "wait", 2*time.Second, "The `duration` of silence after which no more answers are expected.")
	f.DurationVar(&e.waitRepl, "wait-repl", 200*time.Millisecond, "The `duration` to wait before the agents are told, so that "+
		"the job has reached all servers.")
}

// job is what the agents read.
type job struct {
	Command string
	Args    []string `json:",omitempty"`
	Script  []byte   `json:",omitempty"`
	Wait    time.Duration
}

// Run sends the job and waits for the answers.
func (e *Exec) Run(c *command.Call) int {
	if problem := e.targets.Check(); problem != "" {
		return c.Fail("%s", problem)
	}
	if len(c.Args) == 0 {
		return c.Usage("Must specify a command to execute")
	}
	j, err := e.job(c)
	if err != nil {
		return c.Fail("Failed to read stdin: %s", err)
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	signals, ignore := c.Notify(os.Interrupt, syscall.SIGTERM)
	defer ignore()
	entry, err := sessionEntry(c, client)
	if err != nil {
		return c.Fail("Error querying Consul agent: %s", err)
	}
	session, err := command.OpenSession(client, entry)
	if err != nil {
		return c.Fail("Failed to create session: %s", err)
	}
	e.say(c, "Created remote execution session: "+session.ID)
	at := path.Join(e.prefix, session.ID) + "/"
	code := e.perform(c, client, session.ID, at, j, signals)
	session.Close()
	if _, err := client.KV().DeleteTree(at, nil); err != nil {
		return c.Fail("Failed to destroy data: %s", err)
	}
	return code
}

func (e *Exec) job(c *command.Call) (*job, error) {
	j := &job{Wait: e.wait}
	switch {
	case len(c.Args) == 1 && c.Args[0] == "-":
		script, err := io.ReadAll(c.Stdin)
		j.Script = script
		return j, err
	case e.shell:
		j.Command = strings.Join(c.Args, " ")
	default:
		j.Args = c.Args
	}
	return j, nil
}

// sessionEntry describes the session: on the agent's node or, for another
// datacenter, on a server there.
func sessionEntry(c *command.Call, client *api.Client) (api.SessionEntry, error) {
	node, datacenter, err := command.Self(client)
	if err != nil {
		return api.SessionEntry{}, err
	}
	entry := api.SessionEntry{
		Name:     "Remote Exec via " + node + "@" + datacenter,
		Behavior: api.SessionBehaviorDelete,
	}
	if c.Datacenter() == "" || c.Datacenter() == datacenter {
		return entry, nil
	}
	servers, _, err := client.Health().Service("consul", "", true, nil)
	if err != nil {
		return api.SessionEntry{}, err
	}
	if len(servers) == 0 {
		return api.SessionEntry{}, errors.New("failed to find a healthy server in " + c.Datacenter())
	}
	entry.Node = servers[0].Node.Node
	return entry, nil
}

// perform stores the job, tells the agents and gathers their answers.
func (e *Exec) perform(c *command.Call, client *api.Client, session, at string, j *job, signals <-chan os.Signal) int {
	spec, err := json.Marshal(j)
	if err != nil {
		return c.Fail("Failed to encode job: %s", err)
	}
	stored, _, err := client.KV().Acquire(&api.KVPair{Key: at + "job", Value: spec, Session: session}, nil)
	if err == nil && !stored {
		err = errors.New("failed to acquire key " + at + "job")
	}
	if err != nil {
		return c.Fail("Failed to create job file: %s", err)
	}
	e.say(c, "Uploaded remote execution spec")
	select {
	case <-time.After(e.waitRepl):
	case <-signals:
		return command.ExitError
	}
	payload, err := json.Marshal(struct{ Prefix, Session string }{e.prefix, session})
	if err != nil {
		return c.Fail("Failed to encode event: %s", err)
	}
	id, _, err := client.Event().Fire(&api.UserEvent{
		Name: eventName, Payload: payload,
		NodeFilter: e.targets.Node, ServiceFilter: e.targets.Service, TagFilter: e.targets.Tag,
	}, nil)
	if err != nil {
		return c.Fail("Failed to fire event: %s", err)
	}
	e.say(c, "Fired remote execution event: "+id)
	g := &gatherer{c: c, client: client, at: at, quiet: e.wait, verbose: e.verbose}
	return g.run(signals)
}

func (e *Exec) say(c *command.Call, text string) {
	if e.verbose {
		c.Println("==> " + text)
	}
}

// output is how a block of a node's output is shown: each line after the name
// of the node.
func output(node, text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintf(&b, "    %s: %s\n", node, line)
	}
	return strings.TrimRight(b.String(), " \t\r\n")
}
