package leader

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/gossip"
	"muster/quorum"
)

// Peers are the servers that agree: quorum.Quorum.
type Peers interface {
	Configuration() (servers []quorum.Server, index uint64, err error)
	AddVoter(id, address string) error
	AddNonVoter(id, address string) error
	RemoveServer(id string) error
}

// Servers keeps the servers that agree in step with the gossip pool: a server
// that joins is taken in, one that leaves is taken out, one that comes back
// with another address is known by its ID. One that failed stays: it may come
// back, and a majority must not shrink because of a partition.
type Servers struct {
	proposer
	peers   Peers
	pool    Pool
	own     string // ID of this server
	logger  hclog.Logger
	changed chan struct{}
}

// NewServers makes the duty.
func NewServers(log Log, peers Peers, pool Pool, own string, logger hclog.Logger) *Servers {
	return &Servers{proposer{log}, peers, pool, own, logger, make(chan struct{}, 1)}
}

// Name of the duty.
func (s *Servers) Name() string { return "servers" }

// Changed tells the duty to look at the members again.
func (s *Servers) Changed() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// retryServers is how soon a change that failed is tried again.
const retryServers = 2 * time.Second

// Run reconciles until ctx ends.
func (s *Servers) Run(ctx context.Context) {
	ticker := time.NewTicker(reconcileEvery)
	defer ticker.Stop()
	for {
		var again <-chan time.Time
		if !s.reconcile(ctx) {
			again = time.After(retryServers)
		}
		select {
		case <-s.changed:
		case <-again:
		case <-ticker.C:
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
	known := map[string]quorum.Server{}
	for _, server := range servers {
		known[server.ID] = server
	}
	done := true
	for _, m := range s.pool.Members() {
		server, ok := m.Server()
		if !ok || m.ID() == s.own || ctx.Err() != nil {
			continue
		}
		have, agrees := known[m.ID()]
		switch m.Status {
		case gossip.StatusAlive:
			if agrees && have.Address == m.ServerAddr() {
				continue
			}
			s.logger.Info("taking a server in", "server", m.Name, "address", m.ServerAddr())
			add := s.peers.AddVoter
			if server.ReadReplica {
				add = s.peers.AddNonVoter
			}
			err = add(m.ID(), m.ServerAddr())
		case gossip.StatusLeft:
			if !agrees {
				continue
			}
			s.logger.Info("taking a server out that left", "server", m.Name)
			err = s.peers.RemoveServer(m.ID())
		default:
			continue
		}
		if err != nil {
			s.logger.Error("could not change who agrees", "server", m.Name, "error", err)
			done = false
		}
	}
	return done
}
