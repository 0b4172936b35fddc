package dnsd

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"muster/model"
)

// question is one that is answered on the general path.
type question struct {
	set    *settings
	req    *dns.Msg
	q      dns.Question
	owner  string   // the name asked, in lower case
	labels []string // of owner, as in packets
	peer
	// scoped: the answer may be another for other networks.
	scoped bool
	// key is under what the fast path will look for the answer, or "" if it
	// has no way to give it.
	key string
}

// peer is who asks.
type peer struct {
	tcp  bool
	addr netip.Addr
}

// network is the address from which a prepared query is to be run: the one that
// a resolver tells of its client (RFC 7871), else that of who asks.
func (x *question) network() netip.Addr {
	if opt := x.req.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if subnet, ok := o.(*dns.EDNS0_SUBNET); ok {
				if addr, ok := netip.AddrFromSlice(subnet.Address); ok {
					return addr.Unmap()
				}
			}
		}
	}
	return x.addr.Unmap()
}

// general answers any packet; nil to none at all. key is that of a plain
// question, or "".
func (s *Server) general(ctx context.Context, w *worker, b []byte, key string, from peer) []byte {
	if len(b) < headerLen || b[2]&flagsResponse != 0 {
		return nil
	}
	req := new(dns.Msg)
	if err := req.Unpack(b); err != nil || len(req.Question) == 0 && req.Opcode == dns.OpcodeQuery {
		return bare(b, key, dns.RcodeFormatError)
	}
	if req.Opcode != dns.OpcodeQuery {
		return bare(b, key, dns.RcodeNotImplemented)
	}
	req.Question = req.Question[:1] // of several only the first is answered
	x := &question{set: s.settings.Load(), req: req, q: req.Question[0], peer: from, key: key}
	x.owner = strings.ToLower(x.q.Name)
	x.labels = labelsOf(x.owner)
	out, err := s.answer(ctx, w, x).Pack()
	if err != nil || len(out) > maxTCP {
		s.logger.Error("could not pack a DNS answer", "name", x.q.Name, "type", dns.Type(x.q.Qtype), "error", err)
		return bare(b, key, dns.RcodeServerFailure)
	}
	return out
}

// bare is a reply without records. It has the question if that is a plain one,
// of which key is given.
func bare(b []byte, key string, rcode int) []byte {
	out := make([]byte, headerLen)
	copy(out, b[:4])
	out[2] = out[2]&^(flagsAA|flagsTC) | flagsResponse
	out[3] = byte(rcode)
	if key != "" {
		out[5] = 1
		out = append(out, b[headerLen:headerLen+len(key)+2]...)
	}
	return out
}

// answer finds the one who has to answer a question and returns the reply.
func (s *Server) answer(ctx context.Context, w *worker, x *question) *dns.Msg {
	if opt := x.req.IsEdns0(); opt != nil && opt.Version() != 0 {
		return x.refusal(dns.RcodeBadVers)
	}
	switch {
	case x.q.Qtype == dns.TypeAXFR || x.q.Qtype == dns.TypeIXFR:
		return x.reply(dns.RcodeNotImplemented)
	case x.q.Qclass != dns.ClassINET && x.q.Qclass != dns.ClassANY:
		return x.refusal(dns.RcodeRefused)
	case isARPA(x.labels):
		defer s.reverse.Since(time.Now())
		return s.answerARPA(ctx, w, x)
	}
	z, labels := x.set.zoneOf(x.labels)
	if z == nil {
		return s.recurse(ctx, w, x)
	}
	defer s.domain.Since(time.Now())
	ctx, cancel := context.WithTimeout(ctx, x.set.Hold)
	defer cancel()
	switch x.q.Qtype {
	case dns.TypeSOA, dns.TypeNS:
		return s.answerServers(ctx, w, x)
	}
	a, err := s.lookup(ctx, x, z, parseName(labels, x.q.Qtype))
	if err != nil {
		return s.failure(x, err)
	}
	if a.external {
		a = s.resolve(ctx, w, x, a, 0)
	}
	return s.compose(w, x, a)
}

// refusal is a reply to what is not ours to answer.
func (x *question) refusal(rcode int) *dns.Msg {
	m := x.reply(rcode)
	m.Authoritative = false
	return m
}

// reply begins a reply.
func (x *question) reply(rcode int) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(x.req)
	m.Rcode = rcode
	m.Authoritative = true
	m.RecursionAvailable = x.set.recurses()
	m.Compress = !x.set.DNS.DisableCompression
	if opt := x.opt(rcode); opt != nil {
		m.Extra = []dns.RR{opt}
	}
	return m
}

// opt is the OPT record of a reply, or nil: that of the question, of whose
// options the one about the client's network comes back. Answers are the same
// for all networks, which its scope of 0 says; but not errors, nor those of
// prepared queries.
func (x *question) opt(rcode int) *dns.OPT {
	asked := x.req.IsEdns0()
	if asked == nil {
		return nil
	}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(asked.UDPSize())
	if asked.Do() {
		opt.SetDo()
	}
	for _, o := range asked.Option {
		subnet, ok := o.(*dns.EDNS0_SUBNET)
		if !ok {
			continue
		}
		echo := *subnet
		echo.SourceScope = 0
		if rcode != dns.RcodeSuccess || x.scoped {
			echo.SourceScope = subnet.SourceNetmask
		}
		opt.Option = append(opt.Option, &echo)
	}
	return opt
}

// lookup finds the answer about a name in the zone, and leaves it with the fast
// path if that can give it.
func (s *Server) lookup(ctx context.Context, x *question, z *zone, l lookup) (*Answer, error) {
	renderer := func() *renderer { return x.set.renderer(z, l, x.owner, x.q.Qtype) }
	var render func(*Facts) *Answer
	q := x.set.ask(l)
	switch l.form {
	case formAddr:
		return renderer().addr(), nil
	case formQuery:
		x.scoped = true
		q.Kind, q.Asker, render = AboutQuery, x.network(), func(f *Facts) *Answer { return renderer().query(f) }
	case formService:
		q.Kind, render = AboutService, func(f *Facts) *Answer { return renderer().service(f) }
	case formNode:
		switch x.q.Qtype {
		case dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeTXT:
		default:
			return newAnswer(x.owner), nil
		}
		q.Kind, render = AboutNode, func(f *Facts) *Answer { return renderer().node(f) }
	default:
		return nameError(x.owner, x.set), nil
	}
	q.Key = x.set.key(x.owner, x.q.Qtype)
	held, err := s.source.Ask(ctx, q, render)
	if err != nil {
		if isNameError(err) {
			return nameError(x.owner, x.set), nil
		}
		return nil, err
	}
	a := held.Answer()
	if x.key != "" && !a.external && !a.own {
		s.hot.put(x.key, held, x.set.gen)
	} else {
		held.Release()
	}
	return a, nil
}

// ask begins a question to the source.
func (s *settings) ask(l lookup) *Question {
	return &Question{Datacenter: l.dc, Name: l.name, Tag: l.tag, Token: s.Token, Stale: s.DNS.AllowStale, MaxStale: s.DNS.MaxStale}
}

// isNameError tells whether an error means that a name does not exist.
func isNameError(err error) bool {
	switch model.KindOf(err) {
	case model.NoDatacenter, model.NotFound:
		return true
	default:
		return false
	}
}

// failure is the reply when a question can't be answered now.
func (s *Server) failure(x *question, err error) *dns.Msg {
	if !errors.Is(err, context.Canceled) {
		s.logger.Warn("could not answer a DNS question", "name", x.q.Name, "type", dns.Type(x.q.Qtype), "error", err)
	}
	return x.reply(dns.RcodeServerFailure)
}

// compose makes the reply from an answer, within the limits of the asker.
func (s *Server) compose(w *worker, x *question, a *Answer) *dns.Msg {
	m := x.reply(a.rcode)
	k := x.asker(m)
	w.plan.choose(a, x.set.limits(k, a), w.random)
	s.fill(w, x, m, a)
	return m
}

// asker is what the client and the parts of the reply that are always there
// leave of the packet.
func (x *question) asker(m *dns.Msg) asker {
	k := asker{tcp: x.tcp, base: uncompressed(m)}
	if opt := x.req.IsEdns0(); opt != nil {
		k.edns, k.udpSize = true, int(opt.UDPSize())
	}
	return k
}

// uncompressed is the length of a message without compression, in bytes.
func uncompressed(m *dns.Msg) int {
	c := *m
	c.Compress = false
	return c.Len()
}

// fill puts into a reply what the plan has chosen of an answer.
func (s *Server) fill(w *worker, x *question, m *dns.Msg, a *Answer) {
	p := &w.plan
	m.Truncated = p.truncated
	for _, i := range p.order[:p.n] {
		m.Answer = append(m.Answer, x.named(a.records[i].rr, a))
	}
	if a.soa != nil {
		soa := *a.soa
		soa.Serial = s.serial()
		m.Ns = append(m.Ns, &soa)
	}
	opt := m.Extra
	m.Extra = nil
	for _, c := range p.sets {
		for _, rr := range a.sets[c.set].rrs {
			m.Extra = append(m.Extra, x.named(rr, a))
		}
	}
	m.Extra = append(m.Extra, opt...)
}

// named returns a record under the name as it was asked, if that is its name.
// Records of answers are shared: this one is a copy.
func (x *question) named(rr dns.RR, a *Answer) dns.RR {
	if rr.Header().Name == a.owner {
		rr = dns.Copy(rr)
		rr.Header().Name = x.q.Name
	}
	return rr
}
