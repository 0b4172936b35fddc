package leader

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/raft"

	"muster/gossip"
	"muster/quorum"
)

// pilotRaft gives a Pilot the form that raft-autopilot wants: Raft's own. What
// quorum knows of leases and promises thus holds for its changes too.
type pilotRaft struct {
	p    Pilot
	pool PilotPool
}

// done is a future whose outcome is known.
type done struct {
	err     error
	servers raft.Configuration
	index   uint64
}

func (d done) Error() error                      { return d.err }
func (d done) Index() uint64                     { return d.index }
func (d done) Configuration() raft.Configuration { return d.servers }

// AddNonvoter adds a server that does not vote.
func (r pilotRaft) AddNonvoter(id raft.ServerID, a raft.ServerAddress, _ uint64, _ time.Duration) raft.IndexFuture {
	return done{err: r.p.AddNonVoter(string(id), string(a))}
}

// AddVoter gives a server its vote. The library decides by what it saw up to two
// seconds ago: the server may have its vote already, or be on its way out, and
// the vote of a server that is gone could cost the majority.
func (r pilotRaft) AddVoter(id raft.ServerID, a raft.ServerAddress, _ uint64, _ time.Duration) raft.IndexFuture {
	servers, index, err := r.p.Configuration()
	if err == nil && slices.ContainsFunc(servers, func(s quorum.Server) bool {
		return s.ID == string(id) && s.Address == string(a) && s.Voter
	}) {
		return done{index: index}
	}
	if !slices.ContainsFunc(r.pool.Members(), func(m gossip.Member) bool {
		return m.ID() == string(id) && m.Status == gossip.StatusAlive
	}) {
		return done{err: fmt.Errorf("server %s is not there any more", id)}
	}
	return done{err: r.p.GiveVote(string(id))}
}

// DemoteVoter takes a server's vote.
func (r pilotRaft) DemoteVoter(id raft.ServerID, _ uint64, _ time.Duration) raft.IndexFuture {
	return done{err: r.p.DemoteVoter(string(id))}
}

// RemoveServer takes a server out.
func (r pilotRaft) RemoveServer(id raft.ServerID, _ uint64, _ time.Duration) raft.IndexFuture {
	return done{err: r.p.RemoveServer(string(id))}
}

// LeadershipTransferToServer has another server lead.
func (r pilotRaft) LeadershipTransferToServer(id raft.ServerID, _ raft.ServerAddress) raft.Future {
	return done{err: r.p.TransferLeadership(string(id))}
}

// GetConfiguration returns the members.
func (r pilotRaft) GetConfiguration() raft.ConfigurationFuture {
	servers, index, err := r.p.Configuration()
	d := done{err: err, index: index}
	for _, s := range servers {
		suffrage := raft.Nonvoter
		if s.Voter {
			suffrage = raft.Voter
		}
		d.servers.Servers = append(d.servers.Servers, raft.Server{ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address), Suffrage: suffrage})
	}
	return d
}

// LastIndex is the end of the log.
func (r pilotRaft) LastIndex() uint64 { return r.p.LastIndex() }

// Leader is the address of the leader in the configuration.
func (r pilotRaft) Leader() raft.ServerAddress {
	servers, _, _ := r.p.Configuration()
	for _, s := range servers {
		if s.Leader {
			return raft.ServerAddress(s.Address)
		}
	}
	return ""
}

// Stats has the one value that is read of it.
func (r pilotRaft) Stats() map[string]string {
	return map[string]string{"last_log_term": strconv.FormatUint(r.p.LastTerm(), 10)}
}

// State tells whether this server leads.
func (r pilotRaft) State() raft.RaftState {
	if r.p.IsLeader() {
		return raft.Leader
	}
	return raft.Follower
}
