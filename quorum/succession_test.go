package quorum

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/internal/memnet"
)

// goneFrom is Config.Gone: it knocks until nobody listens.
func goneFrom(host *memnet.Host) func(context.Context, string, string) error {
	return func(ctx context.Context, _, address string) error {
		for {
			conn, err := host.Dial(ctx, "tcp", address)
			if errors.Is(err, syscall.ECONNREFUSED) {
				return nil
			}
			if err == nil {
				conn.Close()
			}
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// watching starts a cluster whose servers watch each other.
func watching(t *testing.T, n, multiplier int) *cluster {
	c := newCluster(t, n, func(_ int, cfg *Config) { cfg.Multiplier = multiplier })
	c.watch = true
	for _, s := range c.servers {
		c.stop(s)
	}
	for _, s := range c.servers {
		c.start(s)
	}
	return c
}

// kill ends a server that hands nothing over. Its port is closed at once, its
// goroutines when the returned channel is.
func (c *cluster) kill(s *server) <-chan struct{} {
	q := s.Quorum
	q.transport.Transport.(*raft.NetworkTransport).Close()
	buried := make(chan struct{})
	go func() {
		defer close(buried)
		if err := q.stop(); err != nil {
			c.t.Error(err)
		}
	}()
	s.Quorum = nil
	return buried
}

// A leader whose process ends is followed as soon as the promises allow, at
// whatever multiplier, however many servers want to, and no sooner.
func TestLeaderDies(t *testing.T) {
	for _, size := range []struct{ servers, multiplier int }{{3, 1}, {5, 5}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := watching(t, size.servers, size.multiplier)
				defer c.close()
				for range 3 {
					leader := c.leader()
					if _, _, err := leader.Propose(t.Context(), []byte("x")); err != nil {
						t.Fatal(err)
					}
					died := time.Now()
					buried := c.kill(leader)
					next := c.leader(leader)
					took := time.Since(died)
					<-buried
					if took > promiseTime+250*time.Millisecond || took < promiseTime-250*time.Millisecond {
						t.Errorf("%s led %s after the death of %s", next.cfg.ID, took, leader.cfg.ID)
					}
					c.start(leader)
					time.Sleep(3 * time.Second)
				}
			})
		})
	}
}

// Who wrongly believes that the leader is gone disturbs nobody.
func TestLeaderOnlySeemsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, func(i int, cfg *Config) {
			cfg.Gone = func(ctx context.Context, _, _ string) error {
				select {
				case <-time.After(50 * time.Millisecond):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		defer c.close()
		leader := c.leader()
		term := leader.raft.CurrentTerm()
		for range 300 {
			if _, _, err := leader.Propose(t.Context(), []byte("x")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if now := leader.raft.CurrentTerm(); now != term {
			t.Errorf("the term went from %d to %d", term, now)
		}
		// One that does not hear the leader either is not followed by those
		// who do.
		deaf := c.others(leader)[0]
		c.net.Cut(leader.ip, deaf.ip)
		time.Sleep(10 * time.Second)
		if now := leader.raft.CurrentTerm(); now != term || !leader.IsLeader() || deaf.raft.CurrentTerm() != term {
			t.Errorf("terms %d and %d, was %d", now, deaf.raft.CurrentTerm(), term)
		}
	})
}

// Two that want to follow a leader do not get in each other's way.
func TestMourners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mourner{}
		if m.knows(0) || m.knows(3) {
			t.Error("mourns nobody")
		}
		m.mourn(3, true)
		if !m.knows(3) || m.knows(4) {
			t.Error("mourns another")
		}
		for _, c := range []struct {
			candidate raft.ServerID
			ahead     int
			want      bool
		}{
			{"s1", -1, false}, // its log is shorter
			{"s3", 0, false},  // this one goes first
			{"s1", 0, true},
			{"s3", 1, false}, // s1 has it
			{"s1", 0, true},
		} {
			if got := m.back(c.candidate, "s2", c.ahead); got != c.want {
				t.Errorf("%s, %d ahead: %v", c.candidate, c.ahead, got)
			}
		}
		if !m.waits() {
			t.Error("does not wait for s1")
		}
		time.Sleep(backTime)
		if m.waits() || !m.back("s3", "s2", 1) {
			t.Error("waits for ever")
		}
		m.mourn(3, false)
		time.Sleep(backTime)
		if !m.back("s3", "s2", 0) {
			t.Error("stands in the way without wanting to lead")
		}
	})
}
