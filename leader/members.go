package leader

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/gossip"
	"muster/internal/meter"
	"muster/model"
	"muster/state"
)

const (
	// reconcileEvery is how often all members are compared with the catalog,
	// besides at every change.
	reconcileEvery = time.Minute
	// reconcileAgain is when it is tried again after a failure.
	reconcileAgain = 5 * time.Second
	// forgetAfter is how long a node that the pool has not known in this term
	// stays in the catalog. A server that has just started may lead before its
	// gossip has found the others again, who look for it every 30 seconds.
	forgetAfter = 2 * time.Minute
	// lateFor is how long gossip may be behind an agent that has come back. At
	// another address others take it in only when it has failed at the former one
	// for 30 seconds.
	lateFor = time.Minute
)

// Pool is the gossip of the datacenter.
type Pool interface {
	Members() []gossip.Member
	LocalMember() gossip.Member
	AnnounceLeader(name string) error
	// Ask asks a member whether it is there, and with which node ID. It takes some
	// seconds at most.
	Ask(ctx context.Context, m *gossip.Member) (id string, here bool)
}

// Members puts the members of the gossip pool into the catalog: alive ones
// with a passing serfHealth, failed ones with a critical one; those who left
// or were forgotten, and do not answer, are taken out. It proposes only what
// changes something.
//
// It tells of a node what gossip knows: name, ID and address. Everything else
// is the agent's own to tell, who may be doing so at the same moment: nothing
// here may overwrite it.
type Members struct {
	proposer
	store      *state.Store
	pool       Pool
	datacenter string
	logger     hclog.Logger
	changed    chan struct{} // holds a value when a member changed

	took, tookOne *meter.Timer // nil: not measured
}

// NewMembers makes the duty.
func NewMembers(log Log, store *state.Store, pool Pool, datacenter string, logger hclog.Logger) *Members {
	return &Members{proposer: proposer{log}, store: store, pool: pool, datacenter: datacenter, logger: logger, changed: make(chan struct{}, 1)}
}

// Measure has the duty measured. It must be called before the first term.
func (m *Members) Measure(to *meter.Meter) {
	m.took, m.tookOne = to.Timer("leader.reconcile"), to.Timer("leader.reconcileMember")
}

// Changed tells the duty to look at the members again. It does not wait.
func (m *Members) Changed() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// Run reconciles until ctx ends.
func (m *Members) Run(ctx context.Context) {
	self := m.pool.LocalMember().Name
	if err := m.pool.AnnounceLeader(self); err != nil {
		m.logger.Warn("could not tell the members who leads", "error", err)
	}
	term := &memberTerm{Members: m, self: self, begin: time.Now(), asker: newAsker(ctx, m.pool, m.Changed, m.logger),
		seen: map[string]gossip.Member{}, behind: map[string]time.Time{}, out: map[string]bool{}}
	defer term.asker.wait()
	next := time.NewTimer(reconcileEvery)
	defer next.Stop()
	for {
		wait := reconcileEvery
		if !term.reconcile(ctx) {
			wait = reconcileAgain
		}
		next.Reset(wait)
		select {
		case <-m.changed:
		case <-next.C:
		case <-ctx.Done():
			return
		}
	}
}

// memberTerm is what is known in one term.
type memberTerm struct {
	*Members
	self  string
	begin time.Time
	asker *asker
	// What the pool knew in this term, by name in lower case.
	seen map[string]gossip.Member
	// behind has the members of which the catalog knows more than the pool, since
	// it has heard it from the agent: since when.
	behind map[string]time.Time
	// out has the members that left and were taken out of the catalog.
	out map[string]bool
}

// reconcile is false when it is worth trying again soon.
func (m *memberTerm) reconcile(ctx context.Context) bool {
	defer m.took.Since(time.Now())
	var gone, here []gossip.Member
	first := len(m.seen) == 0
	known := map[string]bool{}
	for _, member := range m.pool.Members() {
		name := strings.ToLower(member.Name)
		m.compare(&member, first || m.seen[name].Addr == member.Addr)
		known[name], m.seen[name] = true, member
		if member.Status != gossip.StatusLeft {
			m.asker.forget(member.Name)
		}
		switch member.Status {
		case gossip.StatusAlive, gossip.StatusLeaving:
			here = append(here, member)
		case gossip.StatusFailed, gossip.StatusLeft:
			if !m.late(&member) {
				gone = append(gone, member)
			}
		}
	}
	forgotten := m.forgotten(known)
	var failed atomic.Bool
	bring := func(name string, err error) {
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, errAsked):
			failed.Store(true)
		default:
			m.logger.Error("could not bring a member into the catalog", "member", name, "error", err)
			if !errors.Is(err, errTaken) { // that is for people to solve
				failed.Store(true)
			}
		}
	}
	alive := map[string]bool{} // IDs
	for i := range here {
		if id := here[i].ID(); id != "" {
			alive[id] = true
		}
	}
	// Who is gone comes first: one that is alive may have his ID.
	out := make([]bool, len(gone))
	each(len(gone)+len(forgotten), func(i int) {
		if i < len(gone) {
			err := m.gone(ctx, &gone[i], alive[gone[i].ID()])
			bring(gone[i].Name, err)
			out[i] = err == nil && gone[i].Status == gossip.StatusLeft
		} else {
			n := forgotten[i-len(gone)]
			bring(n.Node, m.forget(ctx, n))
		}
	})
	for i := range gone {
		if out[i] {
			m.out[strings.ToLower(gone[i].Name)] = true
		}
	}
	each(len(here), func(i int) { bring(here[i].Name, m.here(ctx, &here[i])) })
	return !failed.Load()
}

// compare notes whether gossip and the catalog know a member at different
// addresses, or gossip has it as gone that is in the catalog again. If gossip says
// what it has said before, the catalog is the one who knows more.
func (m *memberTerm) compare(member *gossip.Member, same bool) {
	name := strings.ToLower(member.Name)
	if member.Status != gossip.StatusLeft {
		delete(m.out, name)
	}
	node := nodeNamed(m.store.Current(), member.Name)
	if node == nil || another(node, member) || node.Address == member.Addr && !m.out[name] || !same {
		delete(m.behind, name)
	} else if _, ok := m.behind[name]; !ok {
		m.behind[name] = time.Now()
	}
}

// late tells whether what gossip says of a member may be old news: its agent
// has told the catalog of another address, or is there again after it had left. If
// it is gone from the former one, or was before, that says nothing of the agent, its
// services and its sessions.
func (m *memberTerm) late(member *gossip.Member) bool {
	since, ok := m.behind[strings.ToLower(member.Name)]
	return ok && time.Since(since) < lateFor
}

// here brings a member into the catalog that is there.
func (m *memberTerm) here(ctx context.Context, member *gossip.Member) error {
	defer m.tookOne.Since(time.Now())
	return m.alive(ctx, member)
}

// gone notes in the catalog that a member has failed or left; renamed: its agent
// is there under another name.
func (m *memberTerm) gone(ctx context.Context, member *gossip.Member, renamed bool) error {
	defer m.tookOne.Since(time.Now())
	switch {
	case member.Status == gossip.StatusFailed:
		return m.failed(ctx, member)
	case member.Name == m.self:
		return nil // for the next leader to do
	}
	return m.left(ctx, member, renamed)
}

// forgotten are the nodes that are in the catalog by gossip and not in the
// pool any more.
func (m *memberTerm) forgotten(known map[string]bool) []*model.Node {
	v := m.store.Current()
	_, nodes := v.Nodes()
	var list []*model.Node
	for _, n := range nodes {
		name := strings.ToLower(n.Node)
		if known[name] || v.Check(n.Node, model.SerfHealthID) == nil {
			continue
		}
		if m.seen[name].Name != "" || time.Since(m.begin) >= forgetAfter {
			list = append(list, n)
		}
	}
	return list
}

// errTaken: the node's name belongs to another that is not known to have failed.
var errTaken = errors.New("the name is taken")

// alive registers a member, unless the catalog says the same already.
func (m *memberTerm) alive(ctx context.Context, member *gossip.Member) error {
	v := m.store.Current()
	node := nodeNamed(v, member.Name)
	check := v.Check(member.Name, model.SerfHealthID)
	if node != nil {
		if another(node, member) && (check == nil || check.Status != model.HealthCritical) {
			return fmt.Errorf("%w by node %s (%s)", errTaken, node.ID, node.Address)
		}
		if !sameAs(node, member) && !m.late(member) {
			if err := m.move(ctx, node, member); err != nil {
				return err
			}
		}
	}
	service := serverService(member)
	if node != nil && check != nil && check.Status == model.HealthPassing {
		if have := v.Service(member.Name, model.ConsulService); service == nil || have != nil && have.Same(service) {
			return nil
		}
	}
	r := m.registration(member, model.HealthPassing, model.SerfAliveOutput)
	r.Service = service
	if err := m.propose(ctx, model.CmdRegister, r); err != nil {
		return err
	}
	m.logger.Info("member joined, marking health alive", "member", member.Name)
	return nil
}

// nodeNamed is the node with that very name, or nil.
func nodeNamed(v *state.Version, name string) *model.Node {
	if n := v.Node(name); n != nil && strings.EqualFold(n.Node, name) {
		return n
	}
	return nil
}

// another tells whether node and member are known to be different agents.
func another(node *model.Node, member *gossip.Member) bool {
	return differ(node.ID, member.ID())
}

// differ tells whether two node IDs are known to be those of different agents: "" is
// not known.
func differ(a, b string) bool { return a != "" && b != "" && !strings.EqualFold(a, b) }

func sameAs(node *model.Node, member *gossip.Member) bool {
	return node.Address == member.Addr && (member.ID() == "" || strings.EqualFold(node.ID, member.ID()))
}

// move gives a node the address and the ID that its agent has now. If the node
// changes meanwhile, nothing happens: the agent has told it all itself, or is
// going to be looked at again.
func (m *Members) move(ctx context.Context, node *model.Node, member *gossip.Member) error {
	moved := *node
	moved.Address = member.Addr
	if id := member.ID(); id != "" {
		moved.ID = strings.ToLower(id)
	}
	err := m.propose(ctx, model.CmdTxn, &model.Txn{Ops: []model.TxnOp{
		{Node: &model.TxnNode{Verb: model.VerbCAS, Node: moved}},
	}})
	if err != nil {
		return err
	}
	m.logger.Info("member has another address or ID", "member", member.Name, "address", moved.Address, "id", moved.ID)
	return nil
}

// registration of a member's health. A node that is there stays as it is.
func (m *Members) registration(member *gossip.Member, status, output string) *model.RegisterRequest {
	return &model.RegisterRequest{
		Datacenter: m.datacenter, ID: member.ID(), Node: member.Name, Address: member.Addr, SkipNodeUpdate: true,
		Checks: []*model.HealthCheck{{
			Node: member.Name, CheckID: model.SerfHealthID, Name: model.SerfHealthName,
			Status: status, Output: output, ServiceTags: []string{},
		}},
	}
}

// serverService is the entry of a server among the instances of "consul"; nil
// for a member that is none.
func serverService(member *gossip.Member) *model.NodeService {
	server, ok := member.Server()
	if !ok {
		return nil
	}
	meta := map[string]string{}
	if build, _, _ := strings.Cut(member.Tags["build"], ":"); build != "" { // "version:revision"
		meta["version"] = build
	}
	if raft := member.Tags["raft_vsn"]; raft != "" {
		meta["raft_version"] = raft
	}
	return &model.NodeService{ID: model.ConsulService, Service: model.ConsulService, Port: server.Port,
		Tags: []string{}, Meta: meta, Weights: &model.Weights{Passing: 1, Warning: 1}}
}

// failed marks a member that does not answer as critical. One that is not in
// the catalog stays out: somebody took it out, or it has another name by now.
func (m *Members) failed(ctx context.Context, member *gossip.Member) error {
	v := m.store.Current()
	node := nodeNamed(v, member.Name)
	if node == nil || another(node, member) {
		return nil
	}
	check := v.Check(member.Name, model.SerfHealthID)
	if check != nil && check.Status == model.HealthCritical && check.Output == model.SerfFailedOutput {
		return nil
	}
	if err := m.propose(ctx, model.CmdRegister, m.registration(member, model.HealthCritical, model.SerfFailedOutput)); err != nil {
		return err
	}
	m.logger.Info("member failed, marking health critical", "member", member.Name)
	return nil
}

// left takes a member that left out of the catalog, unless its name has become
// somebody else's, or it says that it has not left.
func (m *memberTerm) left(ctx context.Context, member *gossip.Member, renamed bool) error {
	v := m.store.Current()
	node := nodeNamed(v, member.Name)
	switch {
	case node == nil, another(node, member):
		return nil
	case node.ID == "" && v.Check(node.Node, model.SerfHealthID) == nil:
		return nil // registered by hand
	case !renamed:
		if err := m.asker.gone(member, node.ID); err != nil {
			return err
		}
	}
	return m.remove(ctx, node)
}

// forget takes a node out of the catalog that the pool does not know any more. If it
// has known it in this term, that is asked whether it is there.
func (m *memberTerm) forget(ctx context.Context, node *model.Node) error {
	if member, known := m.seen[strings.ToLower(node.Node)]; known && member.Status != gossip.StatusFailed {
		if m.asker.gone(&member, node.ID) != nil {
			return nil // to be looked at when it has answered, and every minute
		}
	}
	return m.remove(ctx, node)
}

// remove takes a node out of the catalog with all that is on it.
func (m *Members) remove(ctx context.Context, node *model.Node) error {
	r := &model.DeregisterRequest{Datacenter: m.datacenter, Node: node.Node}
	if err := m.propose(ctx, model.CmdDeregister, r); err != nil {
		return err
	}
	m.logger.Info("member left, deregistering", "member", node.Node)
	return nil
}
