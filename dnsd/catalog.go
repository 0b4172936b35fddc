package dnsd

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"muster/model"
)

// renderer builds one Answer from facts.
type renderer struct {
	*settings
	zone  *zone
	l     lookup
	qtype uint16
	ttl   uint32
	a     *Answer
	// chosen: the instances are healthy in the eyes of a prepared query.
	chosen bool
}

func (s *settings) renderer(z *zone, l lookup, owner string, qtype uint16) *renderer {
	return &renderer{settings: s, zone: z, l: l, qtype: qtype, a: newAnswer(owner)}
}

// dc is the datacenter that names in the answer are in.
func (r *renderer) dc() string {
	if r.l.dc != "" {
		return r.l.dc
	}
	return r.Datacenter
}

// translates tells whether addresses are to be those for callers from afar.
func (r *renderer) translates() bool { return r.TranslateWAN && r.dc() != r.Datacenter }

// nodeName is the name of a node in the zone; false if packets can't hold it.
func (r *renderer) nodeName(node string) (string, bool) {
	return r.zone.child(node + ".node." + r.dc())
}

// hostName is the name of a host as it is written in the catalog, ready for
// records; false if it is none.
func hostName(text string) (string, bool) {
	name, ok := domainName(strings.TrimSuffix(text, "."))
	return name + ".", ok
}

// place is where an instance can be reached.
type place struct {
	addr netip.Addr // or
	host string     // the name of a host
	port int
	// own: the address is that of the instance alone, or one for callers from
	// afar, and so not what the node's name leads to.
	own bool
}

// place finds out the address of an instance: its own, else that of its node;
// false if it has none that can be answered with.
func (r *renderer) place(i *model.CheckServiceNode) (place, bool) {
	p := place{port: i.Service.Port}
	if r.l.port != "" {
		n := slices.IndexFunc(i.Service.Ports, func(p model.ServicePort) bool { return strings.EqualFold(p.Name, r.l.port) })
		if n < 0 {
			return place{}, false
		}
		p.port = i.Service.Ports[n].Port
	}
	text := i.Service.Address
	if wan, ok := i.Service.TaggedAddresses[model.AddressWAN]; ok && r.translates() && wan.Address != "" {
		text = wan.Address
		if wan.Port != 0 && r.l.port == "" {
			p.port = wan.Port
		}
	}
	p.own = text != ""
	if text == "" {
		text, p.own = r.nodeAddress(i.Node)
	}
	var ok bool
	p.addr, p.host, ok = parseHost(text)
	p.port = max(0, min(p.port, 1<<16-1))
	return p, ok
}

// nodeAddress is the address of a node, and whether it is another than the one
// that its own datacenter uses.
func (r *renderer) nodeAddress(n *model.Node) (text string, translated bool) {
	if wan := n.TaggedAddresses[model.AddressWAN]; wan != "" && r.translates() {
		return wan, true
	}
	return n.Address, false
}

// parseHost reads an address or the name of a host.
func parseHost(text string) (addr netip.Addr, host string, ok bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.WithZone("").Unmap(), "", true
	}
	host, ok = hostName(text)
	return netip.Addr{}, host, ok
}

// service renders the answer about a service.
func (r *renderer) service(f *Facts) *Answer { return r.instances(f, r.serviceTTL(r.l.name)) }

// query renders the answer about a prepared query.
func (r *renderer) query(f *Facts) *Answer {
	if f.Query == nil {
		return nameError(r.a.owner, r.settings)
	}
	r.l.dc, r.chosen = f.Query.Datacenter, true
	ttl := r.serviceTTL(strings.ToLower(f.Query.Service))
	if d, err := time.ParseDuration(f.Query.TTL); err == nil {
		ttl = seconds(d)
	}
	a := r.instances(f, ttl)
	a.shuffle = a.shuffle && !f.Query.Sorted
	return a
}

// instances renders an answer made of instances.
func (r *renderer) instances(f *Facts, ttl uint32) *Answer {
	r.ttl = ttl
	r.a.shuffle, r.a.ownTTL, r.a.ttl = true, true, r.ttl
	if r.a.srv = r.qtype == dns.TypeSRV; !r.a.srv {
		r.a.limit = r.DNS.ARecordLimit
	}
	found := false
	hosts, srv := newHosts(r), newSRV(r)
	for _, i := range f.Instances {
		weight, ok := r.weight(i)
		if !ok {
			continue
		}
		p, ok := r.place(i)
		if !ok {
			continue
		}
		found = true
		if r.a.srv {
			srv.add(i.Node, p, weight)
		} else {
			hosts.add(p)
		}
	}
	if !found {
		return nameError(r.a.owner, r.settings)
	}
	if len(r.a.records) == 0 {
		r.a.addSOA(r.settings)
	}
	return r.a
}

// weight is how much of the load an instance should get, by its worst check;
// false if it should get none.
func (r *renderer) weight(i *model.CheckServiceNode) (uint16, bool) {
	w := i.Service.Weights
	if w == nil {
		w = &model.Weights{Passing: 1, Warning: 1}
	}
	weight := w.Passing
	for _, c := range i.Checks {
		switch {
		case c.Status == model.HealthPassing:
		case c.Status == model.HealthWarning && (r.chosen || !r.DNS.OnlyPassing):
			weight = w.Warning
		case r.chosen: // a check that the query ignores
		default:
			return 0, false
		}
	}
	return uint16(max(0, min(weight, 1<<16-1))), true
}

// hosts collects the addresses of a service, each once.
type hosts struct {
	*renderer
	addrs map[netip.Addr]bool
	names map[string]bool
}

func newHosts(r *renderer) *hosts {
	return &hosts{renderer: r, addrs: map[netip.Addr]bool{}, names: map[string]bool{}}
}

func (h *hosts) add(p place) {
	switch h.qtype {
	case dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeTXT:
		// The original answers questions for texts with addresses too.
		if p.host == "" {
			if !h.addrs[p.addr] && wantsAddress(h.qtype, p.addr) {
				h.addrs[p.addr] = true
				h.a.add(addressRecord(h.a.owner, p.addr, h.ttl), none, none)
			}
			return
		}
	case dns.TypeCNAME:
		if p.host == "" {
			return
		}
	default:
		return
	}
	if !h.names[strings.ToLower(p.host)] {
		h.names[strings.ToLower(p.host)] = true
		h.alias(p.host)
	}
}

// alias adds a CNAME record.
func (r *renderer) alias(host string) {
	rr := &dns.CNAME{Hdr: header(r.a.owner, dns.TypeCNAME, r.ttl), Target: host}
	if r.a.add(rr, none, none) {
		r.a.records[len(r.a.records)-1].host = host
		r.a.external = true
	}
}

// srvs collects the SRV records of a service, each once, with a set for the
// addresses of each target and one for the metadata of each node.
type srvs struct {
	*renderer
	records map[srvKey]bool
	addrs   map[string]int32 // by target
	texts   map[string]int32 // by name of the node
}

type srvKey struct {
	target string
	port   int
}

func newSRV(r *renderer) *srvs {
	return &srvs{renderer: r, records: map[srvKey]bool{}, addrs: map[string]int32{}, texts: map[string]int32{}}
}

func (s *srvs) add(n *model.Node, p place, weight uint16) {
	nodeName, named := s.nodeName(n.Node)
	target := p.host
	if target == "" {
		target = nodeName
		if p.own || !named {
			target = addrLabel(p.addr) + ".addr." + s.dc() + "." + s.zone.name
		}
	}
	key := srvKey{strings.ToLower(target), p.port}
	if s.records[key] {
		return
	}
	s.records[key] = true
	addrs, texts := int32(none), int32(none)
	if p.host == "" {
		var known bool
		if addrs, known = s.addrs[key.target]; !known {
			addrs = s.a.addSet([]dns.RR{addressRecord(target, p.addr, s.ttl)})
			s.addrs[key.target] = addrs
		}
	}
	if named && s.DNS.NodeMetaTXT && len(n.Meta) > 0 {
		var known bool
		if texts, known = s.texts[nodeName]; !known {
			texts = s.a.addSet(metaTexts(nodeName, n.Meta, s.ttl))
			s.texts[nodeName] = texts
		}
	}
	rr := &dns.SRV{Hdr: header(s.a.owner, dns.TypeSRV, s.ttl), Priority: 1, Weight: weight,
		Port: uint16(p.port), Target: target}
	if s.a.add(rr, addrs, texts) && p.host != "" {
		s.a.records[len(s.a.records)-1].host = p.host
		s.a.external = true
	}
}

// versionMeta is metadata that agents give their nodes for tools: in answers it
// would only take room.
const versionMeta = "consul-version"

// metaTexts are the TXT records of a node's metadata, in the order of keys.
func metaTexts(name string, meta map[string]string, ttl uint32) []dns.RR {
	keys := make([]string, 0, len(meta))
	for k := range meta {
		if k != versionMeta {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	rrs := make([]dns.RR, len(keys))
	for i, k := range keys {
		rrs[i] = textRecord(name, k, meta[k], ttl)
	}
	return rrs
}

// node renders the answer about a node. Its metadata are part of the answer
// where they are asked for, and otherwise additional.
func (r *renderer) node(f *Facts) *Answer {
	if len(f.Nodes) == 0 {
		return nameError(r.a.owner, r.settings)
	}
	n := f.Nodes[0]
	r.ttl = r.nodeTTL()
	text, _ := r.nodeAddress(n)
	addr, host, ok := parseHost(text)
	switch {
	case !ok || r.qtype == dns.TypeTXT:
	case host != "":
		r.alias(host)
	case wantsAddress(r.qtype, addr):
		r.a.add(addressRecord(r.a.owner, addr, r.ttl), none, none)
	}
	texts := metaTexts(r.a.owner, n.Meta, r.ttl)
	switch {
	case r.qtype == dns.TypeTXT || r.qtype == dns.TypeANY && host == "":
		for _, rr := range texts {
			r.a.add(rr, none, none)
		}
	case r.DNS.NodeMetaTXT:
		r.a.texts = r.a.addSet(texts)
	}
	return r.a
}

// owner renders the PTR record of whoever has an address. An answer without
// records says that nobody has it.
func (r *renderer) owner(f *Facts) *Answer {
	var name string
	var ok bool
	switch {
	case len(f.Nodes) > 0:
		name, ok = r.nodeName(f.Nodes[0].Node)
	case len(f.Instances) > 0:
		name, ok = r.zone.child(f.Instances[0].Service.Service + ".service." + r.dc())
	}
	if ok {
		r.a.add(&dns.PTR{Hdr: header(r.a.owner, dns.TypePTR, 0), Ptr: name}, none, none)
	}
	return r.a
}

// maxServers is how many name servers a zone shows.
const maxServers = 3

// servers renders the NS records of the zone, with the addresses of each.
func (r *renderer) servers(f *Facts) *Answer {
	r.a.shuffle, r.a.limit, r.a.owner = true, maxServers, ""
	r.ttl = r.nodeTTL()
	seen := map[string]bool{}
	for _, i := range f.Instances {
		_, healthy := r.weight(i)
		name := strings.ToLower(i.Node.Node)
		addr, _, ok := parseHost(i.Node.Address)
		if !healthy || !ok || seen[name] || !isHostName(name) {
			continue
		}
		seen[name] = true
		full, ok := r.nodeName(name)
		if !ok {
			continue
		}
		addrs := int32(none)
		if addr.IsValid() {
			addrs = r.a.addSet([]dns.RR{addressRecord(full, addr, r.ttl)})
		}
		r.a.add(&dns.NS{Hdr: header(r.zone.name, dns.TypeNS, r.ttl), Ns: full}, addrs, none)
	}
	return r.a
}

// isHostName tells whether a name has only what names of hosts are made of.
func isHostName(name string) bool {
	return strings.IndexFunc(name, func(c rune) bool {
		return c >= 0x80 || c == '_' || c != '.' && !isWord(byte(c))
	}) < 0
}

// addr renders the answer about a name that is made from an address. The
// record has it in lower case, as in the original.
func (r *renderer) addr() *Answer {
	addr, exists := parseAddr(r.l.name)
	if !exists {
		return nameError(r.a.owner, r.settings)
	}
	if addr.IsValid() {
		name := r.a.owner
		r.a.owner = ""
		r.a.add(addressRecord(name, addr, r.nodeTTL()), none, none)
	}
	return r.a
}
