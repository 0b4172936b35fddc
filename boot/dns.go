package boot

import (
	"cmp"
	"fmt"
	"net"

	"muster/config"
	"muster/dnsd"
)

// dnsBytes bounds the prepared DNS answers that are kept.
const dnsBytes = 16 << 20

func (a *Agent) startDNS() error {
	if len(a.cfg.DNS.Addrs) == 0 || a.quorum == nil {
		return nil
	}
	a.dns = dnsd.New(dnsd.Options{Source: dnsd.FromOps(a.ops, a.relay, dnsBytes), Logger: a.log.Named("agent.dns")}, dnsConfig(a.cfg))
	a.onStop(func() {
		if err := a.dns.Close(); err != nil {
			a.log.Error("could not stop DNS", "error", err)
		}
	})
	for _, addr := range a.cfg.DNS.Addrs {
		udp, err := net.ListenPacket("udp", addr.String())
		if err != nil {
			return err
		}
		tcp, err := net.Listen("tcp", addr.String())
		if err != nil {
			udp.Close()
			return err
		}
		if err := a.dns.Listen(udp, tcp); err != nil {
			return fmt.Errorf("listen on %s: %w", addr, err)
		}
		a.log.Named("agent").Info("Started DNS server", "address", addr.String(), "network", "udp, tcp")
	}
	return nil
}

func dnsConfig(c *config.Config) dnsd.Config {
	return dnsd.Config{DNS: c.DNS, Datacenter: c.Datacenter, Token: cmp.Or(c.ACL.Tokens.DNS, c.ACL.Tokens.Default),
		TranslateWAN: c.RPC.TranslateWANAddrs, Hold: c.RPC.HoldTimeout}
}
