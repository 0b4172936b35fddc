package cluster

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/gossip"
	"muster/internal/memnet"
)

// serversAndClient are three servers, which are the first agents, and "c1", until the
// test ends.
func serversAndClient(t *testing.T, dir string) (*Cluster, *Agent) {
	t.Helper()
	c := New(1, 3, dir)
	t.Cleanup(c.Close)
	for _, ip := range []string{"1", "2", "3"} {
		start(t, c.Add("s"+ip, true, "10.0.0."+ip))
	}
	client := c.Add("c1", false, "10.0.0.11")
	start(t, client)
	return c, client
}

// An agent that leaves does not come back into the catalog, even if somebody
// still registers services with it.
func TestLeaveIsFinal(t *testing.T) {
	dir := folder(t)
	synctest.Test(t, func(t *testing.T) {
		c, client := serversAndClient(t, dir)
		server := c.agents[0]
		known := func() bool { return inCatalog(t, server, "c1") }
		eventually(t, server, "PUT", "/v1/kv/a", "1", "200 true")
		for !known() {
			time.Sleep(time.Second)
		}
		left := make(chan struct{})
		go func() {
			defer close(left)
			client.Leave()
		}()
		for known() {
			time.Sleep(10 * time.Millisecond)
		}
		eventually(t, client, "PUT", "/v1/agent/service/register", `{"Name": "late"}`, "200 ")
		for range 20 {
			time.Sleep(500 * time.Millisecond)
			if known() {
				t.Fatal("c1 is in the catalog again")
			}
		}
		<-left
	})
}

// leader is the server that leads.
func (c *Cluster) leader(t *testing.T) *Agent {
	t.Helper()
	var address string
	if err := read(t.Context(), c.agents[0], "/v1/status/leader", &address); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(c.agents, func(a *Agent) bool { return address == a.IP()+":8300" })
	if i < 0 {
		t.Fatalf("%q leads", address)
	}
	return c.agents[i]
}

// inCatalog tells whether a server has a node in the catalog.
func inCatalog(t *testing.T, server *Agent, name string) bool {
	t.Helper()
	var nodes []struct{ Node string }
	if err := read(t.Context(), server, "/v1/catalog/nodes", &nodes); err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(nodes, func(n struct{ Node string }) bool { return n.Node == name })
}

// An agent of which the leader is told that it has left keeps its node and its
// sessions if it is there, and all hear that it is.
func TestWrongLeave(t *testing.T) {
	dir := folder(t)
	synctest.Test(t, func(t *testing.T) {
		c, client := serversAndClient(t, dir)
		eventually(t, c.agents[0], "PUT", "/v1/kv/a", "1", "200 true")
		server := c.leader(t)
		for !inCatalog(t, server, "c1") {
			time.Sleep(time.Second)
		}
		r := ask(t.Context(), client, "PUT", "/v1/session/create", `{"NodeChecks": [], "TTL": "1h"}`)
		if r == nil || r.Status != 200 {
			t.Fatal("no session:", r)
		}
		is := func(status gossip.Status) bool {
			var members []gossip.Member
			if err := read(t.Context(), server, "/v1/agent/members", &members); err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(members, func(m gossip.Member) bool { return m.Name == "c1" && m.Status == status })
		}
		said := func() bool {
			return strings.Contains(c.Log(), "a member that is said to be gone answers: it stays: member=c1 status=left")
		}
		for tries := 0; !said(); tries++ {
			if tries == 30 { // another may be first to tell c1 that it is believed to have failed
				t.Fatal("the test does not bring about what it is for")
			}
			for _, a := range c.agents[:3] {
				c.Net.SetLink(a.IP(), client.IP(), memnet.Link{Cut: true})
				c.Net.SetLink(client.IP(), a.IP(), memnet.Link{Cut: true})
			}
			for !is(gossip.StatusFailed) {
				time.Sleep(time.Second)
			}
			time.Sleep(time.Minute) // nobody tries to tell it so any more, but now and then
			c.connect(client)
			if r := ask(t.Context(), server, "PUT", "/v1/agent/force-leave/c1", ""); r == nil || r.Status != 200 {
				t.Fatal("force-leave:", r)
			}
			for range 100 {
				if !inCatalog(t, server, "c1") {
					t.Fatal("c1 was taken out of the catalog")
				}
				time.Sleep(50 * time.Millisecond)
			}
			if time.Sleep(time.Minute); !is(gossip.StatusAlive) {
				t.Error("c1 is not known to be alive")
			}
		}
		var sessions []struct{ Node string }
		if err := read(t.Context(), server, "/v1/session/node/c1", &sessions); err != nil || len(sessions) != 1 {
			t.Errorf("sessions: %v, %v", sessions, err)
		}
	})
}
