package quorum

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/model"
)

// A Server is a member of the quorum.
type Server struct {
	ID, Address string
	// Voter: it counts for a majority and may lead.
	Voter bool
	// Leader: it leads as far as this server knows.
	Leader bool
}

// Configuration returns the members, in the order in which they came, and the
// index of the entry that made them so (0 when it is not known). A change may
// not be agreed on yet.
func (q *Quorum) Configuration() (servers []Server, index uint64, err error) {
	f := q.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return nil, 0, outcomeOf(err)
	}
	leader, _ := q.Leader()
	for _, s := range f.Configuration().Servers {
		servers = append(servers, Server{
			ID:      string(s.ID),
			Address: string(s.Address),
			Voter:   s.Suffrage == raft.Voter,
			Leader:  string(s.ID) == leader,
		})
	}
	return servers, f.Index(), nil
}

func (q *Quorum) configuration() ([]raft.Server, raft.Configuration) {
	c := q.raft.GetConfiguration().Configuration()
	return c.Servers, c
}

// otherVoters says whether another server has a vote.
func (q *Quorum) otherVoters() bool {
	servers, _ := q.configuration()
	for _, s := range servers {
		if s.Suffrage == raft.Voter && string(s.ID) != q.id {
			return true
		}
	}
	return false
}

// Bootstrap makes a server without any state a member of a new cluster of the
// given voters. All of them may do it, with the same list.
func (q *Quorum) Bootstrap(servers []Server) error {
	var c raft.Configuration
	for _, s := range servers {
		c.Servers = append(c.Servers, raft.Server{ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address)})
	}
	err := q.await(func() error { return outcomeOf(q.raft.BootstrapCluster(c).Error()) })
	if err != nil {
		return fmt.Errorf("bootstrap raft: %w", err)
	}
	q.electSoleVoter()
	return nil
}

// memberTimeout bounds the wait for an earlier change of the members.
const memberTimeout = 10 * time.Second

// AddVoter adds a server, or gives one its vote, or changes its address. Leader
// only; errors as for Propose.
func (q *Quorum) AddVoter(id, address string) error {
	return q.change(func() (raft.IndexFuture, error) {
		return q.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(address), 0, memberTimeout), nil
	})
}

// GiveVote gives a member that follows its vote, at the address where it is known.
// It fails with NotFound for a server that was taken out meanwhile: a vote of
// somebody who is gone could cost the majority. Leader only; errors as for Propose.
func (q *Quorum) GiveVote(id string) error {
	return q.change(func() (raft.IndexFuture, error) {
		servers, _ := q.configuration()
		for _, s := range servers {
			if string(s.ID) == id {
				return q.raft.AddVoter(s.ID, s.Address, 0, memberTimeout), nil
			}
		}
		return nil, model.Errorf(model.NotFound, "server %q is no member", id)
	})
}

// AddNonVoter adds a server that follows but does not count for a majority, or
// changes its address. Leader only; errors as for Propose.
func (q *Quorum) AddNonVoter(id, address string) error {
	return q.change(func() (raft.IndexFuture, error) {
		return q.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(address), 0, memberTimeout), nil
	})
}

// DemoteVoter takes a server's vote away. Leader only; errors as for Propose.
func (q *Quorum) DemoteVoter(id string) error {
	return q.change(func() (raft.IndexFuture, error) {
		return q.raft.DemoteVoter(raft.ServerID(id), 0, memberTimeout), nil
	})
}

// RemoveServer takes a server out. A leader that removes itself leads no more.
// Leader only; errors as for Propose.
func (q *Quorum) RemoveServer(id string) error {
	return q.change(func() (raft.IndexFuture, error) {
		return q.raft.RemoveServer(raft.ServerID(id), 0, memberTimeout), nil
	})
}

// change runs a change of the members on a leader that is ready. There is one at a
// time, so that f may look first at who they are; it ends, with an error, when
// this server stops leading.
func (q *Quorum) change(f func() (raft.IndexFuture, error)) error {
	q.changing <- struct{}{}
	defer func() { <-q.changing }()
	if err := q.leads(); err != nil {
		return err
	}
	if status, _ := q.Status(); !status.Ready {
		return model.ErrNotReady
	}
	return q.await(func() error {
		future, err := f()
		if err != nil {
			return err
		}
		return outcomeOf(future.Error())
	})
}

const (
	// transferTries is to how many servers leadership is handed, one after the other,
	// when nobody is named.
	transferTries = 3
	// transferRetry is how often is looked whether Raft is done with an attempt that
	// has failed.
	transferRetry = 20 * time.Millisecond
)

// TransferLeadership hands over to the server with the given ID, or to one of those
// that are furthest along when id is empty, and returns when this server no
// longer leads. Writes are refused meanwhile, with model.ErrNotLeader. When it
// fails this server goes on to lead; if another may still have got the
// message, reads cost a round trip each until the next election. To a server where
// it has failed it is not tried again in the same term.
//
// An attempt takes an election timeout at most. Without id there are up to three.
func (q *Quorum) TransferLeadership(id string) error {
	if err := q.leads(); err != nil {
		return err
	}
	term := q.raft.CurrentTerm()
	target, err := q.successor(term, id, true)
	if err != nil {
		return err
	}
	suspended := q.lease.suspend()
	for tries := 1; ; tries++ {
		err := q.await(func() error { return q.handTo(target, tries > 1) })
		if err == nil {
			return nil
		}
		if !errors.Is(err, raft.ErrLeadershipTransferInProgress) {
			q.attempts.failed(term, target.ID)
		}
		var none error
		if id == "" && tries < transferTries && q.leadsIn(term) {
			target, none = q.successor(term, "", false)
		} else {
			none = err
		}
		if none != nil {
			q.lease.keep(suspended)
			return fmt.Errorf("transfer leadership: %w", outcomeOf(err))
		}
	}
}

// handTo has Raft hand over to a server. again: the attempt before has just failed,
// and Raft may not be done with it.
func (q *Quorum) handTo(to raft.Server, again bool) error {
	began := time.Now()
	for {
		err := q.raft.LeadershipTransferToServer(to.ID, to.Address).Error()
		if !again || !errors.Is(err, raft.ErrLeadershipTransferInProgress) || time.Since(began) > q.electionTimeout {
			return err
		}
		<-time.After(transferRetry)
	}
}

// successor is the voter with the given ID, or the one that is furthest along of those
// that were heard of lately, to whom it has not failed in this term to hand over. Raft
// would choose one, too, but does not tell whom. silent: if there is none, one that
// was not heard of will do.
func (q *Quorum) successor(term uint64, id string, silent bool) (raft.Server, error) {
	voters := q.transport.spreader.furthest(q.lease.peers(), term)
	if id != "" {
		i := slices.IndexFunc(voters, func(s raft.Server) bool { return string(s.ID) == id })
		if i < 0 {
			return raft.Server{}, model.Errorf(model.BadRequest, "server %q is not another voter", id)
		}
		return voters[i], q.attempts.may(term, voters[i].ID)
	}
	if len(voters) == 0 {
		return raft.Server{}, model.Errorf(model.Internal, "transfer leadership: there is no other voter")
	}
	left := slices.DeleteFunc(slices.Clone(voters), func(s raft.Server) bool { return q.attempts.may(term, s.ID) != nil })
	for _, s := range left {
		if q.lease.heardSince(s.ID, time.Now().Add(-q.electionTimeout)) {
			return s, nil
		}
	}
	switch {
	case len(left) == 0:
		return raft.Server{}, q.attempts.may(term, voters[0].ID)
	case !silent:
		return raft.Server{}, model.Errorf(model.Internal, "transfer leadership: no other voter answers")
	}
	return left[0], nil
}

// attempts are the transfers of leadership that failed in a term. In raft 1.8.0 one
// to a server that does not follow leaves a message that is not taken. The next one
// to the same server would wait for room for its own, for ever if the term ends: a
// goroutine that stays, and worse, a mark of a transfer under way, because of which
// this server would refuse all writes whenever it led again.
type attempts struct {
	mu   sync.Mutex
	term uint64
	to   map[raft.ServerID]bool
}

// may returns why not to try in a term, or nil.
func (a *attempts) may(term uint64, to raft.ServerID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.term != term || !a.to[to] {
		return nil
	}
	return model.Errorf(model.Internal, "transfer leadership: an earlier attempt has failed in this term, "+
		"and may still wait for a server that does not follow: name another server, or try again after the next election")
}

func (a *attempts) failed(term uint64, to raft.ServerID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.term != term {
		a.term, a.to = term, map[raft.ServerID]bool{}
	}
	a.to[to] = true
}
