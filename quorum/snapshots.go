package quorum

import (
	"context"
	"io"

	"github.com/hashicorp/raft"

	"muster/model"
)

// TakeSnapshot has a snapshot of the present state taken and opens it. The
// caller closes it. It works on every server; on the leader, after ConfirmRead,
// it holds every acknowledged write.
func (q *Quorum) TakeSnapshot(ctx context.Context) (meta *raft.SnapshotMeta, content io.ReadCloser, err error) {
	type opened struct {
		meta    *raft.SnapshotMeta
		content io.ReadCloser
	}
	out := make(chan opened, 1)
	err = q.await(ctx, func() error {
		f := q.raft.Snapshot()
		if err := f.Error(); err != nil {
			return model.Errorf(model.Internal, "take snapshot: %w", err)
		}
		meta, content, err := f.Open()
		if err != nil {
			return model.Errorf(model.Internal, "open snapshot: %w", err)
		}
		if ctx.Err() != nil {
			return content.Close()
		}
		out <- opened{meta, content}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	o := <-out
	return o.meta, o.content, nil
}

// RestoreSnapshot replaces the state of the whole cluster by a snapshot of
// meta.Size bytes, of any cluster and time. The members stay as they are.
// Writes under way fail with a LeadershipLost error. Leader only; errors as for
// Propose.
//
// The snapshot must have been checked: Raft stops the process when the state
// machine refuses it.
func (q *Quorum) RestoreSnapshot(ctx context.Context, meta *raft.SnapshotMeta, r io.Reader) error {
	if err := q.leads(); err != nil {
		return err
	}
	return q.await(ctx, func() error {
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
