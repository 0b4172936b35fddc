// Package memnet is a network in memory for tests of whole clusters. Hosts
// have IP addresses, listen, dial and gossip; links have delay and loss and
// can be cut. In a testing/synctest bubble all of it runs in virtual time.
//
// A cut behaves as on a real network: datagrams vanish, dials wait until they
// time out, and what was written to a stream arrives once the cut is healed.
package memnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Link is one direction of the way between two hosts.
type Link struct {
	// Delay is how long everything takes to arrive.
	Delay time.Duration
	// Loss is the share of datagrams that vanish, 0 to 1. On streams the
	// same share arrives 200 ms late, as if it were sent again.
	Loss float64
	// Cut lets nothing through.
	Cut bool
}

const resendAfter = 200 * time.Millisecond

// A Network connects hosts. Links are perfect until they are set.
type Network struct {
	mu      sync.Mutex
	rand    *rand.Rand
	hosts   map[string]*Host
	links   map[[2]string]Link  // by IP of sender and receiver
	frozen  map[string][]func() // by IP of hosts that stand still: what happens when they go on
	changed chan struct{}       // closed, and replaced, when any of these changes

	datagrams atomic.Int64
}

// New makes a network without hosts. The seed decides which datagrams are lost.
func New(seed uint64) *Network {
	return &Network{
		rand:    rand.New(rand.NewPCG(seed, 0)),
		hosts:   map[string]*Host{},
		links:   map[[2]string]Link{},
		frozen:  map[string][]func(){},
		changed: make(chan struct{}),
	}
}

// Datagrams is how many datagrams were sent so far.
func (n *Network) Datagrams() int64 { return n.datagrams.Load() }

// Host returns the host with an IP address, which exists from then on.
func (n *Network) Host(ip string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[ip]
	if h == nil {
		h = &Host{net: n, ip: net.ParseIP(ip), ports: map[int]*listener{}, gossip: map[int]*Gossip{}, conns: map[*conn]struct{}{}, lastPort: 32767}
		if h.ip == nil {
			panic("memnet: not an IP address: " + ip)
		}
		if v4 := h.ip.To4(); v4 != nil {
			h.ip = v4
		}
		n.hosts[ip] = h
	}
	return h
}

// SetLink sets the way from one IP address to another, in that direction.
func (n *Network) SetLink(from, to string, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[[2]string{from, to}] = l
	n.wakeLocked()
}

// Cut lets nothing pass between two hosts, Heal ends that.
func (n *Network) Cut(a, b string)  { n.setCut(a, b, true) }
func (n *Network) Heal(a, b string) { n.setCut(a, b, false) }

// Isolate cuts a host off from all others that exist, Rejoin ends that.
func (n *Network) Isolate(ip string) { n.setCutAll(ip, true) }
func (n *Network) Rejoin(ip string)  { n.setCutAll(ip, false) }

// Restore makes all links perfect, those of addresses that nobody has any more
// among them.
func (n *Network) Restore() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.links)
	n.wakeLocked()
}

// Reset breaks the streams that are open between two hosts, as a firewall does
// that has forgotten them: what was on its way is lost, and both ends are told.
func (n *Network) Reset(a, b string) {
	n.mu.Lock()
	var open []*conn
	if h := n.hosts[a]; h != nil {
		for c := range h.conns {
			if c.remote.IP.String() == b {
				open = append(open, c)
			}
		}
	}
	n.mu.Unlock()
	slices.SortFunc(open, func(a, b *conn) int { // the same order for the same seed
		return cmp.Or(cmp.Compare(a.local.Port, b.local.Port), cmp.Compare(a.remote.Port, b.remote.Port))
	})
	for _, c := range open {
		for _, f := range []*flow{c.in, c.out} {
			f.update(func(f *flow) { f.broken, f.segments, f.size = true, nil, 0 })
		}
	}
}

// Freeze has a host stand still until Thaw, as seen from outside: nothing that is
// sent there is read, nothing that is written there leaves, and then all of it does
// at once. As with a process that is stopped, connections can be opened to it.
func (n *Network) Freeze(ip string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, already := n.frozen[ip]; !already {
		n.frozen[ip] = nil
		n.wakeLocked()
	}
}

// Thaw lets a host go on.
func (n *Network) Thaw(ip string) {
	n.mu.Lock()
	held := n.frozen[ip]
	delete(n.frozen, ip)
	n.wakeLocked()
	n.mu.Unlock()
	for _, f := range held {
		f()
	}
}

// socketBuffer is how many datagrams wait for whoever reads them, as on a busy host;
// more are lost.
const socketBuffer = 1024

// hold keeps a datagram for when a host goes on, if it stands still. The caller
// holds mu.
func (n *Network) hold(ip net.IP, then func()) (held bool) {
	waiting, held := n.frozen[ip.String()]
	if held && len(waiting) < socketBuffer {
		n.frozen[ip.String()] = append(waiting, then)
	}
	return held
}

func (n *Network) setCut(a, b string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cutLocked(a, b, cut)
	n.wakeLocked()
}

func (n *Network) setCutAll(ip string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other := range n.hosts {
		if other != ip {
			n.cutLocked(ip, other, cut)
		}
	}
	n.wakeLocked() // once: every stream looks at its link then
}

func (n *Network) cutLocked(a, b string, cut bool) {
	for _, way := range [][2]string{{a, b}, {b, a}} {
		l := n.links[way]
		l.Cut = cut
		n.links[way] = l
	}
}

func (n *Network) wakeLocked() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// way returns the link, cut if one of the hosts stands still, whether luck loses
// what is sent now, and a channel that is closed when any of that may change.
func (n *Network) way(from, to net.IP) (l Link, lost bool, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, lost = n.link(from, to)
	l.Cut = l.Cut || n.still(from) || n.still(to)
	return l, lost, n.changed
}

// link is the same for machines whose processes may stand still. The caller holds mu.
func (n *Network) link(from, to net.IP) (l Link, lost bool) {
	l = n.links[[2]string{from.String(), to.String()}]
	return l, l.Loss > 0 && n.rand.Float64() < l.Loss
}

// still tells whether a host stands still. The caller holds mu.
func (n *Network) still(ip net.IP) bool {
	_, frozen := n.frozen[ip.String()]
	return frozen
}

// A Host is one machine.
type Host struct {
	net *Network
	ip  net.IP
	// under net.mu:
	ports    map[int]*listener
	gossip   map[int]*Gossip
	conns    map[*conn]struct{} // open at this end
	lastPort int                // handed out by itself
	crashed  bool
}

// IP is the address of the host.
func (h *Host) IP() string { return h.ip.String() }

// Crash ends all that runs on the host, without an orderly end: its ports are
// closed and its streams reset. Whoever still has this Host can do nothing with
// it any more; the network makes a new one for the address.
func (h *Host) Crash() {
	h.net.mu.Lock()
	h.crashed = true
	if h.net.hosts[h.IP()] == h {
		delete(h.net.hosts, h.IP())
	}
	var open []*listener
	for _, l := range h.ports {
		open = append(open, l)
	}
	h.gossip = map[int]*Gossip{}
	conns := h.conns
	h.conns = map[*conn]struct{}{}
	h.net.mu.Unlock()
	for c := range conns {
		c.reset()
	}
	for _, l := range open {
		_ = l.Close()
	}
}

// errCrashed is what is left to whoever still has a crashed host.
var errCrashed = os.NewSyscallError("connect", syscall.ENETDOWN)

// Listen accepts streams on a port; 0 picks one.
func (h *Host) Listen(port int) (net.Listener, error) { return h.listen(port) }

func (h *Host) listen(port int) (*listener, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if port == 0 {
		port = h.pickPort()
	}
	addr := &net.TCPAddr{IP: h.ip, Port: port}
	if h.crashed {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: addr, Err: errCrashed}
	}
	if h.ports[port] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: addr, Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	l := &listener{host: h, addr: addr, backlog: make(chan net.Conn, 128), done: make(chan struct{})}
	h.ports[port] = l
	return l, nil
}

func (h *Host) pickPort() int {
	h.lastPort++
	return h.lastPort
}

// Dial connects to "ip:port". It ends early with ctx.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	fail := func(addr net.Addr, err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr, Err: err}
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return fail(nil, err)
	}
	port, err := strconv.Atoi(portText)
	ip := net.ParseIP(host)
	if err != nil || ip == nil {
		return fail(nil, fmt.Errorf("address %s: neither names nor services are resolved here", address))
	}
	to := &net.TCPAddr{IP: ip, Port: port}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if !h.crashed {
		h.net.mu.Unlock()
		err = h.handshake(ctx, ip)
		h.net.mu.Lock()
	}
	if h.crashed {
		err = errCrashed
	}
	if err != nil {
		return fail(to, err)
	}
	var l *listener
	if peer := h.net.hosts[ip.String()]; peer != nil {
		l = peer.ports[port]
	}
	if l == nil {
		return fail(to, os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	near, far := newConns(h, &net.TCPAddr{IP: h.ip, Port: h.pickPort()}, l.host, l.addr)
	select {
	case l.backlog <- far:
		h.conns[near], l.host.conns[far] = struct{}{}, struct{}{}
		return near, nil
	default:
		return fail(to, os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
}

// handshake waits for a packet there and one back.
func (h *Host) handshake(ctx context.Context, to net.IP) error {
	for {
		h.net.mu.Lock()
		there, lost := h.net.link(h.ip, to) // who is stopped does not answer a call himself
		back, lostBack := h.net.link(to, h.ip)
		var changed <-chan struct{} = h.net.changed
		cut := there.Cut || back.Cut || h.net.still(h.ip)
		h.net.mu.Unlock()
		wait := there.Delay + back.Delay
		if lost || lostBack {
			wait += resendAfter
		}
		var arrived <-chan time.Time
		if !cut {
			arrived, changed = time.After(wait), nil
		}
		select {
		case <-arrived:
			return nil
		case <-changed:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return os.ErrDeadlineExceeded
			}
			return ctx.Err()
		}
	}
}

// A listener is under the lock of its network where it is in a table.
type listener struct {
	host    *Host
	addr    *net.TCPAddr
	backlog chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.host.net.mu.Lock()
		delete(l.host.ports, l.addr.Port)
		l.host.net.mu.Unlock()
		close(l.done)
		for {
			select {
			case c := <-l.backlog:
				_ = c.Close() // nobody will accept it
			default:
				return
			}
		}
	})
	return nil
}
