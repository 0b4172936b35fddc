// Package process runs programs so that nothing of them outlives whoever
// started them.
package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// drainTime is how long a program that has ended is waited for what it left
	// running in the background: that it lets go of the output, and that it
	// ends when the program was stopped.
	drainTime = time.Second
	// lookEvery is how often a group that was asked to end is looked at.
	lookEvery = 10 * time.Millisecond
)

// Process is a program that was started.
type Process struct {
	cmd   *exec.Cmd
	group bool // it is the first of a process group
	done  chan struct{}
	err   error // set before done is closed
}

// Start starts cmd, which must not be started and have no context, as the first
// of a process group: signals reach what it starts as well, those of the
// terminal reach neither.
func Start(cmd *exec.Cmd) (*Process, error) { return start(cmd, true) }

// StartForeground starts cmd, which must not be started and have no context, so
// that it may read from the terminal: in the process group of this program.
func StartForeground(cmd *exec.Cmd) (*Process, error) { return start(cmd, false) }

func start(cmd *exec.Cmd, group bool) (*Process, error) {
	if group {
		ownGroup(cmd)
	}
	cmd.WaitDelay = drainTime
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, group: group, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		if errors.Is(p.err, exec.ErrWaitDelay) {
			p.err = nil
		}
		close(p.done)
	}()
	return p, nil
}

// Run runs cmd as Start does, to its end. When ctx ends the group is stopped.
// The error is that of cmd.Run.
func Run(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := Start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Stop(grace)
	}
	return p.Err()
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the program ended: nil if it succeeded. It waits for the end.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Signal sends a signal to the program and what it started.
func (p *Process) Signal(sig os.Signal) {
	select {
	case <-p.done: // its number may belong to another by now
	default:
		p.send(sig)
	}
}

func (p *Process) send(sig os.Signal) {
	if p.group {
		signalGroup(p.cmd, sig)
	} else {
		signalOne(p.cmd, sig)
	}
}

// Stop asks the program and what it started to end, kills the program if it has
// not ended after the grace, waits for its end, and kills what it has left
// behind a second later at most.
func (p *Process) Stop(grace time.Duration) {
	p.Signal(syscall.SIGTERM)
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-p.done:
		p.stopRest(min(grace, drainTime))
	case <-patience.C:
		p.Signal(os.Kill)
		<-p.done
	}
}

// stopRest ends what the program has left in its group. Some of it may not have
// heard that it is to end: a shell blocks signals while it forks, and dies of
// one afterwards. While there is somebody in the group nobody else has its
// number; one that has ended counts until the system has buried it, and
// so the time is bounded.
func (p *Process) stopRest(grace time.Duration) {
	if !p.group || !groupLives(p.cmd) {
		return
	}
	signalGroup(p.cmd, syscall.SIGTERM)
	patience := time.NewTimer(grace)
	defer patience.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for groupLives(p.cmd) {
		select {
		case <-look.C:
		case <-patience.C:
			signalGroup(p.cmd, os.Kill)
			return
		}
	}
}
