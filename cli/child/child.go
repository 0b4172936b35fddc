// Package child runs the programs that commands start: handlers of watches
// and what runs under a lock.
package child

import (
	"io"
	"os"
	"os/exec"
	"strings"

	"muster/internal/process"
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

// Start starts the program.
func Start(s Spec) (*process.Process, error) {
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
	if s.Terminal {
		return process.StartForeground(cmd)
	}
	return process.Start(cmd)
}
