//go:build unix

package process

import (
	"os"
	"os/exec"
	"syscall"
)

func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup may find nobody any more: errors mean nothing.
func signalGroup(cmd *exec.Cmd, sig os.Signal) {
	if number, ok := sig.(syscall.Signal); ok {
		_ = syscall.Kill(-cmd.Process.Pid, number)
	}
}

func signalOne(cmd *exec.Cmd, sig os.Signal) { _ = cmd.Process.Signal(sig) }

// groupLives tells whether anybody is in the group, be it one that has ended
// and not been waited for.
func groupLives(cmd *exec.Cmd) bool { return syscall.Kill(-cmd.Process.Pid, 0) == nil }
