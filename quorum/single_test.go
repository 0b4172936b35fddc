package quorum

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/model"
)

// openSingle opens a server on its own; the test closes it.
func openSingle(t testing.TB, dir string, m StateMachine) *Quorum {
	t.Helper()
	q, err := Open(Config{ID: "a", Address: "a:8300", Dir: dir, Bootstrap: true}, m)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func closeQuorum(t testing.TB, q *Quorum) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

// waitReady waits until q leads and is ready.
func waitReady(t testing.TB, q *Quorum) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		status, changed := q.Status()
		if status.Ready {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatal("not ready after a minute")
		}
	}
}

// proposeAll proposes values one after the other.
func proposeAll(t testing.TB, q *Quorum, values ...string) {
	t.Helper()
	for _, v := range values {
		result, _, err := q.Propose(t.Context(), []byte(v))
		if err != nil || result != "did "+v {
			t.Fatal(result, err)
		}
	}
}

func TestSingleServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		m := &machine{}
		q := openSingle(t, "", m)
		waitReady(t, q)
		if d := time.Since(start); d != 0 {
			t.Errorf("ready after %v, want at once", d)
		}
		proposeAll(t, q, "x", "y")
		if !q.ReadOK() || !q.IsLeader() || q.LastContact() != 0 {
			t.Error("does not lead")
		}
		for _, consistent := range []bool{false, true} {
			if err := q.ConfirmRead(t.Context(), consistent); err != nil {
				t.Error(err)
			}
		}
		index, err := q.ReadIndex(t.Context())
		if err != nil || index != q.AppliedIndex() || index != q.LastIndex() || index != q.CommitIndex() {
			t.Error(index, err, q.AppliedIndex(), q.LastIndex(), q.CommitIndex())
		}
		servers, _, err := q.Configuration()
		if want := []Server{{ID: "a", Address: "a:8300", Voter: true, Leader: true}}; err != nil || !slices.Equal(servers, want) {
			t.Error(servers, err)
		}
		if q.Stats()["state"] != "Leader" {
			t.Error(q.Stats())
		}

		time.Sleep(time.Hour)
		if !q.ReadOK() {
			t.Error("an idle server does not lead after an hour")
		}
		closeQuorum(t, q)
		closeQuorum(t, q)
		if !slices.Equal(m.all(), []string{"x", "y"}) {
			t.Error(m.all())
		}
	})
}

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openSingle(t, "", &machine{})
		waitReady(t, q)
		closeQuorum(t, q)
		if q.ReadOK() {
			t.Error("a closed server serves reads")
		}
		_, _, err := q.Propose(t.Context(), []byte("x"))
		for what, err := range map[string]error{
			"Propose":      err,
			"Barrier":      q.Barrier(t.Context()),
			"ConfirmRead":  q.ConfirmRead(t.Context(), true),
			"WaitApplied":  q.WaitApplied(t.Context(), 1000),
			"RemoveServer": q.RemoveServer("b"),
		} {
			if kind := model.KindOf(err); kind != model.Canceled && kind != model.NoLeader {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestProposeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := openSingle(t, "", &machine{})
		defer closeQuorum(t, q)
		waitReady(t, q)
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		for _, c := range []struct {
			ctx  context.Context
			size int
			want model.Kind
		}{
			{t.Context(), 0, model.BadRequest},
			{t.Context(), MaxEntry + 1, model.TooLarge},
			{t.Context(), MaxEntry, model.Internal}, // none
			{canceled, 1, model.Canceled},
		} {
			_, _, err := q.Propose(c.ctx, make([]byte, c.size))
			if model.KindOf(err) != c.want || (err == nil) != (c.want == model.Internal) {
				t.Errorf("%d bytes: %v", c.size, err)
			}
		}
	})
}

func TestNoLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := Open(Config{ID: "a", Address: "a:8300"}, &machine{})
		if err != nil {
			t.Fatal(err)
		}
		defer closeQuorum(t, q)
		time.Sleep(time.Minute)
		_, _, proposed := q.Propose(t.Context(), []byte("x"))
		_, indexed := q.ReadIndex(t.Context())
		for what, err := range map[string]error{
			"Propose":            proposed,
			"ReadIndex":          indexed,
			"Barrier":            q.Barrier(t.Context()),
			"ConfirmRead":        q.ConfirmRead(t.Context(), false),
			"AddVoter":           q.AddVoter("b", "b:8300"),
			"TransferLeadership": q.TransferLeadership(""),
		} {
			if !errors.Is(err, model.ErrNoLeader) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if q.ReadOK() || q.IsLeader() || q.LastContact() != 1<<63-1 {
			t.Error("leads, or has heard of a leader")
		}
		if id, address := q.Leader(); id != "" || address != "" {
			t.Error(id, address)
		}
	})
}

// Writers share an fsync and an Apply.
func TestBatches(t *testing.T) {
	m := &machine{}
	q := openSingle(t, t.TempDir(), m)
	defer closeQuorum(t, q)
	waitReady(t, q)
	var writers sync.WaitGroup
	for w := range 64 {
		writers.Go(func() {
			for i := range 20 {
				value := fmt.Sprint(w, "-", i)
				result, _, err := q.Propose(t.Context(), []byte(value))
				if err != nil || result != "did "+value {
					t.Error(result, err)
				}
			}
		})
	}
	writers.Wait()
	if n := len(m.all()); n != 64*20 {
		t.Errorf("%d commands applied", n)
	}
	if !slices.IsSorted(m.indexes) || len(slices.Compact(m.indexes)) != 64*20 {
		t.Error("indexes do not grow")
	}
	if m.batches > 64*20/2 {
		t.Errorf("%d batches for %d commands", m.batches, 64*20)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	var want []string
	var index uint64
	for round := range 4 {
		m := &machine{}
		start := time.Now()
		q := openSingle(t, dir, m)
		waitReady(t, q)
		t.Logf("ready after %v", time.Since(start))
		if !slices.Equal(m.all(), want) {
			t.Errorf("round %d: found %d commands, want %d", round, len(m.all()), len(want))
		}
		if q.AppliedIndex() <= index {
			t.Errorf("index went from %d to %d", index, q.AppliedIndex())
		}
		for i := range 50 {
			want = append(want, fmt.Sprint(round, "-", i))
			proposeAll(t, q, want[len(want)-1])
		}
		if round == 1 {
			_, content, err := q.TakeSnapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := content.Close(); err != nil {
				t.Error(err)
			}
		}
		index = q.AppliedIndex()
		closeQuorum(t, q)
	}
}

// What is acknowledged is in the files: a copy of them is what a crash leaves.
func TestCrash(t *testing.T) {
	dir, crashed := t.TempDir(), t.TempDir()
	q := openSingle(t, dir, &machine{})
	defer closeQuorum(t, q)
	waitReady(t, q)
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprint(i))
	}
	proposeAll(t, q, want...)
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	unfinished := filepath.Join(crashed, "snapshots", "2-30-1.tmp")
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		t.Fatal(err)
	}

	m := &machine{}
	again := openSingle(t, crashed, m)
	defer closeQuorum(t, again)
	waitReady(t, again)
	if !slices.Equal(m.all(), want) {
		t.Errorf("found %q, want %q", m.all(), want)
	}
	if _, err := os.Stat(unfinished); !os.IsNotExist(err) {
		t.Error("an unfinished snapshot stays for ever")
	}
}

func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	q := openSingle(t, dir, &machine{})
	defer closeQuorum(t, q)
	second, err := Open(Config{ID: "a", Address: "a:8300", Dir: dir}, &machine{})
	if err == nil {
		closeQuorum(t, second)
		t.Fatal("two servers use one folder")
	}
	t.Log(err)
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []Config{
		{},
		{ID: "a", Multiplier: 11},
		{ID: "a", Multiplier: -1},
		{ID: "a", CommitTimeout: time.Microsecond},
		{ID: "a", Snapshots: SnapshotPolicy{Interval: time.Millisecond}},
	} {
		if q, err := Open(cfg, &machine{}); err == nil {
			closeQuorum(t, q)
			t.Errorf("%+v is accepted", cfg)
		} else {
			t.Log(err)
		}
	}
}

func TestSnapshotCutsLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memoryStorage()
		cfg := Config{ID: "a", Address: "a:8300", Bootstrap: true}
		var want []string
		for round := range 3 {
			m := &machine{}
			q, err := open(quiet(cfg), m, st, nil)
			if err != nil {
				t.Fatal(err)
			}
			waitReady(t, q)
			if !slices.Equal(m.all(), want) {
				t.Errorf("round %d: found %d commands, want %d", round, len(m.all()), len(want))
			}
			if round == 1 {
				if err := q.Reload(SnapshotPolicy{Threshold: 10, Interval: time.Second, Trailing: 5}); err != nil {
					t.Error(err)
				}
			}
			for i := range 20 {
				want = append(want, fmt.Sprint(round, "-", i))
				proposeAll(t, q, want[len(want)-1])
			}
			time.Sleep(2 * time.Minute)
			first, err := st.Logs.FirstIndex()
			if cut := first > 30; err != nil || cut != (round > 0) {
				t.Errorf("round %d: the log begins at %d, %v", round, first, err)
			}
			closeQuorum(t, q)
		}
	})
}

func TestSnapshotSavedAndRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		q := openSingle(t, "", m)
		defer closeQuorum(t, q)
		waitReady(t, q)
		proposeAll(t, q, "a", "b")
		meta, content, err := q.TakeSnapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if meta.Index != q.AppliedIndex() || meta.Size == 0 {
			t.Errorf("%+v", meta)
		}
		proposeAll(t, q, "c")
		before := q.AppliedIndex()
		if err := q.RestoreSnapshot(t.Context(), meta, content); err != nil {
			t.Fatal(err)
		}
		if err := content.Close(); err != nil {
			t.Error(err)
		}
		if q.AppliedIndex() <= before {
			t.Errorf("index %d after a restore, %d before", q.AppliedIndex(), before)
		}
		if !q.ReadOK() || !slices.Equal(m.all(), []string{"a", "b"}) {
			t.Error(q.ReadOK(), m.all())
		}
		proposeAll(t, q, "d")

		meta.Size++
		if err := q.RestoreSnapshot(t.Context(), meta, failingReader{}); err == nil {
			t.Error("a snapshot that can't be read was restored")
		}
		if !slices.Equal(m.all(), []string{"a", "b", "d"}) {
			t.Error(m.all())
		}
	})
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("no more") }
