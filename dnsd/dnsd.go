// Package dnsd is the DNS door: it answers questions about nodes and services
// over UDP and TCP and passes all others on to recursors. README.md tells how.
package dnsd

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/config"
	"muster/internal/meter"
)

// The bounds of what questions can make the server do at a time. Beyond them
// it answers SERVFAIL at once.
const (
	maxLookups    = 256  // questions about the zone that the fast path has no answer for
	maxRecursions = 1024 // questions at recursors
)

// Config is what the configuration of an agent says about DNS.
type Config struct {
	// DNS is the section of that name. Its ports and addresses are not looked at.
	DNS config.DNS
	// Datacenter is that of the agent.
	Datacenter string
	// Token is the secret with which the catalog is asked: acl.tokens.dns, or
	// else acl.tokens.default.
	Token string
	// TranslateWAN has answers about other datacenters show WAN addresses
	// (translate_wan_addrs).
	TranslateWAN bool
	// Hold is how long a question about the zone may take, as while there is
	// no leader (rpc_hold_timeout). 0: 7 s.
	Hold time.Duration
}

// Options are the parts that a Server is built from.
type Options struct {
	// Source knows the nodes and services.
	Source Source
	// Logger may be nil.
	Logger hclog.Logger
	// Dial opens connections to recursors, over "udp" and "tcp". nil: the
	// machine's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock of SOA serials. nil: time.Now.
	Now func() time.Time
	// Seed starts a generator of random numbers, by which answers are
	// shuffled; it is called from several goroutines. nil: the system's
	// randomness.
	Seed func() uint64
	// Domain and Reverse measure questions below the domains, and about
	// addresses. nil: nobody does.
	Domain, Reverse *meter.Timer
}

// Server answers DNS questions. Its methods may be called from anywhere.
type Server struct {
	source  Source
	logger  hclog.Logger
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	now     func() time.Time
	seed    func() uint64
	workers sync.Pool // of *worker
	domain  *meter.Timer
	reverse *meter.Timer

	settings   atomic.Pointer[settings]
	hot        *hot
	lookups    slots // questions about the zone, or that are not plain
	foreign    slots // all others
	recursions slots // questions at recursors

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // every goroutine of the server

	mu        sync.Mutex
	closed    bool                   // guarded by mu
	closers   map[io.Closer]struct{} // open sockets; guarded by mu
	listening []net.Addr             // guarded by mu
	conns     int                    // guarded by mu
	clients   map[string]int         // how many of conns are from an address; guarded by mu
}

// New makes a server that listens nowhere yet.
func New(o Options, c Config) *Server {
	s := &Server{source: o.Source, logger: o.Logger, dial: o.Dial, now: o.Now, seed: o.Seed, domain: o.Domain, reverse: o.Reverse,
		hot: newHot(maxHotEntries, maxHotBytes), lookups: make(slots, maxLookups), foreign: make(slots, maxRecursions), recursions: make(slots, maxRecursions),
		closers: map[io.Closer]struct{}{}, clients: map[string]int{}}
	if s.logger == nil {
		s.logger = hclog.NewNullLogger()
	}
	if s.dial == nil {
		s.dial = new(net.Dialer).DialContext
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.seed == nil {
		s.seed = systemSeed
	}
	s.workers.New = func() any { return newWorker(s) }
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.SetConfig(c)
	return s
}

func systemSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// SetConfig has the questions from now on answered by another configuration.
func (s *Server) SetConfig(c Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gen uint64
	if old := s.settings.Load(); old != nil {
		gen = old.gen + 1
	}
	s.settings.Store(newSettings(c, gen))
	s.hot.clear(gen)
}

// Listen begins to answer what comes in on a pair of sockets; either may be
// nil. It returns at once. The sockets are the server's from then on, also if
// there is an error: net.ErrClosed after Close, or a socket whose addresses
// are not those of UDP. A server can listen on any number of addresses.
func (s *Server) Listen(udp net.PacketConn, tcp net.Listener) error {
	var socket *udpSocket
	if udp != nil {
		var err error
		if socket, err = newUDPSocket(udp); err != nil {
			_ = udp.Close()
			if tcp != nil {
				_ = tcp.Close()
			}
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if udp != nil {
		if !s.open(udp) {
			socket = nil
		} else {
			s.listening = append(s.listening, udp.LocalAddr())
			s.wg.Go(func() { s.serveUDP(socket) })
		}
	}
	if tcp != nil && s.open(tcp) {
		s.listening = append(s.listening, tcp.Addr())
		s.wg.Go(func() { s.serveTCP(tcp) })
	}
	if s.closed {
		return net.ErrClosed
	}
	return nil
}

// open notes a socket that Close must close; a server that is closed closes it
// at once and returns false. s.mu is held.
func (s *Server) open(c io.Closer) bool {
	if s.closed {
		_ = c.Close()
		return false
	}
	s.closers[c] = struct{}{}
	return true
}

// done closes a socket that open has noted.
func (s *Server) done(c io.Closer) {
	s.mu.Lock()
	delete(s.closers, c)
	s.mu.Unlock()
	_ = c.Close()
}

// Close closes all sockets and returns when nothing of the server runs any
// more. Questions that are being answered get no reply.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.cancel()
	var errs []error
	for c := range s.closers {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
	s.hot.clear(0)
	return errors.Join(errs...)
}

// slots bound how many do something at a time.
type slots chan struct{}

// take takes a slot if one is free.
func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }
