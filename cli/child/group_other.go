//go:build !unix

package child

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func signalGroup(cmd *exec.Cmd, sig os.Signal) {
	// Systems without signals can only kill.
	if cmd.Process.Signal(sig) != nil {
		_ = cmd.Process.Kill()
	}
}

// Forwarded are the signals that mean something to a child but not to the
// command that runs it.
func Forwarded() []os.Signal { return nil }
