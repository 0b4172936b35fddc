package leader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/gossip"
	"muster/quorum"
)

// retryServers is how soon a change that failed is tried again.
const retryServers = 2 * time.Second

// Peers are the servers that agree: quorum.Quorum.
type Peers interface {
	Configuration() (servers []quorum.Server, index uint64, err error)
	AddVoter(id, address string) error
	AddNonVoter(id, address string) error
	RemoveServer(id string) error
}

// vouchTimeout bounds the question to a server who it is.
const vouchTimeout = 3 * time.Second

// Vouch makes sure that a member is the server that it says it is: at its
// address somebody must prove to be a server of this datacenter, where TLS is to
// prove that, and have the member's ID. Without that anybody who may gossip could
// count for a majority. A server of another cluster is refused too.
type Vouch func(ctx context.Context, m *gossip.Member) error

// Servers keeps the servers that agree in step with the gossip pool: a server
// that joins is taken in, without a vote, which Autopilot gives it when it is
// stable; one that leaves is taken out, one that comes back with another address
// is known by its ID. One that failed stays, until Autopilot takes it for dead:
// it may come back, and a majority must not shrink because of a partition.
type Servers struct {
	peers   Peers
	pool    Pool
	vouch   Vouch
	own     string // ID of this server
	logger  hclog.Logger
	changed chan struct{}     // holds a value when a member changed
	told    map[string]string // what went wrong with a server, by its ID, the last time; Run's own
	asker   *asker            // of the term; Run's own
}

// NewServers makes the duty.
func NewServers(peers Peers, pool Pool, vouch Vouch, own string, logger hclog.Logger) *Servers {
	return &Servers{peers: peers, pool: pool, vouch: vouch, own: own, logger: logger, changed: make(chan struct{}, 1)}
}

// Changed tells the duty to look at the members again. It does not wait.
func (s *Servers) Changed() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Run reconciles until ctx ends. A change that is under way then is waited for;
// it fails as soon as this server no longer leads.
func (s *Servers) Run(ctx context.Context) {
	s.asker = newAsker(ctx, s.pool, s.Changed, s.logger)
	defer s.asker.wait()
	next := time.NewTimer(reconcileEvery)
	defer next.Stop()
	for {
		wait := reconcileEvery
		if !s.reconcile(ctx) {
			wait = retryServers
		}
		next.Reset(wait)
		select {
		case <-s.changed:
		case <-next.C:
		case <-ctx.Done():
			return
		}
	}
}

// reconcile makes the changes that are due, one after the other, and tells
// whether all could be made.
func (s *Servers) reconcile(ctx context.Context) bool {
	servers, _, err := s.peers.Configuration()
	if err != nil {
		s.logger.Error("could not read who agrees", "error", err)
		return false
	}
	members := s.pool.Members()
	done, told := true, map[string]string{}
	defer func() { s.told = told }()
	for i := range members {
		m := &members[i]
		if _, ok := m.Server(); !ok || m.ID() == "" || m.ID() == s.own || ctx.Err() != nil {
			continue
		}
		switch m.Status {
		case gossip.StatusAlive:
			s.asker.forget(m.Name)
			err = s.takeIn(ctx, m, servers)
		case gossip.StatusLeft:
			err = s.takeOut(m, servers)
		default:
			continue
		}
		switch {
		case errors.Is(err, errAsked):
			done = false
		case err != nil:
			if s.told[m.ID()] != err.Error() { // it is tried again soon
				s.logger.Error("could not change who agrees", "server", m.Name, "error", err)
			}
			told[m.ID()] = err.Error()
			done = false
		}
	}
	return done
}

// takeIn has a server that is alive follow the others.
func (s *Servers) takeIn(ctx context.Context, m *gossip.Member, servers []quorum.Server) error {
	voter := false
	for _, have := range servers {
		if have.ID == m.ID() && have.Address == m.ServerAddr() {
			return nil
		}
		voter = voter || (have.ID == m.ID() && have.Voter)
	}
	ctx, cancel := context.WithTimeout(ctx, vouchTimeout)
	defer cancel()
	if err := s.vouch(ctx, m); err != nil {
		return fmt.Errorf("it is not taken in: %w", err)
	}
	for _, have := range servers {
		if have.Address == m.ServerAddr() && have.ID != m.ID() && have.ID != s.own {
			s.logger.Info("taking a server out whose address another one has", "id", have.ID, "address", have.Address)
			if err := s.peers.RemoveServer(have.ID); err != nil {
				return err
			}
		}
	}
	s.logger.Info("taking a server in", "server", m.Name, "address", m.ServerAddr())
	if voter { // it keeps its vote at its new address
		return s.peers.AddVoter(m.ID(), m.ServerAddr())
	}
	return s.peers.AddNonVoter(m.ID(), m.ServerAddr())
}

// takeOut ends the membership of a server that left, and says so if it is asked.
func (s *Servers) takeOut(m *gossip.Member, servers []quorum.Server) error {
	for _, have := range servers {
		if have.ID == m.ID() {
			if err := s.asker.gone(m, m.ID()); err != nil {
				return err
			}
			s.logger.Info("taking a server out that left", "server", m.Name)
			return s.peers.RemoveServer(have.ID)
		}
	}
	return nil
}
