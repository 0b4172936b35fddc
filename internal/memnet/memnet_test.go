package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

// The streams behave as connections of the standard library do.
func TestStreamsAreConns(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		n := New(1)
		l, err := n.Host("10.0.0.1").Listen(0)
		if err != nil {
			return nil, nil, nil, err
		}
		if c1, err = n.Host("10.0.0.2").Dial(t.Context(), "tcp", l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		c2, err = l.Accept()
		return c1, c2, func() { c1.Close(); c2.Close(); l.Close() }, err
	})
}

func connect(t *testing.T, n *Network) (near, far net.Conn) {
	t.Helper()
	l, err := n.Host("10.0.0.1").Listen(80)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = n.Host("10.0.0.2").Dial(t.Context(), "tcp", "10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		n.SetLink("10.0.0.2", "10.0.0.1", Link{Delay: 30 * time.Millisecond})
		n.SetLink("10.0.0.1", "10.0.0.2", Link{Delay: 20 * time.Millisecond})
		start := time.Now()
		near, far := connect(t, n)
		if d := time.Since(start); d != 50*time.Millisecond {
			t.Errorf("dialing took %s, want a round trip of 50ms", d)
		}
		start = time.Now()
		near.Write([]byte("hello"))
		near.Close()
		got, err := io.ReadAll(far)
		if string(got) != "hello" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if d := time.Since(start); d != 30*time.Millisecond {
			t.Errorf("bytes took %s, want 30ms", d)
		}
	})
}

func TestCutHoldsStreamsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		near, far := connect(t, n)
		n.Isolate("10.0.0.1")
		if _, err := near.Write([]byte("hello")); err != nil {
			t.Fatalf("the writer can't know of the cut, but got %v", err)
		}
		b := make([]byte, 5)
		far.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := far.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read over a cut link: %v", err)
		}
		far.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Minute, func() { n.Rejoin("10.0.0.1") })
		if _, err := io.ReadFull(far, b); err != nil || string(b) != "hello" {
			t.Errorf("read %q, %v after the heal", b, err)
		}
	})
}

func TestDialErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		h := n.Host("10.0.0.2")
		_, err := h.Dial(t.Context(), "tcp", "10.0.0.1:80")
		if !errors.Is(err, syscall.ECONNREFUSED) || err.Error() != "dial tcp 10.0.0.1:80: connect: connection refused" {
			t.Errorf("dial a closed port: %v", err)
		}
		n.Host("10.0.0.1")
		n.Cut("10.0.0.1", "10.0.0.2")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err = h.Dial(ctx, "tcp", "10.0.0.1:80")
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("dial over a cut link: %v after %s", err, time.Since(start))
		}
		for _, bad := range []string{"10.0.0.1", "host:80", "10.0.0.1:http"} {
			if _, err := h.Dial(t.Context(), "tcp", bad); err == nil {
				t.Errorf("dial %q worked", bad)
			}
		}
		if _, err := h.Listen(1); err != nil {
			t.Error(err)
		}
		if _, err := h.Listen(1); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listen twice: %v", err)
		}
	})
}

func TestClosedReaderIsNoticed(t *testing.T) {
	near, far := connect(t, New(1))
	far.Close()
	if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a closed reader: %v", err)
	}
	if _, err := near.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read from a closed writer: %v", err)
	}
}

func TestDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(7)
		a, err := n.Host("10.0.0.1").Gossip(0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := n.Host("10.0.0.2").Gossip(0)
		if err != nil {
			t.Fatal(err)
		}
		received := func(l Link) int {
			n.SetLink("10.0.0.1", "10.0.0.2", l)
			for range 200 {
				if _, err := a.WriteTo([]byte("x"), b.Address()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(l.Delay)
			synctest.Wait()
			return drain(b)
		}
		if got := received(Link{}); got != 200 {
			t.Errorf("%d of 200 arrived on a perfect link", got)
		}
		if got := received(Link{Loss: 0.5, Delay: time.Millisecond}); got < 60 || got > 140 {
			t.Errorf("%d of 200 arrived with half lost", got)
		}
		if got := received(Link{Cut: true}); got != 0 {
			t.Errorf("%d of 200 arrived over a cut link", got)
		}
		a.Shutdown()
		b.Shutdown()
		if _, err := a.WriteTo([]byte("x"), b.Address()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after Shutdown: %v", err)
		}
	})
}

// A host that stands still can be called, hears nothing and says nothing; then
// everything arrives at once.
func TestFreeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		ga, err := a.Gossip(7946)
		if err != nil {
			t.Fatal(err)
		}
		defer ga.Shutdown()
		gb, err := b.Gossip(7946)
		if err != nil {
			t.Fatal(err)
		}
		defer gb.Shutdown()
		near, far := connect(t, n) // near is that of 10.0.0.2
		n.Freeze("10.0.0.1")
		const stop = 10 * time.Second
		time.AfterFunc(stop, func() { n.Thaw("10.0.0.1") })
		begin := time.Now()
		ga.WriteTo([]byte("from"), gb.Address())
		for range 2000 {
			gb.WriteTo([]byte("to"), ga.Address())
		}
		near.Write([]byte("to"))
		far.Write([]byte("from"))
		l, err := a.Listen(81)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, err := b.Dial(t.Context(), "tcp", "10.0.0.1:81"); err != nil || time.Since(begin) > 0 {
			t.Errorf("a process that stands still could not be called: %v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, "tcp", gb.Address()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("who stands still called somebody: %v", err)
		}
		if got := drain(ga) + drain(gb); got > 0 {
			t.Errorf("%d datagrams came through", got)
		}
		for _, c := range []net.Conn{near, far} {
			got := make([]byte, 4)
			if _, err := c.Read(got); err != nil || time.Since(begin) != stop {
				t.Errorf("read %q, %v after %v", got, err, time.Since(begin))
			}
		}
		synctest.Wait()
		if to, from := drain(ga), drain(gb); to != socketBuffer-1 || from != 1 {
			t.Errorf("%d and %d datagrams came at last, not as many as the buffer holds and the one", to, from)
		}
	})
}

// Both ends of a stream that is reset are told, others are not touched.
func TestReset(t *testing.T) {
	n := New(1)
	near, far := connect(t, n)
	l, err := n.Host("10.0.0.1").Listen(81)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other, err := n.Host("10.0.0.3").Dial(t.Context(), "tcp", "10.0.0.1:81")
	if err != nil {
		t.Fatal(err)
	}
	near.Write([]byte("lost"))
	n.Reset("10.0.0.1", "10.0.0.2")
	for _, c := range []net.Conn{near, far} {
		if _, err := c.Read(make([]byte, 8)); !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := other.Write([]byte("x")); err != nil {
		t.Error(err)
	}
}

func drain(g *Gossip) (n int) {
	for {
		select {
		case <-g.PacketCh():
			n++
		default:
			return n
		}
	}
}

// The streams of a host that crashes are reset, its ports closed, and what still
// runs there reaches nobody; the address can be used again.
func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		l, err := b.Listen(80)
		if err != nil {
			t.Fatal(err)
		}
		near, err := a.Dial(t.Context(), "tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		far.Write([]byte("lost"))
		n.Isolate("10.0.0.2") // the power goes: nobody is told
		b.Crash()
		near.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := near.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		near.SetReadDeadline(time.Time{})
		if _, err := near.Write([]byte("into the void")); err != nil {
			t.Error(err)
		}
		if _, err := far.Read(make([]byte, 8)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := b.Dial(t.Context(), "tcp", "10.0.0.1:1"); !errors.Is(err, syscall.ENETDOWN) {
			t.Error(err)
		}
		n.Heal("10.0.0.1", "10.0.0.2")
		if _, err := near.Read(make([]byte, 8)); !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		if _, err := a.Dial(t.Context(), "tcp", "10.0.0.2:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
		if _, err := n.Host("10.0.0.2").Listen(80); err != nil {
			t.Error(err)
		}
		if _, err := b.Listen(81); err == nil {
			t.Error("a crashed host listens")
		}
	})
}
