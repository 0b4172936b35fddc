package cluster

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var scale = flag.Int("scale", 20, "how many client agents TestScale starts")

// perAgent is how many services each client agent has.
const perAgent = 10

// TestScale starts three servers and many clients with services, takes the power
// of a third of them, and tells how long it takes until the catalog is right each
// time, and what it costs. The time is virtual, the processor time is not.
func TestScale(t *testing.T) {
	dir := folder(t)
	synctest.Test(t, func(t *testing.T) {
		c := New(1, 3, dir)
		defer c.Close()
		var servers, clients []*Agent
		for i := range 3 {
			servers = append(servers, c.Add(fmt.Sprint("s", i+1), true, fmt.Sprint("10.0.0.", i+1)))
		}
		for i := range *scale {
			clients = append(clients, c.Add(fmt.Sprint("c", i+1), false, fmt.Sprintf("10.1.%d.%d", i/250, 1+i%250)))
		}
		for _, a := range servers {
			start(t, a)
		}
		eventually(t, servers[0], "PUT", "/v1/kv/a", "1", "200 true")
		p := &phases{t: t, cluster: c, server: servers[0]}

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

		p.begin()
		time.Sleep(5 * time.Minute)
		p.end("five minutes of rest", func() (int, int) { return 0, 0 })

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

// phases tells what parts of a test took.
type phases struct {
	t       *testing.T
	cluster *Cluster
	server  *Agent

	began     time.Time
	cpu       time.Duration
	datagrams int64
	index     uint64
}

func (p *phases) begin() {
	p.began, p.cpu = time.Now(), cpuTime()
	p.datagrams, p.index = p.cluster.Net.Datagrams(), p.written()
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
	took := time.Since(p.began)
	agents := len(p.cluster.agents)
	p.t.Logf("%-28s %8.1f s, %5.1f datagrams a second and agent, %6d entries in the log, %.1f s of processor time for all",
		what, took.Seconds(), float64(p.cluster.Net.Datagrams()-p.datagrams)/took.Seconds()/float64(agents),
		p.written()-p.index, (cpuTime() - p.cpu).Seconds())
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
