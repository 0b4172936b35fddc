// Package conns bounds how many connections each client of a door may have.
package conns

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/limit"
	"muster/internal/meter"
)

// tooMany is what a client hears that has too many connections already.
const tooMany = "Your IP is issuing too many concurrent connections, please rate limit your calls\n"

// RetryAfter is how many seconds a client that is over a limit should wait.
const RetryAfter = "1"

// hurried is how many connections above the limits are answered at a time, over
// all clients. What is above even that gets an answer that is written blindly.
const hurried = 64

// Limit bounds how many connections each client address may have, and tells
// those above: 429, whether they use TLS or not.
type Limit struct {
	conns  *limit.Conns
	logger hclog.Logger
	meter  *meter.Meter
	notice limit.Notice
}

// New allows perClient connections; 0 or less is no limit.
func New(perClient int, logger hclog.Logger, m *meter.Meter) *Limit {
	return &Limit{conns: limit.NewConns(perClient, hurried), logger: logger, meter: m, notice: limit.Notice{Every: time.Second}}
}

// Set changes the limit. Connections that are open stay.
func (l *Limit) Set(perClient int) { l.conns.Set(perClient) }

// Serve has a server be asked through a listener within the limit. It returns
// the listener to serve.
func (l *Limit) Serve(s *http.Server, inner net.Listener) net.Listener {
	next := s.Handler
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if !limit.Over(c) {
			return ctx
		}
		l.tell(c.RemoteAddr())
		return context.WithValue(ctx, overLimit{}, true)
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(overLimit{}) == nil {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", RetryAfter)
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusTooManyRequests)
		w.Write([]byte(tooMany))
	})
	return l.conns.Listener(inner, l.refuse)
}

type overLimit struct{}

// refuse closes a connection with an answer that does not wait for the question.
func (l *Limit) refuse(c net.Conn) {
	l.tell(c.RemoteAddr())
	// A small answer into an empty buffer does not block; the deadline is for
	// clients that make it.
	c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	c.Write([]byte("HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nRetry-After: " + RetryAfter +
		"\r\nConnection: close\r\n\r\n" + tooMany))
	c.Close()
}

func (l *Limit) tell(client net.Addr) {
	l.meter.Count("http.conns.refused")
	if dropped, ok := l.notice.Pass(); ok {
		l.logger.Warn("A client has too many connections (limits.http_max_conns_per_client)", "client", limit.IP(client), "not_logged", dropped)
	}
}
