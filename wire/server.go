// Package wire is the port between agents: links that carry HTTP requests
// unopened, and the stream of Raft. It knows addresses, not what to send where.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// What a connection begins with: a link, a stream of Raft, or TLS, below which
// it begins again.
const (
	firstLink = 'M'
	firstRaft = 'R'
	firstTLS  = 0x16
)

// version of the protocol of links. It follows firstLink; the server answers
// with its own, and goes on if it is the same.
const version = 1

// Handler answers what comes from other agents. Its requests have TLS set when
// they came that way.
type Handler interface {
	http.Handler
	// ReadIndex returns the index that a follower must have applied to be
	// current. consistent has the leader ask its majority first.
	ReadIndex(ctx context.Context, consistent bool) (uint64, error)
}

// ServerConfig is what a Server is made of.
type ServerConfig struct {
	Listener net.Listener
	Handler  Handler
	// TLS, when set, is spoken with those who begin with it.
	TLS *tls.Config
	// RequireTLS refuses all others.
	RequireTLS bool
	// Strangers, when not "", is the protocol (ALPN) of callers that come with
	// TLS and without a certificate, for which TLS makes an exception. Strangers
	// accepts them; they reach nothing else.
	Strangers string
	// AllowRaft, when set, returns an error for callers that may not be part of
	// Raft. peer is nil when they came without TLS.
	AllowRaft func(peer *tls.ConnectionState) error
	// HandshakeTimeout bounds the time until it is known what a connection is
	// for; 0 or less bounds nothing.
	HandshakeTimeout time.Duration
	Logger           hclog.Logger
}

// Server listens on the port between agents.
type Server struct {
	cfg  ServerConfig
	raft *queue // connections for Raft
	lone *queue // connections of strangers

	wg     sync.WaitGroup
	crew   *crew // for the calls of links
	mu     sync.Mutex
	conns  map[net.Conn]struct{} // in the handshake, or links; guarded by mu
	closed bool                  // guarded by mu
}

// Serve begins to listen.
func Serve(cfg ServerConfig) *Server {
	s := &Server{cfg: cfg, raft: newQueue(cfg.Listener.Addr()), lone: newQueue(cfg.Listener.Addr()), crew: newCrew(), conns: map[net.Conn]struct{}{}}
	s.wg.Go(s.accept)
	return s
}

// Strangers accepts the connections of callers without a certificate.
func (s *Server) Strangers() net.Listener { return s.lone }

// Raft accepts the connections of Raft.
func (s *Server) Raft() net.Listener { return s.raft }

// Close stops listening, cuts off what is under way and waits.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.cfg.Listener.Close()
	s.raft.Close()
	s.lone.Close()
	s.wg.Wait()
	s.crew.close()
}

func (s *Server) accept() {
	for {
		c, err := s.cfg.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.cfg.Logger.Error("could not accept from other agents", "error", err)
			}
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.Close()
			return
		}
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() {
			s.sort(c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// sort gives a connection to whom it is for.
func (s *Server) sort(raw net.Conn) {
	if s.cfg.HandshakeTimeout > 0 {
		raw.SetDeadline(time.Now().Add(s.cfg.HandshakeTimeout))
	}
	c, err := s.identify(raw)
	if err != nil {
		if !errors.Is(err, errSilent) {
			s.cfg.Logger.Warn("refused a connection", "from", raw.RemoteAddr(), "error", err)
		}
		raw.Close()
		return
	}
	c.SetDeadline(time.Time{})
	switch {
	case s.stranger(c.peer):
		s.lone.put(c)
		return
	case c.first == firstRaft:
		s.raft.put(c)
		return
	}
	if err := newLink(c, c.peer, s.begin).run(c); errors.Is(err, errProtocol) || errors.Is(err, errTooLong) {
		s.cfg.Logger.Warn("cut off a connection", "from", raw.RemoteAddr(), "error", err)
	}
}

func (s *Server) stranger(peer *tls.ConnectionState) bool {
	return peer != nil && s.cfg.Strangers != "" && peer.NegotiatedProtocol == s.cfg.Strangers
}

// identify finds out who connects, and what for; it refuses who may not.
func (s *Server) identify(raw net.Conn) (*conn, error) {
	c, err := peek(raw, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case c.first == firstTLS && s.cfg.TLS != nil:
		t := tls.Server(c, s.cfg.TLS)
		if err := t.Handshake(); err != nil {
			return nil, err
		}
		state := t.ConnectionState()
		if c, err = peek(t, &state); err != nil {
			return nil, err
		}
	case s.cfg.RequireTLS:
		return nil, errors.New("it does not use TLS")
	}
	if s.stranger(c.peer) {
		return c, nil
	}
	c.r.Discard(1)
	switch c.first {
	case firstLink:
		return c, welcome(c)
	case firstRaft:
		if s.cfg.AllowRaft == nil {
			break
		}
		if err := s.cfg.AllowRaft(c.peer); err != nil {
			return nil, fmt.Errorf("Raft is for servers only: %w", err)
		}
	default:
		return nil, errors.New("it speaks no protocol of this port")
	}
	return c, nil
}

// welcome tells a caller that its link may begin.
func welcome(c *conn) error {
	var asked [1]byte
	if _, err := io.ReadFull(c, asked[:]); err != nil {
		return err
	}
	if _, err := c.Write([]byte{version}); err != nil {
		return err
	}
	if asked[0] != version {
		return fmt.Errorf("it speaks version %d of the protocol, not %d", asked[0], version)
	}
	return nil
}

// queue is a listener that is fed by sort.
type queue struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue(addr net.Addr) *queue {
	return &queue{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (q *queue) put(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		c.Close()
	}
}

// Accept returns the next connection.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr is the address of the port.
func (q *queue) Addr() net.Addr { return q.addr }
