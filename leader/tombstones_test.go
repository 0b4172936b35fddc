package leader

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/model"
)

type tombstoneBench struct {
	*fakeLog
	t *testing.T
}

func newTombstoneBench(t *testing.T) *tombstoneBench {
	b := &tombstoneBench{newLog(), t}
	return b
}

func (b *tombstoneBench) start() {
	b.begin(b.t, NewTombstones(b.fakeLog, b.store, hclog.NewNullLogger()))
	synctest.Wait()
}

func (b *tombstoneBench) putAndDelete(key string) {
	b.t.Helper()
	b.apply(b.t, model.CmdKV, &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: key}})
	b.apply(b.t, model.CmdKV, &model.KVCommand{Op: model.KVDelete, DirEnt: model.KVPair{Key: key}})
}

// expect checks how many deletions are remembered after some time.
func (b *tombstoneBench) expect(after time.Duration, want int) {
	b.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	if n, _ := b.store.Current().Tombstones(); n != want {
		b.t.Errorf("%d deletions are remembered, want %d", n, want)
	}
}

func TestDeletionsAreForgottenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTombstoneBench(t)
		b.start()
		time.Sleep(10 * time.Second)
		b.putAndDelete("a")
		b.expect(10*time.Minute, 1)
		b.putAndDelete("b")
		b.expect(5*time.Minute-1, 2) // "a" is 15 minutes old in a nanosecond
		b.expect(tombstoneGranularity, 1)
		b.expect(9*time.Minute+30*time.Second, 1) // so is "b"
		b.expect(tombstoneGranularity, 0)
		if p := b.takeProposals(); len(p) != 2 {
			t.Errorf("proposals %v, want 2", p)
		}
		b.expect(time.Hour, 0)
		if p := b.takeProposals(); len(p) != 0 {
			t.Errorf("proposals %v with nothing to forget", p)
		}
	})
}

func TestDeletionsInANewTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTombstoneBench(t)
		b.start()
		b.putAndDelete("a")
		time.Sleep(14 * time.Minute)
		b.lead(0)
		b.expect(time.Hour, 1)
		b.lead(2)
		b.expect(tombstoneTTL-1, 1)
		b.expect(1, 0)
	})
}

// TestForgettingIsTriedAgain: what could not be forgotten is, with what has
// become due meanwhile, by one proposal.
func TestForgettingIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTombstoneBench(t)
		var failing atomic.Bool
		failing.Store(true)
		b.before = func(model.CommandType) error {
			if failing.Load() {
				return errors.New("no quorum")
			}
			return nil
		}
		b.start()
		b.putAndDelete("a")
		time.Sleep(time.Minute)
		b.putAndDelete("b")
		b.expect(20*time.Minute+1, 2)
		failing.Store(false)
		b.expect(tombstoneGranularity, 0)
		if p := b.takeProposals(); len(p) != 1 {
			t.Errorf("proposals %v, want 1", p)
		}
	})
}
