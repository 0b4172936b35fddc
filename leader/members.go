package leader

import (
	"context"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/gossip"
	"muster/model"
	"muster/state"
)

// reconcileEvery is how often all members are compared with the catalog,
// besides at every change.
const reconcileEvery = time.Minute

// Pool is the gossip of the datacenter.
type Pool interface {
	Members() []gossip.Member
	LocalMember() gossip.Member
	AnnounceLeader(name string) error
}

// Members puts the members of the gossip pool into the catalog: alive ones
// with a passing serfHealth, failed ones with a critical one; those who left
// are taken out.
type Members struct {
	proposer
	store      *state.Store
	pool       Pool
	datacenter string
	logger     hclog.Logger
	changed    chan struct{} // holds a value when a member changed
}

// NewMembers makes the duty.
func NewMembers(log Log, store *state.Store, pool Pool, datacenter string, logger hclog.Logger) *Members {
	return &Members{proposer{log}, store, pool, datacenter, logger, make(chan struct{}, 1)}
}

// Name of the duty.
func (m *Members) Name() string { return "members" }

// Changed tells the duty to look at the members again.
func (m *Members) Changed() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// Run reconciles until ctx ends.
func (m *Members) Run(ctx context.Context) {
	if err := m.pool.AnnounceLeader(m.pool.LocalMember().Name); err != nil {
		m.logger.Warn("could not tell the members who leads", "error", err)
	}
	ticker := time.NewTicker(reconcileEvery)
	defer ticker.Stop()
	for {
		m.reconcile(ctx)
		select {
		case <-m.changed:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (m *Members) reconcile(ctx context.Context) {
	known := map[string]bool{}
	for _, member := range m.pool.Members() {
		known[member.Name] = true
		var err error
		switch member.Status {
		case gossip.StatusAlive, gossip.StatusLeaving:
			err = m.alive(ctx, &member)
		case gossip.StatusFailed:
			err = m.failed(ctx, &member)
		case gossip.StatusLeft:
			err = m.gone(ctx, member.Name)
		}
		if err != nil {
			m.logger.Error("could not bring a member into the catalog", "member", member.Name, "error", err)
		}
	}
	// Who is in the catalog by gossip and not in the pool was forgotten there.
	v := m.store.Current()
	_, nodes := v.Nodes()
	for _, n := range nodes {
		if !known[n.Node] && v.Check(n.Node, model.SerfHealthID) != nil {
			if err := m.gone(ctx, n.Node); err != nil {
				m.logger.Error("could not take a forgotten member out of the catalog", "member", n.Node, "error", err)
			}
		}
	}
}

// alive registers a member, unless the catalog says the same already. The
// node's addresses and metadata are the agent's own to tell.
func (m *Members) alive(ctx context.Context, member *gossip.Member) error {
	v := m.store.Current()
	node := v.Node(member.Name)
	check := v.Check(member.Name, model.SerfHealthID)
	service := serverService(member)
	same := node != nil && node.Address == member.Addr && (node.ID == member.ID() || member.ID() == "") &&
		check != nil && check.Status == model.HealthPassing
	if same && service != nil {
		have := v.Service(member.Name, model.ConsulService)
		same = have != nil && have.Same(service)
	}
	if same {
		return nil
	}
	r := m.registration(member, model.HealthPassing, model.SerfAliveOutput)
	r.Service = service
	// The agent itself may be telling more of its node at this moment.
	if r.SkipNodeUpdate = node == nil || (node.Address == member.Addr && node.ID == member.ID()); !r.SkipNodeUpdate {
		r.TaggedAddresses, r.NodeMeta, r.Locality = node.TaggedAddresses, node.Meta, node.Locality
	}
	m.logger.Info("member joined, marking health alive", "member", member.Name)
	return m.propose(ctx, model.CmdRegister, r)
}

func (m *Members) registration(member *gossip.Member, status, output string) *model.RegisterRequest {
	return &model.RegisterRequest{
		Datacenter: m.datacenter, ID: member.ID(), Node: member.Name, Address: member.Addr,
		Checks: []*model.HealthCheck{{
			Node: member.Name, CheckID: model.SerfHealthID, Name: model.SerfHealthName,
			Status: status, Output: output, ServiceTags: []string{},
		}},
	}
}

// serverService is the entry of a server among the instances of "consul"; nil
// for a member that is none.
func serverService(member *gossip.Member) *model.NodeService {
	addr := member.ServerAddr()
	if addr == "" {
		return nil
	}
	server, _ := member.Server()
	meta := map[string]string{}
	for key, tag := range map[string]string{"version": "build", "raft_version": "raft_vsn"} {
		if v := member.Tags[tag]; v != "" {
			meta[key] = v
		}
	}
	if host, _, err := net.SplitHostPort(meta["version"]); err == nil { // "version:revision"
		meta["version"] = host
	}
	return &model.NodeService{ID: model.ConsulService, Service: model.ConsulService, Port: server.Port,
		Tags: []string{}, Meta: meta, Weights: &model.Weights{Passing: 1, Warning: 1}}
}

// failed marks a member that does not answer as critical. One that is not in
// the catalog is put there, so that it is seen.
func (m *Members) failed(ctx context.Context, member *gossip.Member) error {
	v := m.store.Current()
	check := v.Check(member.Name, model.SerfHealthID)
	if node := v.Node(member.Name); node != nil {
		if node.ID != "" && member.ID() != "" && node.ID != member.ID() {
			return nil // another agent has this name now
		}
		if check != nil && check.Status == model.HealthCritical && check.Output == model.SerfFailedOutput {
			return nil
		}
	}
	r := m.registration(member, model.HealthCritical, model.SerfFailedOutput)
	r.SkipNodeUpdate = true
	m.logger.Info("member failed, marking health critical", "member", member.Name)
	return m.propose(ctx, model.CmdRegister, r)
}

// gone takes a member that left, or was forgotten, out of the catalog.
func (m *Members) gone(ctx context.Context, name string) error {
	if m.store.Current().Node(name) == nil {
		return nil
	}
	m.logger.Info("member left, deregistering", "member", name)
	return m.propose(ctx, model.CmdDeregister, &model.DeregisterRequest{Datacenter: m.datacenter, Node: name})
}
