package quorum

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"
)

// A memoryLog is the log of a server that keeps nothing.
type memoryLog struct {
	mu      sync.RWMutex
	first   uint64 // index of entries[0]
	entries []raft.Log
}

func newMemoryLog() *memoryLog { return &memoryLog{} }

func (m *memoryLog) FirstIndex() (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.entries) == 0 {
		return 0, nil
	}
	return m.first, nil
}

func (m *memoryLog) LastIndex() (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.entries) == 0 {
		return 0, nil
	}
	return m.first + uint64(len(m.entries)) - 1, nil
}

func (m *memoryLog) GetLog(index uint64, log *raft.Log) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if index < m.first || index >= m.first+uint64(len(m.entries)) {
		return raft.ErrLogNotFound
	}
	*log = m.entries[index-m.first]
	return nil
}

func (m *memoryLog) StoreLog(log *raft.Log) error { return m.StoreLogs([]*raft.Log{log}) }

func (m *memoryLog) StoreLogs(logs []*raft.Log) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range logs {
		if len(m.entries) == 0 {
			m.first = l.Index
		}
		if next := m.first + uint64(len(m.entries)); l.Index != next {
			return fmt.Errorf("entry %d appended where %d is next", l.Index, next)
		}
		m.entries = append(m.entries, *l)
	}
	return nil
}

func (m *memoryLog) DeleteRange(first, last uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := m.first + uint64(len(m.entries)) // one past the last
	switch {
	case len(m.entries) == 0 || last < m.first || first >= end:
	case first <= m.first && last+1 >= end:
		m.entries = nil
	case first <= m.first: // copy, to let go of the memory
		m.entries = append([]raft.Log(nil), m.entries[last+1-m.first:]...)
		m.first = last + 1
	case last+1 >= end:
		clear(m.entries[first-m.first:])
		m.entries = m.entries[:first-m.first]
	default:
		return fmt.Errorf("entries %d to %d are in the middle of the log", first, last)
	}
	return nil
}

// A memoryStable keeps the term and the vote of a server that keeps nothing.
type memoryStable struct {
	mu      sync.Mutex
	values  map[string][]byte
	numbers map[string]uint64
}

func newMemoryStable() *memoryStable {
	return &memoryStable{values: map[string][]byte{}, numbers: map[string]uint64{}}
}

var errKeyNotFound = errors.New("not found") // the text that Raft looks for

func (m *memoryStable) Set(key, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[string(key)] = bytes.Clone(value)
	return nil
}

func (m *memoryStable) Get(key []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[string(key)]
	if !ok {
		return nil, errKeyNotFound
	}
	return bytes.Clone(v), nil
}

func (m *memoryStable) SetUint64(key []byte, value uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.numbers[string(key)] = value
	return nil
}

func (m *memoryStable) GetUint64(key []byte) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.numbers[string(key)]
	if !ok {
		return 0, errKeyNotFound
	}
	return v, nil
}

// memorySnapshots keeps the newest finished snapshot.
type memorySnapshots struct {
	mu     sync.Mutex
	made   uint64
	latest *memorySnapshot
}

type memorySnapshot struct {
	meta    raft.SnapshotMeta
	content []byte
}

// NewMemorySnapshots keeps the newest snapshot in memory.
func NewMemorySnapshots() raft.SnapshotStore { return snapshotStore{&memorySnapshots{}} }

func (m *memorySnapshots) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration,
	membersIndex uint64, trans raft.Transport,
) (raft.SnapshotSink, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	return &memorySink{store: m, meta: raft.SnapshotMeta{
		Version:            version,
		ID:                 fmt.Sprintf("%d-%d-%d", term, index, m.made),
		Index:              index,
		Term:               term,
		Configuration:      members,
		ConfigurationIndex: membersIndex,
	}}, nil
}

func (m *memorySnapshots) List() ([]*raft.SnapshotMeta, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.latest == nil {
		return nil, nil
	}
	meta := m.latest.meta
	return []*raft.SnapshotMeta{&meta}, nil
}

func (m *memorySnapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.latest == nil || m.latest.meta.ID != id {
		return nil, nil, fmt.Errorf("no snapshot %s", id)
	}
	meta := m.latest.meta
	return &meta, io.NopCloser(bytes.NewReader(m.latest.content)), nil
}

// A memorySink becomes the newest snapshot when it is closed.
type memorySink struct {
	store  *memorySnapshots
	meta   raft.SnapshotMeta
	buffer bytes.Buffer
	done   bool
}

func (s *memorySink) ID() string                  { return s.meta.ID }
func (s *memorySink) Write(p []byte) (int, error) { return s.buffer.Write(p) }

func (s *memorySink) Cancel() error {
	s.done = true
	return nil
}

func (s *memorySink) Close() error {
	if s.done {
		return nil
	}
	s.done = true
	s.meta.Size = int64(s.buffer.Len())
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.latest = &memorySnapshot{meta: s.meta, content: s.buffer.Bytes()}
	return nil
}
