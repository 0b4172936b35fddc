package memnet

import (
	"bytes"
	"context"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

// Gossip is a memberlist.Transport: datagrams and streams on one port.
type Gossip struct {
	host    *Host
	port    int
	listen  *listener
	packets chan *memberlist.Packet
	streams chan net.Conn
	stop    chan struct{}
	serving sync.WaitGroup
	once    sync.Once
}

var _ memberlist.Transport = (*Gossip)(nil)

// Gossip opens a port; 0 picks one. Shutdown, which memberlist calls, closes it.
func (h *Host) Gossip(port int) (*Gossip, error) {
	l, err := h.listen(port)
	if err != nil {
		return nil, err
	}
	g := &Gossip{
		host: h, port: l.addr.Port, listen: l, stop: make(chan struct{}),
		packets: make(chan *memberlist.Packet, socketBuffer),
		streams: make(chan net.Conn),
	}
	h.net.mu.Lock()
	h.gossip[g.port] = g
	h.net.mu.Unlock()
	g.serving.Go(g.accept)
	return g, nil
}

func (g *Gossip) accept() {
	for {
		c, err := g.listen.Accept()
		if err != nil {
			return
		}
		select {
		case g.streams <- c:
		case <-g.stop:
			_ = c.Close()
			return
		}
	}
}

// Address is "ip:port".
func (g *Gossip) Address() string { return net.JoinHostPort(g.host.IP(), strconv.Itoa(g.port)) }

// FinalAdvertiseAddr is part of memberlist.Transport.
func (g *Gossip) FinalAdvertiseAddr(string, int) (net.IP, int, error) { return g.host.ip, g.port, nil }

// PacketCh is part of memberlist.Transport.
func (g *Gossip) PacketCh() <-chan *memberlist.Packet { return g.packets }

// StreamCh is part of memberlist.Transport.
func (g *Gossip) StreamCh() <-chan net.Conn { return g.streams }

// WriteTo sends a datagram, which may vanish.
func (g *Gossip) WriteTo(b []byte, address string) (time.Time, error) {
	now := time.Now()
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return now, err
	}
	select {
	case <-g.stop:
		return now, &net.OpError{Op: "write", Net: "udp", Addr: to, Err: net.ErrClosed}
	default:
	}
	n := g.host.net
	n.datagrams.Add(1)
	b = bytes.Clone(b)
	n.mu.Lock()
	link, lost := n.link(g.host.ip, to.IP)
	held := n.hold(g.host.ip, func() { _, _ = g.WriteTo(b, address) })
	n.mu.Unlock()
	if held || link.Cut || lost {
		return now, nil
	}
	p := &memberlist.Packet{Buf: b, From: &net.UDPAddr{IP: g.host.ip, Port: g.port}}
	if link.Delay == 0 {
		g.deliver(p, to)
	} else {
		time.AfterFunc(link.Delay, func() { g.deliver(p, to) })
	}
	return now, nil
}

// deliver hands a datagram to whoever listens. A full buffer loses it.
func (g *Gossip) deliver(p *memberlist.Packet, to *net.UDPAddr) {
	n := g.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	peer := n.hosts[to.IP.String()]
	if peer == nil || peer.gossip[to.Port] == nil {
		return
	}
	if g.host.crashed || n.hold(to.IP, func() { g.deliver(p, to) }) {
		return
	}
	p.Timestamp = time.Now()
	select {
	case peer.gossip[to.Port].packets <- p:
	default:
	}
}

// DialTimeout opens a stream.
func (g *Gossip) DialTimeout(address string, timeout time.Duration) (net.Conn, error) {
	select {
	case <-g.stop:
		return nil, os.NewSyscallError("connect", syscall.ECANCELED)
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return g.host.Dial(ctx, "tcp", address)
}

// Shutdown closes the port. Streams that are open stay so.
func (g *Gossip) Shutdown() error {
	g.once.Do(func() {
		n := g.host.net
		n.mu.Lock()
		delete(g.host.gossip, g.port)
		n.mu.Unlock()
		close(g.stop)
		_ = g.listen.Close()
		g.serving.Wait()
	})
	return nil
}
