package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many bytes wait on a stream before its writer blocks.
const window = 1 << 20

// A conn is one end of a stream.
type conn struct {
	host          *Host
	local, remote *net.TCPAddr
	in, out       *flow
}

// newConns returns both ends.
func newConns(from *Host, a *net.TCPAddr, to *Host, b *net.TCPAddr) (near, far *conn) {
	ab, ba := newFlow(from.net, a.IP, b.IP), newFlow(from.net, b.IP, a.IP)
	return &conn{from, a, b, ba, ab}, &conn{to, b, a, ab, ba}
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.failed("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.failed("write", err)
}

func (c *conn) failed(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close lets what was written arrive.
func (c *conn) Close() error {
	c.host.net.mu.Lock()
	delete(c.host.conns, c)
	c.host.net.mu.Unlock()
	_ = c.CloseWrite()
	c.in.update(func(f *flow) { f.readerGone, f.segments, f.size = true, nil, 0 })
	return nil
}

// reset ends both directions at once, as when the host has crashed. What was on
// its way is lost; the other end hears of it when the link is not cut.
func (c *conn) reset() {
	c.out.update(func(f *flow) { f.writerGone, f.torn, f.segments, f.size = true, true, nil, 0 })
	c.in.update(func(f *flow) { f.readerGone, f.segments, f.size = true, nil, 0 })
}

// CloseWrite ends this direction only, as TCP does.
func (c *conn) CloseWrite() error {
	c.out.update(func(f *flow) {
		if !f.writerGone {
			f.writerGone = true
			f.append(nil)
		}
	})
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.update(func(f *flow) { f.readBy = t })
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.update(func(f *flow) { f.writeBy = t })
	return nil
}

// A flow is one direction of a stream.
type flow struct {
	net      *Network
	from, to net.IP

	mu                     sync.Mutex
	changed                chan struct{} // closed, and replaced, when something below changes
	segments               []segment
	size                   int // bytes in segments
	writerGone, readerGone bool
	torn                   bool // the writer has crashed
	broken                 bool // both ends are told so
	readBy, writeBy        time.Time
}

// A segment is on its way until its time. One without bytes is the end.
type segment struct {
	data []byte
	at   time.Time
}

func newFlow(n *Network, from, to net.IP) *flow {
	return &flow{net: n, from: from, to: to, changed: make(chan struct{})}
}

func (f *flow) update(change func(*flow)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	f.wake()
}

func (f *flow) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// append sends a segment. The caller holds mu.
func (f *flow) append(data []byte) {
	link, late, _ := f.net.way(f.from, f.to)
	at := time.Now().Add(link.Delay)
	if late {
		at = at.Add(resendAfter)
	}
	if n := len(f.segments); n > 0 && at.Before(f.segments[n-1].at) {
		at = f.segments[n-1].at
	}
	f.segments = append(f.segments, segment{data, at})
	f.size += len(data)
}

func (f *flow) read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		link, _, moved := f.net.way(f.from, f.to)
		wake := f.readBy
		switch {
		case f.readerGone:
			return 0, net.ErrClosed
		case expired(f.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case f.broken || f.torn && !link.Cut:
			return 0, os.NewSyscallError("read", syscall.ECONNRESET)
		case len(f.segments) == 0 || link.Cut:
		case time.Now().Before(f.segments[0].at):
			if at := f.segments[0].at; wake.IsZero() || at.Before(wake) {
				wake = at
			}
		case len(f.segments[0].data) == 0:
			return 0, io.EOF
		default:
			s := &f.segments[0]
			n := copy(b, s.data)
			if s.data = s.data[n:]; len(s.data) == 0 {
				f.segments = f.segments[1:]
			}
			f.size -= n
			f.wake()
			return n, nil
		}
		f.wait(wake, moved)
	}
}

func (f *flow) write(b []byte) (sent int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		// Whoever is cut off does not hear that the other end is gone.
		link, _, moved := f.net.way(f.to, f.from)
		switch {
		case f.writerGone:
			return sent, net.ErrClosed
		case expired(f.writeBy):
			return sent, os.ErrDeadlineExceeded
		case f.broken:
			return sent, os.NewSyscallError("write", syscall.ECONNRESET)
		case f.readerGone && !link.Cut:
			return sent, os.NewSyscallError("write", syscall.EPIPE)
		case len(b) == 0:
			return sent, nil
		case f.readerGone:
			return sent + len(b), nil // into the void
		case f.size < window:
			n := min(len(b), window-f.size)
			f.append(append([]byte(nil), b[:n]...))
			b, sent = b[n:], sent+n
			f.wake()
			continue
		}
		f.wait(f.writeBy, moved)
	}
}

func expired(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// wait gives up the lock until the flow or a link changes, or a time is reached.
func (f *flow) wait(until time.Time, moved <-chan struct{}) {
	changed := f.changed
	f.mu.Unlock()
	defer f.mu.Lock()
	var due <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-changed:
	case <-moved:
	case <-due:
	}
}
