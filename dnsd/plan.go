package dnsd

import (
	"math/bits"
	"math/rand/v2"
)

// Limits of packets. The original keeps a few bytes clear of the most that
// there may be, and so how many records fit is the same here.
const (
	minUDP      = 512
	maxUDP      = 65507 // what IPv4 can carry
	maxTCP      = 65535
	clearUDP    = 7
	clearTCP    = 12
	maxPlainUDP = 8    // answers to those who don't tell how much they can take
	maxChain    = 5    // the same, if they are a chain behind a CNAME
	maxRecords  = 4096 // answers over TCP
	maxSRV      = 1024 // the same, if they are SRV
)

// limits say what a reply may hold.
type limits struct {
	size  int // bytes of the packet
	clear int // of these, how many a reply with more than one answer leaves unused
	base  int // bytes of header, question and OPT record
	count int // records in the answer section
	// compressed: owners in the answer section that are the name asked take
	// two bytes.
	compressed bool
	truncate   bool // tell when something was left out
}

// asker is what decides how much a reply may hold.
type asker struct {
	tcp     bool
	edns    bool
	udpSize int // as the client says, if edns
	base    int // bytes of header, question and OPT record
}

func (s *settings) limits(k asker, a *Answer) limits {
	l := limits{base: k.base, compressed: !s.DNS.DisableCompression, truncate: s.DNS.EnableTruncate, count: maxRecords}
	switch {
	case k.tcp:
		l.size, l.clear = maxTCP, clearTCP
		if a.srv {
			l.count = maxSRV
		}
	case k.edns:
		l.size, l.clear = max(minUDP, min(k.udpSize, maxUDP)), clearUDP
	default:
		l.size, l.clear, l.count = minUDP, clearUDP, maxPlainUDP
		if n := s.DNS.UDPAnswerLimit; n > 0 {
			l.count = min(n, l.count)
		}
		if a.chain {
			l.count = min(maxChain, l.count)
		}
	}
	return l
}

// plan is what one reply holds of an Answer. Its memory is used again and
// again.
type plan struct {
	// order begins with the numbers of the records that are sent.
	order []uint32
	n     int
	// sets are those of the additional section.
	sets      []chosenSet
	truncated bool

	seen     []uint32 // by set: round, if it is in sets
	round    uint32
	identity []uint32 // 0, 1, 2 and so on: what order is before it is shuffled
}

// chosenSet is a set of the additional section, and with which of the records
// that are sent it came.
type chosenSet struct {
	link
	with int
}

func (p *plan) reset(records, sets int) {
	p.n, p.truncated, p.sets = 0, false, p.sets[:0]
	for i := len(p.identity); i < records; i++ {
		p.identity = append(p.identity, uint32(i))
	}
	p.order = append(p.order[:0], p.identity[:records]...)
	if len(p.seen) < sets {
		p.seen = make([]uint32, sets)
		p.round = 0
	}
	if p.round++; p.round == 0 {
		clear(p.seen)
		p.round = 1
	}
}

// missing tells whether there is a set that was not taken in yet.
func (p *plan) missing(l link) bool { return l.set != none && p.seen[l.set] != p.round }

// take takes in a set that is missing.
func (p *plan) take(l link, with int) {
	p.seen[l.set] = p.round
	p.sets = append(p.sets, chosenSet{l, with})
}

// choose chooses the records of a reply: as many as fit together with the
// addresses of their targets, and at least one. Only what is left then is for
// metadata, and always for whole sets. One record that is too large without
// anything else is the only case without an answer, which is told even where
// truncation is not configured: silence would be a lie.
func (p *plan) choose(a *Answer, l limits, r *random) {
	p.reset(len(a.records), len(a.sets))
	all := len(a.records)
	if a.limit > 0 {
		all = min(all, a.limit)
	}
	used := l.base + a.soaWire.len()
	most := l.size - l.clear
	for p.n < min(all, l.count) {
		i := p.n
		if a.shuffle {
			j := i + r.below(len(a.records)-i)
			p.order[i], p.order[j] = p.order[j], p.order[i]
		}
		rec := &a.records[p.order[i]]
		size := used + rec.full
		if p.missing(rec.addrs) {
			size += a.sets[rec.addrs.set].full
		}
		if size > most {
			if i == 0 && l.fits(rec) {
				p.n, used = 1, most
			}
			break
		}
		used = size
		if p.missing(rec.addrs) {
			p.take(rec.addrs, i)
		}
		p.n++
	}
	p.truncated = p.n < all && (l.truncate || p.n == 0)
	p.addTexts(a, most-used)
}

// fits tells whether a reply can hold a record and nothing else.
func (l *limits) fits(r *record) bool {
	size := r.full
	if l.compressed {
		size = r.wire.len()
	}
	return l.base+size <= l.size
}

// addTexts takes in the sets of metadata that there is room for.
func (p *plan) addTexts(a *Answer, room int) {
	if len(a.sets) == 0 {
		return
	}
	add := func(l link, with int) {
		if p.missing(l) && a.sets[l.set].full <= room {
			room -= a.sets[l.set].full
			p.take(l, with)
		}
	}
	add(link{set: a.texts}, 0)
	for i := range p.n {
		add(a.records[p.order[i]].texts, i)
	}
}

// random is a generator of random numbers for one goroutine at a time.
type random struct{ pcg *rand.PCG }

func newRandom(seed func() uint64) *random { return &random{rand.NewPCG(seed(), seed())} }

// below is a number from 0 to n-1, each as likely as the others but for less
// than one in 2^40 when n is a number of records.
func (r *random) below(n int) int {
	hi, _ := bits.Mul64(r.pcg.Uint64(), uint64(n))
	return int(hi)
}
