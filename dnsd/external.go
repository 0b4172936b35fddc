package dnsd

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

const (
	// maxAliases is how many names in our own zones a chain of CNAME records
	// may lead through.
	maxAliases = 3
	// maxLinks is how many records a chain has at most.
	maxLinks = 64
	// maxTargets is for how many targets of SRV records one reply has
	// addresses looked up outside of the catalog.
	maxTargets = 8
	// chainUDP is the size of packets that recursors may answer chains in.
	chainUDP = 1232
)

// resolve completes an answer some of whose records lead to hosts outside of
// the catalog. The result is for one reply.
//
// A name that has a CNAME record can have no other: of a service with such
// instances, chance decides whether a reply has one of them with what it leads
// to, or the addresses of the others.
func (s *Server) resolve(ctx context.Context, w *worker, x *question, a *Answer, depth int) *Answer {
	c := a.shuffled(w.random)
	c.external = false
	if c.srv {
		s.resolveTargets(ctx, x, c, depth)
		return c
	}
	alias := c.records[0]
	if alias.host == "" {
		rest := c.records[:0]
		for _, r := range c.records {
			if r.host == "" {
				rest = append(rest, r)
			}
		}
		c.records = rest
		return c
	}
	c.records, c.limit, c.chain = c.records[:1], 0, true
	if x.q.Qtype == dns.TypeCNAME {
		return c
	}
	for _, rr := range s.chain(ctx, x, alias.host, depth+1) {
		c.add(c.dated(rr), none, none)
	}
	return c
}

// dated is a resolved record with the TTL that the answer prescribes.
func (a *Answer) dated(rr dns.RR) dns.RR {
	if a.ownTTL {
		rr = dns.Copy(rr)
		rr.Header().Ttl = a.ttl
	}
	return rr
}

// resolveTargets looks up the addresses of the first targets that are hosts
// outside of the catalog.
func (s *Server) resolveTargets(ctx context.Context, x *question, c *Answer, depth int) {
	var wanted []int
	for i := range c.records {
		if c.records[i].host != "" && len(wanted) < maxTargets {
			wanted = append(wanted, i)
		}
	}
	chains := make([][]dns.RR, len(wanted))
	var wg sync.WaitGroup
	for n, i := range wanted {
		wg.Go(func() { chains[n] = s.chain(ctx, x, c.records[i].host, depth+1) })
	}
	wg.Wait()
	for n, i := range wanted {
		rrs := make([]dns.RR, len(chains[n]))
		for j, rr := range chains[n] {
			rrs[j] = c.dated(rr)
		}
		c.records[i].addrs = link{set: c.addSet(rrs)}
	}
}

// chain finds the addresses of a host: records that lead from its name to at
// least one, or none at all.
func (s *Server) chain(ctx context.Context, x *question, host string, depth int) []dns.RR {
	qtype := dns.TypeA
	if x.q.Qtype == dns.TypeAAAA {
		qtype = dns.TypeAAAA
	}
	name := strings.ToLower(host)
	labels := labelsOf(name)
	var rrs []dns.RR
	if z, before := x.set.zoneOf(labels); z != nil {
		if depth > maxAliases {
			return nil
		}
		sub := &question{set: x.set, q: dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}, owner: name, labels: labels}
		rrs = s.ownChain(ctx, sub, z, before, depth)
	} else {
		rrs = s.recursorChain(ctx, x.set, host, qtype)
	}
	leads := slices.ContainsFunc(rrs, func(rr dns.RR) bool { return rr.Header().Rrtype == qtype })
	if !leads {
		return nil
	}
	return rrs[:min(len(rrs), maxLinks)]
}

// ownChain is the chain of a name in a zone of ours.
func (s *Server) ownChain(ctx context.Context, x *question, z *zone, labels []string, depth int) []dns.RR {
	a, err := s.lookup(ctx, x, z, parseName(labels, x.q.Qtype))
	if err != nil {
		return nil
	}
	w := s.workers.Get().(*worker)
	defer s.workers.Put(w)
	if a.external {
		a = s.resolve(ctx, w, x, a, depth)
	}
	a = a.shuffled(w.random)
	records := a.records
	if a.limit > 0 {
		records = records[:min(len(records), a.limit)]
	}
	rrs := make([]dns.RR, 0, len(records))
	for _, r := range records {
		rrs = append(rrs, r.rr)
	}
	return rrs
}

// recursorChain is the chain of any other name.
func (s *Server) recursorChain(ctx context.Context, set *settings, host string, qtype uint16) []dns.RR {
	if !set.recurses() {
		return nil
	}
	q := new(dns.Msg)
	q.SetQuestion(host, qtype)
	q.SetEdns0(chainUDP, false)
	w := s.workers.Get().(*worker)
	defer s.workers.Put(w)
	m, err := s.exchange(ctx, w, set, "udp", q)
	if err == nil && m.Truncated {
		m, err = s.exchange(ctx, w, set, "tcp", q)
	}
	if err != nil {
		s.logger.Warn("could not resolve an address in the catalog", "host", host, "error", err)
		return nil
	}
	return follow(m.Answer, host, qtype)
}

// follow picks from the answer of a recursor the aliases and addresses that a
// name leads to; none if it leads to no address.
func follow(answer []dns.RR, name string, qtype uint16) []dns.RR {
	var chain []dns.RR
	for range maxLinks {
		var alias *dns.CNAME
		found := false
		for _, rr := range answer {
			if !strings.EqualFold(rr.Header().Name, name) || rr.Header().Class != dns.ClassINET {
				continue
			}
			if rr.Header().Rrtype == qtype {
				chain, found = append(chain, rr), true
			} else if c, ok := rr.(*dns.CNAME); ok && alias == nil {
				alias = c
			}
		}
		if found {
			return chain
		}
		if alias == nil {
			return nil
		}
		chain, name = append(chain, alias), alias.Target
	}
	return nil
}
