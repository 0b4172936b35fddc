// Package rexec runs, on this agent, the commands that operators send to many
// agents with "exec". It is off unless the configuration allows it.
package rexec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/process"
	"muster/model"
)

// EventName is the user event that tells of a job.
const EventName = "_rexec"

// Bounds of a job.
const (
	maxJobs     = 16      // at a time; more are not acknowledged
	chunkSize   = 4 << 10 // bytes of output in one key
	flushEvery  = 500 * time.Millisecond
	maxDuration = time.Hour // then the command is killed
)

// Keys is the KV store as the agent sees it.
type Keys interface {
	// Get returns the value of a key, or nil.
	Get(ctx context.Context, key string) ([]byte, error)
	// Lock writes a key and locks it for a session.
	Lock(ctx context.Context, key string, value []byte, session string) error
}

// notice is the payload of the event.
type notice struct {
	Prefix  string
	Session string
}

// job is what is to be run.
type job struct {
	Command string
	Args    []string
	Script  []byte
	Wait    time.Duration
}

// Runner runs jobs.
type Runner struct {
	keys   Keys
	node   string
	logger hclog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{}
	wg     sync.WaitGroup
}

// New makes the runner of an agent.
func New(keys Keys, node string, logger hclog.Logger) *Runner {
	r := &Runner{keys: keys, node: node, logger: logger, slots: make(chan struct{}, maxJobs)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close kills what runs and waits for it.
func (r *Runner) Close() {
	r.cancel()
	r.wg.Wait()
}

// Handle takes the event of a job. It does not wait for the job.
func (r *Runner) Handle(ev *model.UserEvent) {
	var n notice
	if err := json.Unmarshal(ev.Payload, &n); err != nil || n.Prefix == "" || n.Session == "" {
		r.logger.Warn("a remote exec event cannot be understood", "event", ev.ID)
		return
	}
	select {
	case r.slots <- struct{}{}:
	default:
		r.logger.Warn("too many remote exec jobs run already", "event", ev.ID)
		return
	}
	r.wg.Go(func() {
		defer func() { <-r.slots }()
		ctx, cancel := context.WithTimeout(r.ctx, maxDuration)
		defer cancel()
		if err := r.run(ctx, &n); err != nil {
			r.logger.Error("remote exec failed", "event", ev.ID, "error", err)
		}
	})
}

func (r *Runner) run(ctx context.Context, n *notice) error {
	base := n.Prefix + "/" + n.Session + "/"
	raw, err := r.keys.Get(ctx, base+"job")
	if err != nil {
		return fmt.Errorf("get job: %w", err)
	}
	if raw == nil {
		return errors.New("get job: there is none")
	}
	var j job
	if err := json.Unmarshal(raw, &j); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	own := base + r.node + "/"
	if err := r.keys.Lock(ctx, own+"ack", nil, n.Session); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	out := &output{keys: r.keys, prefix: own + "out/", session: n.Session}
	code := r.execute(ctx, &j, out)
	if err := r.keys.Lock(ctx, own+"exit", []byte(fmt.Sprint(code)), n.Session); err != nil {
		return fmt.Errorf("tell exit code: %w", err)
	}
	return nil
}

// execute runs the job's command and returns its exit code; 255 when it could
// not be run to its end.
func (r *Runner) execute(ctx context.Context, j *job, out *output) int {
	const failed = 255
	cmd, cleanup, err := j.command()
	if err != nil {
		out.write(ctx, []byte(err.Error()))
		return failed
	}
	defer cleanup()
	pr, pw := io.Pipe()
	cmd.Stdout, cmd.Stderr = pw, pw
	done := make(chan struct{})
	go func() {
		defer close(done)
		out.copy(ctx, pr, max(j.Wait/2, flushEvery))
	}()
	err = process.Run(ctx, cmd, 0)
	pw.Close()
	<-done
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	default:
		out.write(ctx, []byte(err.Error()))
		return failed
	}
}

// command makes the process of a job: its script, its program, or its text run
// by a shell.
func (j *job) command() (*exec.Cmd, func(), error) {
	nothing := func() {}
	switch {
	case len(j.Script) > 0:
		f, err := os.CreateTemp("", "rexec")
		if err != nil {
			return nil, nothing, err
		}
		remove := func() { os.Remove(f.Name()) }
		_, err = f.Write(j.Script)
		err = errors.Join(err, f.Chmod(0o700), f.Close())
		if err != nil {
			remove()
			return nil, nothing, err
		}
		// A script need not name its interpreter: a shell runs what the kernel
		// does not know how to.
		return exec.Command("/bin/sh", "-c", `exec "$0"`, f.Name()), remove, nil
	case len(j.Args) > 0:
		return exec.Command(j.Args[0], j.Args[1:]...), nothing, nil
	case j.Command != "":
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		return exec.Command(shell, "-c", j.Command), nothing, nil
	}
	return nil, nothing, errors.New("the job names no command")
}

// output writes what a command prints into numbered keys.
type output struct {
	keys            Keys
	prefix, session string
	next            int
}

func (o *output) write(ctx context.Context, chunk []byte) {
	key := fmt.Sprintf("%s%05x", o.prefix, o.next)
	o.next++
	// Who waits for the output learns of a failure by the exit code that is
	// missing.
	_ = o.keys.Lock(ctx, key, chunk, o.session)
}

// copy writes what is read, at most every flushEvery unless there is much, and
// an empty chunk where the command is silent for long.
func (o *output) copy(ctx context.Context, r io.Reader, silence time.Duration) {
	chunks := make(chan []byte)
	go func() {
		defer close(chunks)
		buf := make([]byte, chunkSize)
		for {
			n, err := r.Read(buf)
			if n > 0 {
				chunks <- append([]byte(nil), buf[:n]...)
			}
			if err != nil {
				return
			}
		}
	}()
	var pending []byte
	last := time.Now()
	flush := func() {
		o.write(ctx, pending)
		pending, last = nil, time.Now()
	}
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case c, ok := <-chunks:
			if !ok {
				if len(pending) > 0 {
					flush()
				}
				return
			}
			if len(pending)+len(c) > chunkSize {
				flush()
			}
			pending = append(pending, c...)
		case <-ticker.C:
			if len(pending) > 0 || time.Since(last) >= silence {
				flush()
			}
		}
	}
}
