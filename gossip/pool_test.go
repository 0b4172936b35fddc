package gossip

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/memnet"
)

// settle is long enough for news to reach everybody and, after Close, for the
// last goroutines of the libraries to end.
const settle = time.Minute

// A world is a network with pools on it.
type world struct {
	t    *testing.T
	net  *memnet.Network
	logs map[string]*lines // by node name
}

// inWorld runs a test in virtual time.
func inWorld(t *testing.T, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: memnet.New(1), logs: map[string]*lines{}}
		t.Cleanup(func() { time.Sleep(settle) }) // runs after all pools are closed
		test(w)
	})
}

// config is for a client called n<i> in dc1, with an address of its own.
func (w *world) config(i int) Config {
	name := fmt.Sprintf("n%d", i)
	w.logs[name] = &lines{}
	return Config{
		NodeName: name, NodeID: fmt.Sprintf("id-%d", i), Datacenter: "dc1", Build: "1.22.0:",
		BindAddr: addr(i), BindPort: 8301,
		Logger: hclog.New(&hclog.LoggerOptions{Output: w.logs[name], Level: hclog.Debug}),
	}
}

func addr(i int) string { return fmt.Sprintf("10.0.0.%d", i) }

// A member of the world: a pool, and what it told.
type member struct {
	*Pool
	seen   *record
	reader chan struct{} // closed when the reader of events ended
}

func (w *world) open(c Config) *member {
	w.t.Helper()
	g, err := w.net.Host(c.BindAddr).Gossip(c.BindPort)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Transport = g
	p, err := Open(c)
	if err != nil {
		w.t.Fatal(err)
	}
	m := &member{Pool: p, seen: &record{}, reader: make(chan struct{})}
	go func() {
		defer close(m.reader)
		for e := range p.Events() {
			m.seen.add(e)
		}
	}()
	w.t.Cleanup(m.end)
	return m
}

// end closes a pool as a crash does: nobody is told.
func (m *member) end() {
	m.Close()
	<-m.reader
}

// cluster opens n clients that know each other.
func (w *world) cluster(n int, change func(*Config)) []*member {
	w.t.Helper()
	var all []*member
	for i := 1; i <= n; i++ {
		c := w.config(i)
		if change != nil {
			change(&c)
		}
		all = append(all, w.open(c))
	}
	for _, m := range all[1:] {
		w.join(m, addr(1))
		synctest.Wait() // the one that is joined knows
	}
	time.Sleep(settle)
	return all
}

func (w *world) join(m *member, to string) {
	w.t.Helper()
	if n, err := m.Join([]string{to}, true); n != 1 || err != nil {
		w.t.Fatalf("join: %d, %v", n, err)
	}
}

// expect compares what a pool says of the others: "n1 alive, n2 failed".
func (w *world) expect(m *member, want string) {
	w.t.Helper()
	var all []string
	for _, x := range m.Members() {
		all = append(all, x.Name+" "+x.Status.String())
	}
	if got := strings.Join(all, ", "); got != want {
		w.t.Errorf("%s sees %q, want %q", m.name, got, want)
	}
}

// lines collects a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// with returns the lines at WARN or above that have a text in them.
func (l *lines) with(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range strings.Split(l.text.String(), "\n") {
		if strings.Contains(line, text) && (strings.Contains(line, "[WARN]") || strings.Contains(line, "[ERROR]")) {
			found = append(found, line)
		}
	}
	return found
}

// A record collects events as text, without those that only ask to look.
type record struct {
	mu   sync.Mutex
	list []string
	look int
}

func (r *record) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Type {
	case EventLook:
		r.look++
	case EventUser:
		r.list = append(r.list, fmt.Sprintf("user %s=%s", e.User.Name, e.User.Payload))
	default:
		r.list = append(r.list, e.Type.String()+" "+e.Member.Name)
	}
}

func (r *record) looks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.look
}

// take returns what came since the last call.
func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := strings.Join(r.list, ", ")
	r.list = nil
	return s
}

func TestAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		c := w.config(1)
		c.Server = &Server{Port: 8300, WANPort: 8302, Bootstrap: true, Expect: 3}
		c.ACLs = true
		m := w.open(c)
		w.expect(m, "n1 alive")

		self := m.LocalMember()
		text, err := json.Marshal(self)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"Name":"n1","Addr":"10.0.0.1","Port":8301,"Tags":{"acls":"1","bootstrap":"1","build":"1.22.0:",` +
			`"dc":"dc1","expect":"3","ft_fs":"1","ft_si":"1","id":"id-1","port":"8300","raft_vsn":"3","role":"consul",` +
			`"segment":"","vsn":"2","vsn_max":"3","vsn_min":"2","wan_join_port":"8302"},"Status":1,"ProtocolMin":1,` +
			`"ProtocolMax":5,"ProtocolCur":2,"DelegateMin":2,"DelegateMax":5,"DelegateCur":4}`
		if string(text) != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
		if m.Encrypted() {
			t.Error("encrypted without a key")
		}
		stats := slices.Sorted(maps.Keys(m.Stats()))
		if want := []string{"coordinate_resets", "encrypted", "event_queue", "event_time", "failed", "health_score",
			"intent_queue", "left", "member_time", "members", "query_queue", "query_time"}; !slices.Equal(stats, want) {
			t.Errorf("stats %q, want %q", stats, want)
		}

		start := time.Now()
		for range 2 {
			if err := m.Leave(); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("leaving alone took %s", d)
		}
		w.expect(m, "n1 left")
		if s := m.LocalMember().Status; s != StatusLeft {
			t.Errorf("this agent is %s after it left", s)
		}
	})
}

func TestJoinFailRejoinLeave(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(3, nil)
		w.expect(ms[0], "n1 alive, n2 alive, n3 alive")
		if got := ms[0].seen.take(); got != "join n1, join n2, join n3" {
			t.Errorf("events %q", got)
		}

		w.net.Isolate(addr(3))
		start := time.Now()
		for ms[0].Members()[2].Status != StatusFailed {
			if time.Since(start) > time.Minute {
				t.Fatal("the lost member has not failed after a minute")
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("failed after %s", time.Since(start))
		time.Sleep(settle)
		w.net.Rejoin(addr(3))
		time.Sleep(3 * time.Minute)
		w.expect(ms[0], "n1 alive, n2 alive, n3 alive")
		if got := ms[0].seen.take(); got != "failed n3, join n3" {
			t.Errorf("events %q", got)
		}

		if err := ms[2].SetTags(map[string]string{"x": "1"}, "acls"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settle)
		if tags := ms[0].Members()[2].Tags; tags["x"] != "1" || tags["acls"] != "" || tags["id"] != "id-3" {
			t.Errorf("tags %v", tags)
		}

		start = time.Now()
		if err := ms[2].Leave(); err != nil {
			t.Fatal(err)
		}
		t.Logf("leave took %s", time.Since(start))
		ms[2].Close()
		time.Sleep(settle)
		w.expect(ms[0], "n1 alive, n2 alive, n3 left")
		if got := ms[0].seen.take(); got != "update n3, leave n3" {
			t.Errorf("events %q", got)
		}
		if n := ms[0].seen.looks(); n < 3 {
			t.Errorf("asked to look %d times in minutes", n)
		}
	})
}

func TestForceLeave(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(3, nil)
		ms[2].end()
		time.Sleep(settle)
		w.expect(ms[0], "n1 alive, n2 alive, n3 failed")
		if err := ms[0].ForceLeave("n3", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settle)
		w.expect(ms[1], "n1 alive, n2 alive, n3 left")
		if err := ms[0].ForceLeave("n3", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settle)
		w.expect(ms[1], "n1 alive, n2 alive")
		if got := ms[1].seen.take(); !strings.HasSuffix(got, "failed n3, leave n3, reap n3") {
			t.Errorf("events %q", got)
		}
		if err := ms[0].ForceLeave("zz", false); err == nil || err.Error() != "agent: No node found with name 'zz'" {
			t.Errorf("unknown member: %v", err)
		}
	})
}

func TestReconnectTimeout(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(3, func(c *Config) {
			c.ReconnectTimeout = 10 * time.Hour
			if c.NodeName == "n3" {
				c.AdvertiseReconnectTimeout = 10 * time.Minute
			}
		})
		ms[1].end()
		ms[2].end()
		time.Sleep(15 * time.Minute)
		w.expect(ms[0], "n1 alive, n2 failed")
		time.Sleep(10 * time.Hour)
		w.expect(ms[0], "n1 alive")
	})
}

func TestJoinErrors(t *testing.T) {
	inWorld(t, func(w *world) {
		m := w.open(w.config(1))
		for to, want := range map[string]string{
			"10.0.0.9:1": "1 error occurred:\n\t* Failed to join 10.0.0.9: dial tcp 10.0.0.9:1: connect: connection refused\n\n",
			"10.0.0.9":   "1 error occurred:\n\t* Failed to join 10.0.0.9: dial tcp 10.0.0.9:8301: connect: connection refused\n\n",
			"[fd00::9]":  "1 error occurred:\n\t* Failed to join fd00::9: dial tcp [fd00::9]:8301: connect: connection refused\n\n",
			"/10.0.0.9":  "1 error occurred:\n\t* Failed to resolve /10.0.0.9: empty node name provided\n\n",
		} {
			if n, err := m.Join([]string{to}, true); n != 0 || err == nil || err.Error() != want {
				t.Errorf("join %s: %d, %q, want %q", to, n, err, want)
			}
		}
		w.open(w.config(2))
		if n, err := m.Join([]string{addr(2), addr(9)}, true); n != 1 || err != nil {
			t.Errorf("join one of two: %d, %v", n, err)
		}
	})
}

func TestUserEvents(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(3, nil)
		for _, m := range ms {
			m.seen.take()
		}
		for i := range 3 {
			if err := ms[i].UserEvent("deploy", []byte{'a' + byte(i)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(settle)
		}
		for _, m := range ms {
			if got := m.seen.take(); got != "user deploy=a, user deploy=b, user deploy=c" {
				t.Errorf("%s saw %q", m.name, got)
			}
		}
		err := ms[0].UserEvent("deploy", make([]byte, 600))
		want := "1 error occurred:\n\t* error broadcasting event to segment \"\": " +
			"user event exceeds configured limit of 512 bytes before encoding\n\n"
		if err == nil || err.Error() != want {
			t.Errorf("too large: %v", err)
		}

		// Who joins later does not get what was fired before.
		late := w.open(w.config(4))
		w.join(late, addr(1))
		time.Sleep(settle)
		if got := late.seen.take(); strings.Contains(got, "user") {
			t.Errorf("the late one saw %q", got)
		}
	})
}

func TestWAN(t *testing.T) {
	inWorld(t, func(w *world) {
		wan := func(i int, dc string) Config {
			c := w.config(i)
			c.WAN, c.Datacenter, c.BindPort = true, dc, 8302
			c.Server = &Server{Port: 8300, WANPort: 8302}
			return c
		}
		a, b := w.open(wan(1, "dc1")), w.open(wan(2, "dc2"))
		w.join(b, addr(1))
		time.Sleep(settle)
		w.expect(a, "n1.dc1 alive, n2.dc2 alive")
		m := a.Members()[1]
		if m.NodeName(true) != "n2" || m.Datacenter() != "dc2" || !m.IsServer() || m.ID() != "id-2" || m.Tags["wan_join_port"] != "" {
			t.Errorf("member %+v", m)
		}
		if _, err := Open(Config{WAN: true}); err == nil {
			t.Error("a client opened a WAN pool")
		}
	})
}

func TestCoordinates(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, d := range [][2]string{{addr(1), addr(2)}, {addr(2), addr(1)}} {
			w.net.SetLink(d[0], d[1], memnet.Link{Delay: 20 * time.Millisecond})
		}
		ms := w.cluster(2, nil)
		time.Sleep(10 * time.Minute)
		a, err := ms[0].Coordinate()
		if err != nil {
			t.Fatal(err)
		}
		b, ok := ms[0].CachedCoordinate("n2")
		if !ok {
			t.Fatal("no coordinate of the other")
		}
		if rtt := a.DistanceTo(b); rtt < 35*time.Millisecond || rtt > 45*time.Millisecond {
			t.Errorf("estimated %s for a round trip of 40ms", rtt)
		}

		c := w.config(3)
		c.DisableCoordinates = true
		off := w.open(c)
		if _, err := off.Coordinate(); err == nil {
			t.Error("a coordinate although they are disabled")
		}
	})
}

// TestAwaitCoordinates: who has just come is waited for, who is gone is not.
func TestAwaitCoordinates(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(2, nil)
		a, c := ms[0], w.open(w.config(3))
		w.join(c, addr(1))
		synctest.Wait() // a knows of it, too
		a.AwaitCoordinates(context.Background())
		for _, name := range []string{"n2", "n3"} {
			if _, ok := a.CachedCoordinate(name); !ok {
				t.Errorf("no coordinate of %s", name)
			}
		}
		c.end()
		time.Sleep(settle)
		d := w.open(w.config(4))
		w.net.SetLink(addr(1), addr(4), memnet.Link{Loss: 1})
		w.join(d, addr(1))
		synctest.Wait() // a knows of it, too
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begin := time.Now()
		a.AwaitCoordinates(ctx)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("waited %s for somebody who does not answer", took)
		}
	})
}

func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	inWorld(t, func(w *world) {
		keep := func(c *Config) { c.SnapshotPath = filepath.Join(dir, c.NodeName, "local.snapshot") }
		ms := w.cluster(2, keep)
		if err := ms[0].UserEvent("old", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settle)

		// After a crash the other is found again, and old events are not repeated.
		ms[1].end()
		time.Sleep(settle)
		c := w.config(2)
		keep(&c)
		again := w.open(c)
		time.Sleep(settle)
		w.expect(ms[0], "n1 alive, n2 alive")
		if got := again.seen.take(); got != "join n2, join n1" && got != "join n1, join n2" {
			t.Errorf("events after the restart: %q", got)
		}

		// After a leave it is not looked for.
		if err := again.Leave(); err != nil {
			t.Fatal(err)
		}
		again.end()
		gone := w.open(c)
		time.Sleep(settle)
		w.expect(gone, "n2 alive")
		gone.end()
	})
}

func TestLossyNetwork(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := 1; i <= 5; i++ {
			for j := 1; j <= 5; j++ {
				w.net.SetLink(addr(i), addr(j), memnet.Link{Delay: time.Millisecond, Loss: 0.1})
			}
		}
		ms := w.cluster(5, nil)
		for _, m := range ms {
			m.seen.take()
		}
		time.Sleep(5 * time.Minute)
		for _, m := range ms {
			w.expect(m, "n1 alive, n2 alive, n3 alive, n4 alive, n5 alive")
			if got := m.seen.take(); got != "" {
				t.Errorf("%s saw %q with a tenth of the datagrams lost", m.name, got)
			}
		}
	})
}

// Close waits for a Leave that is under way, and nothing after it does harm.
func TestCloseDuringLeave(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(2, nil)
		left := make(chan error)
		go func() { left <- ms[1].Leave() }()
		time.Sleep(time.Millisecond)
		ms[1].end()
		if err := <-left; err != nil {
			t.Error(err)
		}
		if err := ms[1].Leave(); err != nil {
			t.Errorf("leave after close: %v", err)
		}
		time.Sleep(settle)
		w.expect(ms[0], "n1 alive, n2 left")
	})
}

// Who synchronises with a member that has just decided to leave learns the
// time of the leave before its message.
func TestSyncDuringLeave(t *testing.T) {
	inWorld(t, func(w *world) {
		ms := w.cluster(2, nil)
		left := make(chan error)
		go func() { left <- ms[1].Leave() }()
		time.Sleep(time.Millisecond)
		w.join(ms[0], addr(2))
		if err := <-left; err != nil {
			t.Error(err)
		}
		ms[1].end()
		time.Sleep(settle)
		w.expect(ms[0], "n1 alive, n2 left")
	})
}

// A server that was forced to leave, and comes back at once with another address,
// is alive for those, too, who hear of all that in the wrong order.
func TestLeavingEnds(t *testing.T) {
	inWorld(t, func(w *world) {
		config := func(i int) Config {
			c := w.config(i)
			c.Server = &Server{Port: 8300}
			return c
		}
		all := []*member{w.open(config(1)), w.open(config(2)), w.open(config(3))}
		for _, m := range all[1:] {
			w.join(m, addr(1))
		}
		time.Sleep(settle)
		all[1].end()
		time.Sleep(20 * time.Second)
		if err := all[0].ForceLeave("n2", false); err != nil {
			t.Fatal(err)
		}
		c := config(2)
		c.BindAddr = addr(4)
		back := w.open(c)
		w.join(back, addr(1))
		time.Sleep(2 * time.Second) // its word that it is alive goes round, too early
		all[2].end()
		again := w.open(config(3))
		w.join(again, addr(1))
		w.join(again, addr(4))
		leaving := func() bool {
			return slices.ContainsFunc(again.Members(), func(m Member) bool { return m.Name == "n2" && m.Status == StatusLeaving })
		}
		if !leaving() {
			t.Fatal("the test does not bring about what it is for")
		}
		// Who takes it for gone may say so until he has heard of it again.
		time.Sleep(3 * time.Minute)
		if leaving() {
			t.Error("n2 still leaves")
		}
		if seen := again.seen.take(); !strings.Contains(seen, "update n2") {
			t.Errorf("nobody was told that n2 stays: %s", seen)
		}
	})
}
