package dnsd

import (
	"strings"
	"time"

	"github.com/miekg/dns"
)

// settings are a Config in the form in which it is used. They never change.
type settings struct {
	Config
	gen     uint64 // counts the configurations
	primary *zone
	zones   []*zone // the longest name first
}

// zone is a domain whose names are answered here.
type zone struct {
	name   string   // lower case, as people write it, with a dot at the end
	labels []string // lower case, as in packets
	wire   []byte   // name as in packets
}

func newZone(domain string) *zone {
	z := &zone{name: strings.ToLower(dns.Fqdn(domain)), labels: labelsOf(strings.ToLower(domain))}
	for _, l := range z.labels {
		z.wire = append(z.wire, byte(len(l)))
		z.wire = append(z.wire, l...)
	}
	z.wire = append(z.wire, 0)
	return z
}

// sub is a name in the zone, as people write it.
func (z *zone) sub(name string) string {
	if z.name == "." {
		return name + "."
	}
	return name + "." + z.name
}

// child is sub of a name that is written with dots, such as that of a node;
// false if packets can't hold it.
func (z *zone) child(name string) (string, bool) {
	text, ok := domainName(name)
	return z.sub(text), ok && len(name)+1+len(z.wire) <= maxName
}

const defaultHold = 7 * time.Second

func newSettings(c Config, gen uint64) *settings {
	s := &settings{Config: c, gen: gen, primary: newZone(c.DNS.Domain)}
	s.zones = []*zone{s.primary}
	if c.DNS.AltDomain != "" {
		alt := newZone(c.DNS.AltDomain)
		s.zones = append(s.zones, alt)
		if len(alt.labels) > len(s.primary.labels) {
			s.zones[0], s.zones[1] = alt, s.primary
		}
	}
	if s.Hold <= 0 {
		s.Hold = defaultHold
	}
	return s
}

// zoneOf splits a name (labels in lower case) into the zone it is in and the
// labels before; nil if it is in none.
func (s *settings) zoneOf(labels []string) (*zone, []string) {
	for _, z := range s.zones {
		n := len(labels) - len(z.labels)
		if n >= 0 && equal(labels[n:], z.labels) {
			return z, labels[:n]
		}
	}
	return nil, nil
}

// inZone tells whether a name as in packets, in lower case, may be in a zone.
// It can take a name for one of the zone that is not, never the reverse.
func (s *settings) inZone(wire string) bool {
	for _, z := range s.zones {
		if strings.HasSuffix(wire, string(z.wire)) {
			return true
		}
	}
	return false
}

func equal(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// recurses tells whether there are recursors.
func (s *settings) recurses() bool { return len(s.DNS.Recursors) > 0 }

// nodeTTL is the TTL of what is about nodes, in seconds.
func (s *settings) nodeTTL() uint32 { return seconds(s.DNS.NodeTTL) }

// serviceTTL is the TTL of what is about a service, in seconds: by its name,
// else by the longest prefix, else by *.
func (s *settings) serviceTTL(service string) uint32 {
	ttls := s.DNS.ServiceTTL
	if len(ttls) == 0 {
		return 0
	}
	best, found, ttl := -1, false, time.Duration(0)
	for pattern, d := range ttls {
		pattern = strings.ToLower(pattern)
		prefix, wild := strings.CutSuffix(pattern, "*")
		switch {
		case !wild && pattern == service:
			return seconds(d)
		case wild && len(prefix) > best && strings.HasPrefix(service, prefix):
			best, found, ttl = len(prefix), true, d
		}
	}
	if !found {
		return 0
	}
	return seconds(ttl)
}

// maxTTL is the longest that DNS knows (RFC 2181).
const maxTTL = 1<<31 - 1

func seconds(d time.Duration) uint32 { return uint32(max(0, min(d/time.Second, maxTTL))) }

// soa is the SOA record of the primary domain. Its serial is the time, so that
// nobody takes an old zone for the newest.
func (s *settings) soa(now time.Time) *dns.SOA {
	c := s.DNS.SOA
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: s.primary.name, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: c.MinTTL},
		Ns:  s.primary.sub("ns"), Mbox: s.primary.sub("hostmaster"), Serial: uint32(now.Unix()),
		Refresh: c.Refresh, Retry: c.Retry, Expire: c.Expire, Minttl: c.MinTTL,
	}
}

// labelsOf splits a name in text form into its labels as in packets.
func labelsOf(name string) []string {
	labels := dns.SplitDomainName(name)
	for i, l := range labels {
		labels[i] = unescape(l)
	}
	return labels
}

// unescape turns \. and \DDD into the bytes that they stand for.
func unescape(label string) string {
	if !strings.Contains(label, `\`) {
		return label
	}
	var b []byte
	for i := 0; i < len(label); i++ {
		c := label[i]
		if c == '\\' && i+1 < len(label) {
			i++
			c = label[i]
			if i+2 < len(label) && isDigit(c) && isDigit(label[i+1]) && isDigit(label[i+2]) {
				c = byte(int(c-'0')*100 + int(label[i+1]-'0')*10 + int(label[i+2]-'0'))
				i += 2
			}
		}
		b = append(b, c)
	}
	return string(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// escape is the text form of a label, the reverse of unescape.
func escape(label string) string {
	plain := true
	for i := 0; i < len(label); i++ {
		plain = plain && isWord(label[i])
	}
	if plain {
		return label
	}
	var b strings.Builder
	for i := 0; i < len(label); i++ {
		switch c := label[i]; {
		case isWord(c):
			b.WriteByte(c)
		default:
			b.Write([]byte{'\\', '0' + c/100, '0' + c/10%10, '0' + c%10})
		}
	}
	return b.String()
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '-' || c == '_'
}

// domainName is the text form of a name that is written with dots, such as
// that of a node; false if packets can't hold it. It has no dot at the end.
func domainName(name string) (string, bool) {
	size := 1
	var b strings.Builder
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > maxLabel {
			return "", false
		}
		if size += 1 + len(label); size > maxName {
			return "", false
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(escape(label))
	}
	return b.String(), true
}

// The longest label and name in packets, in bytes.
const (
	maxLabel = 63
	maxName  = 255
)
