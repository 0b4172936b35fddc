package cluster

import (
	"context"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// folder is a place for data directories, in memory where there is one.
func folder(t *testing.T) string {
	t.Helper()
	base := ""
	if _, err := os.Stat("/dev/shm"); err == nil {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "muster-cluster")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, a *Agent) {
	t.Helper()
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
}

// eventually asks until the answer is as wanted, for two minutes at most.
func eventually(t *testing.T, a *Agent, method, uri, body, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	last := ""
	for ctx.Err() == nil {
		r, err := a.Ask(ctx, method, uri, body)
		if err == nil {
			last = fmt.Sprint(r.Status, " ", string(r.Body))
		} else {
			last = err.Error()
		}
		if last == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s: %s %s: %s", a.Name(), method, uri, last)
}

func TestForming(t *testing.T) {
	dir := folder(t)
	synctest.Test(t, func(t *testing.T) {
		c := New(1, 3, dir)
		defer c.Close()
		for i := range 3 {
			c.Add(fmt.Sprintf("s%d", i+1), true, fmt.Sprintf("10.0.0.%d", i+1))
		}
		client := c.Add("c1", false, "10.0.0.11")
		for _, a := range c.agents {
			start(t, a)
		}
		began := time.Now()
		eventually(t, client, "PUT", "/v1/kv/a", "1", "200 true")
		t.Log("first write after", time.Since(began))
		eventually(t, c.agents[1], "GET", "/v1/kv/a?raw", "", "200 1")
		for _, a := range c.agents[:3] {
			a.Crash(true, 1)
		}
		for _, a := range c.agents[:3] {
			c.Net.Rejoin(a.IP())
			start(t, a)
		}
		began = time.Now()
		eventually(t, client, "GET", "/v1/kv/a?raw", "", "200 1")
		t.Log("first read after", time.Since(began))
		if t.Failed() {
			t.Log(c.Log())
		}
	})
}

// An agent that is started a moment before those that it is to join does not
// wait for the whole of retry_interval.
func TestEarlyAgent(t *testing.T) {
	dir := folder(t)
	synctest.Test(t, func(t *testing.T) {
		c := New(1, 1, dir)
		defer c.Close()
		server := c.Add("s1", true, "10.0.0.1")
		client := c.Add("c1", false, "10.0.0.11")
		client.HCL = `retry_interval = "1h"`
		start(t, client)
		time.Sleep(2 * time.Second)
		start(t, server)
		eventually(t, client, "PUT", "/v1/kv/a", "1", "200 true")
	})
}
