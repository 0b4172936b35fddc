package boot

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"muster/config"
	"muster/dnsd"
	"muster/httpd"
	"muster/internal/meter"
	"muster/model"
	"muster/relay"
	"muster/wire"
)

// dnsBytes bounds the prepared DNS answers that are kept.
const dnsBytes = 16 << 20

func (a *Agent) startDNS() error {
	if len(a.cfg.DNS.Addrs) == 0 {
		return nil
	}
	remote := dnsd.FromAPI(servers{a})
	a.onStop(remote.Close)
	var source dnsd.Source = remote
	if a.ops != nil {
		source = dnsd.Both(a.cfg.Datacenter, dnsd.FromOps(a.ops, a.relay, a.cfg.Node.Name, dnsBytes), remote)
	}
	node := meter.Label{Name: "node", Value: a.cfg.Node.Name}
	a.dns = dnsd.New(dnsd.Options{Source: source, Logger: a.log.Named("agent.dns"),
		Domain: a.meter.Timer("dns.domain_query", node), Reverse: a.meter.Timer("dns.ptr_query", node)}, dnsConfig(a.cfg))
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

// servers is the API of the servers, for DNS.
type servers struct{ a *Agent }

func (s servers) Get(ctx context.Context, r dnsd.Request) ([]byte, uint64, error) {
	req := &wire.Request{Method: http.MethodGet, URI: r.URI, Header: http.Header{}}
	if r.Datacenter != "" {
		req.URI += "&dc=" + url.QueryEscape(r.Datacenter)
	}
	if r.Token != "" {
		req.Header.Set("X-Consul-Token", r.Token)
	}
	if r.Asker.IsValid() {
		req.Header.Set(httpd.HeaderCaller, r.Asker.String())
	}
	resp, err := s.a.relay.Call(ctx, relay.Need{Place: relay.Server, Datacenter: r.Datacenter, Spare: r.Spare}, req)
	if err != nil {
		return nil, 0, err
	}
	index, _ := strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64)
	switch resp.Status {
	case http.StatusOK:
		return resp.Body, index, nil
	case http.StatusNotFound:
		return nil, index, nil
	}
	if string(resp.Body) == model.TextNoDatacenter {
		return nil, 0, model.ErrNoDatacenter
	}
	return nil, 0, remoteError(resp)
}

func dnsConfig(c *config.Config) dnsd.Config {
	return dnsd.Config{DNS: c.DNS, Datacenter: c.Datacenter, Token: cmp.Or(c.ACL.Tokens.DNS, c.ACL.Tokens.Default),
		TranslateWAN: c.RPC.TranslateWANAddrs, Hold: c.RPC.HoldTimeout}
}
