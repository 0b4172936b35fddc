package leader

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/model"
	"muster/state"
)

// Deleted keys are remembered so that who waits for a prefix hears of the
// deletion. After tombstoneTTL nobody can wait any more.
const (
	tombstoneTTL         = 15 * time.Minute
	tombstoneGranularity = 30 * time.Second
)

// Tombstones has old deletions forgotten.
type Tombstones struct {
	proposer
	store  *state.Store
	logger hclog.Logger
}

// NewTombstones makes the duty.
func NewTombstones(log Log, store *state.Store, logger hclog.Logger) *Tombstones {
	return &Tombstones{proposer{log}, store, logger}
}

// Name of the duty.
func (t *Tombstones) Name() string { return "tombstones" }

// Run notes every tombstoneGranularity which deletions there are, and has them
// forgotten tombstoneTTL later.
func (t *Tombstones) Run(ctx context.Context) {
	type mark struct {
		seen  time.Time
		index uint64
	}
	var marks []mark
	ticker := time.NewTicker(tombstoneGranularity)
	defer ticker.Stop()
	for {
		now := time.Now()
		if n, highest := t.store.Current().Tombstones(); n > 0 && (len(marks) == 0 || marks[len(marks)-1].index < highest) {
			marks = append(marks, mark{now, highest})
		}
		for len(marks) > 0 && now.Sub(marks[0].seen) >= tombstoneTTL {
			if err := t.propose(ctx, model.CmdTombstone, &model.TombstoneCommand{ReapIndex: marks[0].index}); err != nil {
				t.logger.Warn("could not forget deleted keys", "error", err)
				break
			}
			marks = marks[1:]
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
