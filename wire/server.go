// Package wire is the port between agents: gRPC that carries HTTP requests
// unopened, and the stream of Raft. It knows addresses, not what to send where.
package wire

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// What a connection begins with: gRPC connections with the preface of HTTP/2,
// Raft's with a byte of their own. Below TLS, which begins with a handshake
// record, they begin again.
const (
	firstGRPC = 'P'
	firstRaft = 'R'
	firstTLS  = 0x16
)

// maxMessage bounds a request or an answer in one piece, in bytes.
const maxMessage = 64 << 20

func appendUvarint(n uint64) []byte { return binary.AppendUvarint(nil, n) }

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
	grpc *grpc.Server
	http *queue // connections for gRPC
	raft *queue // connections for Raft

	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]struct{} // in the handshake; guarded by mu
	closed bool                  // guarded by mu
}

// Serve begins to listen.
func Serve(cfg ServerConfig) *Server {
	s := &Server{cfg: cfg, http: newQueue(cfg.Listener.Addr()), raft: newQueue(cfg.Listener.Addr()), conns: map[net.Conn]struct{}{}}
	s.grpc = grpc.NewServer(grpc.Creds(credsFromSort{}), grpc.ForceServerCodec(codec{}), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}))
	s.grpc.RegisterService(&serviceDesc, cfg.Handler)
	s.wg.Go(s.accept)
	s.wg.Go(func() { s.grpc.Serve(s.http) })
	return s
}

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
	s.grpc.Stop()
	s.wg.Wait()
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
	if c.first == firstRaft {
		c.r.Discard(1)
		s.raft.put(c)
	} else {
		s.http.put(c)
	}
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
	switch c.first {
	case firstGRPC:
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

var serviceDesc = grpc.ServiceDesc{
	ServiceName: "muster.Wire",
	HandlerType: (*Handler)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Do", Handler: serveDo},
		{MethodName: "ReadIndex", Handler: serveReadIndex},
	},
	Streams: []grpc.StreamDesc{{StreamName: "Stream", Handler: serveStream, ServerStreams: true, ClientStreams: true}},
}

func serveReadIndex(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var in number
	if err := dec(&in); err != nil {
		return nil, err
	}
	index, err := srv.(Handler).ReadIndex(ctx, in.n != 0)
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return &number{index}, nil
}

func serveDo(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var in Request
	if err := dec(&in); err != nil {
		return nil, err
	}
	r, err := newHTTP(ctx, &in, in.Body)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	w := &answerWriter{Response: Response{Status: http.StatusOK, Header: http.Header{}}}
	srv.(Handler).ServeHTTP(w, r)
	return &w.Response, nil
}

// newHTTP makes the request that a handler sees.
func newHTTP(ctx context.Context, in *Request, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, in.Method, in.URI, nil)
	if err != nil {
		return nil, err
	}
	r.Header = in.Header
	r.RequestURI = in.URI
	r.TLS = peerOf(ctx)
	r.Body, r.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		r.Body = &bodyReader{body}
	}
	return r, nil
}

type bodyReader struct{ b []byte }

func (r *bodyReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

func (r *bodyReader) Close() error { return nil }

// answerWriter collects an answer.
type answerWriter struct {
	Response
	wrote bool
}

func (w *answerWriter) Header() http.Header { return w.Response.Header }

func (w *answerWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote, w.Status = true, status
	}
}

func (w *answerWriter) Write(p []byte) (int, error) {
	w.wrote = true
	w.Body = append(w.Body, p...)
	return len(p), nil
}
