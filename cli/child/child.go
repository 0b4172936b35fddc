// Package child runs the programs that commands start: handlers of watches
// and what runs under a lock.
package child

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Spec says what to run.
type Spec struct {
	// Args is the program and its arguments or, with Shell, the words of a
	// line for the shell that $SHELL names, or else /bin/sh.
	Args  []string
	Shell bool
	// Env is added to the environment of this program.
	Env []string
	// Stdin may be nil. Signals of the terminal reach a child only if Terminal
	// is set, which one that reads from it needs.
	Stdin          io.Reader
	Terminal       bool
	Stdout, Stderr io.Writer
}

// Process is a program that was started.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done is closed
}

// Start starts the program.
func Start(s Spec) (*Process, error) {
	args := s.Args
	if s.Shell {
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		args = []string{shell, "-c", strings.Join(s.Args, " ")}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.Stdout, s.Stderr
	// Something that the child left running may hold its output open.
	cmd.WaitDelay = time.Second
	if !s.Terminal {
		ownGroup(cmd)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
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
		signalGroup(p.cmd, sig)
	}
}

// Stop asks the program to end, kills it if it has not ended after the grace,
// and waits for its end.
func (p *Process) Stop(grace time.Duration) {
	p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.Signal(os.Kill)
		<-p.done
	}
}
