package leader

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"muster/gossip"
	"muster/model"
	"muster/ops"
	"muster/quorum"
)

// pilotBench is a leader with the ID "own" that looks after servers which are
// as the test says.
type pilotBench struct {
	*fakePeers
	t     *testing.T
	log   *fakeLog
	pool  *fakePool
	pilot *Autopilot

	healthMu sync.Mutex
	sick     map[string]bool // IDs of servers that do not answer
}

// DemoteVoter and those below make it a Pilot.
func (b *pilotBench) DemoteVoter(id string) error {
	b.mu.Lock()
	i := slices.IndexFunc(b.servers, func(s quorum.Server) bool { return s.ID == id })
	address := b.servers[i].Address
	b.mu.Unlock()
	return b.change("demote "+id, id, quorum.Server{ID: id, Address: address})
}
func (b *pilotBench) TransferLeadership(id string) error { return b.change("transfer "+id, "") }
func (b *pilotBench) LastIndex() uint64                  { return 100 }
func (b *pilotBench) LastTerm() uint64                   { return 2 }
func (b *pilotBench) IsLeader() bool                     { return true }
func (b *pilotBench) Contact(context.Context)            {}

// ForceLeave makes a member one that left.
func (b *pilotBench) ForceLeave(name string, prune bool) error {
	if prune {
		b.t.Error("pruned")
	}
	for _, m := range b.pool.Members() {
		if m.Name == name {
			b.pool.set(with(m, gossip.StatusLeft))
			return b.change("leave "+name, "")
		}
	}
	return errors.New("unknown")
}

func (b *pilotBench) Members() []gossip.Member { return b.pool.Members() }

func (b *pilotBench) ask(_ context.Context, id, _ string) (quorum.Health, error) {
	b.healthMu.Lock()
	defer b.healthMu.Unlock()
	if b.sick[id] {
		return quorum.Health{}, errors.New("no answer")
	}
	return quorum.Health{LastContact: time.Millisecond, LastTerm: 2, LastIndex: 99}, nil
}

func (b *pilotBench) fall(id string, sick bool) {
	b.healthMu.Lock()
	b.sick[id] = sick
	b.healthMu.Unlock()
	for _, m := range b.pool.Members() {
		if m.ID() == id && sick {
			b.pool.set(with(m, gossip.StatusFailed))
		}
		if m.ID() == id && !sick {
			b.pool.set(with(m, gossip.StatusAlive))
		}
	}
}

// join adds a server to the pool and to Raft.
func (b *pilotBench) join(id string, voter bool, tags ...string) {
	b.pool.set(server("name-"+id, id, "10.0.0."+strings.TrimPrefix(id, "id"), tags...))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.servers = append(b.servers, quorum.Server{ID: id, Address: "10.0.0." + strings.TrimPrefix(id, "id") + ":8300", Voter: voter})
}

func newPilotBench(t *testing.T, initial model.AutopilotConfig) *pilotBench {
	b := &pilotBench{t: t, log: newLog(), pool: &fakePool{}, sick: map[string]bool{}, fakePeers: &fakePeers{}}
	b.join("id1", true)
	b.servers[0].Leader = true
	b.pilot = NewAutopilot(AutopilotConfig{Log: b.log, Peers: b, Store: b.log.store, Pool: b, Own: "id1",
		Initial: initial, Ask: b.ask, Logger: hclog.NewNullLogger()})
	b.log.begin(t, b.pilot)
	synctest.Wait()
	return b
}

// after waits, and expects changes.
func (b *pilotBench) after(d time.Duration, want ...string) {
	b.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.Sort(b.changes)
	if !slices.Equal(b.changes, want) {
		b.t.Errorf("changes %q, want %q", b.changes, want)
	}
	b.changes = nil
}

func (b *pilotBench) health(id string) ops.AutopilotServer {
	for _, s := range b.pilot.Health().Servers {
		if s.ID == id {
			return s
		}
	}
	return ops.AutopilotServer{}
}

var usual = model.AutopilotConfig{CleanupDeadServers: true, LastContactThreshold: 200 * time.Millisecond, MaxTrailingLogs: 250,
	ServerStabilizationTime: 10 * time.Second}

// A new server votes when it was well for ServerStabilizationTime, and never if
// it is to be a read replica.
func TestAutopilotPromotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPilotBench(t, usual)
		time.Sleep(20 * time.Second)
		b.join("id2", false)
		b.join("id3", false, "read_replica")
		b.after(7 * time.Second) // looks are taken in even seconds
		b.fall("id2", true)
		b.after(4 * time.Second)
		b.fall("id2", false)
		b.after(10 * time.Second)
		b.after(5*time.Second, "voter id2 10.0.0.2:8300")
		b.after(time.Minute)
		h := b.pilot.Health()
		if !h.Healthy || h.FailureTolerance != 0 || h.Leader != "id1" || !slices.Equal(h.Voters, []string{"id1", "id2"}) ||
			!slices.Equal(h.ReadReplicas, []string{"id3"}) {
			t.Errorf("%+v", h)
		}
		if s := b.health("id3"); s.Status != "non-voter" || s.NodeType != "read-replica" || !s.ReadReplica || s.Name != "name-id3" || s.LastIndex != 99 {
			t.Errorf("%+v", s)
		}
		// A voter that becomes a replica loses its vote.
		b.pool.set(server("name-id2", "id2", "10.0.0.2", "read_replica"))
		b.after(4*time.Second, "demote id2")
	})
}

// Dead servers leave as long as most of the voters stay, and not before they
// had time to restart.
func TestAutopilotRemovesDeadServers(t *testing.T) {
	five := func(t *testing.T, c model.AutopilotConfig) *pilotBench {
		b := newPilotBench(t, c)
		for _, id := range []string{"id2", "id3", "id4", "id5"} {
			b.join(id, true)
		}
		b.after(20 * time.Second)
		if h := b.pilot.Health(); h.FailureTolerance != 2 || len(h.Voters) != 5 {
			t.Errorf("%+v", h)
		}
		return b
	}
	synctest.Test(t, func(t *testing.T) {
		b := five(t, usual)
		b.fall("id5", true)
		b.after(deadFor - pilotEvery)
		b.fall("id5", false) // it was restarting
		b.after(time.Minute)
		b.fall("id5", true)
		b.after(deadFor+3*pilotEvery, "leave name-id5")
		if s := b.health("id5"); s.Healthy || s.NodeStatus != "left" {
			t.Errorf("%+v", s)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := five(t, usual)
		for _, id := range []string{"id3", "id4", "id5"} { // most of them: only two may go
			b.fall(id, true)
		}
		b.after(deadFor+3*pilotEvery, "leave name-id3", "leave name-id4")
	})
	synctest.Test(t, func(t *testing.T) {
		c := usual
		c.MinQuorum = 5
		b := five(t, c)
		b.fall("id5", true)
		b.after(time.Minute)
		// The configuration can be changed while it runs.
		b.log.apply(t, model.CmdAutopilot, &model.AutopilotCommand{Config: usual})
		b.after(2*pilotEvery, "leave name-id5")
	})
	synctest.Test(t, func(t *testing.T) {
		c := usual
		c.CleanupDeadServers = false
		b := five(t, c)
		b.fall("id5", true)
		b.after(time.Minute)
	})
}

// A server that gossip does not know is taken out late: the leader may have
// just started.
func TestAutopilotForgetsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPilotBench(t, usual)
		for _, id := range []string{"id2", "id3"} {
			b.join(id, true)
		}
		b.mu.Lock()
		b.servers = append(b.servers, quorum.Server{ID: "gone", Address: "10.0.0.9:8300", Voter: true})
		b.mu.Unlock()
		b.after(forgetAfter - pilotEvery)
		b.after(2*pilotEvery, "remove gone")
	})
}

// The first leader sets the configuration, and no other does; one that does not
// lead knows nothing.
func TestAutopilotConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPilotBench(t, usual)
		want := usual
		want.RaftIndex = model.RaftIndex{CreateIndex: 1, ModifyIndex: 1}
		if got := b.log.store.Current().Autopilot(); got == nil || *got != want {
			t.Errorf("%+v", got)
		}
		b.log.takeProposals()
		b.log.lead(0)
		synctest.Wait()
		if h := b.pilot.Health(); len(h.Servers) != 0 {
			t.Errorf("%+v", h)
		}
		b.log.lead(2)
		time.Sleep(pilotEvery)
		synctest.Wait()
		if p := b.log.takeProposals(); len(p) != 0 {
			t.Errorf("proposed %v", p)
		}
		if h := b.pilot.Health(); !h.Healthy || len(h.Servers) != 1 {
			t.Errorf("%+v", h)
		}
	})
	synctest.Test(t, func(t *testing.T) { // the log refuses for a while
		b := &pilotBench{t: t, log: newLog(), pool: &fakePool{}, fakePeers: &fakePeers{}}
		refusals := 3
		b.log.before = func(model.CommandType) error {
			if refusals--; refusals >= 0 {
				return model.ErrNoLeader
			}
			return nil
		}
		b.pilot = NewAutopilot(AutopilotConfig{Log: b.log, Peers: b, Store: b.log.store, Pool: b, Own: "id1", Initial: usual,
			Ask: b.ask, Logger: hclog.NewNullLogger()})
		b.log.begin(t, b.pilot)
		time.Sleep(3*retryServers + time.Second)
		synctest.Wait()
		if b.log.store.Current().Autopilot() == nil {
			t.Error("there is none")
		}
	})
}

// A server that has left since it was looked at gets no vote, whether it was
// taken out already or not: a cluster of one would wait for it for ever.
func TestNoVoteForTheGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPilotBench(t, usual)
		r := pilotRaft{b, b}
		b.join("id2", false)
		b.join("id3", false)
		b.join("id4", false)
		gone := b.pool.Members()
		b.pool.set(with(gone[1], gossip.StatusLeaving))
		if err := b.RemoveServer("id3"); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]string{"id2": "server id2 is not there any more", "id3": "no member", "id9": "server id9 is not there any more"} {
			if err := r.AddVoter(raft.ServerID(id), raft.ServerAddress("10.0.0."+id[2:]+":8300"), 0, 0).Error(); err == nil || err.Error() != want {
				t.Errorf("vote for %s: %v, want %s", id, err, want)
			}
		}
		if err := r.AddVoter("id4", "10.0.0.4:8300", 0, 0).Error(); err != nil {
			t.Error(err)
		}
		b.after(0, "remove id3", "voter id4 10.0.0.4:8300")
	})
}
