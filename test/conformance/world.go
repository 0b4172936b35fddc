package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const rootToken = "7f1c2a60-5f0e-4c7b-9f0a-0c5b6a1d2e3f"

// world is everything that one scenario runs in.
type world struct {
	sc     *scenario
	host   *host
	bin    string
	dir    string
	agents []*agent
	byName map[string]*agent
	dummy  *dummies
	vars   map[string]string
	token  string
	bg     map[string]*background
	keep   bool
	client *http.Client
}

func newWorld(sc *scenario, h *host, bin string, keep bool) (*world, error) {
	dir, err := os.MkdirTemp("", "conf-")
	if err != nil {
		return nil, err
	}
	w := &world{sc: sc, host: h, bin: bin, dir: dir, keep: keep, byName: map[string]*agent{},
		vars: map[string]string{"dir": dir, "root": rootToken}, bg: map[string]*background{},
		client: &http.Client{
			Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true,
				ExpectContinueTimeout: 2 * time.Second},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return nil, err
	}
	if err := os.Symlink(bin, filepath.Join(dir, "bin", "consul")); err != nil {
		return nil, err
	}
	return w, nil
}

// setup reads the header lines, writes the configuration files and starts
// the agents.
func (w *world) setup() error {
	servers, err := w.addAgents()
	if err != nil {
		return err
	}
	if err := w.startDummies(); err != nil {
		return err
	}
	for i, a := range w.agents {
		if err := w.configure(a, servers, i); err != nil {
			return err
		}
	}
	if err := w.writeFiles(); err != nil {
		return err
	}
	if w.sc.has("manual") {
		return nil
	}
	_, spare := w.sc.header("spare")
	var started []*agent
	for _, a := range w.agents {
		if slices.Contains(spare, a.Name) {
			continue
		}
		if err := w.start(a, nil); err != nil {
			return err
		}
		started = append(started, a)
	}
	for _, a := range started {
		limit := 20 * time.Second
		if a.Dev {
			limit = 10 * time.Second
		}
		if err := w.ready(a, limit); err != nil {
			return err
		}
	}
	return nil
}

// addAgents names the agents that the headers ask for and gives them ports. It
// returns how many servers elect the leader of a datacenter.
func (w *world) addAgents() (servers int, err error) {
	servers = 1
	var all []*agent
	switch {
	case w.sc.has("server"):
		all = append(all, &agent{Name: "s1", DC: "dc1", Server: true})
	case w.sc.has("cluster"):
		_, args := w.sc.header("cluster")
		servers = count(args, 0, 3)
		for i := range servers {
			all = append(all, &agent{Name: fmt.Sprintf("s%d", i+1), DC: "dc1", Server: true})
		}
		for i := range count(args, 1, 0) {
			all = append(all, &agent{Name: fmt.Sprintf("c%d", i+1), DC: "dc1"})
		}
	case w.sc.has("dcs"):
		_, args := w.sc.header("dcs")
		for i := range count(args, 0, 2) {
			all = append(all, &agent{Name: fmt.Sprintf("s%d", i+1), DC: fmt.Sprintf("dc%d", i+1), Server: true, Dev: true})
		}
	default:
		all = append(all, &agent{Name: "s1", DC: "dc1", Server: true, Dev: true})
	}
	_, spare := w.sc.header("spare")
	for _, n := range spare { // agents that the steps start themselves
		all = append(all, &agent{Name: n, DC: "dc1", Server: strings.HasPrefix(n, "s")})
	}
	for _, a := range all {
		if err := w.add(a); err != nil {
			return 0, err
		}
	}
	return servers, nil
}

// count reads the i-th argument of a header as a number.
func count(args []string, i, otherwise int) int {
	if i >= len(args) {
		return otherwise
	}
	n, _ := strconv.Atoi(args[i])
	return n
}

func (w *world) add(a *agent) error {
	ports, err := w.host.freePorts(len(portNames))
	if err != nil {
		return err
	}
	a.Ports = map[string]int{}
	a.dir = filepath.Join(w.dir, a.Name)
	for i, p := range portNames {
		a.Ports[p] = ports[i]
		w.vars[a.Name+"."+p] = strconv.Itoa(ports[i])
	}
	w.agents = append(w.agents, a)
	w.byName[a.Name] = a
	return os.MkdirAll(filepath.Join(a.dir, "conf"), 0o755)
}

func (w *world) startDummies() error {
	if !strings.Contains(w.sc.source, "${dummy.") {
		return nil
	}
	names := []string{"http", "grpc", "tcp", "dns", "dead"}
	ports, err := w.host.freePorts(len(names))
	if err != nil {
		return err
	}
	m := map[string]int{}
	for i, n := range names {
		m[n] = ports[i]
		w.vars["dummy."+n] = strconv.Itoa(ports[i])
	}
	w.dummy, err = startDummies(m)
	return err
}

// wanJoin tells whether the scenario has datacenters that are to be joined.
func (w *world) wanJoin() bool {
	_, args := w.sc.header("dcs")
	return w.sc.has("dcs") && !slices.Contains(args, "no-join")
}

func (w *world) close() {
	for _, b := range w.bg {
		b.stop()
	}
	for _, a := range w.agents {
		if a.cmd != nil {
			syscall.Kill(-a.cmd.Process.Pid, syscall.SIGKILL)
			select {
			case <-a.exited:
			case <-time.After(5 * time.Second):
			}
		}
	}
	if w.dummy != nil {
		w.dummy.stop()
		w.host.release(w.dummy.ports)
	}
	w.client.CloseIdleConnections()
	if !w.keep {
		os.RemoveAll(w.dir)
	}
	for _, a := range w.agents {
		w.host.release(a.Ports)
	}
}

// env is the environment of every process that a scenario starts.
func (w *world) env(a *agent) []string {
	env := []string{
		"PATH=" + filepath.Join(w.dir, "bin") + ":/usr/local/bin:/usr/bin:/bin",
		"HOME=" + w.dir, "TMPDIR=" + w.dir, "LANG=C", "TZ=UTC",
	}
	if a != nil {
		env = append(env, fmt.Sprintf("CONSUL_HTTP_ADDR=127.0.0.1:%d", a.Ports["http"]))
	}
	return env
}

// path is a path in the scenario's folder.
func (w *world) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(w.dir, p)
}
