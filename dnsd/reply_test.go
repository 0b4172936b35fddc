package dnsd

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"golang.org/x/net/dns/dnsmessage"
	"pgregory.net/rapid"

	"muster/model"
)

// asked is a question to a catalog of any kind under any configuration.
type asked struct {
	facts  *Facts
	config Config
	name   string
	qtype  uint16
	how
}

func genAsked(t *rapid.T) asked {
	a := asked{facts: &Facts{}, config: defaults()}
	nodes := make([]*model.Node, rapid.IntRange(1, 6).Draw(t, "nodes"))
	if rapid.IntRange(0, 9).Draw(t, "many") == 0 {
		nodes = make([]*model.Node, 400)
	}
	name := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9-]{1,12}`), rapid.StringMatching(`[a-z.]{1,70}`), rapid.String())
	meta := rapid.MapOfN(rapid.OneOf(rapid.StringMatching(`[a-z=]{1,9}`), rapid.String()), rapid.OneOf(rapid.String(), rapid.StringN(200, 600, 600)), 0, 3)
	small := rapid.IntRange(0, 3).Draw(t, "meta") > 0
	for i := range nodes {
		nodes[i] = &model.Node{Node: fmt.Sprintf("n%d", i), Address: genAddress(t, i)}
		if len(nodes) < 10 {
			nodes[i].Node = name.Draw(t, "node")
			nodes[i].Meta = meta.Draw(t, "meta")
		} else if small {
			nodes[i].Meta = map[string]string{"k": "v"}
		}
	}
	a.facts.Nodes = nodes[:1]
	for i, n := range append(nodes, nodes[:rapid.IntRange(0, len(nodes)).Draw(t, "second instances")]...) {
		s := &model.NodeService{Service: "web", Port: rapid.IntRange(-1, 70000).Draw(t, "port")}
		if rapid.IntRange(0, 2).Draw(t, "own address") == 0 {
			s.Address = genAddress(t, i/2)
		}
		var checks []*model.HealthCheck
		if rapid.IntRange(0, 4).Draw(t, "checked") == 0 {
			checks = []*model.HealthCheck{{Status: rapid.SampledFrom([]string{"passing", "warning", "critical"}).Draw(t, "status")}}
		}
		a.facts.Instances = append(a.facts.Instances, &model.CheckServiceNode{Node: n, Service: s, Checks: checks})
	}
	d := &a.config.DNS
	d.EnableTruncate = rapid.Bool().Draw(t, "truncate")
	d.OnlyPassing = rapid.Bool().Draw(t, "only passing")
	d.DisableCompression = rapid.IntRange(0, 3).Draw(t, "no compression") == 0
	d.NodeMetaTXT = rapid.Bool().Draw(t, "texts")
	d.UDPAnswerLimit = rapid.IntRange(0, 10).Draw(t, "udp limit")
	d.ARecordLimit = rapid.SampledFrom([]int{0, 0, 1, 2, 5}).Draw(t, "a limit")
	a.qtype = rapid.SampledFrom([]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeSRV, dns.TypeTXT, dns.TypeMX, dns.TypeCNAME, dns.TypeNS, dns.TypeSOA}).Draw(t, "type")
	a.name = rapid.SampledFrom([]string{"web.service.consul.", "Web.SERVICE.consul.", "n.node.consul.", "1.0.0.10.in-addr.arpa.", "zone.consul.", strings.Repeat("t", 60) + "." + strings.Repeat("a.b.", 40) + "web.service.consul."}).Draw(t, "name")
	a.tcp = rapid.IntRange(0, 3).Draw(t, "tcp") == 0
	if rapid.Bool().Draw(t, "edns") {
		a.edns = rapid.OneOf(rapid.IntRange(1, 1500), rapid.SampledFrom([]int{512, 1232, 4096, 65535})).Draw(t, "size")
	}
	return a
}

func genAddress(t *rapid.T, i int) string {
	switch rapid.IntRange(0, 12).Draw(t, "address") {
	case 0, 1, 2:
		return fmt.Sprintf("2001:db8::%x", i+1)
	case 3:
		return rapid.SampledFrom([]string{"", "no..host", "host.example", "HOST.example.", "::ffff:10.9.9.9", strings.Repeat("x", 300)}).Draw(t, "odd")
	default:
		return fmt.Sprintf("10.0.%d.%d", i/256, i%256)
	}
}

// TestEveryReply asks anything of anything, on both paths, and judges the
// replies by what they are for: they are well formed, fit, hold true records,
// at least one if there is any, and say when something was left out.
func TestEveryReply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genAsked(t)
		seeds := uint64(0)
		s := New(Options{Source: &fakeSource{facts: a.facts}, Seed: func() uint64 { seeds++; return seeds / 2 }}, a.config)
		defer s.Close()
		b := query(a.name, a.qtype, a.how)
		one, two := newWorker(s), newWorker(s)
		two.random = newRandom(func() uint64 { return 0 })
		one.random = newRandom(func() uint64 { return 0 })
		var q plain
		if !one.parse(b, &q) {
			t.Fatalf("%s is not plain", a.name)
		}
		slow := s.general(context.Background(), one, b, string(q.key), peer{tcp: a.tcp})
		m := a.judge(t, slow)
		fast := s.reply(two, b, &q, a.tcp)
		if fast == nil {
			return
		}
		if diff := cmp.Diff(order(m), order(a.judge(t, fast))); diff != "" {
			t.Fatalf("the paths differ (-general +fast):\n%s", diff)
		}
	})
}

// order is a message as text, with the records in the order in which they are,
// and OPT last.
func order(m *dns.Msg) string {
	c := m.Copy()
	slices.SortStableFunc(c.Extra, func(a, b dns.RR) int { return int(a.Header().Rrtype/dns.TypeOPT) - int(b.Header().Rrtype/dns.TypeOPT) })
	for _, rr := range c.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			soa.Serial = 0
		}
	}
	return c.String()
}

func (a *asked) judge(t *rapid.T, b []byte) *dns.Msg {
	var p dnsmessage.Message // a parser that is not the one that made the reply
	if err := p.Unpack(b); err != nil {
		t.Fatalf("malformed reply %x: %v", b, err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		t.Fatalf("malformed reply %x: %v", b, err)
	}
	size := 512
	if a.edns > 0 {
		size = max(512, a.edns)
	}
	if a.tcp {
		size = 65535
	}
	if len(b) > size {
		t.Fatalf("%d bytes for %d", len(b), size)
	}
	if !m.Response || len(m.Question) != 1 || m.Question[0].Name != a.name || m.Question[0].Qtype != a.qtype {
		t.Fatalf("reply to something else: %v", m)
	}
	if opt := m.IsEdns0(); (opt != nil) != (a.edns > 0) || opt != nil && int(opt.UDPSize()) != a.edns {
		t.Fatalf("EDNS %d is answered with %v", a.edns, opt)
	}
	a.judgeCounts(t, m)
	a.judgeAdditional(t, m)
	if strings.HasSuffix(a.name, ".service.consul.") || strings.HasSuffix(a.name, ".SERVICE.consul.") {
		a.judgeService(t, m)
	}
	return m
}

func (a *asked) judgeCounts(t *rapid.T, m *dns.Msg) {
	for _, section := range [][]dns.RR{m.Answer, m.Extra} {
		seen := map[string]bool{}
		for _, rr := range section {
			if seen[rr.String()] {
				t.Fatalf("%v twice in\n%v", rr, m)
			}
			seen[rr.String()] = true
		}
	}
	most := 4096
	switch d := a.config.DNS; {
	case a.tcp && a.qtype == dns.TypeSRV:
		most = 1024
	case a.tcp || a.edns > 0:
	case d.UDPAnswerLimit > 0:
		most = min(8, d.UDPAnswerLimit)
	default:
		most = 8
	}
	if len(m.Answer) > most {
		t.Fatalf("%d answers, at most %d are allowed", len(m.Answer), most)
	}
	if m.Truncated && len(m.Answer) > 0 && !a.config.DNS.EnableTruncate {
		t.Fatal("truncation is shown against the configuration")
	}
}

// judgeAdditional: what is additional belongs to what is there.
func (a *asked) judgeAdditional(t *rapid.T, m *dns.Msg) {
	targets := map[string]bool{}
	for _, rr := range append(slices.Clone(m.Answer), m.Ns...) {
		switch rr := rr.(type) {
		case *dns.SRV:
			targets[rr.Target] = true
		case *dns.NS:
			targets[rr.Ns] = true
		}
	}
	texts := 0
	for _, rr := range m.Extra {
		switch rr.Header().Rrtype {
		case dns.TypeA, dns.TypeAAAA:
			if !targets[rr.Header().Name] {
				t.Fatalf("address of nobody: %v in\n%v", rr, m)
			}
		case dns.TypeTXT:
			if !a.config.DNS.NodeMetaTXT {
				t.Fatalf("metadata against the configuration: %v", rr)
			}
			texts++
		}
	}
	if texts > 0 && a.qtype == dns.TypeSRV && len(m.Answer) == 0 {
		t.Fatalf("metadata without an answer:\n%v", m)
	}
}

// judgeService compares with what the facts say, counted in the plainest way.
func (a *asked) judgeService(t *rapid.T, m *dns.Msg) {
	healthy, hosts, addrs, pairs := 0, 0, map[netip.Addr]bool{}, map[string]bool{}
	for _, i := range a.facts.Instances {
		if slices.ContainsFunc(i.Checks, func(c *model.HealthCheck) bool {
			return c.Status == "critical" || c.Status == "warning" && a.config.DNS.OnlyPassing
		}) {
			continue
		}
		text, own := i.Service.Address, i.Service.Address != ""
		if !own {
			text = i.Node.Address
		}
		addr, err := netip.ParseAddr(text)
		isHost := strings.HasPrefix(strings.ToLower(text), "host.example")
		if err != nil && !isHost {
			continue
		}
		healthy++
		target := i.Node.Node
		if _, ok := newZone("consul.").child(target + ".node.dc1"); isHost {
			target = strings.TrimSuffix(text, ".")
		} else if own || !ok {
			target = "address " + addr.Unmap().String()
		}
		pairs[fmt.Sprintf("%s:%d", strings.ToLower(target), max(0, min(i.Service.Port, 65535)))] = true
		if isHost {
			hosts++
			continue
		}
		if addr = addr.Unmap(); a.qtype != dns.TypeA && a.qtype != dns.TypeAAAA || addr.Is4() == (a.qtype == dns.TypeA) {
			addrs[addr] = true
		}
	}
	if a.qtype == dns.TypeSOA || a.qtype == dns.TypeNS {
		return
	}
	if (m.Rcode == dns.RcodeNameError) != (healthy == 0) {
		t.Fatalf("%d healthy instances, and the answer is %s", healthy, dns.RcodeToString[m.Rcode])
	}
	all := len(addrs)
	switch {
	case a.qtype == dns.TypeSRV:
		all = len(pairs)
	case a.qtype == dns.TypeMX:
		all = 0
	case a.qtype == dns.TypeCNAME || len(m.Answer) > 0 && m.Answer[0].Header().Rrtype == dns.TypeCNAME:
		all = min(hosts, 1)
	case len(m.Answer) == 0 && hosts > 0:
		return // the alias alone may have been too large
	}
	if limit := a.config.DNS.ARecordLimit; limit > 0 && a.qtype != dns.TypeSRV {
		all = min(all, limit)
	}
	if len(m.Answer) > all || all > 0 && len(m.Answer) == 0 && !m.Truncated {
		t.Fatalf("%d answers of %d:\n%v", len(m.Answer), all, m)
	}
	if left := len(m.Answer) < all; m.Truncated != (left && (a.config.DNS.EnableTruncate || len(m.Answer) == 0)) {
		t.Fatalf("%d answers of %d, truncated %v", len(m.Answer), all, m.Truncated)
	}
	if len(m.Answer) == 0 && all > 0 && len(a.name) < 200 {
		t.Fatalf("no answer of %d fits", all)
	}
	for _, rr := range m.Answer {
		a.judgeAnswer(t, rr, addrs)
	}
}

func (a *asked) judgeAnswer(t *rapid.T, rr dns.RR, addrs map[netip.Addr]bool) {
	if rr.Header().Name != a.name {
		t.Fatalf("answer about another name: %v", rr)
	}
	var addr netip.Addr
	switch rr := rr.(type) {
	case *dns.A:
		addr, _ = netip.AddrFromSlice(rr.A.To4())
	case *dns.AAAA:
		addr, _ = netip.AddrFromSlice(rr.AAAA)
	default:
		return
	}
	if !addrs[addr] {
		t.Fatalf("an address that no instance has: %v", rr)
	}
}
