package dnsd

import (
	"context"
	"math"

	"github.com/miekg/dns"

	"muster/model"
)

// answerServers answers questions for the SOA and NS records, which every name
// in a zone has. Both are under the name of the primary domain.
func (s *Server) answerServers(ctx context.Context, w *worker, x *question) *dns.Msg {
	primary := x.set.primary
	q := x.set.ask(lookup{name: model.ConsulService})
	q.Kind, q.Key = AboutService, x.set.key(primary.name, dns.TypeNS)
	held, err := s.source.Ask(ctx, q, func(f *Facts) *Answer {
		return x.set.renderer(primary, lookup{}, primary.name, dns.TypeNS).servers(f)
	})
	if err != nil {
		return s.failure(x, err)
	}
	defer held.Release()
	a := held.Answer()
	m := x.reply(dns.RcodeSuccess)
	if x.q.Qtype == dns.TypeNS {
		w.plan.choose(a, x.set.limits(x.asker(m), a), w.random)
		s.fill(w, x, m, a)
		return m
	}
	soa := x.set.soa(s.now())
	k := x.asker(m)
	k.base += dns.Len(soa)
	w.plan.choose(a, x.set.limits(k, a), w.random)
	s.fill(w, x, m, a)
	m.Ns, m.Answer = m.Answer, []dns.RR{soa}
	m.Truncated = false // what the name was asked for is there
	return m
}

// answerARPA answers for the addresses of nodes and services; for all others
// the recursors do.
func (s *Server) answerARPA(ctx context.Context, w *worker, x *question) *dns.Msg {
	addr, ok := parseARPA(x.labels)
	if !ok || x.q.Qtype != dns.TypePTR && x.q.Qtype != dns.TypeANY {
		return s.recurse(ctx, w, x)
	}
	hold, cancel := context.WithTimeout(ctx, x.set.Hold)
	defer cancel()
	q := x.set.ask(lookup{})
	q.Kind, q.Address, q.Key = AboutAddress, addr, x.set.key(x.owner, dns.TypePTR)
	held, err := s.source.Ask(hold, q, func(f *Facts) *Answer {
		return x.set.renderer(x.set.primary, lookup{}, x.owner, dns.TypePTR).owner(f)
	})
	if err != nil {
		return s.failure(x, err)
	}
	a := held.Answer()
	if len(a.records) == 0 {
		held.Release()
		return s.recurse(ctx, w, x)
	}
	if x.key != "" {
		s.hot.put(x.key, held, x.set.gen)
	} else {
		held.Release()
	}
	return s.compose(w, x, a)
}

// serial is the serial of SOA records.
func (s *Server) serial() uint32 { return uint32(s.now().Unix() & math.MaxUint32) }
