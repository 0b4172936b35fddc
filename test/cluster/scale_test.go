package cluster

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var (
	scale    = flag.Int("scale", 20, "how many client agents TestScale starts")
	rest     = flag.Duration("rest", 2*time.Minute, "how long TestScale lets them be before it takes some away; 0: not at all")
	profiles = flag.String("profiles", "", "a directory for what TestScale's agents log, and for a heap profile every ten virtual seconds")
)

// perAgent is how many services each client agent has.
const perAgent = 10

// TestScale starts three servers and many clients with services, takes the power
// of a third of them, and tells how long it takes until the catalog is right each
// time, and what it costs. The time is virtual, the processor time is not: whose
// it was, -test.cpuprofile and "go tool pprof -tags" tell.
func TestScale(t *testing.T) {
	dir := folder(t)
	synctest.Test(t, func(t *testing.T) {
		c := New(1, 3, dir)
		c.HCL = `retry_interval = "30s"` // as it is in an agent
		defer c.Close()
		var servers, clients []*Agent
		for i := range 3 {
			servers = append(servers, c.Add(fmt.Sprint("s", i+1), true, fmt.Sprint("10.0.0.", i+1)))
		}
		for i := range *scale {
			clients = append(clients, c.Add(fmt.Sprint("c", i+1), false, fmt.Sprintf("10.1.%d.%d", i/250, 1+i%250)))
		}
		for _, a := range servers {
			a.HCL = `telemetry { prometheus_retention_time = "1h" }`
			start(t, a)
		}
		eventually(t, servers[0], "PUT", "/v1/kv/a", "1", "200 true")
		p := &phases{t: t, cluster: c, server: leaderOf(t, servers)}
		defer p.profile()()
		t.Logf("%d clients with %d services each; %s leads", *scale, perAgent, p.server.Name())

		p.begin()
		var starting sync.WaitGroup
		for i, a := range clients {
			a.HCL = fleet(i)
			starting.Go(func() {
				time.Sleep(time.Duration(i%100) * 100 * time.Millisecond)
				if err := a.Start(); err != nil {
					t.Error(err)
				}
			})
		}
		starting.Wait()
		p.end("joined and in the catalog", func() (int, int) { return p.passing(), *scale * perAgent })

		if *rest > 0 {
			p.begin()
			time.Sleep(*rest)
			p.end("rest", func() (int, int) { return 0, 0 })
		}

		p.begin()
		gone := *scale * 3 / 10
		var dying sync.WaitGroup
		for _, a := range clients[:gone] {
			dying.Go(func() { a.Crash(true, 1) })
		}
		dying.Wait()
		p.end(fmt.Sprint(gone, " agents lost"), func() (int, int) { return p.passing(), (*scale - gone) * perAgent })
	})
}

// fleet is the configuration of an agent's services.
func fleet(n int) string {
	text := ""
	for i := range perAgent {
		text += fmt.Sprintf("services { name = \"fleet\" id = \"f%d\" port = %d check { ttl = \"24h\" status = \"passing\" } }\n", i, 1000+n%5000*10+i)
	}
	return text
}

// leaderOf is who leads.
func leaderOf(t *testing.T, servers []*Agent) *Agent {
	t.Helper()
	var address string
	if err := read(t.Context(), servers[0], "/v1/status/leader", &address); err != nil {
		t.Fatal(err)
	}
	for _, a := range servers {
		if address == a.IP()+":8300" {
			return a
		}
	}
	t.Fatalf("nobody is %s, who leads", address)
	return nil
}

// phases tells what parts of a test took.
type phases struct {
	t       *testing.T
	cluster *Cluster
	server  *Agent // that leads

	began     time.Time
	cpu       time.Duration
	datagrams int64
	index     uint64
	requests  int
}

func (p *phases) begin() {
	p.index, p.requests = p.written(), p.asked()
	p.datagrams, p.began, p.cpu = p.cluster.Net.Datagrams(), time.Now(), cpuTime()
}

// end waits until two numbers are equal, for ten virtual minutes at most.
func (p *phases) end(what string, numbers func() (have, want int)) {
	p.t.Helper()
	have, want := numbers()
	for time.Since(p.began) < 10*time.Minute && have != want {
		time.Sleep(time.Second)
		have, want = numbers()
	}
	if have != want {
		p.t.Errorf("%s: %d instances pass, not %d", what, have, want)
	}
	took, cpu, sent := time.Since(p.began), cpuTime()-p.cpu, p.cluster.Net.Datagrams()-p.datagrams
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	agents := len(p.cluster.agents)
	p.t.Logf("%s: %.1f s, %.1f datagrams a second and agent; the leader: %d entries in the log, %d requests; all: %.1f s of processor time, %.2f MiB and %d goroutines an agent, %d MiB from the system at most",
		what, took.Seconds(), float64(sent)/took.Seconds()/float64(agents), p.written()-p.index, p.asked()-p.requests,
		cpu.Seconds(), float64(m.HeapAlloc)/(1<<20)/float64(agents), runtime.NumGoroutine()/agents, m.Sys>>20)
}

// profile writes heap profiles until the function that it returns is called, which
// writes the log.
func (p *phases) profile() (stop func()) {
	if *profiles == "" {
		return func() {}
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		every := time.NewTicker(10 * time.Second)
		defer every.Stop()
		for i := 1; ; i++ {
			select {
			case <-every.C:
				p.heap(fmt.Sprintf("%04d", i*10))
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
		if err := os.WriteFile(filepath.Join(*profiles, "log"), []byte(p.cluster.Log()), 0o644); err != nil {
			p.t.Error(err)
		}
	}
}

// heap writes what the last collection of garbage has found, and tells how much
// there is with what has come since.
func (p *phases) heap(name string) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(os.Stderr, "%s: %d MiB in use, goal %d MiB, stacks %d MiB, from the system %d MiB; %d goroutines; %d KiB of logs\n",
		name, m.HeapAlloc>>20, m.NextGC>>20, m.StackInuse>>20, m.Sys>>20, runtime.NumGoroutine(), len(p.cluster.Log())>>10)
	f, err := os.Create(filepath.Join(*profiles, name+".heap"))
	if err != nil {
		p.t.Error(err)
		return
	}
	defer f.Close()
	if err := pprof.WriteHeapProfile(f); err != nil {
		p.t.Error(err)
	}
}

// asked is how many requests of other agents the leader has had.
func (p *phases) asked() int {
	r, err := p.server.Ask(context.Background(), "GET", "/v1/agent/metrics?format=prometheus", "")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(r.Body)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == "consul_rpc_request" {
			n, _ := strconv.ParseFloat(value, 64)
			return int(n)
		}
	}
	return 0
}

// passing counts the instances that pass.
func (p *phases) passing() int {
	var list []struct{}
	if err := read(context.Background(), p.server, "/v1/health/service/fleet?passing", &list); err != nil {
		return -1
	}
	return len(list)
}

// written is the index of the newest entry of the log that is known.
func (p *phases) written() uint64 {
	r, err := p.server.Ask(context.Background(), "PUT", "/v1/kv/written", fmt.Sprint(time.Now()))
	if err != nil || r.Status != 200 {
		return 0
	}
	if r, err = p.server.Ask(context.Background(), "GET", "/v1/kv/written", ""); err != nil {
		return 0
	}
	index, _ := strconv.ParseUint(r.Header.Get("X-Consul-Index"), 10, 64)
	return index
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
