package boot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"muster/acl"
	"muster/cache"
	"muster/config"
	"muster/httpd"
	"muster/relay"
	"muster/ui"
)

// answerBytes bounds the rendered answers that a door keeps.
const answerBytes = 64 << 20

// Bounds of what an agent without data keeps of the answers of servers.
const (
	cacheBytes    = 16 << 20
	cacheFollowed = 1024 // questions, each with a blocking query at a server
)

func (a *Agent) startHTTP() error {
	page, err := a.page()
	if err != nil {
		return err
	}
	if a.ops == nil {
		a.cache = cache.New(cache.Config{Bytes: cacheBytes, Followed: cacheFollowed, Idle: httpd.CacheTTL})
		a.cache.SetRate(a.cfg.HTTP.CacheFetchRate, a.cfg.HTTP.CacheFetchBurst)
		a.onStop(a.cache.Close)
	}
	a.door = httpd.New(httpd.Config{
		Cache: a.cache, UseCache: a.cfg.HTTP.UseCache,
		Ops: a.ops, Relay: a.relay, Events: a.events, Agent: self{a}, Local: a.local,
		LAN: a.lan, WAN: a.wan, Log: a.log, Meter: a.meter, ACL: acl.Open{}, Logger: a.log.Named("agent.http"),
		Limits:   a.serverLimits(),
		NodeName: a.cfg.Node.Name, Datacenter: a.cfg.Datacenter, Pretty: a.cfg.Dev, CacheBytes: answerBytes,
		DiscoveryMaxStale: a.cfg.HTTP.DiscoveryMaxStale, ResponseHeaders: a.cfg.HTTP.ResponseHeaders,
		BlockEndpoints: a.cfg.HTTP.BlockEndpoints, WriteFrom: networks(a.cfg.HTTP.AllowWriteFrom),
		UnprintablePaths: a.cfg.HTTP.DisableUnprintableFilter, EnableDebug: a.cfg.EnableDebug,
		NoCoordinates: a.cfg.DisableCoordinates,
		TranslateWAN:  a.cfg.RPC.TranslateWANAddrs,
		Connect:       a.cfg.Connect.Enabled, IsServerName: a.isServerName,
		DefaultToken: func() string { return a.cfg.ACL.Tokens.Default },
		UI:           page, UIPath: a.cfg.UI.ContentPath,
	})
	forwarded := a.countRequests(a.guarded(a.door.Forwarded()))
	a.inbound.door.Store(&forwarded)
	for _, e := range a.cfg.HTTP.Addrs {
		l, err := a.listen(e)
		if err != nil {
			return err
		}
		a.api = cmp.Or(a.api, l.Addr())
		a.serveHTTP(l, false)
	}
	if len(a.cfg.HTTP.TLSAddrs) > 0 && !a.webTLS.HasCertificate() {
		a.log.Named("agent").Warn("HTTPS has no certificate: no client can connect; set cert_file and key_file and reload")
	}
	for _, e := range a.cfg.HTTP.TLSAddrs {
		l, err := a.listen(e)
		if err != nil {
			return err
		}
		a.serveHTTP(l, true)
	}
	return nil
}

// page is the web page, nil where it is off.
func (a *Agent) page() (http.Handler, error) {
	if !a.cfg.UI.Enabled {
		return nil, nil
	}
	return ui.Handler(a.cfg.UI.ContentPath, a.cfg.UI.Dir)
}

// serverLimits are the limits of requests, on an agent that runs them.
func (a *Agent) serverLimits() *relay.Limits {
	if a.quorum == nil {
		return nil
	}
	return a.limits
}

func networks(prefixes []netip.Prefix) []httpd.Network {
	var out []httpd.Network
	for _, p := range prefixes {
		out = append(out, func(ip string) bool {
			a, err := netip.ParseAddr(ip)
			return err == nil && p.Contains(a.Unmap())
		})
	}
	return out
}

// serveHTTP serves one listener until the agent stops. Requests under way,
// blocked queries above all, are then cut off.
func (a *Agent) serveHTTP(l net.Listener, secure bool) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &http.Server{
		Handler: a.door, MaxHeaderBytes: a.cfg.HTTP.MaxHeaderBytes, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    a.log.Standard("agent.http"),
	}
	l = a.httpConns.Serve(s, l)
	serve, name := s.Serve, "HTTP"
	if secure {
		name = "HTTPS"
		s.TLSConfig = a.webTLS.Listener()
		// The time for the header is that for the handshake, too.
		if t := a.cfg.HTTP.TLSHandshakeTimeout; t > 0 {
			s.ReadHeaderTimeout = t
		}
		serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
	}
	a.running.Go(func() {
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.log.Named("agent.http").Error("could not go on serving", "address", l.Addr(), "error", err)
		}
	})
	a.onStop(func() {
		cancel()
		// Answers that are being written may end; who does not read loses.
		bounded, done := context.WithTimeout(context.Background(), time.Second)
		defer done()
		if s.Shutdown(bounded) != nil {
			s.Close()
		}
	})
	a.log.Named("agent").Info("Started "+name+" server", "address", l.Addr().String(), "network", l.Addr().Network())
}

// listen opens an address. A socket file that nobody listens on any more is
// replaced.
func (a *Agent) listen(e config.Endpoint) (net.Listener, error) {
	if e.Net != "unix" {
		return a.world.listen("tcp", e.Addr)
	}
	if _, err := os.Stat(e.Addr); err == nil {
		if c, err := net.Dial("unix", e.Addr); err == nil {
			c.Close()
			return nil, fmt.Errorf("listen on %s: somebody else does", e.Addr)
		}
		if err := os.Remove(e.Addr); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	l, err := net.Listen("unix", e.Addr)
	if err != nil {
		return nil, err
	}
	if err := own(e.Addr, a.cfg.HTTP.Socket); err != nil {
		l.Close()
		return nil, err
	}
	if m := a.cfg.HTTP.Socket.Mode; m != "" {
		mode, err := strconv.ParseUint(m, 8, 32)
		if err == nil {
			err = os.Chmod(e.Addr, fs.FileMode(mode))
		}
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("set mode of %s: %w", e.Addr, err)
		}
	}
	return l, nil
}
