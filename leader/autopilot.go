package leader

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	autopilot "github.com/hashicorp/raft-autopilot"

	"muster/gossip"
	"muster/model"
	"muster/ops"
	"muster/quorum"
	"muster/state"
)

const (
	// pilotEvery is how often the servers are looked at, and how often what
	// follows from it is done.
	pilotEvery = 2 * time.Second
	// askTimeout bounds a question to a server about its health.
	askTimeout = time.Second
	// deadFor is how long a server must have been unhealthy before it is taken
	// for dead: a restart takes less.
	deadFor = 10 * time.Second
)

// Pilot is the quorum as autopilot changes it: quorum.Quorum.
type Pilot interface {
	Peers
	GiveVote(id string) error
	DemoteVoter(id string) error
	TransferLeadership(id string) error
	LastIndex() uint64
	LastTerm() uint64
	IsLeader() bool
	// Contact has the leader speak to all members now.
	Contact(ctx context.Context)
}

// PilotPool is gossip as autopilot needs it.
type PilotPool interface {
	Members() []gossip.Member
	ForceLeave(name string, prune bool) error
}

// AskHealth asks the server at an address how far it has come.
type AskHealth func(ctx context.Context, id, address string) (quorum.Health, error)

// Autopilot looks after the servers (hashicorp/raft-autopilot): it keeps note of
// their health, gives new ones a vote when they have been well for a while, and
// has those that are dead leave, if a majority of voters stays. Its
// configuration is in the state.
type Autopilot struct {
	proposer
	peers   Pilot
	store   *state.Store
	pool    PilotPool
	own     string // ID of this server
	initial model.AutopilotConfig
	ask     AskHealth
	logger  hclog.Logger

	flying  atomic.Pointer[autopilot.Autopilot] // nil on a server that does not lead
	leaving sync.WaitGroup                      // calls of ForceLeave, within Run
}

// AutopilotConfig is what an Autopilot is made of.
type AutopilotConfig struct {
	Log   Log
	Peers Pilot
	Store *state.Store
	Pool  PilotPool
	Own   string // ID of this server
	// Initial is the configuration of a cluster that has none yet.
	Initial model.AutopilotConfig
	Ask     AskHealth
	Logger  hclog.Logger
}

// NewAutopilot makes the duty.
func NewAutopilot(c AutopilotConfig) *Autopilot {
	return &Autopilot{proposer: proposer{c.Log}, peers: c.Peers, store: c.Store, pool: c.Pool, own: c.Own,
		initial: c.Initial, ask: c.Ask, logger: c.Logger}
}

// Run looks after the servers until ctx ends.
func (a *Autopilot) Run(ctx context.Context) {
	if !a.configure(ctx) {
		return
	}
	pilot := autopilot.New(pilotRaft{a.peers, a.pool}, &pilotView{Autopilot: a}, autopilot.WithLogger(a.logger),
		autopilot.WithUpdateInterval(pilotEvery), autopilot.WithReconcileInterval(pilotEvery),
		autopilot.WithPromoter(&promoter{begin: time.Now()}))
	pilot.Start(ctx)
	a.flying.Store(pilot)
	<-ctx.Done()
	a.flying.Store(nil)
	<-pilot.Stop()
	a.leaving.Wait()
}

// configure sets the first configuration of a cluster. It returns false when
// ctx ended.
func (a *Autopilot) configure(ctx context.Context) bool {
	for a.store.Current().Autopilot() == nil {
		err := a.propose(ctx, model.CmdAutopilot, &model.AutopilotCommand{Config: a.initial, CAS: true})
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return false
		}
		a.logger.Warn("could not set the first configuration of autopilot, trying again", "error", err)
		select {
		case <-time.After(retryServers):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Health is part of ops.Autopilot.
func (a *Autopilot) Health() ops.AutopilotHealth {
	pilot := a.flying.Load()
	if pilot == nil {
		return ops.AutopilotHealth{}
	}
	s := pilot.GetState()
	out := ops.AutopilotHealth{Healthy: s.Healthy, FailureTolerance: s.FailureTolerance,
		OptimisticFailureTolerance: s.FailureTolerance, Leader: string(s.Leader)}
	for _, id := range s.Voters {
		out.Voters = append(out.Voters, string(id))
	}
	for _, one := range s.Servers {
		v := &one.Server
		replica := v.NodeType == nodeReadReplica
		if replica {
			out.ReadReplicas = append(out.ReadReplicas, string(v.ID))
		}
		out.Servers = append(out.Servers, ops.AutopilotServer{ID: string(v.ID), Name: v.Name, Address: string(v.Address),
			Version: v.Version, NodeStatus: string(v.NodeStatus), NodeType: string(v.NodeType), Status: string(one.State),
			Meta: v.Meta, LastContact: one.Stats.LastContact, LastTerm: one.Stats.LastTerm, LastIndex: one.Stats.LastIndex,
			Healthy: one.Health.Healthy, ReadReplica: replica, StableSince: one.Health.StableSince})
	}
	slices.Sort(out.ReadReplicas)
	slices.SortFunc(out.Servers, func(a, b ops.AutopilotServer) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// pilotView is what the library asks for, in one term.
type pilotView struct {
	*Autopilot
	healthy map[raft.ServerID]bool // as of the last state; NotifyState's own
}

// AutopilotConfig is the configuration in force.
func (v *pilotView) AutopilotConfig() *autopilot.Config {
	c := v.store.Current().Autopilot()
	if c == nil { // a snapshot without one was restored
		c = &v.initial
	}
	return &autopilot.Config{CleanupDeadServers: c.CleanupDeadServers, LastContactThreshold: c.LastContactThreshold,
		MaxTrailingLogs: c.MaxTrailingLogs, MinQuorum: c.MinQuorum, ServerStabilizationTime: c.ServerStabilizationTime}
}

// NotifyState is told of every new state, before anybody else sees it. It sets
// right since when servers are as they are: the library (0.3.0) compares a
// server's health with itself there, so that it would be stable from the first
// look on, however often it failed in between.
func (v *pilotView) NotifyState(s *autopilot.State) {
	healthy := map[raft.ServerID]bool{}
	for id, one := range s.Servers {
		if was, known := v.healthy[id]; known && was != one.Health.Healthy {
			one.Health.StableSince = time.Now()
		}
		healthy[id] = one.Health.Healthy
	}
	v.healthy = healthy
}

// FetchServerStats asks the servers how far they have come. Who does not answer
// is left out, and so keeps what was known of him.
func (v *pilotView) FetchServerStats(ctx context.Context, servers map[raft.ServerID]*autopilot.Server) map[raft.ServerID]*autopilot.ServerStats {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	v.peers.Contact(ctx)
	list := slices.Collect(maps.Values(servers))
	answers := make([]*autopilot.ServerStats, len(list))
	each(len(list), func(i int) {
		h, err := v.ask(ctx, string(list[i].ID), string(list[i].Address))
		if err != nil {
			// Not heard of: whatever is known of it is out of date.
			answers[i] = &autopilot.ServerStats{LastContact: -1}
			v.logger.Debug("could not ask a server how it is", "server", list[i].Name, "error", err)
			return
		}
		answers[i] = &autopilot.ServerStats{LastContact: h.LastContact, LastTerm: h.LastTerm, LastIndex: h.LastIndex}
	})
	out := map[raft.ServerID]*autopilot.ServerStats{}
	for i, s := range list {
		out[s.ID] = answers[i]
	}
	return out
}

// KnownServers are the servers in the gossip pool.
func (v *pilotView) KnownServers() map[raft.ServerID]*autopilot.Server {
	out := map[raft.ServerID]*autopilot.Server{}
	members := v.pool.Members()
	for i := range members {
		m := &members[i]
		s, ok := m.Server()
		if !ok || m.ID() == "" {
			continue
		}
		if have := out[raft.ServerID(m.ID())]; have != nil && have.NodeStatus == autopilot.NodeAlive {
			continue // it was renamed: its former self has failed
		}
		version, _, _ := strings.Cut(m.Tags["build"], ":")
		one := &autopilot.Server{ID: raft.ServerID(m.ID()), Name: m.Name, Address: raft.ServerAddress(m.ServerAddr()),
			NodeStatus: nodeStatus(m.Status), Version: version, RaftVersion: 3, IsLeader: m.ID() == v.own && v.peers.IsLeader(),
			NodeType: autopilot.NodeVoter}
		if s.ReadReplica {
			one.NodeType = nodeReadReplica
		}
		if n := v.store.Current().Node(m.ID()); n != nil {
			one.Meta = n.Meta
		}
		out[one.ID] = one
	}
	return out
}

func nodeStatus(s gossip.Status) autopilot.NodeStatus {
	switch s {
	case gossip.StatusAlive:
		return autopilot.NodeAlive
	case gossip.StatusFailed:
		return autopilot.NodeFailed
	case gossip.StatusLeft, gossip.StatusLeaving:
		return autopilot.NodeLeft
	}
	return autopilot.NodeUnknown
}

// RemoveFailedServer makes a dead server one that left; Servers then takes it
// out of Raft, and Members out of the catalog.
func (v *pilotView) RemoveFailedServer(s *autopilot.Server) {
	if s.NodeStatus == autopilot.NodeLeft {
		return // it did, and is on its way out
	}
	v.logger.Warn("a dead server is to leave", "server", s.Name, "id", s.ID)
	v.leaving.Go(func() {
		if err := v.pool.ForceLeave(s.Name, false); err != nil {
			v.logger.Error("could not have a dead server leave", "server", s.Name, "error", err)
		}
	})
}

// nodeReadReplica is the type of servers that never vote.
const nodeReadReplica autopilot.NodeType = "read-replica"

// A promoter decides who votes: all servers that were stable for a while, but
// not those that are to be read replicas.
type promoter struct {
	autopilot.StablePromoter
	begin time.Time // of the term
}

// GetNodeTypes keeps the types that KnownServers gave.
func (p *promoter) GetNodeTypes(_ *autopilot.Config, s *autopilot.State) map[raft.ServerID]autopilot.NodeType {
	types := map[raft.ServerID]autopilot.NodeType{}
	for id, one := range s.Servers {
		types[id] = autopilot.NodeVoter
		if one.Server.NodeType == nodeReadReplica {
			types[id] = nodeReadReplica
		}
	}
	return types
}

// CalculatePromotionsAndDemotions is that of the library without the replicas,
// whose votes are taken back.
func (p *promoter) CalculatePromotionsAndDemotions(c *autopilot.Config, s *autopilot.State) autopilot.RaftChanges {
	replica := func(id raft.ServerID) bool { return s.Servers[id].Server.NodeType == nodeReadReplica }
	changes := p.StablePromoter.CalculatePromotionsAndDemotions(c, s)
	changes.Promotions = slices.DeleteFunc(changes.Promotions, replica)
	for _, id := range s.Voters {
		if replica(id) && id != s.Leader {
			changes.Demotions = append(changes.Demotions, id)
		}
	}
	return changes
}

// FilterFailedServerRemovals gives servers time: who failed may be restarting,
// and a leader that has just started may not have met the others again.
func (p *promoter) FilterFailedServerRemovals(_ *autopilot.Config, s *autopilot.State, failed *autopilot.FailedServers) *autopilot.FailedServers {
	alive := func(one *autopilot.Server) bool {
		known := s.Servers[one.ID]
		return known == nil || known.Health.Healthy || time.Since(known.Health.StableSince) < deadFor
	}
	failed.FailedVoters = slices.DeleteFunc(failed.FailedVoters, alive)
	failed.FailedNonVoters = slices.DeleteFunc(failed.FailedNonVoters, alive)
	if time.Since(p.begin) < forgetAfter {
		failed.StaleVoters, failed.StaleNonVoters = nil, nil
	}
	return failed
}

// IsPotentialVoter tells who may come to vote.
func (p *promoter) IsPotentialVoter(t autopilot.NodeType) bool { return t == autopilot.NodeVoter }
