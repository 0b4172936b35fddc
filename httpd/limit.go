package httpd

import (
	"net"
	"sync"
	"time"
)

// tooMany is sent to a client that has too many connections already.
const tooMany = "HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nYour IP is issuing too many concurrent connections, please rate limit your calls\n"

// Limit bounds how many connections each client address may have at a time;
// 0 or less bounds nothing.
func Limit(l net.Listener, perClient int) net.Listener {
	if perClient <= 0 || l.Addr().Network() == "unix" {
		return l
	}
	return &limited{Listener: l, max: perClient, open: map[string]int{}}
}

type limited struct {
	net.Listener
	max int

	mu   sync.Mutex
	open map[string]int // connections by client IP; guarded by mu
}

// Accept returns the next connection of a client that may have one more.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ip := c.RemoteAddr().String()
		if host, _, err := net.SplitHostPort(ip); err == nil {
			ip = host
		}
		l.mu.Lock()
		n := l.open[ip]
		if n < l.max {
			l.open[ip] = n + 1
		}
		l.mu.Unlock()
		if n < l.max {
			return &countedConn{Conn: c, close: func() { l.release(ip) }}, nil
		}
		// A small answer into an empty buffer does not block; the deadline
		// is for clients that make it.
		c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		c.Write([]byte(tooMany))
		c.Close()
	}
}

func (l *limited) release(ip string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[ip]--; l.open[ip] <= 0 {
		delete(l.open, ip)
	}
}

type countedConn struct {
	net.Conn
	once  sync.Once
	close func()
}

// Close closes the connection and lets the client have another.
func (c *countedConn) Close() error {
	c.once.Do(c.close)
	return c.Conn.Close()
}
