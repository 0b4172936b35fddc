package boot

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"muster/internal/archive"
	"muster/model"
	"muster/quorum"
	"muster/state"
)

// machine is the store as the quorum sees it.
type machine struct {
	store *state.Store
	// restored is called with how many records of each kind a snapshot holds
	// that muster keeps and does not act on.
	restored func(map[model.CommandType]int)
}

func (m machine) Apply(batch []quorum.Entry) []any {
	entries := make([]state.Entry, len(batch))
	for i, e := range batch {
		entries[i] = state.Entry{Index: e.Index, Data: e.Data}
	}
	return m.store.Apply(entries)
}

func (m machine) Snapshot() (quorum.Snapshot, error) { return m.store.Snapshot(), nil }

func (m machine) Restore(r io.Reader) error {
	foreign, err := m.store.Restore(r)
	if err == nil {
		m.restored(foreign)
	}
	return err
}

// restored tells what of a snapshot is kept without being acted on, and has the
// leader's duties compare with what is there now.
func (a *Agent) restored(foreign map[model.CommandType]int) {
	if len(foreign) > 0 {
		var kinds []string
		for _, t := range slices.Sorted(maps.Keys(foreign)) {
			kinds = append(kinds, fmt.Sprintf("%s: %d", archive.TypeName(byte(t)), foreign[t]))
		}
		a.log.Named("agent.server").Warn("the snapshot has records that are kept, and not acted on", "records", strings.Join(kinds, ", "))
	}
	if look := a.lookAgain.Load(); look != nil {
		(*look)()
	}
}
