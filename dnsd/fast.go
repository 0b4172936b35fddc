package dnsd

import (
	"encoding/binary"
	"time"

	"github.com/miekg/dns"
)

// Parts of the header of packets.
const (
	headerLen = 12

	flagsResponse = 0x80 // byte 2
	flagsAA       = 0x04
	flagsTC       = 0x02
	flagsRD       = 0x01
	flagsRA       = 0x80 // byte 3
	flagsAD       = 0x20
	flagsCD       = 0x10

	optLen    = 11      // of an OPT record without options
	maxOffset = 1 << 14 // what a pointer can't reach any more
)

// worker is the memory in which packets are taken apart and put together. It
// belongs to one goroutine at a time.
type worker struct {
	random *random
	plan   plan
	at     []uint32 // where the records of the answer section begin
	name   [maxName + 2]byte
	out    []byte
}

func newWorker(s *Server) *worker {
	return &worker{random: newRandom(s.seed), out: make([]byte, 0, 4096)}
}

// plain is a question of the kind that nearly all are: one, of class IN,
// uncompressed, with or without an OPT record and nothing else.
type plain struct {
	key     []byte // the name in lower case, as in packets, and the type; in the worker's memory
	end     int    // of the question in the packet
	edns    bool
	dnssec  bool // the DO bit
	udpSize int  // if edns
}

// parse reads a plain question; false if it is not one.
func (w *worker) parse(b []byte, q *plain) bool {
	if len(b) < headerLen+5 || b[2]&^flagsRD != 0 || b[3]&^(flagsAD|flagsCD) != 0 ||
		b[4] != 0 || b[5] != 1 || b[6]|b[7]|b[8]|b[9]|b[10] != 0 || b[11] > 1 {
		return false
	}
	key, i := w.name[:0], headerLen
	for {
		if i >= len(b) {
			return false
		}
		n := int(b[i])
		if n > maxLabel || i+1+n >= len(b) || len(key)+1+n >= maxName && n > 0 {
			return false
		}
		key = append(key, b[i])
		i++
		if n == 0 {
			break
		}
		for _, c := range b[i : i+n] {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			key = append(key, c)
		}
		i += n
	}
	if i+4 > len(b) || b[i+2] != 0 || b[i+3] != dns.ClassINET {
		return false
	}
	*q = plain{key: append(key, b[i], b[i+1]), end: i + 4}
	return q.parseOPT(b[q.end:], b[11] == 1)
}

// parseOPT reads what follows the question: nothing, or an OPT record whose
// options don't matter.
func (q *plain) parseOPT(b []byte, present bool) bool {
	if !present {
		return len(b) == 0
	}
	if len(b) < optLen || b[0] != 0 || b[1] != 0 || b[2] != byte(dns.TypeOPT) || b[5] != 0 || b[6] != 0 {
		return false
	}
	q.edns, q.udpSize, q.dnssec = true, int(binary.BigEndian.Uint16(b[3:])), b[7]&0x80 != 0
	options := b[optLen:]
	if len(options) != int(binary.BigEndian.Uint16(b[9:])) {
		return false
	}
	for len(options) > 0 {
		if len(options) < 4 {
			return false
		}
		code, n := binary.BigEndian.Uint16(options), 4+int(binary.BigEndian.Uint16(options[2:]))
		if n > len(options) || code == dns.EDNS0SUBNET {
			return false
		}
		options = options[n:]
	}
	return true
}

// reply answers a plain question from the answers at hand. The result is valid
// until the worker's next; nil if there is no such answer.
func (s *Server) reply(w *worker, b []byte, q *plain, tcp bool) []byte {
	set := s.settings.Load()
	if set.DNS.DisableCompression {
		return nil
	}
	a := s.hot.get(q.key)
	if a == nil {
		return nil
	}
	start := time.Now()
	k := asker{tcp: tcp, edns: q.edns, udpSize: q.udpSize, base: q.end}
	if q.edns {
		k.base += optLen
	}
	w.plan.choose(a, set.limits(k, a), w.random)
	var serial uint32
	if a.soa != nil {
		serial = s.serial()
	}
	w.pack(a, b, q, set.recurses(), serial)
	if q.key[len(q.key)-1] == byte(dns.TypePTR) {
		s.reverse.Since(start)
	} else {
		s.domain.Since(start)
	}
	return w.out
}

// pack puts together the reply that the plan says.
func (w *worker) pack(a *Answer, b []byte, q *plain, recurses bool, serial uint32) {
	p := &w.plan
	out := append(w.out[:0], b[:q.end]...)
	out[2] = flagsResponse | flagsAA | b[2]&flagsRD
	if p.truncated {
		out[2] |= flagsTC
	}
	out[3] = b[3]&flagsCD | byte(a.rcode)
	if recurses {
		out[3] |= flagsRA
	}
	w.at = w.at[:0]
	for _, i := range p.order[:p.n] {
		r := a.records[i].wire
		w.at = append(w.at, uint32(len(out)))
		out = append(out, a.wire[r.from:r.to]...)
	}
	authority := 0
	if a.soa != nil {
		authority = 1
		out = append(out, a.wire[a.soaWire.from:a.soaWire.to]...)
		binary.BigEndian.PutUint32(out[len(out)-serialOffset:], serial)
	}
	additional := 0
	for _, c := range p.sets {
		additional += len(a.sets[c.set].bodies)
		out = w.packSet(out, a, c)
	}
	if q.edns {
		additional++
		out = append(out, 0, 0, byte(dns.TypeOPT), byte(q.udpSize>>8), byte(q.udpSize), 0, 0, 0, 0, 0, 0)
		if q.dnssec {
			out[len(out)-4] = 0x80
		}
	}
	binary.BigEndian.PutUint16(out[6:], uint16(p.n))
	binary.BigEndian.PutUint16(out[8:], uint16(authority))
	binary.BigEndian.PutUint16(out[10:], uint16(additional))
	w.out = out
}

// serialOffset is how far before its end a SOA record has its serial.
const serialOffset = 5 * 4

// packSet appends a set of the additional section. Its name may be in the
// packet already: as that of the question, or within the record that it came
// with.
func (w *worker) packSet(out []byte, a *Answer, c chosenSet) []byte {
	set := &a.sets[c.set]
	at := maxOffset
	switch {
	case set.own:
		at = headerLen
	case c.at != 0:
		at = int(w.at[c.with]) + int(c.at)
	}
	for _, body := range set.bodies {
		if at < maxOffset {
			out = append(out, 0xc0|byte(at>>8), byte(at))
		} else {
			at = len(out)
			out = append(out, a.wire[set.name.from:set.name.to]...)
		}
		out = append(out, a.wire[body.from:body.to]...)
	}
	return out
}
