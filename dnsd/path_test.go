package dnsd

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"muster/model"
)

// FuzzPacket sends any packet to a server with nodes and services. Both paths
// answer well-formed packets or none, and agree on which question they answer.
func FuzzPacket(f *testing.F) {
	w := newWorld(f, defaults())
	w.instances(5)
	w.register(`{"Node": "n0", "Address": "10.0.0.1", "NodeMeta": {"k": "v"}, "Service": {"Service": "consul", "Port": 8300}}`)
	for _, h := range []how{{}, {edns: 4096}, {edns: 1232, do: true}} {
		for _, name := range []string{"web.service.consul", "_web._tcp.consul", "n0.node.consul", "0a000001.addr.consul", "1.0.0.10.in-addr.arpa", "host.example", "."} {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypeANY, dns.TypeTXT, dns.TypePTR, dns.TypeSOA, dns.TypeNS, dns.TypeAXFR} {
				f.Add(query(name, qtype, h), false)
			}
		}
	}
	f.Add([]byte{}, false)
	f.Add([]byte("\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"), true)
	f.Add([]byte("\x00\x00\x29\x00\x00\x00\x00\x00\x00\x00\x00\x00"), true)
	f.Fuzz(func(t *testing.T, b []byte, tcp bool) {
		kept := bytes.Clone(b)
		slow := w.slow(b, tcp)
		fast := w.fast(b, tcp)
		if !bytes.Equal(kept, b) {
			t.Fatal("the question was changed")
		}
		for _, out := range [][]byte{slow, fast} {
			if out == nil {
				continue
			}
			m := new(dns.Msg)
			if err := m.Unpack(out); err != nil {
				t.Fatalf("malformed reply %x to %x: %v", out, b, err)
			}
			if !m.Response || out[0] != b[0] || out[1] != b[1] {
				t.Fatalf("no reply to %x: %x", b, out)
			}
		}
		if slow != nil && fast != nil && len(fast) > headerLen {
			s, q := new(dns.Msg), new(dns.Msg)
			if s.Unpack(slow) != nil || q.Unpack(fast) != nil || s.Question[0] != q.Question[0] || s.Rcode != q.Rcode {
				t.Fatalf("the paths differ: %v, %v", s, q)
			}
		}
	})
}

// TestOddPackets are those that no question is in.
func TestOddPackets(t *testing.T) {
	w := newWorld(t, defaults())
	for _, c := range []struct {
		name, packet, want string
	}{
		{"too short", "\x12\x34\x01\x00\x00\x01", ""},
		{"a response", "\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01", ""},
		{"no question", "\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x12\x34\x81\x01"},
		{"a question cut off", "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web", "\x12\x34\x81\x01"},
		{"a pointer to itself", "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01", "\x12\x34\x81\x01"},
		{"an update", "\x12\x34\x28\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06consul\x00\x00\x06\x00\x01", "\x12\x34\xa8\x04"},
		{"a notification without a question", "\x12\x34\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x12\x34\xa0\x04"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.slow([]byte(c.packet), false)
			if fast := w.fast([]byte(c.packet), false); fast != nil {
				t.Fatalf("the fast path answers %x", fast)
			}
			if c.want != "" {
				c.want += strings.Repeat("\x00", 8)
			}
			if string(got) != c.want {
				t.Fatalf("got %x, want %x", got, c.want)
			}
		})
	}
}

// TestSecondQuestion: of several questions only the first is answered.
func TestSecondQuestion(t *testing.T) {
	w := newWorld(t, defaults())
	w.instances(1)
	m := new(dns.Msg)
	m.SetQuestion("web.service.consul.", dns.TypeA)
	m.Question = append(m.Question, dns.Question{Name: "n0.node.consul.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if got := w.unpack(w.slow(b, false)); len(got.Question) != 1 || len(got.Answer) != 1 || got.Answer[0].Header().Name != "web.service.consul." {
		t.Fatal(got)
	}
}

// TestOneAnswerAtAnyPrice is about records that hardly fit, or not at all.
func TestOneAnswerAtAnyPrice(t *testing.T) {
	for _, c := range []struct {
		value          int // bytes of the metadata
		qtype          uint16
		answers, extra int
		truncated      bool
	}{
		{440, dns.TypeTXT, 1, 0, false},
		{460, dns.TypeTXT, 1, 0, false}, // within the bytes that are kept clear
		{512, dns.TypeTXT, 0, 0, true},
		{410, dns.TypeA, 1, 1, false},
		{460, dns.TypeA, 1, 0, false}, // metadata never cost an answer
	} {
		t.Run(fmt.Sprintf("%s of %d", dns.Type(c.qtype), c.value), func(t *testing.T) {
			w := newWorld(t, defaults()) // without enable_truncate
			w.register(fmt.Sprintf(`{"Node": "n", "Address": "10.0.0.1", "NodeMeta": {"key": "%s"}}`, strings.Repeat("x", c.value)))
			b := query("n.node.consul", c.qtype, how{})
			for _, m := range []*dns.Msg{w.unpack(w.slow(b, false)), w.unpack(w.fast(b, false))} {
				if len(m.Answer) != c.answers || len(m.Extra) != c.extra || m.Truncated != c.truncated {
					t.Fatalf("got %d answers, %d additional, truncated %v", len(m.Answer), len(m.Extra), m.Truncated)
				}
			}
			if m := w.ask("n.node.consul", c.qtype, how{tcp: true}); len(m.Answer) != 1 || m.Truncated {
				t.Fatalf("over TCP: %v", m)
			}
		})
	}
}

// TestFullAnswers: with EDNS as many as fit, over TCP all up to its limits.
func TestFullAnswers(t *testing.T) {
	c := defaults()
	c.DNS.EnableTruncate = true
	w := newWorld(t, c)
	w.instances(1100)
	for _, c := range []struct {
		qtype  uint16
		h      how
		answer int
	}{
		// (size - 7 clear - 12 header - 24 question - 11 OPT) / 34 a record
		{dns.TypeA, how{edns: 1232}, (1232 - 7 - 12 - 24 - 11) / 34},
		{dns.TypeA, how{edns: 4096}, (4096 - 7 - 12 - 24 - 11) / 34},
		{dns.TypeA, how{}, 3},
		{dns.TypeSRV, how{}, 3},
		{dns.TypeA, how{tcp: true}, 1100},
		// about (65535 - 12 - 12 - 24) / (SRV of 58 and A of 36), as the
		// names of the targets are
		{dns.TypeSRV, how{tcp: true}, 697},
	} {
		b := query("web.service.consul", c.qtype, c.h)
		for _, m := range []*dns.Msg{w.unpack(w.slow(b, c.h.tcp)), w.unpack(w.fast(b, c.h.tcp))} {
			slack := 0
			if c.qtype == dns.TypeSRV && c.h.tcp {
				slack = 5
			}
			if len(m.Answer) < c.answer-slack || len(m.Answer) > c.answer+slack || m.Truncated != (c.answer < 1100) {
				t.Errorf("%s %+v: got %d answers, want %d; truncated %v", dns.Type(c.qtype), c.h, len(m.Answer), c.answer, m.Truncated)
			}
		}
	}
}

// TestShuffleIsFair: every instance is in as many replies as any other, at
// every place.
func TestShuffleIsFair(t *testing.T) {
	w := newWorld(t, defaults(), func(o *Options) {
		seed := uint64(0)
		o.Seed = func() uint64 { seed++; return seed }
	})
	const instances, rounds = 20, 20_000
	w.instances(instances)
	for _, path := range []string{"general", "fast"} {
		b := query("web.service.consul", dns.TypeA, how{})
		at := map[string]*[3]int{}
		for range rounds {
			var m *dns.Msg
			if path == "fast" {
				m = w.unpack(w.fast(b, false))
			} else {
				m = w.unpack(w.slow(b, false))
			}
			for i, rr := range m.Answer {
				ip := rr.(*dns.A).A.String()
				if at[ip] == nil {
					at[ip] = &[3]int{}
				}
				at[ip][i]++
			}
		}
		if len(at) != instances {
			t.Fatalf("%s: %d instances are ever shown", path, len(at))
		}
		for ip, counts := range at {
			for i, n := range counts { // expected 1,000 with a deviation of 31
				if n < 840 || n > 1160 {
					t.Errorf("%s: %s stands %d times at place %d", path, ip, n, i)
				}
			}
		}
	}
}

// TestNextAnswerIsNew: what is acknowledged is in the next answer, also on the
// fast path.
func TestNextAnswerIsNew(t *testing.T) {
	for _, stale := range []bool{true, false} {
		c := defaults()
		c.DNS.AllowStale = stale
		w := newWorld(t, c)
		b := query("web.service.consul", dns.TypeA, how{edns: 4096})
		for i := range 20 {
			if w.fast(b, false) != nil && i == 0 {
				t.Fatal("an answer before the question")
			}
			w.register(fmt.Sprintf(`{"Node": "n%d", "Address": "10.0.0.%d", "Service": {"Service": "web", "Port": 80}}`, i, i))
			if w.fast(b, false) != nil {
				t.Fatalf("stale %v: an old answer on the fast path", stale)
			}
			for _, m := range []*dns.Msg{w.unpack(w.slow(b, false)), w.unpack(w.fast(b, false))} {
				if len(m.Answer) != i+1 {
					t.Fatalf("stale %v: %d answers after %d registrations", stale, len(m.Answer), i+1)
				}
			}
		}
	}
}

// TestLeaderLoss: without a leader stale answers go on, as long as they may;
// others fail after a while.
func TestLeaderLoss(t *testing.T) {
	c := defaults()
	c.DNS.MaxStale, c.Hold = time.Minute, 10*time.Millisecond
	w := newWorld(t, c)
	w.instances(1)
	b := query("web.service.consul", dns.TypeA, how{})
	w.slow(b, false)
	w.log.fail(model.ErrNoLeader, 30*time.Second)
	if w.fast(b, false) == nil || w.unpack(w.slow(b, false)).Rcode != dns.RcodeSuccess {
		t.Fatal("no stale answer")
	}
	w.log.fail(model.ErrNoLeader, 2*time.Minute)
	if w.fast(b, false) != nil || w.unpack(w.slow(b, false)).Rcode != dns.RcodeServerFailure {
		t.Fatal("an answer that is too old")
	}
	c.DNS.AllowStale = false
	w.SetConfig(c)
	w.log.fail(model.ErrNoLeader, 0)
	if w.fast(b, false) != nil || w.unpack(w.slow(b, false)).Rcode != dns.RcodeServerFailure {
		t.Fatal("an answer that the leader did not confirm")
	}
	w.log.fail(nil, 0)
	if w.unpack(w.slow(b, false)).Rcode != dns.RcodeSuccess || w.fast(b, false) == nil {
		t.Fatal("no answer with a leader")
	}
}

// TestHiddenNodes: what the token may not see does not exist, on both paths,
// and a change of its rules is in the next answer.
func TestHiddenNodes(t *testing.T) {
	c := defaults()
	c.Token = "blind"
	w := newWorld(t, c)
	w.rules.blind.Store(&blind{"n0"})
	w.instances(1)
	for _, q := range [][]byte{query("web.service.consul", dns.TypeA, how{}), query("n0.node.consul", dns.TypeA, how{}), query("0.0.0.10.in-addr.arpa", dns.TypePTR, how{})} {
		w.rules.blind.Store(&blind{"n0"})
		if m := w.unpack(w.slow(q, false)); len(m.Answer) != 0 || m.Rcode == dns.RcodeSuccess {
			t.Fatal(m)
		}
		if fast := w.fast(q, false); fast != nil && len(w.unpack(fast).Answer) != 0 {
			t.Fatal("the fast path shows what is hidden")
		}
		w.rules.blind.Store(&blind{"other"})
		if w.fast(q, false) != nil {
			t.Fatal("an answer by the old rules")
		}
		for _, m := range []*dns.Msg{w.unpack(w.slow(q, false)), w.unpack(w.fast(q, false))} {
			if len(m.Answer) != 1 {
				t.Fatal(m)
			}
		}
	}
}

// TestErrors: kinds of errors are answered with codes.
func TestErrors(t *testing.T) {
	for err, rcode := range map[error]int{
		model.ErrNoDatacenter:                      dns.RcodeNameError,
		model.Errorf(model.NotFound, "not found"):  dns.RcodeNameError,
		model.ErrNoLeader:                          dns.RcodeServerFailure,
		model.ErrDenied:                            dns.RcodeServerFailure,
		model.ErrNoServers:                         dns.RcodeServerFailure,
		fmt.Errorf("x: %w", model.ErrNoDatacenter): dns.RcodeNameError,
		context.DeadlineExceeded:                   dns.RcodeServerFailure,
	} {
		s := New(Options{Source: &fakeSource{err: err}}, defaults())
		for _, name := range []string{"web.service.dc2.consul", "n.node.dc2.consul"} {
			out := s.general(context.Background(), newWorker(s), query(name, dns.TypeA, how{}), "", peer{})
			m := new(dns.Msg)
			if m.Unpack(out) != nil || m.Rcode != rcode || (len(m.Ns) == 1) != (rcode == dns.RcodeNameError) {
				t.Errorf("%v is answered with %v", err, m)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSetConfig: a new configuration is in the next answer.
func TestSetConfig(t *testing.T) {
	c := defaults()
	w := newWorld(t, c)
	w.instances(1)
	b := query("web.service.consul", dns.TypeA, how{})
	for ttl := range uint32(3) {
		c.DNS.ServiceTTL = map[string]time.Duration{"web": time.Duration(ttl) * time.Second}
		w.SetConfig(c)
		if w.fast(b, false) != nil {
			t.Fatal("an answer of the old configuration")
		}
		for _, m := range []*dns.Msg{w.unpack(w.slow(b, false)), w.unpack(w.fast(b, false))} {
			if m.Answer[0].Header().Ttl != ttl {
				t.Fatalf("TTL %d: %v", ttl, m)
			}
		}
	}
}

// TestHotIsBounded: what the fast path keeps has bounds, and what it drops is
// no longer watched.
func TestHotIsBounded(t *testing.T) {
	w := newWorld(t, defaults())
	w.hot.maxEntries = 10
	for i := range 100 {
		w.slow(query(fmt.Sprintf("s%d.service.consul", i), dns.TypeA, how{}), false)
	}
	if n := len(w.hot.entries); n != 10 {
		t.Fatalf("%d entries", n)
	}
	w.hot.maxBytes = 0
	w.slow(query("big.service.consul", dns.TypeA, how{}), false)
	if n := len(w.hot.entries); n != 0 || w.hot.bytes != 0 {
		t.Fatalf("%d entries of %d bytes", n, w.hot.bytes)
	}
}

func BenchmarkFast(b *testing.B) {
	for _, c := range []struct {
		name      string
		instances int
		qtype     uint16
	}{{"A-5", 5, dns.TypeA}, {"SRV-3", 3, dns.TypeSRV}, {"A-500", 500, dns.TypeA}, {"none", 0, dns.TypeA}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, defaults())
			w.instances(c.instances)
			packet := query("web.service.consul", c.qtype, how{edns: 4096})
			w.slow(packet, false)
			worker := newWorker(w.Server)
			b.ReportAllocs()
			for b.Loop() {
				var q plain
				if !worker.parse(packet, &q) || w.reply(worker, packet, &q, false) == nil {
					b.Fatal("no answer")
				}
			}
		})
	}
}

func BenchmarkGeneral(b *testing.B) {
	w := newWorld(b, defaults())
	w.instances(5)
	packet := query("web.service.consul", dns.TypeA, how{edns: 4096})
	b.ReportAllocs()
	for b.Loop() {
		w.slow(packet, false)
	}
}

// TestFastPathDoesNotAllocate: the memory of a question is that of its worker.
func TestFastPathDoesNotAllocate(t *testing.T) {
	w := newWorld(t, defaults())
	w.instances(500)
	worker := newWorker(w.Server)
	for _, qtype := range []uint16{dns.TypeA, dns.TypeSRV} {
		packet := query("web.service.consul", qtype, how{edns: 4096})
		w.slow(packet, false)
		if n := testing.AllocsPerRun(100, func() {
			var q plain
			if !worker.parse(packet, &q) || w.reply(worker, packet, &q, false) == nil {
				t.Fatal("no answer")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", dns.Type(qtype), n)
		}
	}
}
