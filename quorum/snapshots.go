package quorum

import (
	"context"
	"io"

	"github.com/hashicorp/raft"

	"muster/model"
)

// TakeSnapshot has a snapshot of the present state taken and opens it. The
// caller closes it. It works on every server; on the leader, after ConfirmRead,
// it holds every acknowledged write. Once begun it is finished, whatever becomes
// of ctx.
func (q *Quorum) TakeSnapshot(ctx context.Context) (meta *raft.SnapshotMeta, content io.ReadCloser, err error) {
	if ctx.Err() != nil {
		return nil, nil, canceled(ctx)
	}
	err = q.await(func() error {
		f := q.raft.Snapshot()
		if err := f.Error(); err != nil {
			return model.Errorf(model.Internal, "take snapshot: %w", err)
		}
		if meta, content, err = f.Open(); err != nil {
			return model.Errorf(model.Internal, "open snapshot: %w", err)
		}
		return nil
	})
	return meta, content, err
}

// RestoreSnapshot replaces the state of the whole cluster by a snapshot of
// meta.Size bytes, of any cluster and time. The members stay as they are.
// Writes under way fail with a LeadershipLost error. Once begun it is finished,
// whatever becomes of ctx. Leader only; errors as for Propose.
//
// The snapshot must have been checked: Raft stops the process when the state
// machine refuses it.
func (q *Quorum) RestoreSnapshot(ctx context.Context, meta *raft.SnapshotMeta, r io.Reader) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	if err := q.leads(); err != nil {
		return err
	}
	return q.await(func() error {
		return outcomeOf(q.raft.Restore(meta, r, 0))
	})
}

// A snapshotStore tells the state machine which index it is given.
type snapshotStore struct{ raft.SnapshotStore }

type openSnapshot struct {
	io.ReadCloser
	index uint64
}

func (s snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, r, err := s.SnapshotStore.Open(id)
	if err != nil {
		return nil, nil, err
	}
	return meta, &openSnapshot{r, meta.Index}, nil
}
