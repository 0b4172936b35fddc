package gossip

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

// refused checks that a join is refused on both sides, with one line that says why.
func (w *world) refused(m *member, to, why string) {
	w.t.Helper()
	n, err := m.Join([]string{to}, true)
	if n != 0 || err == nil || !strings.Contains(err.Error(), why) {
		w.t.Errorf("join: %d, %v, want an error with %q", n, err, why)
	}
}

func (w *world) logged(node, why string) {
	w.t.Helper()
	lines := w.logs[node].with("is refused: ")
	if len(lines) != 1 || !strings.Contains(lines[0], why) {
		w.t.Errorf("%s logged %q, want one line with %q", node, lines, why)
	}
}

func TestForeignDatacenter(t *testing.T) {
	inWorld(t, func(w *world) {
		here := w.open(w.config(1))
		c := w.config(2)
		c.Datacenter = "dc2"
		there := w.open(c)
		w.refused(there, addr(1), `member "n1" (10.0.0.1:8301) is refused: it belongs to datacenter "dc1", not to "dc2": `+
			`join its servers over the WAN`)
		time.Sleep(settle)
		w.logged("n1", `member "n2" (10.0.0.2:8301) is refused: it belongs to datacenter "dc2"`)
		w.expect(here, "n1 alive")
		w.expect(there, "n2 alive")
	})
}

// A pool takes nobody from a pool of the other kind, whoever dials.
func TestWrongPort(t *testing.T) {
	inWorld(t, func(w *world) {
		server := func(i int, wan bool) Config {
			c := w.config(i)
			c.WAN = wan
			c.Server = &Server{Port: 8300, WANPort: 8302}
			return c
		}
		lan, wan, client := w.open(server(1, false)), w.open(server(2, true)), w.open(w.config(3))
		w.refused(lan, addr(2), "it came from the WAN pool")
		w.refused(wan, addr(1), "it came from a LAN pool")
		w.refused(wan, addr(3), "only servers join the WAN pool")
		time.Sleep(settle)
		w.expect(lan, "n1 alive")
		w.expect(wan, "n2.dc1 alive")
		w.expect(client, "n3 alive")
	})
}

func TestClonedNodeID(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(2, nil)
		c := w.config(3)
		c.NodeID = "id-2"
		clone := w.open(c)
		w.refused(clone, addr(1), `member "n2" (10.0.0.2:8301) is refused: it has the node ID of this agent, id-2`)
		time.Sleep(settle)
		w.logged("n1", `member "n3" (10.0.0.3:8301) is refused: its node ID id-2 is in use by member "n2" (10.0.0.2:8301)`)
		w.expect(clone, "n3 alive")
		w.expect(ms[0], "n1 alive, n2 alive")

		// Once the other left, there is no conflict.
		if err := ms[1].Leave(); err != nil {
			t.Fatal(err)
		}
		ms[1].end()
		time.Sleep(settle)
		w.join(clone, addr(1))
		time.Sleep(settle)
		w.expect(ms[0], "n1 alive, n2 left, n3 alive")
	})
}

func TestRenamedAgent(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(2, nil)
		ms[1].end()
		c := w.config(2)
		c.NodeName = "new"
		again := w.open(c)
		w.join(again, addr(1)) // nobody noticed yet that the old name is gone
		time.Sleep(settle)
		w.expect(ms[0], "n1 alive, n2 failed, new alive")
	})
}

// Two agents with one name: the first stays, and everybody is told what to do,
// not more often than once a minute.
func TestSameName(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(2, nil)
		c := w.config(3) // logs as n3
		c.NodeName = "n2"
		second := w.open(c)
		_, _ = second.Join([]string{addr(1)}, true)
		time.Sleep(settle)
		if m := ms[0].Members()[1]; m.Name != "n2" || m.Addr != addr(2) || m.Status != StatusAlive {
			t.Errorf("n1 sees %+v", m)
		}
		for node, why := range map[string]string{
			"n1": "two agents have one name, and only the first counts: give one of them another (node_name, or -node) and restart it: " +
				"name=n2 first=10.0.0.2:8301 second=10.0.0.3:8301",
			"n3": "another agent has the name of this one: give one of them another (node_name, or -node) and restart it; " +
				"until then the others know only one of the two: other=10.0.0.2:8301",
		} {
			told, all := w.logs[node].with(why), w.logs[node].with("onflict")
			if len(told) == 0 || len(told) > int(settle/tellConflict)+1 || len(all) > 0 {
				t.Errorf("%s logged %q", node, w.logs[node].with(""))
			}
		}
		// Neither stops.
		for _, m := range []*member{ms[1], second} {
			if s := m.LocalMember().Status; s != StatusAlive {
				t.Errorf("the agent at %s is %s", m.LocalMember().Addr, s)
			}
		}
	})
}

// A replaced container has the same name and id at another address.
func TestReplacedAgent(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(3, nil)
		ms[2].end()
		time.Sleep(settle)
		c := w.config(3)
		c.BindAddr = addr(33)
		again := w.open(c)
		w.join(again, addr(1))
		time.Sleep(settle)
		if m := ms[1].Members()[2]; m.Name != "n3" || m.Addr != addr(33) || m.Status != StatusAlive {
			t.Errorf("n2 sees %+v", m)
		}
	})
}

func TestAllowedNetworks(t *testing.T) {
	inWorld(t, func(w *world) {
		c := w.config(1)
		c.AllowedCIDRs = []string{"10.0.0.0/30"}
		m := w.open(c)
		w.join(w.open(w.config(2)), addr(1))
		_, _ = w.open(w.config(7)).Join([]string{addr(1)}, true)
		time.Sleep(settle)
		w.expect(m, "n1 alive, n2 alive")
	})
	if _, err := Open(Config{AllowedCIDRs: []string{"10.0.0.0"}}); err == nil {
		t.Error("an address was taken for a network")
	}
}

// metaOf is how serf sends tags.
func metaOf(t testing.TB, tags map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteByte(tagsFollow)
	if err := codec.NewEncoder(&b, &codec.MsgpackHandle{}).Encode(tags); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// News of a member that is known are heard dozens of times.
func TestGuardIsCheap(t *testing.T) {
	c := Config{NodeName: "n1", Datacenter: "dc1", NodeID: "id-1", Server: &Server{Port: 8300, WANPort: 8302, Expect: 3}}
	g := newGuard(&Config{NodeName: "n2", Datacenter: "dc1"})
	n := &memberlist.Node{Name: "n1", Addr: net.IPv4(10, 0, 0, 1).To4(), Port: 8301, Meta: metaOf(t, c.tags())}
	g.saw(&Event{Type: EventJoin, Member: Member{Name: "n1", Addr: "10.0.0.1", Port: 8301, Tags: c.tags()}})
	if allocs := testing.AllocsPerRun(100, func() {
		if err := g.NotifyAlive(n); err != nil {
			t.Fatal(err)
		}
	}); allocs > float64(len(c.tags())+5) {
		t.Errorf("%v allocations, more than one for each name of a tag, and the values of four", allocs)
	}
}

func TestGuardRefusesWhatItCannotRead(t *testing.T) {
	g := newGuard(&Config{NodeName: "n2", Datacenter: "dc1"})
	good := metaOf(t, map[string]string{"role": "node", "dc": "dc1"})
	for why, n := range map[string]*memberlist.Node{
		"its address has 3 bytes":                        {Addr: net.IP{1, 2, 3}, Meta: good},
		"its tags have 600 bytes: 512 are the limit":     {Addr: net.IP{1, 2, 3, 4}, Meta: append(good, make([]byte, 600-len(good))...)},
		"its tags cannot be read: ":                      {Addr: net.IP{1, 2, 3, 4}, Meta: good[:len(good)-1]},
		"it is not an agent (another gossip cluster on ": {Addr: net.IP{1, 2, 3, 4}, Meta: []byte("web")},
	} {
		n.Name = "n1"
		if err := g.NotifyAlive(n); err == nil || !strings.Contains(err.Error(), `member "n1"`) || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, not %q", err, why)
		}
	}
	if err := g.NotifyAlive(&memberlist.Node{Name: "n1", Addr: net.IP{1, 2, 3, 4}, Meta: good}); err != nil {
		t.Error(err)
	}
}

// A badge says what serf will read as tags.
func FuzzBadge(f *testing.F) {
	f.Add(metaOf(f, (&Config{Datacenter: "dc1", NodeID: "id", Server: &Server{Port: 1, WANPort: 2}}).tags()))
	f.Add(metaOf(f, map[string]string{"role": "node", "dc": "dc1", "other": strings.Repeat("x", 70000)}))
	f.Add([]byte("node"))
	f.Add([]byte{tagsFollow, 0x81, 0xa2, 'd', 'c', 0xc0})
	g := newGuard(&Config{})
	f.Fuzz(func(t *testing.T, meta []byte) {
		b, err := g.badge(meta)
		tags := map[string]string{TagRole: string(meta)}
		if len(meta) > 0 && meta[0] == tagsFollow {
			clear(tags)
			if codec.NewDecoder(bytes.NewReader(meta[1:]), &codec.MsgpackHandle{}).Decode(&tags) != nil {
				return // serf takes what it has read until then
			}
		}
		want := badge{tags[TagRole], tags[TagDatacenter], tags[TagID], tags[tagWANPort]}
		if err == nil && b != want {
			t.Errorf("%+v, not %+v", b, want)
		}
	})
}
