package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
)

// All servers come back with other addresses at the same time. Nobody tells the
// clients, and these see each other all the while; who looks up the name of the
// servers finds them.
func TestAllServersMove(t *testing.T) {
	for _, remember := range []bool{true, false} {
		t.Run(fmt.Sprint("with members remembered ", remember), func(t *testing.T) {
			dir := folder(t)
			synctest.Test(t, func(t *testing.T) {
				c := New(1, 3, dir)
				defer c.Close()
				for i := range 3 {
					c.Add(fmt.Sprint("s", i+1), true, fmt.Sprint("10.0.0.", i+1))
				}
				for i := range 2 {
					c.Add(fmt.Sprint("c", i+1), false, fmt.Sprint("10.0.0.", i+11))
				}
				servers, clients := c.agents[:3], c.agents[3:]
				for _, a := range c.agents {
					start(t, a)
				}
				eventually(t, clients[0], "PUT", "/v1/kv/a", "1", "200 true")
				var moving sync.WaitGroup
				for _, a := range servers {
					moving.Go(a.Stop)
				}
				moving.Wait()
				for i, a := range servers {
					a.Move(fmt.Sprint("10.0.1.", i+1))
					if !remember {
						if err := os.RemoveAll(filepath.Join(a.dir, "serf")); err != nil {
							t.Fatal(err)
						}
					}
				}
				for _, a := range servers {
					start(t, a)
				}
				for _, a := range c.agents {
					eventually(t, a, "GET", "/v1/kv/a?raw", "", "200 1")
				}
				for _, a := range c.agents {
					eventually(t, a, "PUT", "/v1/kv/a", a.Name(), "200 true")
				}
				if t.Failed() {
					t.Log(c.Log())
				}
			})
		})
	}
}
