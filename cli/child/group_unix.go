//go:build unix

package child

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup puts the program into a process group, so that a signal reaches
// what a shell started as well.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func signalGroup(cmd *exec.Cmd, sig os.Signal) {
	number, ok := sig.(syscall.Signal)
	if ok && cmd.SysProcAttr != nil && cmd.SysProcAttr.Setpgid {
		_ = syscall.Kill(-cmd.Process.Pid, number) // it may have ended just now
		return
	}
	_ = cmd.Process.Signal(sig)
}

// Forwarded are the signals that mean something to a child but not to the
// command that runs it.
func Forwarded() []os.Signal {
	return []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
}
