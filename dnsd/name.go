package dnsd

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// form is what a name in a zone asks for.
type form uint8

const (
	formNone    form = iota // a name that does not exist
	formNode                // <node>.node[.<dc>]
	formService             // [<tag>.]<service>.service[.<dc>]
	formAddr                // <hex>.addr
	formQuery               // <prepared query>.query[.<dc>]
)

// lookup is what a name in a zone says.
type lookup struct {
	form form
	name string // of the node, service or query, or the hexadecimal digits
	tag  string // "" is any
	port string // name of one of several ports; "" is the service's own
	dc   string // "" is the agent's
}

// parseName reads the labels before the zone, in lower case. The label
// farthest right that is a keyword decides what the name asks for.
func parseName(labels []string, qtype uint16) lookup {
	for i := len(labels) - 1; i >= 0; i-- {
		before, after := labels[:i], labels[i+1:]
		switch labels[i] {
		case "node":
			return parseNode(before, after)
		case "service":
			return parseService(before, after)
		case "addr":
			if len(before) != 1 {
				return lookup{}
			}
			return lookup{form: formAddr, name: before[0]}
		case "query":
			return parseQuery(before, after)
		case "connect", "ingress", "virtual":
			return lookup{} // nothing of these kinds exists
		}
	}
	if qtype == dns.TypeSRV && len(labels) >= 2 && isRFC2782(labels[:2]) {
		return parseService(labels[:2], labels[2:])
	}
	return lookup{}
}

func parseNode(before, after []string) lookup {
	l := lookup{form: formNode, name: strings.Join(before, ".")}
	if len(before) == 0 || !l.suffix(after) || l.port != "" {
		return lookup{}
	}
	return l
}

// parseQuery reads the name of a prepared query: labels with dots between them,
// or _<query>._tcp.
func parseQuery(before, after []string) lookup {
	l := lookup{form: formQuery, name: strings.Join(before, ".")}
	if isRFC2782(before) && before[1] == "_tcp" {
		l.name = before[0][1:]
	}
	if l.name == "" || !l.suffix(after) || l.port != "" {
		return lookup{}
	}
	return l
}

func parseService(before, after []string) lookup {
	l := lookup{form: formService}
	n := len(before)
	switch {
	case n == 0:
		return lookup{}
	case isRFC2782(before):
		l.name, l.tag = before[0][1:], before[1][1:]
		if l.tag == "tcp" {
			l.tag = ""
		}
	case n >= 3 && before[n-2] == "port":
		l.name, l.port, l.tag = before[n-1], before[n-3], strings.Join(before[:n-3], ".")
	default:
		l.name, l.tag = before[n-1], strings.Join(before[:n-1], ".")
	}
	if l.name == "" || !l.suffix(after) {
		return lookup{}
	}
	return l
}

// isRFC2782 tells whether labels are _service._tag.
func isRFC2782(labels []string) bool {
	return len(labels) == 2 && strings.HasPrefix(labels[0], "_") && strings.HasPrefix(labels[1], "_")
}

// suffix reads what stands between the keyword and the zone: a datacenter, or
// pairs of a name and what it is a name of. It returns false if that can't be.
func (l *lookup) suffix(labels []string) bool {
	if len(labels) == 1 {
		l.dc = labels[0]
		return true
	}
	if len(labels)%2 != 0 {
		return false
	}
	for i := 0; i < len(labels); i += 2 {
		var into *string
		switch labels[i+1] {
		case "dc":
			into = &l.dc
		case "port":
			into = &l.port
		default: // peers, and what only the enterprise edition has
			return false
		}
		if *into != "" {
			return false
		}
		*into = labels[i]
	}
	return true
}

// parseAddr reads the hexadecimal digits of an addr name. Digits that are none
// make it a name that does not exist; digits of another number than those of
// an address one without records, for which addr is invalid.
func parseAddr(digits string) (addr netip.Addr, exists bool) {
	if len(digits) != 8 && len(digits) != 32 {
		return netip.Addr{}, true
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, _ = netip.AddrFromSlice(b)
	return addr, true
}

// addrLabel is the label of an addr name, the reverse of parseAddr.
func addrLabel(addr netip.Addr) string { return hex.EncodeToString(addr.AsSlice()) }

// isARPA tells whether a name, given as labels in lower case, is one of those
// that belong to addresses.
func isARPA(labels []string) bool { return len(labels) > 0 && labels[len(labels)-1] == "arpa" }

// parseARPA reads the address that a name under arpa belongs to; false if it
// belongs to none.
func parseARPA(labels []string) (netip.Addr, bool) {
	n := len(labels)
	switch {
	case n == 6 && labels[4] == "in-addr":
		var b [4]byte
		for i := range b {
			v, err := strconv.ParseUint(labels[3-i], 10, 8)
			if err != nil {
				return netip.Addr{}, false
			}
			b[i] = byte(v)
		}
		return netip.AddrFrom4(b), true
	case n == 34 && labels[32] == "ip6":
		var digits strings.Builder
		for i := 31; i >= 0; i-- {
			digits.WriteString(labels[i])
		}
		b, err := hex.DecodeString(digits.String())
		if err != nil || len(b) != 16 {
			return netip.Addr{}, false
		}
		addr, _ := netip.AddrFromSlice(b)
		return addr.Unmap(), true
	}
	return netip.Addr{}, false
}
