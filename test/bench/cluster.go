package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	Dur   time.Duration
	Conns int
	HCL   string
}

// A node is one running agent.
type node struct {
	Name          string
	HTTP, DNS     string // host:port
	Serf, Server  int
	cmd           *exec.Cmd
	exited        chan struct{}
	args          []string
	bin, dir, log string
	client        *http.Client
}

// A cluster is the set of agents that one scenario started.
type cluster struct {
	Nodes  []*node
	dir    string
	client *http.Client
}

// freePorts reserves n distinct loopback ports and lets them go again.
func freePorts(n int) ([]int, error) {
	var ports []int
	var held []io.Closer
	defer func() {
		for _, h := range held {
			h.Close()
		}
	}()
	for len(ports) < n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		held = append(held, u)
		ports = append(ports, port)
	}
	return ports, nil
}

// startCluster starts servers server agents and clients client agents, joined
// into one pool, and waits until every one of them answers through a leader.
func startCluster(b bin, opt options, servers, clients int) (*cluster, error) {
	dir, err := os.MkdirTemp("", "bench-"+b.Name+"-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, client: newClient()}
	if b.Name == "floor" {
		n, err := startFloor(dir, c.client)
		if err != nil {
			c.stop()
			return nil, err
		}
		c.Nodes = []*node{n}
		return c, nil
	}
	for i := range servers + clients {
		n, err := c.newNode(i, b, opt, servers)
		if err == nil {
			c.Nodes = append(c.Nodes, n)
			err = n.start()
		}
		if err != nil {
			c.stop()
			return nil, err
		}
	}
	for _, n := range c.Nodes {
		if err := n.waitReady(60 * time.Second); err != nil {
			tail := n.logTail()
			c.stop()
			return nil, fmt.Errorf("%s: %w\n%s", n.Name, err, tail)
		}
	}
	return c, nil
}

// newNode prepares the i-th agent of a cluster; it joins those before it.
func (c *cluster) newNode(i int, b bin, opt options, servers int) (*node, error) {
	ports, err := freePorts(5)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("node%d", i)
	n := &node{
		Name: name, bin: b.Path, dir: filepath.Join(c.dir, name), log: filepath.Join(c.dir, name+".log"),
		HTTP: fmt.Sprintf("127.0.0.1:%d", ports[0]), DNS: fmt.Sprintf("127.0.0.1:%d", ports[1]),
		Server: ports[2], Serf: ports[3], client: c.client,
	}
	n.args = []string{"agent", "-node=" + name, "-data-dir=" + n.dir, "-bind=127.0.0.1", "-client=127.0.0.1",
		"-http-port=" + strconv.Itoa(ports[0]), "-dns-port=" + strconv.Itoa(ports[1]),
		"-server-port=" + strconv.Itoa(ports[2]), "-serf-lan-port=" + strconv.Itoa(ports[3]),
		"-serf-wan-port=" + strconv.Itoa(ports[4]), "-log-level=warn",
		"-disable-host-node-id",
		"-hcl=limits { http_max_conns_per_client = 10000 rpc_max_conns_per_client = 10000 }",
		"-hcl=performance { raft_multiplier = 1 }",
		"-hcl=leave_on_terminate = false",
		"-hcl=disable_update_check = true",
	}
	if opt.HCL != "" {
		n.args = append(n.args, "-hcl="+opt.HCL)
	}
	if i < servers {
		n.args = append(n.args, "-server", "-bootstrap-expect="+strconv.Itoa(servers))
	}
	for _, other := range c.Nodes {
		n.args = append(n.args, fmt.Sprintf("-retry-join=127.0.0.1:%d", other.Serf))
	}
	n.args = append(n.args, "-retry-interval=1s")
	return n, nil
}

func (n *node) start() error {
	logf, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logf.Close()
	n.cmd = exec.Command(n.bin, n.args...)
	n.cmd.Stdout, n.cmd.Stderr = logf, logf
	if err := n.cmd.Start(); err != nil {
		return err
	}
	cmd, done := n.cmd, make(chan struct{})
	n.exited = done
	go func() { // kill waits for it
		cmd.Wait()
		close(done)
	}()
	return nil
}

// waitReady waits until the agent reads its own catalog entry through the leader.
func (n *node) waitReady(limit time.Duration) error {
	end := time.Now().Add(limit)
	var last error
	for time.Now().Before(end) {
		select {
		case <-n.exited:
			return errors.New("the agent exited")
		default:
		}
		body, err := n.get("/v1/health/node/" + n.Name)
		if err == nil && bytes.Contains(body, []byte("serfHealth")) {
			return nil
		}
		last = err
		if last == nil {
			last = errors.New("no serfHealth check yet")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("not ready after %s: %v", limit, last)
}

func (n *node) logTail() string {
	data, _ := os.ReadFile(n.log)
	if len(data) > 2000 {
		data = data[len(data)-2000:]
	}
	return string(data)
}

// kill ends the agent at once, as a power cut would.
func (n *node) kill() {
	if n.cmd != nil && n.cmd.Process != nil {
		n.cmd.Process.Signal(syscall.SIGKILL)
		<-n.exited
		n.cmd = nil
	}
}

func (c *cluster) stop() {
	for _, n := range c.Nodes {
		n.kill()
	}
	c.client.CloseIdleConnections()
	os.RemoveAll(c.dir)
}

// cpu is the processor time, user and system, that the cluster's agents have used.
func (c *cluster) cpu() time.Duration {
	var total time.Duration
	for _, n := range c.Nodes {
		if n.cmd == nil {
			continue
		}
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
		if err != nil {
			continue
		}
		f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		u, _ := strconv.ParseInt(f[11], 10, 64)
		s, _ := strconv.ParseInt(f[12], 10, 64)
		total += time.Duration(u+s) * 10 * time.Millisecond
	}
	return total
}

// rss is the resident memory of the cluster's agents in MiB.
func (c *cluster) rss() float64 {
	var kb int64
	for _, n := range c.Nodes {
		if n.cmd == nil {
			continue
		}
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
		for _, l := range strings.Split(string(data), "\n") {
			if strings.HasPrefix(l, "VmRSS:") {
				v, _ := strconv.ParseInt(strings.Fields(l)[1], 10, 64)
				kb += v
			}
		}
	}
	return float64(kb) / 1024
}

// leader returns the index of the node that leads.
func (c *cluster) leader() (int, error) {
	for _, n := range c.Nodes {
		if n.cmd == nil {
			continue
		}
		body, err := n.get("/v1/status/leader")
		if err != nil {
			continue
		}
		addr := strings.Trim(strings.TrimSpace(string(body)), `"`)
		for j, m := range c.Nodes {
			if addr == fmt.Sprintf("127.0.0.1:%d", m.Server) {
				return j, nil
			}
		}
	}
	return 0, errors.New("no leader")
}

// newClient is the HTTP client of everything that is not measured.
func newClient() *http.Client {
	return &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
}

func (n *node) get(path string) ([]byte, error) { return n.call("GET", path, "") }

func (n *node) put(path, body string) ([]byte, error) { return n.call("PUT", path, body) }

// call sends a request and wants a status of 2xx.
func (n *node) call(method, path, body string) ([]byte, error) {
	req, err := http.NewRequest(method, "http://"+n.HTTP+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return data, fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, data)
	}
	return data, nil
}

// currentIndex is the X-Consul-Index of an answer.
func (n *node) currentIndex(path string) (string, error) {
	resp, err := n.client.Get("http://" + n.HTTP + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	return resp.Header.Get("X-Consul-Index"), nil
}
