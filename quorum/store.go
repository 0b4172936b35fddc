package quorum

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	files "github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	"go.etcd.io/bbolt"

	"muster/internal/durable"
)

// Storage is what a server must not forget: what was written has to outlive a
// crash of the machine when the call returns.
type Storage struct {
	Logs      raft.LogStore
	Stable    raft.StableStore
	Snapshots raft.SnapshotStore
	Closers   []func() error // called last to first
}

func openStorage(cfg *Config) (*Storage, error) {
	switch {
	case cfg.Storage != nil:
		return cfg.Storage()
	case cfg.Dir == "":
		return memoryStorage(), nil
	default:
		return openFiles(cfg)
	}
}

const (
	// segmentSize is the size of a file of the log, in bytes; two exist at
	// least. A file is deleted when no entry in it is needed any more.
	segmentSize = 16 << 20
	// keptSnapshots is how many snapshots stay on disk.
	keptSnapshots = 2
	// lockWait is how long Open waits for another process to let go of the files.
	lockWait = time.Second
)

// memoryStorage forgets everything.
func memoryStorage() *Storage {
	return &Storage{Logs: newMemoryLog(), Stable: newMemoryStable(), Snapshots: NewMemorySnapshots()}
}

// openFiles opens the files in dir.
func openFiles(cfg *Config) (*Storage, error) {
	dir, logger := cfg.Dir, cfg.Logger
	if err := claim(dir); err != nil {
		return nil, err
	}
	if err := writePeersInfo(dir); err != nil {
		return nil, err
	}
	walDir := filepath.Join(dir, "wal")
	if err := os.MkdirAll(walDir, 0o700); err != nil {
		return nil, fmt.Errorf("make raft folder: %w", err)
	}
	if err := checkUnlocked(filepath.Join(walDir, metadb.FileName)); err != nil {
		return nil, err
	}
	s := &Storage{}
	meta := &metadb.BoltMetaDB{}
	s.Closers = append(s.Closers, meta.Close) // the log does not close it
	log, err := OpenLog(walDir, files.New(), meta, cmp.Or(cfg.SegmentSize, segmentSize), logger, cfg.Meter)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	s.Closers = append(s.Closers, log.Close)
	if err := removeUnfinished(filepath.Join(dir, "snapshots")); err != nil {
		_ = s.Close()
		return nil, err
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(dir, keptSnapshots, logger)
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open raft snapshots: %w", err)
	}
	s.Logs, s.Stable, s.Snapshots = log, log, snapshotStore{snapshots}
	return s, nil
}

// owner is the file that says whose the data beside it is.
const owner = "muster"

// claim makes the folder muster's, unless another program's data is in it. The
// snapshots of Consul could be read, and its log is in the same kind of files,
// but not its entries: a server that went on with what it can read would have
// lost, without a word, what came after the last snapshot.
func claim(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make raft folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, owner)); err == nil {
		return nil
	}
	for _, pattern := range []string{"raft.db", "wal/*", "snapshots/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return fmt.Errorf("look at raft folder: %w", err)
		}
		if len(found) > 0 {
			return fmt.Errorf("%s holds the data of another program, such as Consul: save a snapshot there, "+
				"start with an empty data directory and restore it", dir)
		}
	}
	// What comes after it must not outlive it: it would be taken for somebody else's.
	if err := durable.WriteFile(filepath.Join(dir, owner), []byte("The data of Raft here was written by muster.\n")); err != nil {
		return fmt.Errorf("claim raft folder: %w", err)
	}
	return nil
}

// Close closes the files.
func (s *Storage) Close() error {
	var first error
	for i := len(s.Closers) - 1; i >= 0; i-- {
		if err := s.Closers[i](); err != nil && first == nil {
			first = fmt.Errorf("close raft log: %w", err)
		}
	}
	return first
}

// checkUnlocked fails when another process uses the log. The library itself
// would wait for that process, for ever and without a word.
func checkUnlocked(file string) error {
	if _, err := os.Stat(file); os.IsNotExist(err) {
		return nil
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: lockWait})
	if errors.Is(err, bbolt.ErrTimeout) {
		return fmt.Errorf("raft log %s is in use by another process", filepath.Dir(file))
	}
	if err != nil {
		return fmt.Errorf("open raft log: %w", err)
	}
	return db.Close()
}

// removeUnfinished removes the snapshots that were being written when the
// process died.
func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list raft snapshots: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasSuffix(e.Name(), ".tmp") {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove unfinished snapshot: %w", err)
			}
		}
	}
	return nil
}

// A logStore keeps the newest entries of a log at hand for the followers, for
// whom Raft asks for them one by one, tells of changes of the members before
// they take effect, and notes how long the disk takes.
type logStore struct {
	raft.LogStore
	members func(raft.Configuration)
	stall   *stallWatch

	none bool // keep nothing at hand

	mu     sync.RWMutex
	recent []raft.Log // entry i is at i modulo the length; nil without followers
}

const (
	recentEntries = 512
	// recentSize is the largest entry, in bytes, that is kept at hand.
	recentSize = 16 << 10
)

func newLogStore(inner raft.LogStore, members func(raft.Configuration), stall *stallWatch) *logStore {
	return &logStore{LogStore: inner, members: members, stall: stall}
}

// IsMonotonic: no entry may be left out.
func (s *logStore) IsMonotonic() bool { return true }

// GetLog reads an entry.
func (s *logStore) GetLog(index uint64, log *raft.Log) error {
	s.mu.RLock()
	if s.recent != nil && index != 0 {
		if l := &s.recent[index%recentEntries]; l.Index == index {
			*log = *l
			s.mu.RUnlock()
			return nil
		}
	}
	s.mu.RUnlock()
	return s.LogStore.GetLog(index, log)
}

// StoreLog appends an entry.
func (s *logStore) StoreLog(log *raft.Log) error { return s.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries. They are on disk when it returns.
func (s *logStore) StoreLogs(logs []*raft.Log) error {
	for _, l := range logs {
		if l.Type == raft.LogConfiguration {
			c := raft.DecodeConfiguration(l.Data)
			s.members(c)
			if len(c.Servers) > 1 {
				s.keepRecent()
			}
		}
	}
	s.stall.begin()
	err := s.LogStore.StoreLogs(logs)
	s.stall.end()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent == nil {
		return nil
	}
	for _, l := range logs {
		if len(l.Data) <= recentSize {
			s.recent[l.Index%recentEntries] = *l
		}
	}
	return nil
}

func (s *logStore) keepRecent() {
	if s.none {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent == nil {
		s.recent = make([]raft.Log, recentEntries)
	}
}

// DeleteRange deletes the entries from first to last.
func (s *logStore) DeleteRange(first, last uint64) error {
	s.mu.Lock()
	clear(s.recent)
	s.mu.Unlock()
	return s.LogStore.DeleteRange(first, last)
}
