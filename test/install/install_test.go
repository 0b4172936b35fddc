//go:build unix

// Package install tests what dist holds: completions, entrypoint, unit and
// packages.
package install

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bin is a folder with the program, built once by TestMain.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if bin, err = os.MkdirTemp("", "install"); err == nil {
			err = os.Chmod(bin, 0o755) // others than root run it as well
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(bin)
		if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "muster"), "muster/cmd/muster").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// dist is the path of a file in the folder dist.
func dist(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(filepath.Join("../../dist", path))
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// need skips the test where a program is missing.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is missing", program)
	}
}

// run runs a program with muster in its path and returns what it prints.
func run(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func TestCompletionInBash(t *testing.T) {
	need(t, "bash")
	typed(t, "bash --norc -i", `source $COMPLETIONS/muster.bash`)
}

func TestCompletionInFish(t *testing.T) {
	need(t, "fish")
	home := []string{"HOME=" + t.TempDir()}
	script := "source " + dist(t, "completions/muster.fish") + "; complete -C "
	if out := run(t, home, "fish", "--no-config", "-c", script+"'muster operator raft '"); out != "list-peers\nremove-peer\ntransfer-leader\n" {
		t.Errorf("got %q", out)
	}
	if out := run(t, home, "fish", "--no-config", "-c", script+"'muster kv g'"); out != "get\n" {
		t.Errorf("got %q", out)
	}
}

func TestCompletionInZsh(t *testing.T) {
	need(t, "zsh")
	typed(t, "zsh -f -i", `fpath=($COMPLETIONS $fpath); autoload -U compinit; compinit -u -D`)
}

// typed types to a shell on a terminal, up to the tab key.
func typed(t *testing.T, shell, setUp string) {
	t.Helper()
	need(t, "script")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "script", "-qec", shell, "/dev/null")
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "COMPLETIONS="+dist(t, "completions"), "HOME="+t.TempDir(), "TERM=dumb")
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	screen, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen []byte
	step := func(typed, want string) {
		if _, err := io.WriteString(keys, typed); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 1024)
		for !strings.Contains(string(seen), want) {
			n, err := screen.Read(buf)
			if seen = append(seen, buf[:n]...); err != nil {
				t.Errorf("never seen: %q; on the terminal stands %q", want, seen)
				return
			}
		}
		seen = nil
	}
	step(setUp+"; PS1='wh''at? '\n", "what? ") // not what is typed, but the prompt
	step("muster operator raft list-p\t", "list-peers")
	step("\x15exit\n", "exit") // the line is cleared before
	_ = cmd.Wait()             // the exit code is that of the command before
}

// The unit is one that systemd takes.
func TestUnit(t *testing.T) {
	need(t, "systemd-analyze")
	unit, err := os.ReadFile(dist(t, "systemd/muster.service"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "muster.service")
	text := strings.ReplaceAll(string(unit), "/usr/bin/muster", filepath.Join(bin, "muster"))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := run(t, nil, "systemd-analyze", "verify", "--recursive-errors=no", path); strings.Contains(out, "muster.service") {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
}

// As root, the entrypoint hands the folders to the agent's user and runs the
// agent as that user.
func TestEntrypointAsRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	need(t, "setpriv")
	dir, err := os.MkdirTemp("", "entrypoint")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{dir, dir + "/data", dir + "/config"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(dist(t, "docker/docker-entrypoint.sh"), "agent", "-node=n", "-dns-port=-1", "-http-port=-1",
		fmt.Sprintf("-serf-lan-port=%d", freePort(t)), fmt.Sprintf("-server-port=%d", freePort(t)))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "MUSTER_USER=nobody", "MUSTER_DATA_DIR="+dir+"/data",
		"CONSUL_CONFIG_DIR="+dir+"/config", `CONSUL_LOCAL_CONFIG={"leave_on_terminate": true}`, "CONSUL_BIND_INTERFACE=lo")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for deadline := time.Now().Add(time.Minute); ; {
		info, err := os.Stat(dir + "/data/node-id")
		if err == nil && info.Size() > 0 {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, out.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			<-ended
			t.Fatalf("no data within a minute:\n%s", out.String())
		}
	}
	nobody := owner(t, dir+"/data")
	for _, path := range []string{"data/node-id", "config", "config/local.json"} {
		if got := owner(t, filepath.Join(dir, path)); got != nobody || got == 0 {
			t.Errorf("%s belongs to user %d, the data to %d", path, got, nobody)
		}
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)); err == nil &&
		!strings.Contains(string(status), fmt.Sprintf("\nUid:\t%d\t%d\t", nobody, nobody)) {
		t.Errorf("the agent runs as somebody else:\n%s", status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// owner is who a file belongs to.
func owner(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
