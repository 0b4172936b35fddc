package cluster

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// An agent that leaves does not come back into the catalog, even if somebody
// still registers services with it.
func TestLeaveIsFinal(t *testing.T) {
	dir := folder(t)
	synctest.Test(t, func(t *testing.T) {
		c := New(1, 3, dir)
		defer c.Close()
		for _, ip := range []string{"1", "2", "3"} {
			start(t, c.Add("s"+ip, true, "10.0.0."+ip))
		}
		client := c.Add("c1", false, "10.0.0.11")
		start(t, client)
		server := c.agents[0]
		known := func() bool {
			var nodes []struct{ Node string }
			if err := read(t.Context(), server, "/v1/catalog/nodes", &nodes); err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(nodes, func(n struct{ Node string }) bool { return n.Node == "c1" })
		}
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
