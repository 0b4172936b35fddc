package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/internal/memnet"
	"muster/model"
)

func TestTransferLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		first := c.leader()
		second := c.others(first)[1]
		for _, id := range []string{first.cfg.ID, "s9"} {
			if err := first.TransferLeadership(id); model.KindOf(err) != model.BadRequest {
				t.Errorf("transfer to %s: %v", id, err)
			}
		}
		if !first.ReadOK() {
			t.Error("a transfer that never began ended the lease")
		}
		start := time.Now()
		if err := first.TransferLeadership(second.cfg.ID); err != nil {
			t.Fatal(err)
		}
		if first.ReadOK() || first.IsLeader() {
			t.Error("the old leader still leads")
		}
		if c.leader(first) != second || time.Since(start) > 200*time.Millisecond {
			t.Errorf("another leads, or only after %v", time.Since(start))
		}
		proposeAll(t, second.Quorum, "x")

		// A leader that closes hands over.
		start = time.Now()
		c.stop(second)
		proposeAll(t, c.leader().Quorum, "y")
		if d := time.Since(start); d > 200*time.Millisecond {
			t.Errorf("nobody led for %v", d)
		}
	})
}

// A transfer to a server that can't be reached leaves the leader in office.
func TestTransferFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		dead := c.others(leader)[0]
		c.net.Isolate(dead.ip)
		proposeAll(t, leader.Quorum, "x") // which the dead one does not have
		if err := leader.TransferLeadership(dead.cfg.ID); err == nil {
			t.Fatal("handed over to a server that can't be reached")
		}
		if err := leader.ConfirmRead(t.Context(), false); err != nil {
			t.Error(err)
		}
		if !leader.ReadOK() {
			t.Error("the other was never told, and yet there is no lease any more")
		}
		time.Sleep(100 * time.Millisecond) // Raft takes writes again a little later
		proposeAll(t, leader.Quorum, "y")
	})
}

// Being told to take over counts only in the term in which it was said.
func TestTransferComesInLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		first := c.leader()
		slow := c.others(first)[0]
		time.Sleep(time.Second)
		c.net.SetLink(first.ip, slow.ip, memnet.Link{Delay: 4 * time.Second})
		if err := first.TransferLeadership(slow.cfg.ID); err == nil {
			t.Fatal("the transfer was to fail")
		}
		// The message is on its way: no lease in this term.
		if err := first.ConfirmRead(t.Context(), false); err != nil {
			t.Error(err)
		}
		if first.ReadOK() {
			t.Error("a lease while another server may take over")
		}
		second := c.others(first)[1]
		time.Sleep(500 * time.Millisecond)
		if err := first.TransferLeadership(second.cfg.ID); err != nil {
			t.Fatal(err)
		}
		if c.leader(first) != second {
			t.Fatal("another leads")
		}
		term := second.raft.CurrentTerm()
		time.Sleep(20 * time.Second)
		if !second.IsLeader() || second.raft.CurrentTerm() != term {
			t.Error("a late message deposed the leader")
		}
	})
}

// A transfer that fails twice in a term must not keep this server from taking writes
// when it leads again.
func TestTransferFailsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		first := c.leader()
		slow, second := c.others(first)[0], c.others(first)[1]
		c.net.Isolate(slow.ip)
		proposeAll(t, first.Quorum, "x") // which the slow one does not have
		for range 3 {
			if err := first.TransferLeadership(slow.cfg.ID); err == nil {
				t.Fatal("handed over to a server that can't be reached")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := first.TransferLeadership(second.cfg.ID); err != nil {
			t.Fatal(err) // another one can have it
		}
		if c.leader(first) != second {
			t.Fatal("another leads")
		}
		if err := second.TransferLeadership(first.cfg.ID); err != nil {
			t.Fatal(err)
		}
		if c.leader(second) != first {
			t.Fatal("another leads")
		}
		proposeAll(t, first.Quorum, "y")
		c.net.Rejoin(slow.ip)
	})
}

// A server to which it has failed to hand over is told so, until the next term; the
// others may have it.
func TestTransferAttempts(t *testing.T) {
	var a attempts
	if err := a.may(1, "a"); err != nil {
		t.Error("the first attempt:", err)
	}
	a.failed(1, "a")
	a.failed(1, "b")
	for id, refused := range map[raft.ServerID]bool{"a": true, "b": true, "c": false} {
		if err := a.may(1, id); (err != nil) != refused {
			t.Errorf("%s: %v", id, err)
		}
		if err := a.may(2, id); err != nil {
			t.Errorf("%s in the next term: %v", id, err)
		}
	}
}

// Whom nobody names is chosen: not who does not answer, and after a failure another.
func TestTransferToAny(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(t *testing.T, c *cluster, leader, first *server)
		least  time.Duration // how long it takes
		most   time.Duration
	}{
		{"all are well", func(*testing.T, *cluster, *server, *server) {}, 0, 100 * time.Millisecond},
		{"one has not been heard of for long", func(_ *testing.T, c *cluster, _, first *server) {
			c.net.Isolate(first.ip)
			time.Sleep(2 * electionTimeout)
		}, 0, 100 * time.Millisecond},
		{"one is lost at that moment", func(_ *testing.T, c *cluster, _, first *server) {
			c.net.Isolate(first.ip)
		}, electionTimeout, electionTimeout + 300*time.Millisecond},
		{"it has failed to one that was named", func(t *testing.T, c *cluster, leader, first *server) {
			c.net.Isolate(first.ip)
			proposeAll(t, leader.Quorum, "w") // which that one does not have
			if err := leader.TransferLeadership(first.cfg.ID); err == nil {
				t.Error("handed over to a server that can't be reached")
			}
			c.net.Rejoin(first.ip)
			time.Sleep(2 * electionTimeout)
		}, 0, 100 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 3, nil)
				defer c.close()
				leader := c.leader()
				time.Sleep(2 * electionTimeout)
				proposeAll(t, leader.Quorum, "x")
				synctest.Wait()
				voters := leader.transport.spreader.furthest(leader.lease.peers(), leader.raft.CurrentTerm())
				first := c.servers[slices.IndexFunc(c.servers, func(s *server) bool { return s.cfg.ID == string(voters[0].ID) })]
				test.before(t, c, leader, first)
				start := time.Now()
				if err := leader.TransferLeadership(""); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(start); d < test.least || d > test.most {
					t.Errorf("it took %v", d)
				}
				next := c.leader(leader)
				if test.least > 0 && next == first {
					t.Error("it leads who cannot be reached")
				}
				proposeAll(t, next.Quorum, "y")
				c.net.Rejoin(first.ip)
			})
		})
	}
}

// With nobody left to hand over to, who leads goes on, and says what helps.
func TestTransferToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		for _, s := range c.others(leader) {
			c.net.Isolate(s.ip)
			proposeAll(t, leader.Quorum, "x") // which it does not have
			if err := leader.TransferLeadership(s.cfg.ID); err == nil {
				t.Fatal("handed over to a server that can't be reached")
			}
			c.net.Rejoin(s.ip)
			time.Sleep(2 * electionTimeout)
		}
		err := leader.TransferLeadership("")
		if err == nil || !strings.HasSuffix(err.Error(), "name another server, or try again after the next election") {
			t.Error(err)
		}
		if !leader.IsLeader() || !leader.ReadOK() {
			t.Error("who could not hand over does not lead any more")
		}
		proposeAll(t, leader.Quorum, "y")
	})
}

func TestMembersChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, nil)
		defer c.close()
		first := c.servers[0]
		c.leader()
		proposeAll(t, first.Quorum, "x")
		for i := 2; i <= 3; i++ {
			s := &server{ip: fmt.Sprintf("10.0.0.%d", i), store: memoryStorage()}
			s.cfg = Config{ID: fmt.Sprint("s", i), Address: fmt.Sprintf("%s:%d", s.ip, raftPort), Multiplier: 1}
			c.servers = append(c.servers, s)
			c.start(s)
			if err := first.AddNonVoter(s.cfg.ID, s.cfg.Address); err != nil {
				t.Fatal(err)
			}
			if err := s.WaitApplied(t.Context(), first.AppliedIndex()); err != nil {
				t.Fatal(err)
			}
			if err := first.AddVoter(s.cfg.ID, s.cfg.Address); err != nil {
				t.Fatal(err)
			}
			if err := first.ConfirmRead(t.Context(), false); err != nil || !first.ReadOK() {
				t.Errorf("with %d voters: %v, %v", i, err, first.ReadOK())
			}
		}
		proposeAll(t, first.Quorum, "y")

		// One of one may lead on its own; one of three may not.
		time.Sleep(time.Second) // everybody knows everybody
		c.net.Isolate(first.ip)
		second := c.leader(first)
		c.net.Rejoin(first.ip)
		if err := second.RemoveServer(first.cfg.ID); err != nil {
			t.Fatal(err)
		}
		servers, _, err := second.Configuration()
		if err != nil || len(servers) != 2 || slices.ContainsFunc(servers, func(s Server) bool { return s.ID == "s1" }) {
			t.Error(servers, err)
		}

		// A leader that removes itself gives up.
		if err := second.RemoveServer(second.cfg.ID); err != nil {
			t.Fatal(err)
		}
		if second.ReadOK() {
			t.Error("a server that was removed serves reads")
		}
		third := c.leader(first, second)
		proposeAll(t, third.Quorum, "z")
		if got := third.machine.all(); !slices.Equal(got, []string{"x", "y", "z"}) {
			t.Error(got)
		}
	})
}

// A follower that was away for too long is sent a snapshot, and knows how far
// it has come with it.
func TestSnapshotCatchesUpFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, func(_ int, cfg *Config) {
			cfg.Snapshots = SnapshotPolicy{Threshold: 10, Interval: time.Second, Trailing: 1}
		})
		defer c.close()
		leader := c.leader()
		away := c.others(leader)[0]
		c.stop(away)
		for i := range 100 {
			proposeAll(t, leader.Quorum, fmt.Sprint(i))
		}
		time.Sleep(5 * time.Second)
		index, err := leader.ReadIndex(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.start(away)
		if err := away.WaitApplied(t.Context(), index); err != nil {
			t.Fatal(err)
		}
		if got := away.machine; len(got.all()) != 100 || len(got.indexes) > 50 {
			t.Errorf("%d commands, %d of them from the log", len(got.all()), len(got.indexes))
		}
		proposeAll(t, leader.Quorum, "more")
	})
}

// Status tells of every change.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		status, changed := leader.Status()
		if !status.Leading || !status.Ready || status.LeaderID != leader.cfg.ID || status.LeaderAddress != leader.cfg.Address {
			t.Errorf("%+v", status)
		}
		time.Sleep(time.Minute)
		select {
		case <-changed:
			t.Error("a change without a cause")
		default:
		}
		c.net.Isolate(leader.ip)
		<-changed
		status, changed = leader.Status()
		if status.Leading || status.Ready || status.LeaderID != "" {
			t.Errorf("%+v", status)
		}
		next := c.leader(leader)
		c.net.Rejoin(leader.ip)
		<-changed
		for status, changed = leader.Status(); status.LeaderID == ""; status, changed = leader.Status() {
			<-changed
		}
		if status.LeaderID != next.cfg.ID {
			t.Errorf("%+v", status)
		}
	})
}

// A vote is given to members alone: autopilot may be late.
func TestGiveVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		follower := c.others(leader)[0].cfg.ID
		if err := leader.DemoteVoter(follower); err != nil {
			t.Fatal(err)
		}
		if err := leader.GiveVote(follower); err != nil {
			t.Fatal(err)
		}
		servers, _, err := leader.Configuration()
		if err != nil || len(servers) != 3 || !servers[0].Voter || !servers[1].Voter || !servers[2].Voter {
			t.Error(servers, err)
		}
		if err := leader.RemoveServer(follower); err != nil {
			t.Fatal(err)
		}
		if err := leader.GiveVote(follower); model.KindOf(err) != model.NotFound {
			t.Error(err)
		}
		if servers, _, err = leader.Configuration(); err != nil || len(servers) != 2 {
			t.Error(servers, err)
		}
	})
}
