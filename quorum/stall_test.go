package quorum

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"muster/model"
)

// A leader whose disk does not answer gives up, acknowledges nothing that it
// has not stored, and comes back as a follower.
func TestLeaderWithStalledDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		if _, _, err := leader.Propose(t.Context(), []byte("before")); err != nil {
			t.Fatal(err)
		}
		leader.store.Logs.(*stallingLog).stall.Store(int64(time.Minute))
		began := time.Now()
		if _, _, err := leader.Propose(t.Context(), []byte("stalled")); !errors.Is(err, model.ErrLeadershipLost) {
			t.Errorf("a write while the disk does not answer: %v", err)
		}
		bound := stallTimes * electionTimeout
		if took := time.Since(began); took != bound {
			t.Errorf("was told after %s, want %s", took, bound)
		}
		next := c.leader(leader)
		if took := time.Since(began); took > bound+100*time.Millisecond {
			t.Errorf("%s leads after %s", next.cfg.ID, took)
		}
		if _, _, err := next.Propose(t.Context(), []byte("after")); err != nil {
			t.Error(err)
		}
		// The old one neither takes writes nor answers reads.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := leader.Propose(ctx, []byte("again")); model.KindOf(err) != model.NoLeader && model.KindOf(err) != model.NotLeader {
			t.Errorf("a write to the old leader: %v", err)
		}
		if err := leader.ConfirmRead(ctx, false); err == nil || leader.ReadOK() {
			t.Errorf("a read from the old leader: %v", err)
		}
		if s, _ := leader.Status(); s.Ready {
			t.Error("the old leader is ready")
		}
		time.Sleep(time.Minute)
		if leader.IsLeader() || leader.stall.is() || !next.IsLeader() {
			t.Error("the disk answers again: the old leader is to follow the new one")
		}
		_, index, err := next.Propose(t.Context(), []byte("last"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.servers {
			if err := s.WaitApplied(t.Context(), index); err != nil {
				t.Fatal(err)
			}
			if all := s.machine.all(); len(all) != 3 || all[1] != "after" {
				t.Errorf("%s applied %q", s.cfg.ID, all)
			}
		}
	})
}

// A disk that is only slow costs nobody the lead, and a server on its own has
// nobody to give it to.
func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		term := leader.raft.CurrentTerm()
		leader.store.Logs.(*stallingLog).stall.Store(int64(stallTimes*electionTimeout - 1))
		if _, _, err := leader.Propose(t.Context(), []byte("slow")); err != nil {
			t.Error(err)
		}
		if leader.raft.CurrentTerm() != term || !leader.ReadOK() {
			t.Error("lost the lead")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, nil)
		defer c.close()
		leader := c.leader()
		leader.store.Logs.(*stallingLog).stall.Store(int64(10 * time.Second))
		if _, _, err := leader.Propose(t.Context(), []byte("stalled")); !errors.Is(err, model.ErrLeadershipLost) {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if _, _, err := leader.Propose(t.Context(), []byte("after")); err != nil {
			t.Error(err)
		}
		if all := leader.machine.all(); len(all) != 2 {
			t.Errorf("applied %q", all)
		}
	})
}
