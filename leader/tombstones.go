package leader

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/meter"
	"muster/model"
	"muster/state"
)

// Deleted keys are remembered so that who waits for a prefix hears of the
// deletion. After tombstoneTTL nobody can wait any more: that is longer than
// the longest wait of a blocking query.
const (
	tombstoneTTL         = 15 * time.Minute
	tombstoneGranularity = 30 * time.Second
)

// Tombstones has old deletions forgotten.
type Tombstones struct {
	proposer
	store  *state.Store
	logger hclog.Logger
	took   *meter.Timer // nil: not measured
}

// NewTombstones makes the duty.
func NewTombstones(log Log, store *state.Store, logger hclog.Logger) *Tombstones {
	return &Tombstones{proposer: proposer{log}, store: store, logger: logger}
}

// Measure has the duty measured. It must be called before the first term.
func (t *Tombstones) Measure(to *meter.Meter) { t.took = to.Timer("leader.reapTombstones") }

// Run notes every tombstoneGranularity which deletions there are, and has them
// forgotten tombstoneTTL later. The state keeps no time: deletions from before
// this term count as of its beginning.
func (t *Tombstones) Run(ctx context.Context) {
	type mark struct {
		seen  time.Time
		index uint64
	}
	var marks []mark // at most one a tick
	ticker := time.NewTicker(tombstoneGranularity)
	defer ticker.Stop()
	for {
		now := time.Now()
		if n, highest := t.store.Current().Tombstones(); n > 0 && (len(marks) == 0 || marks[len(marks)-1].index < highest) {
			marks = append(marks, mark{now, highest})
		}
		due := 0
		for due < len(marks) && now.Sub(marks[due].seen) >= tombstoneTTL {
			due++
		}
		if due > 0 {
			start := time.Now()
			err := t.propose(ctx, model.CmdTombstone, &model.TombstoneCommand{ReapIndex: marks[due-1].index})
			t.took.Since(start)
			switch {
			case err == nil:
				marks = marks[due:]
			case ctx.Err() == nil:
				t.logger.Warn("could not forget deleted keys, trying again", "error", err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
