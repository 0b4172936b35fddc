package limit

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/memnet"
)

// An address has so many connections at a time and no more; a few above are let
// in to be told, the rest are not. Others are not affected, and a connection that
// ends makes room for one.
func TestConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(1)
		inner, err := n.Host("10.0.0.1").Listen(8500)
		if err != nil {
			t.Fatal(err)
		}
		conns, refused := NewConns(2, 1), 0
		l := conns.Listener(inner, func(c net.Conn) { refused++; c.Close() })
		accepted := make(chan net.Conn, 10)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					close(accepted)
					return
				}
				accepted <- c
			}
		}()
		var last net.Conn
		dial := func(from string, inside, outside int) {
			t.Helper()
			if _, err := n.Host(from).Dial(t.Context(), "tcp", "10.0.0.1:8500"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(accepted) != inside || refused != outside {
				t.Errorf("%d are let in, %d refused; want %d, %d", len(accepted), refused, inside, outside)
			}
			if inside > 0 {
				last = <-accepted
			}
		}
		dial("10.0.0.2", 1, 0)
		first := last
		dial("10.0.0.2", 1, 0)
		dial("10.0.0.2", 1, 0)
		spare := last
		if Over(first) || !Over(spare) {
			t.Errorf("over: first %t, third %t", Over(first), Over(spare))
		}
		dial("10.0.0.2", 0, 1)
		dial("10.0.0.3", 1, 1)
		if Over(last) {
			t.Error("another client is over its limit, too")
		}
		first.Close()
		first.Close() // counts once
		dial("10.0.0.2", 1, 1)
		if Over(last) {
			t.Error("no room after one has gone")
		}
		spare.Close()
		dial("10.0.0.2", 1, 1)
		if !Over(last) {
			t.Error("a connection that was closed twice counts twice")
		}
		conns.Set(-1)
		dial("10.0.0.2", 1, 1)
		if Over(last) {
			t.Error("no limit is one")
		}
		l.Close()
		for range accepted {
		}
	})
}

func TestConnsForgetsWhoIsGone(t *testing.T) {
	c := NewConns(1, 1)
	for range 3 {
		c.leave("a", c.enter("a"))
	}
	if len(c.open) != 0 || c.over != 0 {
		t.Errorf("still counted: %v, %d", c.open, c.over)
	}
}

func TestNotice(t *testing.T) {
	now := time.Unix(0, 0)
	n := Notice{Every: time.Second, Now: func() time.Time { return now }}
	for i, want := range []struct {
		dropped int
		ok      bool
	}{{0, true}, {0, false}, {0, false}, {2, true}, {0, true}} {
		if i >= 3 {
			now = now.Add(time.Second)
		}
		if dropped, ok := n.Pass(); dropped != want.dropped || ok != want.ok {
			t.Errorf("%d: %d, %t, want %v", i, dropped, ok, want)
		}
	}
}
