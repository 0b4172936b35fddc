//go:build unix

package child

import (
	"os"
	"syscall"
)

// Forwarded are the signals that mean something to a child but not to the
// command that runs it.
func Forwarded() []os.Signal {
	return []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
}
