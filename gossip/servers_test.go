package gossip

import (
	"strings"
	"testing"
	"time"
)

// The servers that are kept at hand are those among the members, at once when
// something happens to one of them.
func TestServers(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(3, func(c *Config) {
			if c.NodeName != "n1" {
				c.Server = &Server{Port: 8300}
			}
		})
		expect := func(want string) {
			t.Helper()
			var all []string
			for _, p := range ms[0].Servers() {
				all = append(all, p.Name+" "+p.Address+" "+p.Status.String())
			}
			if got := strings.Join(all, ", "); got != want {
				t.Errorf("servers %q, want %q", got, want)
			}
			if servers, clients := ms[0].NumAlive(); servers != strings.Count(want, "alive") || clients != 1 || ms[0].NumMembers() != 3 {
				t.Errorf("%d servers and %d clients of %d members are alive, want %s and n1", servers, clients, ms[0].NumMembers(), want)
			}
		}
		expect("n2 10.0.0.2:8300 alive, n3 10.0.0.3:8300 alive")
		w.net.Isolate(addr(3))
		for ms[0].Members()[2].Status != StatusFailed {
			ms[0].Servers() // fills the cache shortly before
			time.Sleep(listingAge / 10)
		}
		expect("n2 10.0.0.2:8300 alive, n3 10.0.0.3:8300 failed")
		w.net.Rejoin(addr(3))
		time.Sleep(3 * time.Minute)
		expect("n2 10.0.0.2:8300 alive, n3 10.0.0.3:8300 alive")
		if err := ms[1].SetTags(map[string]string{TagPort: "9300"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settle)
		expect("n2 10.0.0.2:9300 alive, n3 10.0.0.3:8300 alive")
	})
}
