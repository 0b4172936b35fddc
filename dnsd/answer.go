package dnsd

import (
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// none stands for no set.
const none = -1

// Answer is what the replies to one question have in common, ready to be sent:
// all records that may be in the answer section, of which each reply has some,
// and what goes with them. It never changes once it is built.
type Answer struct {
	// owner is the name that was asked, in lower case. Records with it are
	// sent under the name as it was asked. "": there are none.
	owner   string
	rcode   int
	records []record
	sets    []set
	texts   int32 // the set that goes with the name itself, or none
	// shuffle: the order of records means nothing, and each reply has another.
	shuffle bool
	// limit is how many records a reply has at most, by configuration; 0 is
	// no limit. What is left out for its sake is not told as truncation: TCP
	// would not show it either.
	limit int
	srv   bool // records are SRV, of which TCP takes fewer
	chain bool // records are a CNAME record and what it leads to
	// external: some records name hosts that must be resolved first, so that
	// the answer is not what is sent.
	external bool
	// ownTTL: what is resolved for the answer gets ttl, in seconds.
	ownTTL bool
	ttl    uint32
	// own: the answer is for one asker at one time only.
	own bool
	// failsOver: other datacenters are to be asked.
	failsOver bool
	soa       *dns.SOA // of the authority section, but for the serial; or nil
	soaWire   span     // in wire
	wire      []byte   // records and sets as in packets
	size      int
}

// span is a part of Answer.wire.
type span struct{ from, to uint32 }

func (s span) len() int { return int(s.to - s.from) }

// record is one that may be in the answer section.
type record struct {
	rr dns.RR
	// wire has a compressed owner if that is the name asked.
	wire span
	full int // bytes without compression
	// addrs and texts are sets of the additional section that go with the
	// record.
	addrs, texts link
	// host is the name of a host outside of the catalog that the record
	// leads to, or "".
	host string
}

// link leads from a record to a set.
type link struct {
	set int32 // or none
	// at is where in the wire form of the record the name of the set begins;
	// 0 if it is not there.
	at int32
}

// set is what the additional section has about one name.
type set struct {
	rrs    []dns.RR
	own    bool   // the name is that of the question
	name   span   // in wire, in full
	bodies []span // of the records, without their names
	full   int    // bytes without compression
}

func newAnswer(owner string) *Answer { return &Answer{owner: owner, texts: none} }

// nameError is the answer about a name that does not exist.
func nameError(owner string, s *settings) *Answer {
	a := newAnswer(owner)
	a.rcode = dns.RcodeNameError
	a.addSOA(s)
	return a
}

// Size is roughly how many bytes of memory the answer takes.
func (a *Answer) Size() int { return 200 + len(a.owner) + len(a.wire) + a.size }

// Rough sizes in memory.
const (
	recordSize = 250
	setSize    = 150
)

// targetOffset is where the target of an SRV record begins in its wire form
// with a compressed owner: behind owner, type, class, TTL, length of the data,
// priority, weight and port.
const targetOffset = 2 + 2 + 2 + 4 + 2 + 2 + 2 + 2

// pack is a record in wire form without compression; false if it has none.
func pack(rr dns.RR) ([]byte, bool) {
	buf := make([]byte, dns.Len(rr)+maxName)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil, false
	}
	return buf[:n], true
}

// skipName is where the name ends that b begins with, which has no pointers.
func skipName(b []byte) int {
	i := 0
	for b[i] != 0 {
		i += 1 + int(b[i])
	}
	return i + 1
}

// store keeps bytes in the wire form.
func (a *Answer) store(parts ...[]byte) span {
	from := len(a.wire)
	for _, p := range parts {
		a.wire = append(a.wire, p...)
	}
	return span{uint32(from), uint32(len(a.wire))}
}

var pointerToQuestion = []byte{0xc0, 12}

// add takes in a record for the answer section, with the sets that go with it.
// It leaves out what no packet can hold.
func (a *Answer) add(rr dns.RR, addrs, texts int32) bool {
	b, ok := pack(rr)
	if !ok {
		return false
	}
	r := record{rr: rr, full: len(b), addrs: a.link(rr, addrs), texts: a.link(rr, texts)}
	if rr.Header().Name == a.owner {
		r.wire = a.store(pointerToQuestion, b[skipName(b):])
	} else {
		r.wire = a.store(b)
	}
	a.records = append(a.records, r)
	a.size += recordSize
	return true
}

// link leads from a record to a set.
func (a *Answer) link(rr dns.RR, set int32) link {
	if srv, ok := rr.(*dns.SRV); ok && set != none && a.sets[set].rrs[0].Header().Name == srv.Target {
		return link{set, targetOffset}
	}
	return link{set: set}
}

// addSet takes in records of one name for the additional section and returns
// the number of the set, or none if no packet can hold it. Answers that are
// not for the fast path may have records of several names in a set.
func (a *Answer) addSet(rrs []dns.RR) int32 {
	var s set
	for _, rr := range rrs {
		b, ok := pack(rr)
		if !ok {
			continue
		}
		n := skipName(b)
		if len(s.rrs) == 0 {
			s.name = a.store(b[:n])
		}
		s.bodies = append(s.bodies, a.store(b[n:]))
		s.rrs = append(s.rrs, rr)
		s.full += len(b)
		a.size += recordSize
	}
	if len(s.rrs) == 0 {
		return none
	}
	s.own = s.rrs[0].Header().Name == a.owner
	a.sets = append(a.sets, s)
	a.size += setSize
	return int32(len(a.sets) - 1)
}

// addSOA puts the SOA record into the authority section.
func (a *Answer) addSOA(s *settings) {
	soa := s.soa(time.Unix(0, 0))
	if b, ok := pack(soa); ok {
		a.soa, a.soaWire = soa, a.store(b)
	}
}

// shuffled is a copy with the records in a random order that stays. What is
// added to the copy does not show in a.
func (a *Answer) shuffled(r *random) *Answer {
	c := *a
	c.records = append([]record(nil), a.records...)
	c.sets = a.sets[:len(a.sets):len(a.sets)]
	c.wire = a.wire[:len(a.wire):len(a.wire)]
	if a.shuffle {
		for i := range c.records {
			j := i + r.below(len(c.records)-i)
			c.records[i], c.records[j] = c.records[j], c.records[i]
		}
		c.shuffle = false
	}
	return &c
}

func header(name string, rrtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

// addressRecord is the A or AAAA record of an address.
func addressRecord(name string, addr netip.Addr, ttl uint32) dns.RR {
	if addr.Is4() {
		return &dns.A{Hdr: header(name, dns.TypeA, ttl), A: addr.AsSlice()}
	}
	return &dns.AAAA{Hdr: header(name, dns.TypeAAAA, ttl), AAAA: addr.AsSlice()}
}

// wantsAddress tells whether a question asks for addresses of a family.
func wantsAddress(qtype uint16, addr netip.Addr) bool {
	switch qtype {
	case dns.TypeA:
		return addr.Is4()
	case dns.TypeAAAA:
		return addr.Is6()
	default:
		return true
	}
}

// maxText is how many bytes one text of a TXT record holds; longer ones are
// cut into several.
const maxText = 255

// textRecord is the TXT record of a pair of metadata, as RFC 1464 has it: the
// key, an equals sign, the value. Of keys that begin with rfc1035- only the
// value is shown.
func textRecord(name, key, value string, ttl uint32) dns.RR {
	text := value
	if !strings.HasPrefix(strings.ToLower(key), "rfc1035-") {
		text = quoteKey(key) + "=" + strings.ReplaceAll(value, "`", "``")
	}
	txt := &dns.TXT{Hdr: header(name, dns.TypeTXT, ttl)}
	for {
		part := text[:min(len(text), maxText)]
		txt.Txt = append(txt.Txt, strings.ReplaceAll(part, `\`, `\\`)) // the library takes escaped text
		if text = text[len(part):]; text == "" {
			return txt
		}
	}
}

// quoteKey marks with a grave accent what would be misread in an attribute
// name: equals signs, grave accents, and blanks at either end.
func quoteKey(key string) string {
	inner := strings.Trim(key, " \t")
	var b strings.Builder
	quoted := func(blanks string) {
		for i := range len(blanks) {
			b.WriteByte('`')
			b.WriteByte(blanks[i])
		}
	}
	start := strings.Index(key, inner)
	quoted(key[:start])
	b.WriteString(strings.NewReplacer("`", "``", "=", "`=").Replace(inner))
	quoted(key[start+len(inner):])
	return b.String()
}
