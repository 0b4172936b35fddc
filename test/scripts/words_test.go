package scripts

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Patience is how long anything awaited may take, and pause how long to wait
// between two looks. A test that is green never waits the former.
const (
	patience = 60 * time.Second
	pause    = 50 * time.Millisecond
)

type labKey struct{}

// A lab is what a script has built: its machines and what runs on them. Only
// the goroutine of the script uses it.
type lab struct {
	ports  string
	here   string // the machine that commands are typed on
	agents map[string]*agent
}

func labOf(ts *testscript.TestScript) *lab { return ts.Value(labKey{}).(*lab) }

// An agent is a process on a machine, started by start.
type agent struct {
	cmd    *exec.Cmd
	out    output
	exited chan struct{}
	// manager is the socket of a service manager, notices what came over it.
	manager *net.UnixConn
	notices output
	heard   chan struct{} // closed when nothing more will come
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (l *lab) stopAll() {
	for _, a := range l.agents {
		_ = a.cmd.Process.Kill() // an error says that it has ended
		<-a.exited
		a.manager.Close()
		<-a.heard
	}
}

// on MACHINE: what follows is typed on that machine, named or by its address.
func on(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: on MACHINE")
	}
	for _, name := range machines {
		if addr := ts.Getenv(name); args[0] == name || args[0] == addr {
			labOf(ts).here = name
			ts.Setenv("host", addr)
			ts.Setenv("CONSUL_HTTP_ADDR", addr+":"+ts.Getenv("http"))
			return
		}
	}
	ts.Fatalf("%s is none of the machines %v", args[0], machines)
}

// start PROGRAM ARG...: runs an agent on this machine, in the background,
// until the script ends or ends it. What a machine has of its own, its address
// and the ports that are free, the agent is told by a file.
func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "agent" {
		ts.Fatalf("usage: start PROGRAM agent [ARG...]")
	}
	l := labOf(ts)
	if a := l.agents[l.here]; a != nil {
		select {
		case <-a.exited:
			a.manager.Close()
			<-a.heard
		default:
			ts.Fatalf("an agent runs on this machine already")
		}
	}
	own := ts.MkAbs(filepath.Join(".machines", l.here+".json"))
	ts.Check(os.MkdirAll(filepath.Dir(own), 0o755))
	ts.Check(os.WriteFile(own, fmt.Appendf(nil, `{"bind_addr": %[1]q, "client_addr": %[1]q, "ports": %[2]s}`, ts.Getenv(l.here), l.ports), 0o644))
	path, err := lookPath(ts, args[0])
	ts.Check(err)
	cmd := exec.Command(path, slices.Concat([]string{"agent", "-config-file=" + own}, args[2:])...)
	a := &agent{cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &a.out, &a.out
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"))
	for _, prefix := range []string{"CONSUL_", "MUSTER_"} {
		for _, name := range []string{"LOCAL_CONFIG", "DATA_DIR", "CONFIG_DIR", "DISABLE_PERM_MGMT"} {
			cmd.Env = append(cmd.Env, prefix+name+"="+ts.Getenv(prefix+name))
		}
	}
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+a.listen(ts, l.here))
	ts.Check(cmd.Start())
	ts.Logf("[agent on %s: process %d]\n", l.here, cmd.Process.Pid)
	go func() { // stopAll waits for it
		_ = cmd.Wait()
		close(a.exited)
	}()
	l.agents[l.here] = a
	here := l.here
	ts.Defer(func() { ts.Logf("[log of the agent on %s, its last lines]\n%s", here, tail(a.out.String())) })
}

// listen plays the part of a service manager for the agent, and returns the
// address where the agent finds it.
func (a *agent) listen(ts *testscript.TestScript, machine string) string {
	address := "@" + ts.MkAbs(machine) // the working folder is nobody else's
	if len(address) > 100 {
		address = address[:1] + address[len(address)-99:]
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	ts.Check(err)
	a.manager, a.heard = conn, make(chan struct{})
	go func() { // until the socket is closed, see stopAll
		defer close(a.heard)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			fmt.Fprintf(&a.notices, "%s\n", buf[:n])
		}
	}()
	return address
}

// notice REGEXP: waits until this machine's agent has told its service manager
// such a line.
func notice(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: notice REGEXP")
	}
	re, err := regexp.Compile("(?ms)" + args[0])
	ts.Check(err)
	a := labOf(ts).agent(ts)
	if neg {
		if told := a.notices.String(); re.MatchString(told) {
			ts.Fatalf("it told its manager:\n%s", told)
		}
		return
	}
	poll(ts, func() bool { return re.MatchString(a.notices.String()) }, func() string {
		return "it told its manager:\n" + a.notices.String() + "and in its log:\n" + tail(a.out.String())
	})
}

func lookPath(ts *testscript.TestScript, program string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", program, exec.ErrNotFound)
}

func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "..." + s[len(s)-most:]
	}
	return s
}

func (l *lab) agent(ts *testscript.TestScript) *agent {
	a := l.agents[l.here]
	if a == nil {
		ts.Fatalf("no agent was started on this machine")
	}
	return a
}

// log REGEXP: waits until the log of this machine's agent has such a line.
func waitLog(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: log REGEXP")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	a := labOf(ts).agent(ts)
	poll(ts, func() bool { return re.MatchString(a.out.String()) }, func() string {
		return "it never said " + args[0] + ":\n" + tail(a.out.String())
	})
}

// until REGEXP COMMAND ARG...: types the command again and again until what it
// prints matches. With "!" until it no longer does.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND [ARG...]")
	}
	re, err := regexp.Compile("(?ms)" + args[0])
	ts.Check(err)
	var out []byte
	poll(ts, func() bool {
		cmd := command(ts, args[1:])
		out, err = cmd.Output()
		return re.Match(out) != neg && (err == nil || neg)
	}, func() string { return fmt.Sprintf("the last answer (%v):\n%s", err, out) })
	_, err = ts.Stdout().Write(out)
	ts.Check(err)
}

// command prepares a command line as the words muster, curl and dig run it.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	args = slices.Concat(args[:1], always[args[0]], args[1:])
	path, err := lookPath(ts, args[0])
	ts.Check(err)
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "CONSUL_HTTP_ADDR="+ts.Getenv("CONSUL_HTTP_ADDR"), "PATH="+ts.Getenv("PATH"))
	return cmd
}

// always are the arguments that a program gets whoever calls it, so that
// nothing waits for ever.
var always = map[string][]string{
	"curl": {"-sS", "--max-time", "30"},
	"dig":  {"+tries=1", "+time=5"},
}

// poll looks until ok, or gives up with what went wrong.
func poll(ts *testscript.TestScript, ok func() bool, wrong func() string) {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			ts.Fatalf("not within %s: %s", patience, wrong())
		}
		<-tick.C
	}
}

// signal NAME: sends the signal to this machine's agent.
func signalAgent(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal HUP|INT|TERM|KILL")
	}
	ts.Check(labOf(ts).agent(ts).cmd.Process.Signal(signals[args[0]]))
}

// ends [CODE]: waits until this machine's agent has ended, with that exit code.
func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: ends [CODE]")
	}
	a := labOf(ts).agent(ts)
	poll(ts, func() bool {
		select {
		case <-a.exited:
			return true
		default:
			return false
		}
	}, func() string { return "it still runs:\n" + tail(a.out.String()) })
	if len(args) == 1 {
		if code := a.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[0] {
			ts.Fatalf("exit code %d, want %s", code, args[0])
		}
	}
}

// exits CODE COMMAND ARG...: runs the command, which must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	code := 0
	if err := ts.Exec(args[1], slices.Concat(always[args[1]], args[2:])...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// capture NAME REGEXP: keeps what the first group of REGEXP matched in the
// last output, in a variable.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	m := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("nothing matched %s, or it has not one group", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// program is a word that runs a program of that name; "!" in front of it
// expects it to fail.
func program(name string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		err := ts.Exec(name, slices.Concat(always[name], args)...)
		switch {
		case err != nil && !neg:
			ts.Fatalf("%s: %v", name, err)
		case err == nil && neg:
			ts.Fatalf("%s succeeded", name)
		}
	}
}
