//go:build !unix

package process

import (
	"os"
	"os/exec"
)

// There are no groups here, and systems without signals can only kill.
func ownGroup(*exec.Cmd)                       {}
func signalGroup(cmd *exec.Cmd, sig os.Signal) { signalOne(cmd, sig) }
func groupLives(*exec.Cmd) bool                { return false }

func signalOne(cmd *exec.Cmd, sig os.Signal) {
	if cmd.Process.Signal(sig) != nil {
		_ = cmd.Process.Kill()
	}
}
