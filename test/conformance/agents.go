package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// An agent is one process of the program under test.
type agent struct {
	Name   string
	DC     string
	Server bool
	Dev    bool
	Ports  map[string]int
	dir    string
	args   []string

	mu     sync.Mutex // guards what follows
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
	code   int           // its exit code, valid once exited is closed
}

var portNames = []string{"http", "dns", "serf_lan", "serf_wan", "server", "grpc", "https"}

func (w *world) start(a *agent, extra []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cmd != nil {
		select {
		case <-a.exited:
		default:
			return fmt.Errorf("agent %s runs already", a.Name)
		}
	}
	log, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{"agent", "-config-dir", filepath.Join(a.dir, "conf")}, a.args...)
	_, more := w.sc.header("args")
	for _, x := range more {
		x, err := w.expand(x)
		if err != nil {
			return err
		}
		args = append(args, x)
	}
	args = append(args, extra...)
	cmd := exec.Command(filepath.Join(w.dir, "bin", "consul"), args...)
	cmd.Dir = a.dir
	cmd.Env = w.env(nil)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.host.started(cmd.Process.Pid)
	exited := make(chan struct{})
	a.cmd, a.exited, a.code = cmd, exited, -1
	go func() { // ends with the process; close waits for it
		cmd.Wait()
		w.host.ended(cmd.Process.Pid)
		a.mu.Lock()
		a.code = cmd.ProcessState.ExitCode()
		a.mu.Unlock()
		close(exited)
	}()
	return nil
}

// ready waits until the agent knows a leader and has written itself, with
// its tagged addresses, into the catalog.
func (w *world) ready(a *agent, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	var last error
	for time.Now().Before(deadline) {
		select {
		case <-a.exited:
			return fmt.Errorf("agent %s exited with code %d; its log ends:\n%s", a.Name, a.code, w.logTail(a))
		default:
		}
		if last = w.isReady(a); last == nil {
			return nil
		}
		time.Sleep(30 * time.Millisecond)
	}
	return fmt.Errorf("agent %s is not ready: %w; its log ends:\n%s", a.Name, last, w.logTail(a))
}

// isReady says what an agent still lacks, or nil.
func (w *world) isReady(a *agent) error {
	leader, err := w.get(a, "/v1/status/leader")
	if err != nil {
		return err
	}
	if !strings.Contains(leader, ":") {
		return fmt.Errorf("no leader")
	}
	if w.sc.has("no-sync") {
		return nil
	}
	node, err := w.get(a, "/v1/catalog/node/"+a.Name+"?consistent")
	if err != nil {
		return err
	}
	var doc struct {
		Node *struct {
			TaggedAddresses map[string]string
		}
		Services map[string]any
	}
	if err := json.Unmarshal([]byte(node), &doc); err != nil {
		return err
	}
	if doc.Node == nil || doc.Node.TaggedAddresses["lan"] == "" {
		return fmt.Errorf("the node is not in the catalog with its addresses")
	}
	if a.Server && doc.Services["consul"] == nil {
		return fmt.Errorf("the server is not in the catalog")
	}
	checks, err := w.get(a, "/v1/health/node/"+a.Name+"?consistent")
	if err != nil {
		return err
	}
	if !strings.Contains(checks, `"serfHealth"`) {
		return fmt.Errorf("the node has no serfHealth check")
	}
	if w.wanJoin() {
		return w.knowsDatacenters(a)
	}
	return nil
}

func (w *world) knowsDatacenters(a *agent) error {
	dcs, err := w.get(a, "/v1/catalog/datacenters")
	if err != nil {
		return err
	}
	for _, other := range w.agents {
		if !strings.Contains(dcs, `"`+other.DC+`"`) {
			return fmt.Errorf("the datacenters do not know each other")
		}
		if _, err := w.get(a, "/v1/catalog/nodes?dc="+other.DC); err != nil {
			return err
		}
	}
	return nil
}

// get asks an agent over HTTP and wants status 200.
func (w *world) get(a *agent, path string) (string, error) {
	req, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d%s", a.Ports["http"], path), nil)
	if err != nil {
		return "", err
	}
	if w.token != "" {
		req.Header.Set("X-Consul-Token", w.token)
	}
	c := *w.client
	c.Timeout = 2 * time.Second
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %d", path, resp.StatusCode)
	}
	return string(b), nil
}

func (w *world) logTail(a *agent) string {
	data, _ := os.ReadFile(filepath.Join(a.dir, "log"))
	if len(data) > 1500 {
		data = data[len(data)-1500:]
	}
	return string(bytes.TrimSpace(data))
}

func (a *agent) signal(sig syscall.Signal) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cmd == nil || a.cmd.Process == nil {
		return fmt.Errorf("agent %s was not started", a.Name)
	}
	return a.cmd.Process.Signal(sig)
}
