package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"muster/model"
)

const unixPrefix = "unix://"

func quote(s string) string { return strconv.Quote(s) }

// expand evaluates a template and splits what comes out at spaces. A template that
// yields nothing is an error: an agent that nobody reaches is not what was asked for.
func (b *builder) expand(key, text string) []string {
	if strings.Contains(text, "{{") {
		out, err := b.host.Template(text)
		if err != nil {
			b.values.fail("%s: error parsing %q: %w", key, text, err)
			return nil
		}
		if strings.TrimSpace(out) == "" {
			b.values.fail("%s: %q yields no address: is there such an interface, and has it one?", key, text)
		}
		text = out
	}
	return strings.Fields(text)
}

// templates evaluates each text of a list. Texts without a template may hold
// spaces, as those of cloud discovery do.
func (b *builder) templates(key string) []string {
	var all []string
	for _, text := range b.list(key) {
		if strings.Contains(text, "{{") {
			all = append(all, b.expand(key, text)...)
		} else if text = strings.TrimSpace(text); text != "" {
			all = append(all, text)
		}
	}
	return all
}

func parseIP(s string) (netip.Addr, bool) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	ip, err := netip.ParseAddr(s)
	return ip.Unmap(), err == nil
}

// ip is the one address of an option; invalid when nothing is configured.
func (b *builder) ip(key string) netip.Addr {
	text := b.text(key)
	parts := b.expand(key, text)
	if len(parts) == 0 {
		return netip.Addr{}
	}
	if len(parts) > 1 {
		b.values.fail("%s: multiple addresses found: %s", key, strings.Join(parts, " "))
		return netip.Addr{}
	}
	ip, ok := parseIP(parts[0])
	if !ok {
		b.values.fail("%s: invalid ip address: %s", key, parts[0])
	}
	return ip
}

// bind is bind_addr, which has messages of its own.
func (b *builder) bind() netip.Addr {
	parts := b.expand("bind_addr", b.text("bind_addr"))
	switch {
	case len(parts) == 0:
		b.values.fail("bind_addr cannot be empty")
	case len(parts) > 1:
		b.values.fail("bind_addr cannot contain multiple addresses. Use 'addresses.{dns,http,https}' instead.")
	case strings.HasPrefix(parts[0], unixPrefix):
		b.values.fail("bind_addr cannot be a unix socket")
	default:
		ip, ok := parseIP(parts[0])
		if !ok {
			b.values.fail("bind_addr must be an ip address")
		}
		return ip
	}
	return netip.Addr{}
}

// port is a configured port; all negative ones mean off.
func (b *builder) port(key string) int {
	n := b.num(key)
	if n > 65535 {
		b.values.fail("%s: invalid port: %d", key, n)
		return -1
	}
	return max(n, -1)
}

// endpoints are where a door listens: the addresses of key, or those of
// client_addr, at a port. A door whose port is off listens nowhere.
func (b *builder) endpoints(key string, port int) []Endpoint {
	from, text := key, b.text(key)
	if text == "" {
		from, text = "client_addr", b.text("client_addr")
	}
	var all []Endpoint
	for _, s := range b.expand(from, text) {
		if path, ok := strings.CutPrefix(s, unixPrefix); ok {
			if port > 0 {
				all = append(all, Endpoint{Net: "unix", Addr: path})
			}
			continue
		}
		ip, ok := parseIP(s)
		if !ok {
			b.values.fail("%s: invalid ip address: %s", from, s)
			continue
		}
		if port > 0 {
			all = append(all, Endpoint{Net: "tcp", Addr: netip.AddrPortFrom(ip, uint16(port)).String()})
		}
	}
	return all
}

// network resolves all addresses and ports.
func (b *builder) network(c *Config) {
	bind := b.bind()
	lan, wan := b.advertised(bind)
	server := b.positive("ports.server")
	serfLAN := b.positive("ports.serf_lan")
	serfWAN := b.port("ports.serf_wan")
	at := func(ip netip.Addr, port int) netip.AddrPort {
		if !ip.IsValid() || port <= 0 {
			return netip.AddrPort{}
		}
		return netip.AddrPortFrom(ip, uint16(port))
	}
	or := func(ip, other netip.Addr) netip.Addr {
		if ip.IsValid() {
			return ip
		}
		return other
	}
	c.RPC.Bind, c.RPC.Advertise, c.RPC.AdvertiseWAN = at(bind, server), at(lan, server), at(wan, server)
	c.Gossip.LAN.Bind, c.Gossip.LAN.Advertise = at(or(b.ip("serf_lan"), bind), serfLAN), at(lan, serfLAN)
	c.Gossip.WAN.Bind, c.Gossip.WAN.Advertise = at(or(b.ip("serf_wan"), bind), serfWAN), at(wan, serfWAN)

	c.DNS.Port = b.port("ports.dns")
	for _, e := range b.endpoints("addresses.dns", c.DNS.Port) {
		if e.Net == "unix" {
			if b.text("addresses.dns") != "" {
				b.values.fail("DNS address cannot be a unix socket")
			}
			continue // client_addr may hold one for the other doors
		}
		c.DNS.Addrs = append(c.DNS.Addrs, netip.MustParseAddrPort(e.Addr))
	}
	c.ClientAddrs = b.expand("client_addr", b.text("client_addr"))
	c.HTTP.Port, c.HTTP.TLSPort = b.port("ports.http"), b.port("ports.https")
	c.HTTP.Addrs = b.endpoints("addresses.http", c.HTTP.Port)
	c.HTTP.TLSAddrs = b.endpoints("addresses.https", c.HTTP.TLSPort)
	c.GRPC.Port, c.GRPC.TLSPort = b.port("ports.grpc"), b.port("ports.grpc_tls")
	c.GRPC.Addrs = b.endpoints("addresses.grpc", c.GRPC.Port)
	c.GRPC.TLSAddrs = b.endpoints("addresses.grpc_tls", c.GRPC.TLSPort)
	c.Node.TaggedAddresses = b.tagged(lan, wan)
	c.Connect.SidecarPorts = PortRange{b.port("ports.sidecar_min_port"), b.port("ports.sidecar_max_port")}
	c.Connect.ExposePorts = PortRange{b.port("ports.expose_min_port"), b.port("ports.expose_max_port")}
}

// positive is a port that cannot be switched off.
func (b *builder) positive(key string) int {
	n := b.num(key)
	if n < 1 || n > 65535 {
		b.values.fail("%s: invalid port: %d", key, n)
		return 0
	}
	return n
}

// advertised decides the addresses told to others. They stay invalid when they
// would have to be found out and Load is offline.
func (b *builder) advertised(bind netip.Addr) (lan, wan netip.Addr) {
	lan, lan4, lan6 := b.ip("advertise_addr"), b.ip("advertise_addr_ipv4"), b.ip("advertise_addr_ipv6")
	wan, wan4, wan6 := b.ip("advertise_addr_wan"), b.ip("advertise_addr_wan_ipv4"), b.ip("advertise_addr_wan_ipv6")
	six := bind.Is6()
	first := func(ips ...netip.Addr) netip.Addr {
		for _, ip := range ips {
			if ip.IsValid() {
				return ip
			}
		}
		return netip.Addr{}
	}
	if !lan.IsValid() {
		if six {
			lan = first(lan6, lan4)
		} else {
			lan = first(lan4, lan6)
		}
	}
	if !lan.IsValid() && bind.IsValid() {
		lan = bind
		if bind.IsUnspecified() {
			lan = b.detect(six)
		}
	}
	if !wan.IsValid() {
		if six {
			wan = first(wan6, wan4, lan)
		} else {
			wan = first(wan4, wan6, lan)
		}
	}
	return lan, wan
}

// detect finds the machine's one private IPv4 or public IPv6 address.
func (b *builder) detect(six bool) netip.Addr {
	if b.offline {
		return netip.Addr{}
	}
	kind := "private IPv4"
	if six {
		kind = "public IPv6"
	}
	all, err := b.host.Addrs()
	if err != nil {
		b.values.fail("Error detecting %s address: %w", kind, err)
		return netip.Addr{}
	}
	found := map[netip.Addr]bool{}
	for _, ip := range all {
		ip = ip.Unmap().WithZone("")
		if six && ip.Is6() && ip.IsGlobalUnicast() && !ip.IsPrivate() || !six && ip.Is4() && private4(ip) {
			found[ip] = true
		}
	}
	switch len(found) {
	case 0:
		b.values.fail("No %s address found", kind)
	case 1:
		for ip := range found {
			return ip
		}
	default:
		b.values.fail("Multiple %s addresses found. Please configure one with 'bind' and/or 'advertise'.", kind)
	}
	return netip.Addr{}
}

// private4 tells the addresses of RFC 1918 and of RFC 6598 (carriers).
func private4(ip netip.Addr) bool {
	return ip.IsPrivate() || netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(ip)
}

// tagged are the node's addresses by tag.
func (b *builder) tagged(lan, wan netip.Addr) map[string]string {
	all := map[string]string{}
	put := func(tag string, ip netip.Addr) {
		if ip.IsValid() {
			all[tag] = ip.String()
		}
	}
	family := func(ip netip.Addr, tag4, tag6 string) {
		if ip.Is4() {
			put(tag4, ip)
		} else {
			put(tag6, ip)
		}
	}
	family(lan, model.AddressLANIPv4, model.AddressLANIPv6)
	family(wan, model.AddressWANIPv4, model.AddressWANIPv6)
	put(model.AddressLANIPv4, b.ip("advertise_addr_ipv4"))
	put(model.AddressLANIPv6, b.ip("advertise_addr_ipv6"))
	put(model.AddressWANIPv4, b.ip("advertise_addr_wan_ipv4"))
	put(model.AddressWANIPv6, b.ip("advertise_addr_wan_ipv6"))
	put(model.AddressLAN, lan)
	put(model.AddressWAN, wan)
	maps.Copy(all, b.pairs("tagged_addresses"))
	return all
}

// recursors are host:port.
func (b *builder) recursors() []string {
	var all []string
	for _, text := range b.list("recursors") {
		for _, s := range b.expand("recursors", text) {
			r, err := recursor(s)
			if err != nil {
				b.values.failed(err)
				continue
			}
			all = append(all, r)
		}
	}
	return all
}

func recursor(s string) (string, error) {
	if strings.HasPrefix(s, unixPrefix) {
		return "", fmt.Errorf("DNS Recursors cannot be unix sockets: %s", s)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "53"
	}
	ip, ok := parseIP(host)
	if ok {
		host = ip.String()
	}
	if ok && ip.IsUnspecified() {
		return "", errors.New("DNS recursor address cannot be 0.0.0.0, :: or [::]")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("recursors: invalid port: %s", port)
	}
	return net.JoinHostPort(host, port), nil
}
