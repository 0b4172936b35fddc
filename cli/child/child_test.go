package child

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	t.Setenv("SHELL", "")
	var out, errOut bytes.Buffer
	p, err := Start(Spec{
		Args: []string{"cat;", "echo", "$WHAT", ">&2;", "exit", "3"}, Shell: true, Env: []string{"WHAT=env"},
		Stdin: strings.NewReader("in"), Stdout: &out, Stderr: &errOut,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err == nil || err.Error() != "exit status 3" {
		t.Errorf("it ended with %v", err)
	}
	if out.String() != "in" || errOut.String() != "env\n" {
		t.Errorf("it wrote %q and %q", out.String(), errOut.String())
	}
	p.Signal(os.Interrupt) // has ended: nothing happens
}

func TestWithoutShell(t *testing.T) {
	var out bytes.Buffer
	p, err := Start(Spec{Args: []string{"echo", "$WHAT;", "x"}, Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil || out.String() != "$WHAT; x\n" {
		t.Errorf("%v, %q", err, out.String())
	}
	if _, err := Start(Spec{Args: []string{"/no/such/program"}}); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func TestShellOfUser(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	fake := filepath.Join(t.TempDir(), "shell")
	if err := os.WriteFile(fake, []byte("#!"+shell+"\necho own \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHELL", fake)
	var out bytes.Buffer
	p, err := Start(Spec{Args: []string{"a", "b"}, Shell: true, Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil || out.String() != "own -c a b\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}

// TestStop stops a shell and what it started.
func TestStop(t *testing.T) {
	t.Setenv("SHELL", "")
	for _, test := range []struct {
		name, script string
		grace        time.Duration
		want         syscall.Signal
	}{
		{"obeys", "echo up; sleep 1000; true", time.Minute, syscall.SIGTERM},
		{"does not obey", "trap '' TERM; echo up; while :; do sleep 0.01; done", time.Millisecond, syscall.SIGKILL},
	} {
		t.Run(test.name, func(t *testing.T) {
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			p, err := Start(Spec{Args: []string{test.script}, Shell: true, Stdout: writer})
			if err != nil {
				t.Fatal(err)
			}
			writer.Close()
			if _, err := reader.Read(make([]byte, 3)); err != nil { // it runs
				t.Fatal(err)
			}
			p.Stop(test.grace)
			exit, ok := p.Err().(*exec.ExitError)
			if !ok {
				t.Fatalf("it ended with %v", p.Err())
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
