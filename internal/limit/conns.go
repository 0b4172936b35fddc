// Package limit keeps one caller from taking what others need: it bounds the
// connections of an address, and the log lines about those that are refused.
package limit

import (
	"net"
	"sync"
)

// Conns bounds how many connections an address may have at a time, over all
// listeners that it guards.
type Conns struct {
	spare int

	mu   sync.Mutex
	max  int            // guarded by mu
	open map[string]int // connections by address; guarded by mu
	over int            // those let in above max; guarded by mu
}

// NewConns allows max connections from each address; 0 or less is no limit. Up
// to spare more, of all addresses together, are let in nevertheless, so that
// whoever serves them can tell why they are refused: see Over.
func NewConns(max, spare int) *Conns {
	return &Conns{spare: spare, max: max, open: map[string]int{}}
}

// Set changes the limit. Connections that are open stay.
func (c *Conns) Set(max int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.max = max
}

// Listener guards a listener. refuse gets the connections that are not let in,
// on the goroutine that accepts: it must close them and not block.
func (c *Conns) Listener(l net.Listener, refuse func(net.Conn)) net.Listener {
	return &guarded{Listener: l, conns: c, refuse: refuse}
}

type verdict uint8

const (
	admitted verdict = iota
	above            // let in to be told
	refused
)

func (c *Conns) enter(ip string) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.open[ip]; c.max <= 0 || n < c.max {
		c.open[ip] = n + 1
		return admitted
	}
	if c.over < c.spare {
		c.over++
		return above
	}
	return refused
}

func (c *Conns) leave(ip string, v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v == above {
		c.over--
		return
	}
	if c.open[ip]--; c.open[ip] <= 0 {
		delete(c.open, ip)
	}
}

type guarded struct {
	net.Listener
	conns  *Conns
	refuse func(net.Conn)
}

// Accept returns the next connection that is let in. Those over Unix sockets
// have no address to count by.
func (l *guarded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || l.Addr().Network() == "unix" {
			return c, err
		}
		ip := IP(c.RemoteAddr())
		if v := l.conns.enter(ip); v != refused {
			return &counted{Conn: c, over: v == above, leave: func() { l.conns.leave(ip, v) }}, nil
		}
		l.refuse(c)
	}
}

// IP is the address without the port.
func IP(a net.Addr) string {
	if host, _, err := net.SplitHostPort(a.String()); err == nil {
		return host
	}
	return a.String()
}

type counted struct {
	net.Conn
	over  bool
	once  sync.Once
	leave func()
}

// Close closes the connection and lets the address have another.
func (c *counted) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}

// Over tells whether a connection, or the one below its TLS, is above the limit.
func Over(c net.Conn) bool {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	k, ok := c.(*counted)
	return ok && k.over
}
