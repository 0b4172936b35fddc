package cli

import (
	"slices"
	"strings"
	"testing"

	"muster/cli/clitest"
	"muster/cli/command"
)

// runCLI runs a command line against the agent.
func runCLI(a *clitest.Agent, stdin string, args ...string) clitest.Result {
	world, stdout, stderr := a.World(stdin)
	code := run(args, world, commands(rooms{validate: noValidation}))
	return clitest.Result{Code: code, Out: stdout.String(), ErrOut: stderr.String()}
}

func noValidation([]string, string) (warnings, places []string, err error) { return nil, nil, nil }

// A step is a command, what the agent answers and what comes of it.
type step struct {
	args    string            // words, separated by spaces; ~ is a space in one
	answers map[string]string // by request; "404 text" has a status
	stdin   string
	code    int
	out     string
	err     string
	asked   []string // the requests, if they matter
}

func (s step) run(t *testing.T) {
	t.Helper()
	a := clitest.Start(t)
	for request, answer := range s.answers {
		a.Reply(request, status(answer), strings.TrimPrefix(answer, answer[:statusLen(answer)]))
	}
	var args []string
	for _, word := range strings.Split(s.args, " ") {
		args = append(args, strings.ReplaceAll(word, "~", " "))
	}
	runCLI(a, s.stdin, args...).Want(t, s.code, s.out, s.err)
	if s.asked != nil {
		if got := a.Requests(); !slices.Equal(got, s.asked) {
			t.Errorf("asked %q\nwant  %q", got, s.asked)
		}
	}
}

func statusLen(answer string) int {
	if len(answer) > 3 && answer[3] == ' ' && strings.Trim(answer[:3], "0123456789") == "" {
		return 4
	}
	return 0
}

func status(answer string) int {
	if statusLen(answer) == 0 {
		return 200
	}
	return int(answer[0]-'0')*100 + int(answer[1]-'0')*10 + int(answer[2]-'0')
}

func runSteps(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		t.Run(s.args, s.run)
	}
}

func TestUsage(t *testing.T) {
	a := clitest.Start(t)
	for _, args := range [][]string{nil, {"nonesuch"}, {"help"}} {
		got := runCLI(a, "", args...)
		if got.Code != 127 || got.Out != "" ||
			!strings.HasPrefix(got.ErrOut, "Usage: muster [--version] [--help] <command> [<args>]\n") {
			t.Errorf("%q: %s", args, got)
		}
	}
	for _, args := range [][]string{{"--help"}, {"-h"}} {
		if got := runCLI(a, "", args...); got.Code != 0 || got.ErrOut != "" || !strings.HasPrefix(got.Out, "Usage: muster [") {
			t.Errorf("%q: %s", args, got)
		}
	}
	for _, args := range [][]string{{"kv"}, {"kv", "nonesuch"}, {"operator", "raft"}} {
		if got := runCLI(a, "", args...); got.Code != 1 || got.Out != "" ||
			!strings.HasPrefix(got.ErrOut, "Usage: muster ") || !strings.Contains(got.ErrOut, "\nSubcommands:\n") {
			t.Errorf("%q: %s", args, got)
		}
	}
	got := runCLI(a, "", "kv", "get", "-bogus", "x")
	if got.Code != 1 || !strings.HasPrefix(got.ErrOut, "flag provided but not defined: -bogus\n\nUsage: muster kv get") {
		t.Errorf("unknown flag: %s", got)
	}
	if got := runCLI(a, "", "kv", "put", "-flags=many", "x"); got.Code != 1 || !strings.Contains(got.ErrOut, `invalid value "many" for flag -flags`) {
		t.Errorf("bad value: %s", got)
	}
	if asked := a.Requests(); len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
}

// TestHelp reads the help of every command: it has to be complete, and to fit
// on a terminal.
func TestHelp(t *testing.T) {
	a := clitest.Start(t)
	all := commands(rooms{validate: noValidation})
	names := map[string]bool{}
	for _, r := range all {
		if names[r.name] {
			t.Errorf("%s is there twice", r.name)
		}
		names[r.name] = true
		if group, _, ok := strings.Cut(r.name, " "); ok && !names[group] {
			t.Errorf("%s comes before its group", r.name)
		}
		doc := r.new().Doc()
		if doc.Synopsis == "" || len(doc.Synopsis) > 50 || doc.Text == "" || !strings.HasPrefix(doc.Usage, r.name) {
			t.Errorf("%s is not well described: %+v", r.name, doc)
		}
		got := runCLI(a, "", append(strings.Fields(r.name), "-h")...)
		if got.Code != 0 || got.ErrOut != "" || !strings.HasPrefix(got.Out, "Usage: muster "+doc.Usage+"\n\n  ") {
			t.Errorf("%s -h: %s", r.name, got)
		}
		if doc.Groups&command.HTTP != 0 && !strings.Contains(got.Out, "\nHTTP API Options\n\n  -ca-file=<file>\n") {
			t.Errorf("%s -h does not show the shared flags", r.name)
		}
		for line := range strings.Lines(got.Out) {
			if len(line) > 81 {
				t.Errorf("%s -h: a line of %d: %s", r.name, len(line)-1, line)
			}
		}
	}
	for _, name := range []string{
		"catalog datacenters", "catalog nodes", "catalog services", "debug", "event", "exec", "force-leave", "info", "join",
		"keygen", "keyring", "kv delete", "kv export", "kv get", "kv import", "kv put", "leave", "lock", "maint", "members",
		"monitor", "operator autopilot get-config", "operator autopilot set-config", "operator autopilot state",
		"operator raft list-peers", "operator raft remove-peer", "operator raft transfer-leader", "reload", "rtt",
		"services deregister", "services register", "snapshot decode", "snapshot inspect", "snapshot restore", "snapshot save",
		"tls ca create", "tls cert create", "validate", "version", "watch",
	} {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestArgsOfOthers has commands run what looks like flags of their own.
func TestArgsOfOthers(t *testing.T) {
	a := clitest.Start(t)
	a.Self()
	a.Reply("GET /v1/kv/x", 200, oneKey)
	got := runCLI(a, "", "watch", "-type", "key", "-key=x", "-shell=false", "sh", "-c", "echo $0 $@; exit 1", "-h", "--help")
	got.Want(t, 1, "-h --help\n", "Error executing handler: exit status 1\n")
	if got := runCLI(a, "", "watch", "-type", "key", "-h"); got.Code != 0 || !strings.HasPrefix(got.Out, "Usage: muster watch ") {
		t.Error(got)
	}
	if got := runCLI(a, "", "exec", "-verbose", "-h"); got.Code != 0 || !strings.HasPrefix(got.Out, "Usage: muster exec ") {
		t.Error(got)
	}
}

func TestWired(t *testing.T) {
	var names []string
	for _, r := range commands(wire()) {
		names = append(names, r.name)
	}
	for _, name := range []string{"agent", "validate"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not wired", name)
		}
	}
}
