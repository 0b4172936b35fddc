package quorum

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/memnet"
	"muster/model"
)

// A leader that is cut off refuses reads before anybody else can lead, at every
// multiplier.
func TestLeaseEndsBeforeAnotherLeads(t *testing.T) {
	for _, multiplier := range []int{1, 5} {
		t.Run(fmt.Sprint("multiplier=", multiplier), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 3, func(_ int, cfg *Config) { cfg.Multiplier = multiplier })
				defer c.close()
				leader := c.leader()
				for range 300 { // reads keep the lease up
					if err := leader.ConfirmRead(t.Context(), false); err != nil {
						t.Fatal(err)
					}
					if !leader.ReadOK() {
						t.Fatal("no lease under reads")
					}
					time.Sleep(10 * time.Millisecond)
				}

				c.net.Isolate(leader.ip)
				cut := time.Now()
				var lastRead, firstLed time.Duration
				for firstLed == 0 {
					if leader.ReadOK() {
						lastRead = time.Since(cut)
					}
					for _, s := range c.others(leader) {
						if s.IsLeader() {
							firstLed = time.Since(cut)
						}
					}
					if time.Since(cut) > 2*time.Minute {
						t.Fatal("nobody else leads")
					}
					time.Sleep(time.Millisecond)
				}
				t.Logf("last read after %v, another leads after %v", lastRead, firstLed)
				if lastRead >= leaseTime || lastRead >= firstLed {
					t.Error("reads were served for too long")
				}
				if err := leader.ConfirmRead(t.Context(), true); err == nil {
					t.Error("a deposed leader confirms a read")
				}
			})
		})
	}
}

// The lease ends on time even when the leader's Raft can't look at the clock.
func TestLeaseEndsWhileDiskIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		leader.store.Logs.(*stallingLog).stall.Store(int64(10 * time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, _, err := leader.Propose(ctx, []byte("x")); model.KindOf(err) != model.Canceled {
			t.Error(err)
		}
		if err := leader.ConfirmRead(t.Context(), true); err != nil {
			t.Errorf("a slow disk keeps reads from being confirmed: %v", err)
		}
		c.net.Isolate(leader.ip)
		if !leader.ReadOK() {
			t.Error("no lease after a confirmed read")
		}
		time.Sleep(leaseTime)
		if !leader.IsLeader() {
			t.Fatal("it noticed; the test shows nothing")
		}
		if leader.ReadOK() {
			t.Error("the lease is too long")
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := leader.ConfirmRead(ctx, false); model.KindOf(err) != model.Canceled {
			t.Error(err)
		}
	})
}

// Servers without a vote say nothing about who leads.
func TestNonVotersDoNotConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 5, nil)
		defer c.close()
		leader := c.leader()
		others := c.others(leader)
		for _, s := range others[:2] {
			if err := leader.DemoteVoter(s.cfg.ID); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		for _, s := range others[2:] {
			c.net.Cut(leader.ip, s.ip)
		}
		if err := leader.ConfirmRead(t.Context(), true); !errors.Is(err, model.ErrNoLeader) {
			t.Errorf("cut off from the other voters: %v", err)
		}
	})
}

func TestFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		follower := c.others(c.leader())[0]
		_, _, proposed := follower.Propose(t.Context(), []byte("x"))
		_, indexed := follower.ReadIndex(t.Context())
		for what, err := range map[string]error{
			"Propose":            proposed,
			"ReadIndex":          indexed,
			"Barrier":            follower.Barrier(t.Context()),
			"ConfirmRead":        follower.ConfirmRead(t.Context(), true),
			"RemoveServer":       follower.RemoveServer("s1"),
			"RestoreSnapshot":    follower.RestoreSnapshot(t.Context(), nil, nil),
			"TransferLeadership": follower.TransferLeadership(""),
		} {
			if !errors.Is(err, model.ErrNotLeader) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if follower.ReadOK() || follower.LastContact() > time.Second {
			t.Error(follower.ReadOK(), follower.LastContact())
		}
	})
}

// Without reads nobody is asked; with them about ten times a second.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// With nothing to send Raft leaves the followers alone for long.
		c := newCluster(t, 3, func(_ int, cfg *Config) { cfg.Multiplier, cfg.CommitTimeout = 10, time.Hour })
		defer c.close()
		leader := c.leader()
		time.Sleep(time.Minute)
		if n := leader.confirm.renewed.Load(); n != 0 {
			t.Error("renewed without a read")
		}
		if err := leader.ConfirmRead(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		renewals, last := 0, int64(0)
		for range 1000 {
			if !leader.ReadOK() {
				t.Fatal("lost the lease under reads")
			}
			if n := leader.confirm.renewed.Load(); n != last {
				renewals, last = renewals+1, n
			}
			time.Sleep(10 * time.Millisecond)
		}
		if renewals < 5 || renewals > 100 {
			t.Errorf("%d renewals in ten seconds", renewals)
		}
	})
}

// Callers share a round trip, but none joins one that began before it came.
func TestConfirmShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		for _, s := range c.others(leader) {
			c.net.SetLink(leader.ip, s.ip, memnet.Link{Delay: 50 * time.Millisecond})
			c.net.SetLink(s.ip, leader.ip, memnet.Link{Delay: 50 * time.Millisecond})
		}
		time.Sleep(5 * time.Second)
		done := make(chan time.Duration)
		for i := range 100 {
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				start := time.Now()
				if err := leader.ConfirmRead(t.Context(), true); err != nil {
					t.Error(err)
				}
				done <- time.Since(start)
			}()
		}
		for range 100 {
			if d := <-done; d < 100*time.Millisecond || d > 400*time.Millisecond {
				t.Errorf("confirmed in %v where a round trip takes 100 ms", d)
			}
		}
	})
}

// A command that is on its way when the office is lost may have happened.
func TestProposeUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		c.net.Isolate(leader.ip)
		if _, _, err := leader.Propose(t.Context(), []byte("x")); !errors.Is(err, model.ErrLeadershipLost) {
			t.Error(err)
		}
	})
}

// What comes up while commands are on their way goes out together, when they have
// landed or when it is a whole batch.
func TestProposerGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p proposer
		p.init()
		gathered := make(chan int)
		gather := func() {
			batch, open := p.gather(nil)
			if open == (len(batch) == 3) { // the last one, see below
				t.Errorf("%d commands, open %t", len(batch), open)
			}
			gathered <- len(batch)
		}
		queue := func(n int) {
			for range n {
				p.queue <- &proposal{}
			}
		}
		expect := func(want int) {
			t.Helper()
			select {
			case got := <-gathered:
				if got != want {
					t.Errorf("gathered %d, want %d", got, want)
				}
			default:
				if want > 0 {
					t.Errorf("nothing was gathered, want %d", want)
				}
			}
		}
		go gather()
		queue(1)
		synctest.Wait()
		expect(1) // a lone one does not wait

		p.ahead.Store(1)
		go gather()
		queue(4)
		synctest.Wait()
		expect(0)
		p.landed <- struct{}{} // an old signal
		synctest.Wait()
		expect(0)
		p.ahead.Store(0)
		p.landed <- struct{}{}
		synctest.Wait()
		expect(4)

		p.ahead.Store(1)
		go gather()
		queue(maxBatch + 3)
		synctest.Wait()
		expect(maxBatch)
		go gather()
		close(p.queue)
		synctest.Wait()
		expect(3)
	})
}

func TestProposeInMinority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		c.net.Isolate(leader.ip)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, _, err := leader.Propose(ctx, []byte("x")); !errors.Is(err, context.DeadlineExceeded) || model.KindOf(err) != model.Canceled {
			t.Error(err)
		}
		// It waits for the first one to land, and so never begins.
		if _, _, err := leader.Propose(t.Context(), []byte("y")); !errors.Is(err, model.ErrNotLeader) {
			t.Error(err)
		}
		if _, _, err := leader.Propose(t.Context(), []byte("z")); !errors.Is(err, model.ErrNoLeader) {
			t.Error(err)
		}
	})
}

func TestWaitApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openSingle(t, "", &machine{})
		defer closeQuorum(t, q)
		waitReady(t, q)
		at := q.AppliedIndex()
		results := make(chan error)
		for _, ahead := range []uint64{3, 1, 2} {
			go func() { results <- q.WaitApplied(t.Context(), at+ahead) }()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.WaitApplied(ctx, at+2); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		for range 3 {
			synctest.Wait()
			select {
			case err := <-results:
				t.Fatal("woken too early", err)
			default:
			}
			proposeAll(t, q, "x")
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if n := len(q.fsm.waiters); n != 0 {
			t.Errorf("%d waiters are left", n)
		}
		if err := q.WaitApplied(t.Context(), at); err != nil {
			t.Error(err)
		}
	})
}

// Who joins a round that began before it came must not rely on answers that
// were given long before it came.
func TestLateAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		time.Sleep(time.Second)
		for _, s := range c.others(leader) {
			c.net.SetLink(s.ip, leader.ip, memnet.Link{Delay: 3 * time.Second})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		leader.stall.bound = time.Hour                                        // it does not notice either
		leader.store.Logs.(*stallingLog).stall.Store(int64(20 * time.Second)) // so that it stays in office
		go func() { _, _, _ = leader.Propose(ctx, []byte("x")) }()
		early, late := make(chan error, 1), make(chan error, 1)
		go func() { early <- leader.ConfirmRead(ctx, true) }()
		time.Sleep(10 * time.Millisecond) // the question has come in
		for _, s := range c.others(leader) {
			c.net.SetLink(leader.ip, s.ip, memnet.Link{Cut: true})
		}
		proposeAll(t, c.leader(leader).Quorum, "y")
		if !leader.IsLeader() || len(early) != 0 {
			t.Fatal("it knows; the test shows nothing")
		}
		go func() { late <- leader.ConfirmRead(ctx, false) }()
		if err := <-early; err != nil {
			t.Errorf("the answers came: %v", err)
		}
		if err := <-late; err == nil {
			t.Error("a read that began under another leader is confirmed")
		}
	})
}
