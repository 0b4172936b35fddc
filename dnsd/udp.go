package dnsd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/miekg/dns"
)

const (
	// maxQuestion is the largest packet that is read. Questions are far
	// smaller; what is cut off is malformed.
	maxQuestion = 4096
	// receiveBuffer is how many bytes of packets may wait to be read.
	receiveBuffer = 1 << 20
	// maxReadErrors is how many times in a row reading may fail before the
	// server rests for a moment.
	maxReadErrors = 16
	restTime      = 10 * time.Millisecond
)

// datagrams is a socket as far as serveUDP needs it. from tells send whom to
// answer, and from which address.
type datagrams interface {
	read(b []byte) (n int, from origin, err error)
	send(b []byte, to origin) error
}

// origin is who sent a packet, and to which of our addresses: control data
// for the answer, or "" where there is one address only.
type origin struct {
	addr  netip.AddrPort
	local string
}

// udpSocket is a socket and how it is read.
type udpSocket struct {
	net.PacketConn
	datagrams
}

// newUDPSocket chooses how a socket is read: without allocations if it is one
// of the machine's. One that is bound to no address learns from each packet to
// which it came, since only from there is an answer believed.
func newUDPSocket(c net.PacketConn) (*udpSocket, error) {
	u, ok := c.(*net.UDPConn)
	if !ok {
		return &udpSocket{c, anySocket{c}}, nil
	}
	local, ok := u.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("socket of %s has no UDP address", u.LocalAddr())
	}
	_ = u.SetReadBuffer(receiveBuffer) // as much of it as the machine grants
	if !local.IP.IsUnspecified() {
		return &udpSocket{c, boundSocket{u}}, nil
	}
	// One of the two fails where the machine has only the other family.
	err4 := ipv4.NewPacketConn(u).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	err6 := ipv6.NewPacketConn(u).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	if err4 != nil && err6 != nil {
		return &udpSocket{c, boundSocket{u}}, nil
	}
	return &udpSocket{c, &wildSocket{UDPConn: u}}, nil
}

// boundSocket is bound to one address.
type boundSocket struct{ *net.UDPConn }

func (s boundSocket) read(b []byte) (int, origin, error) {
	n, from, err := s.ReadFromUDPAddrPort(b)
	return n, origin{addr: from}, err
}

func (s boundSocket) send(b []byte, to origin) error {
	_, err := s.WriteToUDPAddrPort(b, to.addr)
	return err
}

// wildSocket is bound to all addresses of the machine. read belongs to one
// goroutine.
type wildSocket struct {
	*net.UDPConn
	oob [128]byte
	// Packets come to few addresses, so that the last control data in their
	// received form and in that for the answer save building them anew.
	received, answer string
}

func (s *wildSocket) read(b []byte) (int, origin, error) {
	n, oob, _, from, err := s.ReadMsgUDPAddrPort(b, s.oob[:])
	if err != nil {
		return n, origin{}, err
	}
	if string(s.oob[:oob]) != s.received {
		s.received, s.answer = string(s.oob[:oob]), answerFrom(s.oob[:oob])
	}
	return n, origin{addr: from, local: s.answer}, nil
}

func (s *wildSocket) send(b []byte, to origin) error {
	var oob [128]byte
	n := copy(oob[:], to.local)
	_, _, err := s.WriteMsgUDPAddrPort(b, oob[:n], to.addr)
	return err
}

// answerFrom turns received control data, which say where a packet came to,
// into those that send the answer from there.
func answerFrom(oob []byte) string {
	var m6 ipv6.ControlMessage
	if m6.Parse(oob) == nil && m6.Dst != nil {
		if m6.Dst.To4() == nil {
			return string((&ipv6.ControlMessage{Src: m6.Dst}).Marshal())
		}
		return string((&ipv4.ControlMessage{Src: m6.Dst}).Marshal())
	}
	var m4 ipv4.ControlMessage
	if m4.Parse(oob) == nil && m4.Dst != nil {
		return string((&ipv4.ControlMessage{Src: m4.Dst}).Marshal())
	}
	return ""
}

// anySocket is a socket that is not the machine's.
type anySocket struct{ net.PacketConn }

func (s anySocket) read(b []byte) (int, origin, error) {
	n, from, err := s.ReadFrom(b)
	if err != nil {
		return n, origin{}, err
	}
	addr, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return 0, origin{}, fmt.Errorf("address of a client: %w", err)
	}
	return n, origin{addr: addr}, nil
}

func (s anySocket) send(b []byte, to origin) error {
	_, err := s.WriteTo(b, net.UDPAddrFromAddrPort(to.addr))
	return err
}

// serveUDP answers what comes in on a socket until it is closed. Questions that
// have an answer at hand are answered by this goroutine, in the order in which
// they came; it never waits for anything else.
func (s *Server) serveUDP(c *udpSocket) {
	defer s.done(c.PacketConn)
	w := newWorker(s)
	buf := make([]byte, maxQuestion)
	failures := 0
	for {
		n, from, err := c.read(buf)
		if err != nil {
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			if failures++; failures >= maxReadErrors {
				failures = 0
				s.logger.Error("could not read a DNS packet", "error", err)
				if !s.rest(restTime) {
					return
				}
			}
			continue
		}
		failures = 0
		var q plain
		b := buf[:n]
		key := ""
		if w.parse(b, &q) {
			if out := s.reply(w, b, &q, false); out != nil {
				s.send(c, out, from)
				continue
			}
			key = string(q.key)
		}
		s.serveSlow(c, append([]byte(nil), b...), key, from)
	}
}

// serveSlow has another goroutine answer a packet.
func (s *Server) serveSlow(c *udpSocket, b []byte, key string, from origin) {
	free := s.slotsFor(key)
	if !free.take() {
		if len(b) >= headerLen && b[2]&flagsResponse == 0 {
			s.send(c, bare(b, key, dns.RcodeServerFailure), from)
		}
		return
	}
	s.wg.Go(func() {
		defer free.give()
		w := s.workers.Get().(*worker)
		defer s.workers.Put(w)
		if out := s.general(s.ctx, w, b, key, peer{addr: from.addr.Addr()}); out != nil && s.ctx.Err() == nil {
			s.send(c, out, from)
		}
	})
}

// slotsFor bounds questions of a kind: those for recursors can't get in the
// way of those about the zone. key is that of a plain question, or "".
func (s *Server) slotsFor(key string) slots {
	if key != "" && !s.settings.Load().inZone(key[:len(key)-2]) {
		return s.foreign
	}
	return s.lookups
}

func (s *Server) send(c *udpSocket, b []byte, to origin) {
	if err := c.datagrams.send(b, to); err != nil && s.ctx.Err() == nil {
		s.logger.Debug("could not send a DNS answer", "to", to.addr, "error", err)
	}
}

// rest waits, unless the server is closed.
func (s *Server) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}
