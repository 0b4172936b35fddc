package crash

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// program is built once by TestMain.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "crash")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "muster")
		if out, err := exec.Command("go", "build", "-o", program, "muster/cmd/muster").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// An agent is a server in a process of its own, with its data on disk.
type agent struct {
	t      *testing.T
	name   string
	dir    string
	others func() []string // addresses of gossip to join
	args   []string

	ports  [2]int // between servers, of gossip
	cmd    *exec.Cmd
	exited chan struct{}
	down   bool // it was killed
	client *http.Client
}

// newAgent prepares an agent, with its HTTP door on a socket in dir.
func newAgent(t *testing.T, dir, name string, args ...string) *agent {
	a := &agent{t: t, name: name, dir: filepath.Join(dir, name), args: args, others: func() []string { return nil }}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a.pickPorts()
	a.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", a.socket())
		},
	}}
	t.Cleanup(func() {
		a.kill()
		a.client.CloseIdleConnections()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, a.logTail())
		}
	})
	return a
}

func (a *agent) socket() string { return filepath.Join(a.dir, "http") }

func (a *agent) gossip() string { return fmt.Sprintf("127.0.0.1:%d", a.ports[1]) }

// pickPorts finds ports that nobody uses now, on TCP and UDP.
func (a *agent) pickPorts() {
	a.t.Helper()
	for i := range a.ports {
		for a.ports[i] = 0; a.ports[i] == 0; {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				a.t.Fatal(err)
			}
			defer l.Close()
			port := l.Addr().(*net.TCPAddr).Port
			if u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				defer u.Close()
				a.ports[i] = port
			}
		}
	}
}

// start starts the process. It may end by itself: see alive.
func (a *agent) start() {
	a.t.Helper()
	log, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		a.t.Fatal(err)
	}
	defer log.Close()
	args := []string{"agent", "-server", "-node=" + a.name, "-data-dir=" + filepath.Join(a.dir, "data"), "-bind=127.0.0.1",
		"-disable-host-node-id", "-dns-port=-1", "-serf-wan-port=-1",
		fmt.Sprintf("-server-port=%d", a.ports[0]), fmt.Sprintf("-serf-lan-port=%d", a.ports[1]),
		"-hcl", fmt.Sprintf("addresses { http = %q }", "unix://"+a.socket()),
		// Snapshots are made, and what they hold is cut off the log, all the time.
		"-hcl", `raft_snapshot_threshold = 200 raft_snapshot_interval = "200ms" raft_trailing_logs = 50`,
		"-hcl", `performance { raft_multiplier = 1 } limits { http_max_conns_per_client = 1000 }`,
		"-retry-interval=200ms"}
	for _, other := range a.others() {
		args = append(args, "-retry-join="+other)
	}
	a.cmd = exec.Command(program, append(args, a.args...)...)
	a.cmd.Stdout, a.cmd.Stderr = log, log
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.down, a.exited = false, make(chan struct{})
	go func() { // kill waits for it
		_ = a.cmd.Wait()
		close(a.exited)
	}()
}

// alive starts the agent again, on other ports, if somebody took its own while
// it was down.
func (a *agent) alive() {
	a.t.Helper()
	select {
	case <-a.exited:
	default:
		return
	}
	if a.down {
		return
	}
	if !bytes.Contains(a.logTail(), []byte("address already in use")) {
		a.t.Fatalf("%s has ended by itself", a.name)
	}
	a.pickPorts()
	a.start()
}

// kill gives the process no chance to say anything more.
func (a *agent) kill() {
	if a.cmd != nil {
		a.down = true
		_ = a.cmd.Process.Kill()
		<-a.exited
	}
}

// terminate has the process end in an orderly way.
func (a *agent) terminate() {
	a.t.Helper()
	a.down = true
	a.signal(syscall.SIGTERM)
	select {
	case <-a.exited:
	case <-time.After(patience):
		a.t.Fatalf("%s does not end", a.name)
	}
}

func (a *agent) signal(s syscall.Signal) {
	if err := a.cmd.Process.Signal(s); err != nil {
		a.t.Errorf("signal %s: %v", a.name, err)
	}
}

func (a *agent) logTail() []byte {
	b, err := os.ReadFile(filepath.Join(a.dir, "log"))
	if err != nil {
		return []byte(err.Error())
	}
	return b[max(0, len(b)-3000):]
}

// ask makes a request and returns status and body. An error means that nothing
// is known of the outcome.
func (a *agent) ask(ctx context.Context, method, path, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}
