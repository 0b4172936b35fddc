package quorum

import (
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"muster/model"
)

// leads returns nil on the leader, otherwise who is missing.
func (q *Quorum) leads() error {
	switch {
	case q.raft.State() != raft.Leader:
		return q.notLeader()
	case q.stall.is():
		return model.ErrNoLeader // it cannot do what a leader does
	}
	return nil
}

func (q *Quorum) notLeader() error {
	if id, _ := q.Leader(); id == "" || id == q.id {
		return model.ErrNoLeader
	}
	return model.ErrNotLeader
}

// outcomeOf names an error of Raft's in our terms.
func outcomeOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return model.ErrNotLeader
	case errors.Is(err, raft.ErrLeadershipLost):
		return model.ErrLeadershipLost
	case errors.Is(err, raft.ErrAbortedByRestore):
		return model.Errorf(model.LeadershipLost, "%w", err)
	case errors.Is(err, raft.ErrRaftShutdown):
		return errClosed
	}
	return model.Errorf(model.Internal, "raft: %w", err)
}

// IsLeader says whether this server leads as far as it knows. It may have been
// deposed without knowing; ConfirmRead and ReadOK know better.
func (q *Quorum) IsLeader() bool { return q.raft.State() == raft.Leader }

// Leader returns the ID and the address of the leader as far as this server
// knows, empty when it knows none.
func (q *Quorum) Leader() (id, address string) {
	a, i := q.raft.LeaderWithID()
	return string(i), string(a)
}

// LastContact is the time since this server last heard from the leader; 0 on
// the leader, and the largest duration when it never did.
func (q *Quorum) LastContact() time.Duration {
	if q.IsLeader() {
		return 0
	}
	last := q.raft.LastContact()
	if last.IsZero() {
		return never
	}
	return time.Since(last)
}

const never = time.Duration(1<<63 - 1)

// AppliedIndex is the index of the last entry that the state machine has taken
// in, be it from the log or within a snapshot.
func (q *Quorum) AppliedIndex() uint64 { return q.fsm.applied() }

// LastIndex is the index of the last entry in this server's log. It may never
// be committed.
func (q *Quorum) LastIndex() uint64 { return q.raft.LastIndex() }

// CommitIndex is the index of the last entry that this server knows to be
// agreed on. Entries of Raft's own count, which are never applied.
func (q *Quorum) CommitIndex() uint64 { return q.raft.CommitIndex() }

// Stats is Raft's own description of itself, for people to read.
func (q *Quorum) Stats() map[string]string { return q.raft.Stats() }
