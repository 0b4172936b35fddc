package dnsd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"muster/internal/memnet"
)

// listen has the server listen on a free port, over UDP and TCP.
func (w *world) listen(host string) string {
	w.t.Helper()
	udp, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		w.t.Skip(err) // no such address on this machine
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		w.t.Skip(err) // the port is free for UDP only
	}
	if err := w.Listen(udp, tcp); err != nil {
		w.t.Fatal(err)
	}
	return udp.LocalAddr().String()
}

func exchange(t *testing.T, network, address, name string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	r, _, err := (&dns.Client{Net: network, Timeout: 10 * time.Second}).Exchange(m, address)
	if err != nil {
		t.Fatal(network, address, err)
	}
	return r
}

func TestSockets(t *testing.T) {
	w := newWorld(t, defaults())
	w.instances(3)
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			w.t = t
			address := w.listen(host)
			for _, network := range []string{"udp", "udp", "tcp", "tcp"} {
				if r := exchange(t, network, address, "web.service.consul."); len(r.Answer) != 3 {
					t.Fatal(r)
				}
				if r := exchange(t, network, address, "host.example."); r.Rcode != dns.RcodeServerFailure {
					t.Fatal(r)
				}
			}
		})
	}
}

// TestAnswersFromWhereTheyWereAsked: clients believe only answers that come
// from the address that they asked.
func TestAnswersFromWhereTheyWereAsked(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8")
	}
	w := newWorld(t, defaults())
	w.instances(1)
	for _, host := range []string{"0.0.0.0", "::"} {
		t.Run(host, func(t *testing.T) {
			w.t = t
			_, port, err := net.SplitHostPort(w.listen(host))
			if err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{"127.0.0.1", "127.0.0.2", "127.1.2.3", "127.0.0.2"} {
				if r := exchange(t, "udp", net.JoinHostPort(to, port), "web.service.consul."); len(r.Answer) != 1 {
					t.Fatal(r)
				}
			}
			if host == "::" {
				exchange(t, "udp", net.JoinHostPort("::1", port), "web.service.consul.")
			}
		})
	}
}

func TestListenAfterClose(t *testing.T) {
	s := New(Options{Source: &fakeSource{facts: &Facts{}}}, defaults())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(udp, nil); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	if _, err := udp.WriteTo(nil, udp.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Fatal("the socket is open:", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// tcpClient is a connection to a server in memory.
type tcpClient struct {
	t *testing.T
	net.Conn
}

// bubble is a server on a network in memory and a way to connect to it.
func bubble(t *testing.T, w *world) func(ip string) tcpClient {
	t.Helper()
	network := memnet.New(1)
	l, err := network.Host("10.0.0.1").Listen(53)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Listen(nil, l); err != nil {
		t.Fatal(err)
	}
	return func(ip string) tcpClient {
		c, err := network.Host(ip).Dial(t.Context(), "tcp", "10.0.0.1:53")
		if err != nil {
			t.Fatal(err)
		}
		return tcpClient{t, c}
	}
}

func (c tcpClient) send(id uint16, name string) {
	c.t.Helper()
	b := query(name, dns.TypeA, how{})
	binary.BigEndian.PutUint16(b, id)
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)); err != nil {
		c.t.Fatal(err)
	}
}

func (c tcpClient) receive() *dns.Msg {
	c.t.Helper()
	m, err := (&dns.Conn{Conn: c.Conn}).ReadMsg()
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// ends waits until the server closes the connection.
func (c tcpClient) ends() time.Duration {
	c.t.Helper()
	start := time.Now()
	if n, err := io.Copy(io.Discard, c.Conn); n > 0 || err != nil && !errors.Is(err, net.ErrClosed) {
		c.t.Fatalf("%d bytes, %v", n, err)
	}
	return time.Since(start)
}

// TestPipelining: a slow question does not hold up the others of a connection.
func TestPipelining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := defaults()
		c.DNS.Recursors = []string{"192.0.2.1:53"}
		silent := &silentRecursors{}
		w := newWorld(t, c, func(o *Options) { o.Dial = silent.dial })
		w.instances(1)
		client := bubble(t, w)("10.0.0.2")
		client.send(1, "host.example")
		client.send(2, "web.service.consul")
		client.send(3, "web.service.consul")
		seen := map[uint16]int{}
		for range 2 {
			m := client.receive()
			seen[m.Id] = len(m.Answer)
		}
		if seen[2] != 1 || seen[3] != 1 {
			t.Fatal(seen)
		}
		start := time.Now()
		if m := client.receive(); m.Id != 1 || m.Rcode != dns.RcodeServerFailure || time.Since(start) != 2*time.Second {
			t.Fatal(m, time.Since(start))
		}
		client.Close()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		silent.wait()
	})
}

// silentRecursors take connections and never answer.
type silentRecursors struct {
	wg      sync.WaitGroup
	mu      sync.Mutex
	dialled int
}

func (r *silentRecursors) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	r.mu.Lock()
	r.dialled++
	r.mu.Unlock()
	r.wg.Go(func() { _, _ = io.Copy(io.Discard, far); _ = far.Close() })
	return near, nil
}

func (r *silentRecursors) wait() { r.wg.Wait() }

// TestConnectionsEnd: those that are idle, that stop within a message, that
// talk nonsense.
func TestConnectionsEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		sent string
		ends time.Duration
	}{
		{"idle", "", idleTime},
		{"half a length", "\x00", messageTime},
		{"half a message", "\x00\x20\x12\x34", messageTime},
		{"too short", "\x00\x02\x12\x34", 0},
		{"too long", "\xff\xff\x12\x34", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, defaults())
				client := bubble(t, w)("10.0.0.2")
				if _, err := client.Write([]byte(c.sent)); err != nil {
					t.Fatal(err)
				}
				if got := client.ends(); got != c.ends {
					t.Errorf("ends after %v, want %v", got, c.ends)
				}
				client.Close()
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestConnectionsAreBounded: one client can't take all.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, defaults())
		w.instances(1)
		connect := bubble(t, w)
		var all []tcpClient
		for range maxClientConns {
			all = append(all, connect("10.0.0.2"))
		}
		synctest.Wait()
		if got := connect("10.0.0.2").ends(); got != 0 {
			t.Fatalf("one too many ends after %v", got)
		}
		other := connect("10.0.0.3")
		other.send(1, "web.service.consul")
		if m := other.receive(); len(m.Answer) != 1 {
			t.Fatal(m)
		}
		for _, c := range append(all, other) {
			c.Close()
		}
		synctest.Wait()
		w.mu.Lock()
		if w.conns != 0 || len(w.clients) != 0 {
			t.Errorf("%d connections are left, of %v", w.conns, w.clients)
		}
		w.mu.Unlock()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCloseWaitsForNobody: questions at recursors end with the server.
func TestCloseWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := defaults()
		c.DNS.Recursors = []string{"192.0.2.1:53"}
		silent := &silentRecursors{}
		w := newWorld(t, c, func(o *Options) { o.Dial = silent.dial })
		client := bubble(t, w)("10.0.0.2")
		for i := range uint16(5) {
			client.send(i, "host.example")
		}
		synctest.Wait()
		start := time.Now()
		if err := w.Close(); err != nil || time.Since(start) != 0 {
			t.Fatal(err, time.Since(start))
		}
		client.ends()
		client.Close()
		silent.wait()
	})
}

// TestRecursorsInOrder: each has its time, and the first that answers counts.
func TestRecursorsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := defaults()
		c.DNS.Recursors = []string{"192.0.2.1:53", "192.0.2.2:53", "192.0.2.53:53"}
		c.DNS.RecursorTimeout = 3 * time.Second
		silent := &silentRecursors{}
		w := newWorld(t, c, func(o *Options) {
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == "192.0.2.53:53" {
					return fakeRecursors(ctx, network, address)
				}
				return silent.dial(ctx, network, address)
			}
		})
		start := time.Now()
		if m := w.ask("host.example", dns.TypeA, how{}); len(m.Answer) != 1 || time.Since(start) != 6*time.Second {
			t.Fatal(m, time.Since(start))
		}
		c.DNS.RecursorsRandomized = true
		w.SetConfig(c)
		firsts := 0
		for range 60 {
			before := silent.dialled
			w.ask("host.example", dns.TypeA, how{})
			if silent.dialled == before {
				firsts++
			}
		}
		if firsts < 5 || firsts > 40 { // expected 20 with a deviation of 3.7
			t.Fatalf("in random order the last is asked first %d times of 60", firsts)
		}
		silent.wait()
	})
}

// TestRecursionIsBounded: beyond the bound questions fail at once, and those
// about the zone go on.
func TestRecursionIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := defaults()
		c.DNS.Recursors = []string{"192.0.2.1:53"}
		silent := &silentRecursors{}
		w := newWorld(t, c, func(o *Options) { o.Dial = silent.dial })
		w.instances(1)
		w.recursions = make(slots, 2)
		var running sync.WaitGroup
		for range 2 {
			running.Go(func() { w.slow(query("host.example", dns.TypeA, how{}), false) })
		}
		synctest.Wait()
		start := time.Now()
		if m := w.ask("host.example", dns.TypeA, how{}); m.Rcode != dns.RcodeServerFailure || time.Since(start) != 0 {
			t.Fatal(m, time.Since(start))
		}
		if m := w.ask("web.service.consul", dns.TypeA, how{}); len(m.Answer) != 1 {
			t.Fatal(m)
		}
		running.Wait()
		silent.wait()
	})
}

// TestTooManyLookups: beyond the bound questions fail at once, but for those
// that the fast path has an answer to.
func TestTooManyLookups(t *testing.T) {
	w := newWorld(t, defaults())
	w.instances(1)
	w.slow(query("web.service.consul", dns.TypeA, how{}), false)
	w.lookups, w.foreign = make(slots), make(slots)
	address := w.listen("127.0.0.1")
	for _, network := range []string{"udp", "tcp"} {
		for name, rcode := range map[string]int{"web.service.consul.": dns.RcodeSuccess, "n0.node.consul.": dns.RcodeServerFailure, "host.example.": dns.RcodeServerFailure} {
			if r := exchange(t, network, address, name); r.Rcode != rcode || r.Question[0].Name != name {
				t.Error(network, name, r)
			}
		}
	}
}

// TestRecursorsThatLie: an answer to another question is none.
func TestRecursorsThatLie(t *testing.T) {
	c := defaults()
	c.DNS.Recursors = []string{"192.0.2.1:53"}
	w := newWorld(t, c, func(o *Options) {
		o.Dial = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() { // ends with the connection
				defer far.Close()
				conn := &dns.Conn{Conn: far}
				if q, err := conn.ReadMsg(); err == nil {
					m := new(dns.Msg).SetReply(q)
					m.Question[0].Name = "other.example."
					_ = conn.WriteMsg(m)
				}
			}()
			return near, nil
		}
	})
	if m := w.ask("host.example", dns.TypeA, how{}); m.Rcode != dns.RcodeServerFailure {
		t.Fatal(m)
	}
}

// TestRecursorThatIsThisServer must not be asked.
func TestRecursorThatIsThisServer(t *testing.T) {
	c := defaults()
	w := newWorld(t, c)
	address := w.listen("127.0.0.1")
	c.DNS.Recursors = []string{address}
	w.SetConfig(c)
	if !w.isSelf(address) || w.isSelf("127.0.0.1:1") || w.isSelf("resolver.example:53") {
		t.Fatal("which address is ours?")
	}
	if m := exchange(t, "udp", address, "host.example."); m.Rcode != dns.RcodeServerFailure {
		t.Fatal(m)
	}
}

// TestManyExternalTargets: one reply has a bounded number of them resolved.
func TestManyExternalTargets(t *testing.T) {
	c := defaults()
	c.DNS.Recursors = []string{"192.0.2.53:53"}
	var mu sync.Mutex
	asked := 0
	w := newWorld(t, c, func(o *Options) {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			asked++
			mu.Unlock()
			return fakeRecursors(ctx, network, address)
		}
	})
	for i := range 50 {
		w.register(fmt.Sprintf(`{"Node": "n%d", "Address": "h%d.example", "Service": {"Service": "web", "Port": 80}}`, i, i))
	}
	m := w.ask("web.service.consul", dns.TypeSRV, how{edns: 4096})
	if len(m.Answer) != 50 || asked != maxTargets {
		t.Fatalf("%d answers, %d questions", len(m.Answer), asked)
	}
	if m := w.ask("web.service.consul", dns.TypeA, how{edns: 4096}); len(m.Answer) != 1 || asked != maxTargets+1 {
		t.Fatalf("%d answers, %d questions", len(m.Answer), asked)
	}
}

// TestMixedService: a service with instances here and elsewhere is answered
// with a CNAME alone or with addresses alone, each in turn.
func TestMixedService(t *testing.T) {
	w := newWorld(t, defaults())
	w.instances(2)
	w.register(`{"Node": "ext", "Address": "host.example", "Service": {"Service": "web", "Port": 80}}`)
	aliases := 0
	for range 300 {
		m := w.ask("web.service.consul", dns.TypeA, how{})
		if len(m.Answer) == 1 && m.Answer[0].Header().Rrtype == dns.TypeCNAME {
			aliases++
			continue
		}
		if len(m.Answer) != 2 || m.Answer[0].Header().Rrtype != dns.TypeA || m.Answer[1].Header().Rrtype != dns.TypeA {
			t.Fatal(m)
		}
	}
	if aliases < 60 || aliases > 140 { // expected 100 with a deviation of 8
		t.Fatalf("%d aliases", aliases)
	}
}

// TestManyServers: at most three name servers are shown, and each in turn.
func TestManyServers(t *testing.T) {
	w := newWorld(t, defaults())
	for i := range 7 {
		w.register(fmt.Sprintf(`{"Node": "s%d", "Address": "10.0.0.%d", "Service": {"Service": "consul", "Port": 8300}}`, i, i))
	}
	seen := map[string]bool{}
	for range 200 {
		ns, soa := w.ask("consul", dns.TypeNS, how{}), w.ask("consul", dns.TypeSOA, how{})
		if len(ns.Answer) != 3 || len(ns.Extra) != 3 || len(soa.Answer) != 1 || len(soa.Ns) != 3 || len(soa.Extra) != 3 {
			t.Fatal(ns, soa)
		}
		for _, rr := range ns.Answer {
			seen[rr.(*dns.NS).Ns] = true
		}
	}
	if len(seen) != 7 {
		t.Fatal(seen)
	}
}
