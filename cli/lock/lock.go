// Package lock is the command "lock": it runs a program while it holds a lock
// in the KV store.
package lock

import (
	"flag"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"

	"muster/cli/child"
	"muster/cli/command"
)

const (
	// monitorPause lies between the attempts to ask about the lock after the
	// servers have failed to answer.
	monitorPause = time.Second
	// killAfter is how long the child may take to end.
	killAfter = 5 * time.Second
)

// Lock is the command.
type Lock struct {
	childExitCode, passStdin, shell, verbose bool
	holders, monitorRetry                    int
	name                                     string
	timeout, try                             time.Duration

	// start starts the command; tests that need virtual time have another.
	start func(child.Spec) (process, error)
}

// process is the command while it runs.
type process interface {
	Done() <-chan struct{}
	Err() error
	Signal(os.Signal)
	Stop(grace time.Duration)
}

func startChild(s child.Spec) (process, error) { return child.Start(s) }

// Doc describes the command.
func (l *Lock) Doc() command.Doc {
	return command.Doc{
		Usage:    "lock [options] PREFIX COMMAND...",
		Synopsis: "Run a command while holding a lock",
		Text: `
Waits for the lock at a prefix in the KV store, runs the command and gives
the lock back when the command ends. Of all who do so with the same prefix,
one command runs at a time, or as many as -n says.

    $ muster lock service/web/leader ./serve.sh

The command finds CONSUL_LOCK_HELD=true in its environment. If the lock is
lost, because the servers could not be reached for too long, the command gets
the signal TERM and five seconds later KILL.

With -child-exit-code the exit code is 2 if the command fails.`,
		Groups:   command.HTTP | command.Server,
		RunsArgs: true,
	}
}

// Flags declares the flags.
func (l *Lock) Flags(f *flag.FlagSet) {
	f.BoolVar(&l.childExitCode, "child-exit-code", false, "Exit with 2 if the command fails.")
	f.IntVar(&l.monitorRetry, "monitor-retry", 3, "The `number` of times to ask again about the lock, a second apart, "+
		"if the servers fail to answer, before it counts as lost.")
	f.IntVar(&l.holders, "n", 1, "The `number` of holders at a time. All have to say the same.")
	f.StringVar(&l.name, "name", "", "A `name` for the session that holds the lock.")
	f.BoolVar(&l.passStdin, "pass-stdin", false, "Let the command read from standard input.")
	f.BoolVar(&l.shell, "shell", true, "Run the command by a shell; with -shell=false its words are a program and its arguments.")
	f.DurationVar(&l.timeout, "timeout", 0, "The `duration` to wait for the lock at most; 0 is forever.")
	f.DurationVar(&l.try, "try", 0, "An old name of -timeout: a `duration`.")
	f.BoolVar(&l.verbose, "verbose", false, "Say what is going on.")
}

// Run acquires the lock, runs the child and releases the lock.
func (l *Lock) Run(c *command.Call) int {
	if l.timeout == 0 {
		l.timeout = l.try
	}
	switch {
	case len(c.Args) < 2:
		return c.Usage("Key prefix and child command must be specified")
	case l.holders <= 0:
		return c.Fail("Lock holder limit must be positive")
	case l.timeout < 0:
		return c.Fail("Timeout must be positive")
	case l.monitorRetry < 0:
		return c.Fail("Number for 'monitor-retry' must be >= 0")
	}
	prefix := strings.TrimPrefix(c.Args[0], "/")
	if l.name == "" {
		l.name = "Consul lock for '" + strings.Join(c.Args[1:], " ") + "' at '" + prefix + "'"
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	if _, _, err := command.Self(client); err != nil {
		return c.Fail("Error querying Consul agent: %s", err)
	}
	signals, ignore := c.Notify(append(child.Forwarded(), os.Interrupt, syscall.SIGTERM)...)
	defer ignore()
	entry := api.SessionEntry{Name: l.name}
	if l.holders > 1 {
		// The entry of a holder of a semaphore goes with its session; the key of
		// a lock stays.
		entry.Behavior = api.SessionBehaviorDelete
	}
	session, err := command.OpenSession(client, entry)
	if err != nil {
		return c.Fail("Lock acquisition failed: failed to create session: %s", err)
	}
	defer session.Close()
	h, err := l.holder(client, prefix, session.ID)
	if err != nil {
		return c.Fail("Lock setup failed: %s", err)
	}
	return l.hold(c, h, signals)
}

// holder is what a lock and a semaphore have in common.
type holder struct {
	// acquire returns a channel that is closed when the lock is lost, or nil if
	// it was told to stop or its time is over.
	acquire func(stop <-chan struct{}) (lost <-chan struct{}, err error)
	release func() error
	destroy func() error
	inUse   error
}

// holder prepares the lock or, for several holders, the semaphore.
func (l *Lock) holder(client *api.Client, prefix, session string) (*holder, error) {
	if l.holders == 1 {
		lock, err := client.LockOpts(&api.LockOptions{
			Key: path.Join(prefix, api.DefaultSemaphoreKey), Session: session,
			MonitorRetries: l.monitorRetry, MonitorRetryTime: monitorPause,
			LockTryOnce: l.timeout > 0, LockWaitTime: l.timeout,
		})
		if err != nil {
			return nil, err
		}
		return &holder{lock.Lock, lock.Unlock, lock.Destroy, api.ErrLockInUse}, nil
	}
	semaphore, err := client.SemaphoreOpts(&api.SemaphoreOptions{
		Prefix: prefix, Limit: l.holders, Session: session,
		MonitorRetries: l.monitorRetry, MonitorRetryTime: monitorPause,
		SemaphoreTryOnce: l.timeout > 0, SemaphoreWaitTime: l.timeout,
	})
	if err != nil {
		return nil, err
	}
	return &holder{semaphore.Acquire, semaphore.Release, semaphore.Destroy, api.ErrSemaphoreInUse}, nil
}

// hold does what is done between having a session and closing it.
func (l *Lock) hold(c *command.Call, h *holder, signals <-chan os.Signal) int {
	l.say(c, "Attempting lock acquisition")
	lost, err := acquire(h, signals)
	switch {
	case err != nil:
		return c.Fail("Lock acquisition failed: %s", err)
	case lost == nil:
		return c.Fail("Shutdown triggered or timeout during lock acquisition")
	}
	code := l.runChild(c, lost, signals)
	if err := h.release(); err != nil {
		return c.Fail("Lock release failed: %s", err)
	}
	switch err := h.destroy(); {
	case err == nil:
		l.say(c, "Cleanup succeeded")
	case err == h.inUse:
		l.say(c, "Cleanup aborted, lock in use")
	default:
		return c.Fail("Lock cleanup failed: %s", err)
	}
	return code
}

// acquire waits for the lock or a signal to stop. The request that waits on
// the servers is then left to end with the program: closing the session frees
// what it may still acquire.
func acquire(h *holder, signals <-chan os.Signal) (<-chan struct{}, error) {
	type result struct {
		lost <-chan struct{}
		err  error
	}
	acquired, stop := make(chan result, 1), make(chan struct{})
	go func() {
		lost, err := h.acquire(stop)
		acquired <- result{lost, err}
	}()
	for {
		select {
		case r := <-acquired:
			return r.lost, r.err
		case sig := <-signals:
			if !slices.Contains(child.Forwarded(), sig) {
				close(stop)
				return nil, nil
			}
		}
	}
}

// runChild runs the command until it ends, the lock is lost or a signal says
// to stop, and returns the exit code.
func (l *Lock) runChild(c *command.Call, lost <-chan struct{}, signals <-chan os.Signal) int {
	spec := child.Spec{
		Args: c.Args[1:], Shell: l.shell, Env: []string{"CONSUL_LOCK_HELD=true"},
		Stdout: c.Stdout, Stderr: c.Stderr,
	}
	if l.passStdin {
		spec.Stdin, spec.Terminal = c.Stdin, true
	}
	l.say(c, "Starting handler '"+strings.Join(c.Args[1:], " ")+"'")
	start := l.start
	if start == nil {
		start = startChild
	}
	process, err := start(spec)
	if err != nil {
		return c.Fail("Error executing handler: %s", err)
	}
	for {
		select {
		case <-process.Done():
			l.say(c, "Child terminated, releasing lock")
			if process.Err() != nil && l.childExitCode {
				return command.ExitSpecial
			}
			return 0
		case <-lost:
			l.say(c, "Lock lost, killing child")
			process.Stop(killAfter)
			return command.ExitError
		case sig := <-signals:
			if slices.Contains(child.Forwarded(), sig) {
				process.Signal(sig)
				continue
			}
			l.say(c, "Shutdown triggered, killing child")
			process.Stop(killAfter)
			return 0
		}
	}
}

func (l *Lock) say(c *command.Call, text string) {
	if l.verbose {
		c.Println(text)
	}
}
