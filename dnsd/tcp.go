package dnsd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// The bounds of connections.
const (
	maxConns        = 1024
	maxClientConns  = 128              // from one address
	maxPipelined    = 16               // questions of one connection that are being answered
	idleTime        = 10 * time.Second // without a question
	messageTime     = 5 * time.Second  // from the first to the last byte, either way
	maxTCPQuestion  = 16 << 10         // bytes
	acceptRest      = 50 * time.Millisecond
	lengthBytes     = 2
	initialTCPBytes = 512
)

// serveTCP accepts connections until the listener is closed.
func (s *Server) serveTCP(l net.Listener) {
	defer s.done(l)
	for {
		c, err := l.Accept()
		if err != nil {
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.logger.Error("could not accept a DNS connection", "error", err)
			if !s.rest(acceptRest) {
				return
			}
			continue
		}
		if !s.admit(c) {
			_ = c.Close()
			continue
		}
		s.wg.Go(func() {
			defer s.dismiss(c)
			s.serveConn(c)
		})
	}
}

// client is the address that connections are counted by.
func client(c net.Conn) string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return host
}

// admit counts a connection; false if there are too many.
func (s *Server) admit(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.conns >= maxConns || s.clients[client(c)] >= maxClientConns {
		return false
	}
	s.conns++
	s.clients[client(c)]++
	s.closers[c] = struct{}{}
	return true
}

// dismiss closes a connection that was admitted.
func (s *Server) dismiss(c net.Conn) {
	s.done(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
	if s.clients[client(c)]--; s.clients[client(c)] == 0 {
		delete(s.clients, client(c))
	}
}

// tcpConn is one connection.
type tcpConn struct {
	net.Conn
	mu sync.Mutex // held while an answer is written
}

// serveConn answers the questions of a connection, several at a time and not
// in order, until the client ends it or asks nothing for a while.
func (s *Server) serveConn(c net.Conn) {
	t := &tcpConn{Conn: c}
	var running sync.WaitGroup
	defer running.Wait()
	pipeline := make(slots, maxPipelined)
	from := peer{tcp: true}
	if addr, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		from.addr = addr.Addr()
	}
	r := bufio.NewReaderSize(c, initialTCPBytes)
	w := s.workers.Get().(*worker)
	defer s.workers.Put(w)
	for {
		b, err := readTCP(c, r)
		if err != nil {
			return
		}
		var q plain
		key := ""
		if w.parse(b, &q) {
			if out := s.reply(w, b, &q, true); out != nil {
				if t.write(out) != nil {
					return
				}
				continue
			}
			key = string(q.key)
		}
		pipeline <- struct{}{} // a client that asks too much waits
		free := s.slotsFor(key)
		if !free.take() {
			pipeline.give()
			if len(b) < headerLen || b[2]&flagsResponse != 0 || t.write(bare(b, key, dns.RcodeServerFailure)) != nil {
				return
			}
			continue
		}
		running.Go(func() {
			defer pipeline.give()
			defer free.give()
			w := s.workers.Get().(*worker)
			defer s.workers.Put(w)
			if out := s.general(s.ctx, w, b, key, from); out == nil || s.ctx.Err() != nil || t.write(out) != nil {
				_ = c.Close()
			}
		})
	}
}

// readTCP reads one message behind its length.
func readTCP(c net.Conn, r *bufio.Reader) ([]byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(idleTime)); err != nil {
		return nil, err
	}
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Now().Add(messageTime)); err != nil {
		return nil, err
	}
	var length [lengthBytes]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n < headerLen || n > maxTCPQuestion {
		return nil, errLength
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

var errLength = errors.New("a message of impossible length")

// write sends one message behind its length, in one piece.
func (t *tcpConn) write(b []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.SetWriteDeadline(time.Now().Add(messageTime)); err != nil {
		return err
	}
	framed := make([]byte, 0, lengthBytes+len(b))
	framed = binary.BigEndian.AppendUint16(framed, uint16(len(b)))
	_, err := t.Write(append(framed, b...))
	return err
}
