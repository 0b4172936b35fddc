package quorum

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func logOf(index uint64) *raft.Log {
	return &raft.Log{Index: index, Term: 1, Data: fmt.Append(nil, index)}
}

func logsOf(first, last uint64) (logs []*raft.Log) {
	for i := first; i <= last; i++ {
		logs = append(logs, logOf(i))
	}
	return logs
}

// checkLog looks whether a log holds the entries first to last. It may still
// show those that were cut off at the head: they have not become wrong.
func checkLog(t *testing.T, s raft.LogStore, first, last uint64) {
	t.Helper()
	f, err := s.FirstIndex()
	if err != nil || f != first {
		t.Errorf("first index %d, %v, want %d", f, err, first)
	}
	l, err := s.LastIndex()
	if err != nil || l != last {
		t.Errorf("last index %d, %v, want %d", l, err, last)
	}
	for i := range last + 3 {
		var got raft.Log
		err := s.GetLog(i, &got)
		in := i >= first && i <= last && i > 0
		if err == nil && i > 0 && i < first {
			in = true
		}
		switch {
		case in && (err != nil || string(got.Data) != fmt.Sprint(i)):
			t.Errorf("entry %d: %+v, %v", i, got, err)
		case !in && !errors.Is(err, raft.ErrLogNotFound):
			t.Errorf("entry %d, which is not there: %+v, %v", i, got, err)
		}
	}
}

// Memory and disk, with and without the entries kept at hand, are the same.
func TestLogs(t *testing.T) {
	for _, kind := range []string{"memory", "disk"} {
		for _, recent := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, "/recent=", recent), func(t *testing.T) {
				st := memoryStorage()
				if kind == "disk" {
					var err error
					if st, err = openFiles(&Config{Dir: t.TempDir(), Logger: hclog.NewNullLogger()}); err != nil {
						t.Fatal(err)
					}
				}
				defer func() {
					if err := st.Close(); err != nil {
						t.Error(err)
					}
				}()
				s := newLogStore(st.Logs, func(raft.Configuration) {}, newStallWatch(time.Hour))
				if recent {
					s.keepRecent()
				}
				store := func(first, last uint64) {
					t.Helper()
					if err := s.StoreLogs(logsOf(first, last)); err != nil {
						t.Fatal(err)
					}
				}
				remove := func(first, last uint64) {
					t.Helper()
					if err := s.DeleteRange(first, last); err != nil {
						t.Fatal(err)
					}
				}
				checkLog(t, s, 0, 0)
				store(1, 20)
				checkLog(t, s, 1, 20)
				if err := s.StoreLog(logOf(22)); err == nil {
					t.Error("a gap is accepted")
				}
				if err := s.DeleteRange(5, 6); err == nil {
					t.Error("a hole is accepted")
				}
				remove(1, 5) // the head
				checkLog(t, s, 6, 20)
				remove(1, 3) // not there
				remove(15, 30)
				checkLog(t, s, 6, 14)
				store(15, 16)
				checkLog(t, s, 6, 16)
				remove(0, 100)
				checkLog(t, s, 0, 0)
				store(50, 51) // after a snapshot
				checkLog(t, s, 50, 51)
			})
		}
	}
}

func TestLogStoreTellsOfMembers(t *testing.T) {
	var told []raft.Configuration
	inner := newMemoryLog()
	s := newLogStore(inner, func(c raft.Configuration) {
		if n, _ := inner.LastIndex(); n != 0 {
			t.Error("told after the entry was stored")
		}
		told = append(told, c)
	}, newStallWatch(time.Hour))
	l := &raft.Log{Index: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(voters("a", "b"))}
	if err := s.StoreLogs([]*raft.Log{l, logOf(2)}); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || len(told[0].Servers) != 2 || s.recent == nil {
		t.Errorf("%+v", told)
	}
}

func TestLogStoreKeepsNoLargeEntries(t *testing.T) {
	s := newLogStore(newMemoryLog(), func(raft.Configuration) {}, newStallWatch(time.Hour))
	s.keepRecent()
	if err := s.StoreLog(&raft.Log{Index: 1, Data: make([]byte, recentSize+1)}); err != nil {
		t.Fatal(err)
	}
	if s.recent[1].Index != 0 {
		t.Error("a large entry is kept in memory")
	}
	var got raft.Log
	if err := s.GetLog(1, &got); err != nil || len(got.Data) != recentSize+1 {
		t.Error(err)
	}
}

func TestMemoryStable(t *testing.T) {
	m := newMemoryStable()
	if _, err := m.Get([]byte("k")); err == nil || err.Error() != "not found" {
		t.Error(err)
	}
	if _, err := m.GetUint64([]byte("k")); err == nil || err.Error() != "not found" {
		t.Error(err)
	}
	if err := m.Set([]byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := m.SetUint64([]byte("k"), 7); err != nil {
		t.Fatal(err)
	}
	if v, err := m.Get([]byte("k")); err != nil || string(v) != "v" {
		t.Error(v, err)
	}
	if v, err := m.GetUint64([]byte("k")); err != nil || v != 7 {
		t.Error(v, err)
	}
}

// A snapshot counts only when it is finished.
func TestMemorySnapshots(t *testing.T) {
	m := NewMemorySnapshots()
	create := func(index uint64, content string) raft.SnapshotSink {
		t.Helper()
		sink, err := m.Create(1, index, 1, voters("a"), 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sink.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
		return sink
	}
	check := func(want string) {
		t.Helper()
		list, err := m.List()
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		meta, r, err := m.Open(list[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(content, []byte(want)) || meta.Size != int64(len(want)) {
			t.Errorf("%q, %v, %+v", content, err, meta)
		}
	}
	first := create(1, "one")
	if list, err := m.List(); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	check("one")
	if err := create(2, "two").Cancel(); err != nil {
		t.Fatal(err)
	}
	check("one")
	if err := create(3, "three").Close(); err != nil {
		t.Fatal(err)
	}
	check("three")
	if _, _, err := m.Open(first.ID()); err == nil {
		t.Error("an old snapshot is still there")
	}
}

// A folder with another program's data is refused, and left as it is.
func TestClaim(t *testing.T) {
	for _, file := range []string{"raft.db", "wal/00000000000000000001-0000000000000001.wal", "snapshots/2-100-1700000000000/meta.json"} {
		dir := t.TempDir()
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("theirs"), 0o644); err != nil {
			t.Fatal(err)
		}
		if s, err := openFiles(&Config{Dir: dir, Logger: hclog.NewNullLogger()}); err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", file)
		} else if !strings.Contains(err.Error(), "holds the data of another program") {
			t.Errorf("%s: %v", file, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%s: the folder holds %v, %v", file, entries, err)
		}
	}
	dir := t.TempDir()
	for range 2 { // empty, then its own
		s, err := openFiles(&Config{Dir: dir, Logger: hclog.NewNullLogger()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
