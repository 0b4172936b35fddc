package boot

import (
	"io"

	"muster/quorum"
	"muster/state"
)

// machine is the store as the quorum sees it.
type machine struct{ store *state.Store }

func (m machine) Apply(batch []quorum.Entry) []any {
	entries := make([]state.Entry, len(batch))
	for i, e := range batch {
		entries[i] = state.Entry{Index: e.Index, Data: e.Data}
	}
	return m.store.Apply(entries)
}

func (m machine) Snapshot() (quorum.Snapshot, error) { return m.store.Snapshot(), nil }

func (m machine) Restore(r io.Reader) error {
	_, err := m.store.Restore(r)
	return err
}
