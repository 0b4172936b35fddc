package ops

import (
	"context"
	"encoding/json"
	"io"

	"github.com/hashicorp/raft"

	"muster/acl"
	"muster/internal/archive"
	"muster/model"
	"muster/state"
)

// Snapshots takes and restores snapshots of the log: quorum.Quorum.
type Snapshots interface {
	TakeSnapshot(ctx context.Context) (*raft.SnapshotMeta, io.ReadCloser, error)
	RestoreSnapshot(ctx context.Context, meta *raft.SnapshotMeta, r io.Reader) error
}

// SnapshotSave takes a snapshot and has open write it as an archive. open is
// called, with the snapshot's index, when nothing can fail any more but
// writing.
func (o *Ops) SnapshotSave(ctx context.Context, q *Query, open func(index uint64) io.Writer) error {
	if err := o.allow(q.Token, acl.ACL, "", acl.Write); err != nil {
		return err
	}
	if q.Mode != Stale {
		if err := o.log.ConfirmRead(ctx, true); err != nil {
			return err
		}
	}
	meta, content, err := o.snapshots.TakeSnapshot(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	conf, err := json.Marshal(meta.Configuration)
	if err != nil {
		return err
	}
	m := archive.Meta{Version: int(meta.Version), ID: meta.ID, Index: meta.Index, Term: meta.Term, Peers: meta.Peers,
		Configuration: conf, ConfigurationIndex: meta.ConfigurationIndex}
	w := &lateWriter{open: func() io.Writer { return open(meta.Index) }}
	return archive.Write(w, m, func(w io.Writer) error {
		_, err := io.Copy(w, content)
		return err
	})
}

// lateWriter opens what it writes to at the first write.
type lateWriter struct {
	open func() io.Writer
	w    io.Writer
}

func (l *lateWriter) Write(p []byte) (int, error) {
	if l.w == nil {
		l.w = l.open()
	}
	return l.w.Write(p)
}

// SnapshotRestore replaces all data by an archive's. The archive is verified,
// and read once into a store of its own, before anything changes.
func (o *Ops) SnapshotRestore(ctx context.Context, token string, r io.Reader) error {
	if err := o.allow(token, acl.ACL, "", acl.Write); err != nil {
		return err
	}
	meta, content, err := archive.Read(r)
	if err != nil {
		return model.Errorf(model.Internal, "%w", err)
	}
	defer content.Close()
	if _, err := state.New().Restore(content); err != nil {
		return model.Errorf(model.Internal, "failed to read snapshot file: %w", err)
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return o.snapshots.RestoreSnapshot(ctx, &raft.SnapshotMeta{Version: raft.SnapshotVersion(meta.Version), ID: meta.ID,
		Index: meta.Index, Term: meta.Term, Size: content.Size()}, content)
}
