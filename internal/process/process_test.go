//go:build unix

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	cmd := exec.Command("sh", "-c", "cat; exit 3")
	cmd.Stdin, cmd.Stdout = strings.NewReader("in"), &out
	err := Run(t.Context(), cmd, time.Hour)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 || out.String() != "in" {
		t.Errorf("Run = %v, it wrote %q", err, out.String())
	}
	if err := Run(t.Context(), exec.Command("/no/such/program"), 0); err == nil {
		t.Error("a program that does not exist ran")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, exec.Command("true"), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Run after the end of its context = %v", err)
	}
}

// TestBackground: who leaves something running that holds the output open does
// not hold up the caller.
func TestBackground(t *testing.T) {
	tail := &Tail{Max: 100}
	cmd := exec.Command("sh", "-c", "sleep 1000 & echo $!")
	cmd.Stdout = tail
	err := Run(t.Context(), cmd, time.Hour)
	if err != nil {
		t.Error(err)
	}
	var pid int
	if _, err := fmt.Sscan(tail.String(), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("what ran in the background is gone: %v", err)
	}
}

// TestStop ends a shell and what it started.
func TestStop(t *testing.T) {
	for _, test := range []struct {
		name, script string
		grace        time.Duration
		want         syscall.Signal
	}{
		{"obeys", "echo up; sleep 1000; true", time.Minute, syscall.SIGTERM},
		{"does not obey", "trap '' TERM; echo up; while :; do sleep 0.01; done", time.Millisecond, syscall.SIGKILL},
		// A shell that forks while the signal comes has it first and dies, and
		// its child never hears of it: here it is one that obeys the second time.
		{"leaves somebody who has not heard", "(trap 'trap - TERM' TERM; echo up; while :; do sleep 0.01; done) & wait", time.Minute, syscall.SIGTERM},
		{"leaves somebody who does not obey", "(trap '' TERM; echo up; exec sleep 1000) & wait", time.Millisecond, syscall.SIGTERM},
	} {
		t.Run(test.name, func(t *testing.T) {
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			ctx, cancel := context.WithCancel(t.Context())
			cmd := exec.Command("sh", "-c", test.script)
			cmd.Stdout = writer
			done := make(chan error, 1)
			go func() { done <- Run(ctx, cmd, test.grace) }()
			if _, err := reader.Read(make([]byte, 3)); err != nil { // it runs
				t.Fatal(err)
			}
			cancel()
			exit, ok := errors.AsType[*exec.ExitError](<-done)
			writer.Close()
			if !ok {
				t.Fatal("it did not end by a signal")
			}
			if status := exit.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != test.want {
				t.Errorf("it ended with %v, not by %v", exit, test.want)
			}
			// Nothing holds the pipe open any more: what it started is gone.
			if n, err := reader.Read(make([]byte, 3)); n != 0 || err == nil {
				t.Errorf("read %d, %v", n, err)
			}
		})
	}
}
