package lock

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"muster/cli/child"
	"muster/cli/clitest"
)

func start(t *testing.T) (*clitest.Agent, *clitest.KV) {
	a := clitest.Start(t)
	a.Self()
	// The library's own watch over a lock ends a little after the lock.
	t.Cleanup(synctest.Wait)
	return a, a.Cluster()
}

// begin runs the command in the background.
func begin(a *clitest.Agent, args ...string) <-chan clitest.Result {
	done := make(chan clitest.Result, 1)
	go func() { done <- a.Run(&Lock{}, "input", args...) }()
	return done
}

// clean checks that nothing is left behind.
func clean(t *testing.T, kv *clitest.KV) {
	t.Helper()
	if keys, sessions := kv.Keys(), kv.Sessions(); len(keys) > 0 || len(sessions) > 0 {
		t.Errorf("keys %q and sessions %v are left", keys, sessions)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		a.Run(&Lock{}, "", "-verbose", "/some/prefix", "echo", "held=$CONSUL_LOCK_HELD").Want(t, 0,
			"Attempting lock acquisition\nStarting handler 'echo held=$CONSUL_LOCK_HELD'\nheld=true\n"+
				"Child terminated, releasing lock\nCleanup succeeded\n", "")
		clean(t, kv)
		created := ""
		for _, r := range a.Requests() {
			if strings.HasPrefix(r, "PUT /v1/session/create") {
				created = r
			}
		}
		if want := `"Name":"Consul lock for 'echo held=$CONSUL_LOCK_HELD' at 'some/prefix'","TTL":"15s"`; !strings.Contains(created, want) {
			t.Errorf("%s does not contain %s", created, want)
		}
	})
}

func TestSemaphore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		a.Run(&Lock{}, "", "-n=2", "-verbose", "p", "true").Want(t, 0, "Attempting lock acquisition\nStarting handler 'true'\n"+
			"Child terminated, releasing lock\nCleanup succeeded\n", "")
		clean(t, kv)
		kv.Hold("p/.lock", `{"Limit":3,"Holders":{}}`, "", api.SemaphoreFlagValue)
		a.Run(&Lock{}, "", "-n=2", "p", "true").Want(t, 1, "",
			"Lock acquisition failed: semaphore limit conflict (lock: 3, local: 2)\n")
	})
}

func TestExitCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		a.Run(&Lock{}, "", "p", "exit 4").Want(t, 0, "", "")
		a.Run(&Lock{}, "", "-child-exit-code", "p", "exit 4").Want(t, 2, "", "")
		a.Run(&Lock{}, "", "-child-exit-code", "p", "exit 0").Want(t, 0, "", "")
		a.Run(&Lock{}, "", "-shell=false", "p", "/no/such/program").
			Want(t, 1, "", "Error executing handler: fork/exec /no/such/program: no such file or directory\n")
		a.Run(&Lock{}, "text", "-pass-stdin", "p", "cat").Want(t, 0, "text", "")
		a.Run(&Lock{}, "text", "p", "cat").Want(t, 0, "", "")
		clean(t, kv)
	})
}

// TestWaits has the lock be held by somebody else at first.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		kv.Hold("p/.lock", "", "other", api.LockFlagValue)
		a.Run(&Lock{}, "", "-timeout=10s", "p", "true").
			Want(t, 1, "", "Shutdown triggered or timeout during lock acquisition\n")
		a.Run(&Lock{}, "", "-try=1s", "p", "true").
			Want(t, 1, "", "Shutdown triggered or timeout during lock acquisition\n")
		done := begin(a, "p", "echo now")
		time.Sleep(time.Minute)
		if s := kv.Sessions()["Consul lock for 'echo now' at 'p'"]; s.Renewed < 7 {
			t.Errorf("the session was renewed %d times in a minute", s.Renewed)
		}
		kv.Hold("p/.lock", "", "", api.LockFlagValue)
		(<-done).Want(t, 0, "now\n", "")
		clean(t, kv)
	})
}

func TestInterruptedWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		kv.Hold("p/.lock", "", "other", api.LockFlagValue)
		done := begin(a, "p", "true")
		synctest.Wait()
		a.Signals <- syscall.SIGHUP // is for the child, and there is none
		synctest.Wait()
		a.Signals <- os.Interrupt
		(<-done).Want(t, 1, "", "Shutdown triggered or timeout during lock acquisition\n")
		if sessions := kv.Sessions(); len(sessions) > 0 {
			t.Errorf("sessions %v are left", sessions)
		}
		// The request that was left behind ends with its wait.
		time.Sleep(time.Minute)
	})
}

// script is a child that says when it runs, which signals it gets, and does
// not end by itself. It is killed if it ignores TERM.
func script(file string, onTerm string) string {
	return fmt.Sprintf(`trap 'echo hup >> %[1]s' HUP; trap 'echo term >> %[1]s; %[2]s' TERM; echo run >> %[1]s; while :; do sleep 0.01; done`, file, onTerm)
}

// waitFor waits until the child has written the text.
func waitFor(t *testing.T, file, text string) {
	t.Helper()
	for range 1_000_000 {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), text) {
			return
		}
	}
	t.Fatalf("the child did not write %q", text)
}

func TestSignals(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("SIGHUP is ignored, as under nohup: the child, which inherits that, cannot be sent it")
	}
	file := filepath.Join(t.TempDir(), "said")
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		done := begin(a, "-verbose", "-child-exit-code", "p", script(file, "exit 0"))
		waitFor(t, file, "run")
		a.Signals <- syscall.SIGHUP
		waitFor(t, file, "hup")
		a.Signals <- syscall.SIGTERM
		waitFor(t, file, "term")
		got := <-done
		if got.Code != 0 || !strings.HasSuffix(got.Out, "\nShutdown triggered, killing child\nCleanup succeeded\n") {
			t.Error(got)
		}
		clean(t, kv)
	})
}

// fakeChild is a command that runs until it is stopped, and takes its time.
type fakeChild struct {
	started chan struct{}
	done    chan struct{}
	grace   time.Duration
}

func newFakeChild() *fakeChild {
	return &fakeChild{started: make(chan struct{}), done: make(chan struct{})}
}

func (f *fakeChild) start(child.Spec) (process, error) {
	close(f.started)
	return f, nil
}

func (f *fakeChild) Done() <-chan struct{} { return f.done }
func (f *fakeChild) Err() error            { return nil }
func (f *fakeChild) Signal(os.Signal)      {}

func (f *fakeChild) Stop(grace time.Duration) {
	f.grace = grace
	time.Sleep(grace)
	close(f.done)
}

// TestLost has the session end while the child runs.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		f := newFakeChild()
		done := make(chan clitest.Result)
		go func() { done <- a.Run(&Lock{start: f.start}, "", "-verbose", "p", "serve") }()
		<-f.started
		kv.Expire()
		got := <-done
		if got.Code != 1 || !strings.Contains(got.Out, "\nLock lost, killing child\n") || f.grace != 5*time.Second {
			t.Errorf("%s, grace %v", got, f.grace)
		}
	})
}

// TestServersAway shows that the lock survives servers that do not answer for
// a moment, and not for longer.
func TestServersAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		f := newFakeChild()
		done := make(chan clitest.Result)
		go func() { done <- a.Run(&Lock{start: f.start}, "", "-monitor-retry=2", "p", "serve") }()
		<-f.started
		synctest.Wait()
		kv.Break(true)
		time.Sleep(1500 * time.Millisecond)
		kv.Break(false)
		time.Sleep(time.Minute)
		select {
		case got := <-done:
			t.Fatalf("it ended: %s", got)
		default:
		}
		kv.Break(true)
		got := <-done
		if got.Code != 1 || !strings.Contains(got.ErrOut, "Lock release failed: ") {
			t.Error(got)
		}
	})
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		for _, test := range []struct {
			args []string
			want string
		}{
			{[]string{"p"}, "Key prefix and child command must be specified\n\nUsage: muster lock "},
			{[]string{"-n=0", "p", "true"}, "Lock holder limit must be positive\n"},
			{[]string{"-timeout=-1s", "p", "true"}, "Timeout must be positive\n"},
			{[]string{"-monitor-retry=-1", "p", "true"}, "Number for 'monitor-retry' must be >= 0\n"},
		} {
			if got := a.Run(&Lock{}, "", test.args...); got.Code != 1 || !strings.HasPrefix(got.ErrOut, test.want) {
				t.Errorf("%q: %s", test.args, got)
			}
		}
		kv.Put("p/.lock", "not a lock")
		a.Run(&Lock{}, "", "p", "true").Want(t, 1, "", "Lock acquisition failed: Existing key does not match lock use\n")
		a.Reply("PUT /v1/session/create", http.StatusForbidden, "no")
		a.Run(&Lock{}, "", "p", "true").
			Want(t, 1, "", "Lock acquisition failed: failed to create session: Unexpected response code: 403 (no)\n")
		a.Reply("GET /v1/agent/self", http.StatusForbidden, "no")
		a.Run(&Lock{}, "", "p", "true").Want(t, 1, "", "Error querying Consul agent: Unexpected response code: 403 (no)\n")
	})
}
