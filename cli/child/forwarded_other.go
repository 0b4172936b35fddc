//go:build !unix

package child

import "os"

// Forwarded are the signals that mean something to a child but not to the
// command that runs it.
func Forwarded() []os.Signal { return nil }
