// Package cluster runs whole agents on a network and disks in memory, in
// virtual time (testing/synctest): everything that boot builds, spoken to over
// HTTP. Its tests put such clusters through faults and check what clients were
// told.
package cluster

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"muster/boot"
	"muster/config"
	"muster/internal/log"
	"muster/internal/memnet"
)

const (
	httpPort = 8500
	// outside is the machine of those who ask the agents.
	outside = "10.9.9.9"
)

// A Cluster is agents that can reach each other.
type Cluster struct {
	Net  *memnet.Network
	seed uint64
	dir  string // of all data directories
	size int    // bootstrap_expect

	// Delay is how long a message takes between two agents.
	Delay time.Duration
	// HCL is configuration that all agents have.
	HCL string

	mu       sync.Mutex
	agents   []*Agent      // changed by Add under mu
	lines    *bytes.Buffer // what the agents log; guarded by mu
	expelled int           // nodes that were taken out of the catalog although their agents ran; guarded by mu
}

// New makes a cluster that will have so many servers. dir is for the data
// directories.
func New(seed uint64, servers int, dir string) *Cluster {
	c := &Cluster{Net: memnet.New(seed), seed: seed, dir: dir, size: servers, Delay: time.Millisecond, lines: new(bytes.Buffer)}
	c.Net.Host(outside)
	return c
}

// Write takes lines of the agents' logs.
func (c *Cluster) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for text, took := range map[string]time.Duration{madeToLeave: 5 * time.Second, takenOut: 0} {
		if _, rest, ok := bytes.Cut(line, []byte(text)); ok {
			name, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
			for _, a := range c.agents {
				if a.takenOut(string(name), took) && text == takenOut {
					c.expelled++
				}
			}
		}
	}
	return c.lines.Write(line)
}

const (
	// madeToLeave is what a leader logs when it takes a server for dead: the node
	// and its sessions are then taken out of the catalog.
	madeToLeave = "a dead server is to leave: server="
	// takenOut is what it logs when it takes out a node that left.
	takenOut = "member left, deregistering: member="
)

// takenOut notes that the node is taken out, if it is this agent's, which takes so
// long, and tells whether its agent runs and nobody had a reason: then it must not be.
func (a *Agent) takenOut(name string, took time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.name != name {
		return false
	}
	now := time.Now()
	if took > 0 {
		a.dead = now
	}
	if a.running != nil && now.Sub(a.dead) > time.Minute {
		return true
	}
	a.left = append(a.left, [2]time.Time{now, now.Add(took)})
	return false
}

// Expelled is how many nodes were taken out of the catalog although their agents ran,
// and were not taken for dead servers.
func (c *Cluster) Expelled() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expelled
}

// Log is what the agents have logged, and what was noted with Note.
func (c *Cluster) Log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines.String()
}

// Note puts a line among those of the agents.
func (c *Cluster) Note(format string, args ...any) {
	fmt.Fprintf(c, time.Now().UTC().Format("2006-01-02T15:04:05.000Z")+" ---- "+format+"\n", args...)
}

// An Agent is a machine with an agent that runs, or does not.
type Agent struct {
	Server bool
	// HCL is configuration of this agent alone.
	HCL string

	cluster *Cluster
	host    *memnet.Host
	disk    *disk
	starts  int
	client  *http.Client

	mu      sync.Mutex // guards the rest
	name    string
	ip      string
	running *boot.Agent    // nil: it does not
	dir     string         // its data directory
	machine int            // counts those that were replaced
	left    [][2]time.Time // when it began to leave the cluster, and when it was gone
	dead    time.Time      // when a leader took it for dead
}

// LeftBetween tells whether the node was leaving the cluster between two times: its
// sessions have ended then, those that were made while it left among them.
func (a *Agent) LeftBetween(from, to time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.left, func(t [2]time.Time) bool { return t[0].Before(to) && t[1].After(from) })
}

// Name is what the agent's node is called.
func (a *Agent) Name() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.name
}

// IP is the address of the machine.
func (a *Agent) IP() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ip
}

// Machine tells one machine from the one that it replaces: nothing that was
// acknowledged by one is on the other.
func (a *Agent) Machine() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.machine
}

// Add makes a machine without an agent that runs.
func (c *Cluster) Add(name string, server bool, ip string) *Agent {
	a := &Agent{name: name, Server: server, ip: ip, cluster: c, host: c.Net.Host(ip),
		disk: newDisk(c.seed + uint64(len(c.agents)))}
	a.client = &http.Client{Transport: &http.Transport{
		// Where the agent is now, whatever the request says.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			return c.Net.Host(outside).Dial(ctx, network, fmt.Sprint(a.IP(), ":", httpPort))
		},
		DisableCompression: true, MaxIdleConnsPerHost: 64,
	}}
	c.mu.Lock()
	c.agents = append(c.agents, a)
	c.mu.Unlock()
	c.connect(a)
	return a
}

// connect gives a machine its links.
func (c *Cluster) connect(a *Agent) {
	for _, b := range c.agents {
		if a != b {
			c.Net.SetLink(a.IP(), b.IP(), memnet.Link{Delay: c.Delay})
			c.Net.SetLink(b.IP(), a.IP(), memnet.Link{Delay: c.Delay})
		}
	}
}

// Move gives a machine whose agent does not run another address.
func (a *Agent) Move(ip string) {
	a.mu.Lock()
	a.ip = ip
	a.mu.Unlock()
	a.cluster.connect(a)
}

// Replace puts a new machine without data in the place of one whose agent does
// not run.
func (a *Agent) Replace(name, ip string) {
	a.disk = newDisk(a.cluster.seed + uint64(a.starts)<<8)
	a.mu.Lock()
	a.name, a.dir = name, ""
	a.machine++
	a.mu.Unlock()
	a.Move(ip)
}

// Start runs the agent.
func (a *Agent) Start() error {
	a.host = a.cluster.Net.Host(a.IP())
	a.cluster.Net.Heal(a.IP(), outside)
	a.starts++
	dir := filepath.Join(a.cluster.dir, fmt.Sprintf("%s-%d", a.Name(), a.starts))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	a.mu.Lock()
	before := a.dir
	a.dir = dir
	a.mu.Unlock()
	if before != "" {
		// Who ran here before a crash may still be writing into its own.
		if err := os.CopyFS(dir, os.DirFS(before)); err != nil {
			return err
		}
	}
	cfg, err := a.config(dir)
	if err != nil {
		return err
	}
	logs, err := log.New(log.Config{Name: a.Name(), Level: logLevel, Terminal: a.cluster})
	if err != nil {
		return err
	}
	logs.Release()
	var running *boot.Agent
	// A profile tells what of it is this agent's work.
	pprof.Do(context.Background(), pprof.Labels("agent", a.Name()), func(context.Context) {
		running, err = boot.StartIn(a.world(), cfg, logs, nil)
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", a.Name(), err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = running
	return nil
}

// serversName is where the servers are to be found, as a name in DNS would be.
const serversName = "provider=cluster"

// discover resolves it.
func (a *Agent) discover(context.Context, string) ([]string, error) {
	a.cluster.mu.Lock()
	agents := slices.Clone(a.cluster.agents)
	a.cluster.mu.Unlock()
	var ips []string
	for _, b := range agents {
		if b.Server && b != a {
			ips = append(ips, b.IP())
		}
	}
	return ips, nil
}

// logLevel is what is kept of the logs.
var logLevel = "INFO"

// config is the agent's, as it would be read from flags.
func (a *Agent) config(dir string) (*config.Config, error) {
	args := []string{"-retry-join=" + serversName, "-node=" + a.Name(), "-bind=" + a.IP(), "-client=" + a.IP(), "-dns-port=-1", "-serf-wan-port=-1",
		"-data-dir=" + dir,
		"-hcl", `performance { raft_multiplier = 1 } retry_interval = "2s" limits { http_max_conns_per_client = 1000 }`,
		"-hcl", a.cluster.HCL, "-hcl", a.HCL}
	if a.Server {
		args = append(args, "-server", fmt.Sprint("-bootstrap-expect=", a.cluster.size))
	}
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	parsed := config.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	cfg, _, err := config.Load(config.LoadOptions{Flags: parsed, Host: config.SystemHost()})
	return cfg, err
}

// world is the machine.
func (a *Agent) world() boot.World {
	host := a.host
	return boot.World{
		Listen: func(network, address string) (net.Listener, error) {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return nil, err
			}
			return host.Listen(int(at.Port()))
		},
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			return host.Dial(ctx, "tcp", address)
		},
		Gossip:   func(bind netip.AddrPort) (memberlist.Transport, error) { return host.Gossip(int(bind.Port())) },
		Discover: a.discover,
		Storage:  a.disk.storage,
	}
}

// Running is the agent, or nil.
func (a *Agent) Running() *boot.Agent {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running
}

// take gives the agent that runs to whoever ends it.
func (a *Agent) take() *boot.Agent {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.running
	a.running = nil
	return r
}

// Stop ends the agent as a signal does.
func (a *Agent) Stop() {
	if r := a.take(); r != nil {
		r.Close()
		a.disk.Crash(false)
		a.client.CloseIdleConnections()
	}
}

// Leave ends it after it has left the cluster.
func (a *Agent) Leave() {
	if r := a.take(); r != nil {
		begin := time.Now()
		if err := r.Leave(); err != nil {
			a.cluster.Note("%s could not leave: %v", a.Name(), err)
		}
		a.mu.Lock()
		a.left = append(a.left, [2]time.Time{begin, time.Now()})
		a.mu.Unlock()
		r.Close()
		a.disk.Crash(false)
		a.client.CloseIdleConnections()
	}
}

// Crash ends the agent without a word. With power, the machine's power went:
// what it had not synced may be lost, and the others do not notice until it is
// back; else the process was killed. It happens in the middle of what it does:
// in so many operations on its disk, at least 1, or 20 ms if it does nothing.
func (a *Agent) Crash(power bool, after int) {
	r := a.take()
	if r == nil {
		return
	}
	crashed := make(chan struct{})
	a.disk.CrashAfter(after, power, func() {
		if power {
			a.cluster.Net.Isolate(a.IP())
		}
		a.host.Crash()
		close(crashed)
	})
	select {
	case <-crashed:
	case <-time.After(20 * time.Millisecond):
		for range after { // there is nothing to do
			_ = a.disk.Open().SetStable([]byte("crash"), nil)
		}
	}
	a.mu.Lock()
	dir := a.dir
	a.dir = filepath.Join(a.cluster.dir, fmt.Sprintf("%s-%d-crashed", a.name, a.starts))
	err := os.CopyFS(a.dir, os.DirFS(dir))
	a.mu.Unlock()
	if err != nil {
		a.cluster.Note("%s: %v", a.Name(), err)
	}
	// What is left of it can reach nobody and keep nothing.
	r.Close()
	a.client.CloseIdleConnections()
}

// Close stops all agents.
func (c *Cluster) Close() {
	c.Net.Restore()
	var stopping sync.WaitGroup
	for _, a := range c.agents {
		a.disk.Resume()
		stopping.Go(a.Stop)
	}
	stopping.Wait()
	for _, a := range c.agents {
		a.client.CloseIdleConnections()
	}
	time.Sleep(time.Minute) // what was closed is heard of everywhere
}

// An Answer is what an agent says.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Ask makes a request at an agent. An error says that the outcome is unknown.
func (a *Agent) Ask(ctx context.Context, method, uri, body string) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+uri, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &Answer{resp.StatusCode, resp.Header, b}, nil
}
