package quorum

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"

	"muster/internal/meter"
)

// A Log is raft-wal, with what version 0.4.0 of it lacks. Its tail segment has no
// index on disk, gets one when it is full, and is sealed some time later. It does
// not survive
//
//   - a restart after the tail was cut off, because another leader was elected: the
//     tail is sealed then, has no index, and reading it panics. Here the index is
//     made from the entries (segments.Open).
//   - a restart with a tail that is full and not yet sealed, or of which the last
//     batch, with the index, was written in part: every append fails. Here it is
//     sealed before the log is opened (sealTail).
//   - cutting off a tail that is full and not yet sealed: the new tail is sealed
//     in its place, and the log begins again at 1. Here DeleteRange waits.
type Log struct {
	*wal.WAL
	segments *segments
}

// OpenLog opens the log in a folder of vfs. meta tells its segments; it is not
// closed with the log. segmentBytes is the size of a file; m, which may be nil,
// counts what is done.
func OpenLog(dir string, vfs types.VFS, meta types.MetaStore, segmentBytes int, logger hclog.Logger, m *meter.Meter) (*Log, error) {
	s := &segments{Filer: segment.NewFiler(dir, vfs), MetaStore: meta}
	if err := sealTail(dir, s.Filer, meta); err != nil {
		return nil, err
	}
	log, err := wal.Open(dir, wal.WithMetaStore(s), wal.WithSegmentFiler(s), wal.WithSegmentSize(segmentBytes), wal.WithLogger(logger),
		wal.WithMetricsCollector(newWALMetrics(m)))
	if err != nil {
		return nil, fmt.Errorf("open raft log: %w", err)
	}
	return &Log{log, s}, nil
}

// DeleteRange deletes entries at one end of the log.
func (l *Log) DeleteRange(first, last uint64) error {
	l.segments.waitSealed()
	return l.WAL.DeleteRange(first, last)
}

// Close closes the files. Entries are on disk already.
func (l *Log) Close() error {
	l.segments.sealed()
	return l.WAL.Close()
}

// segments are the files of a log. They know whether the tail is full and not
// yet sealed: from the append that filled it until the next one is made.
type segments struct {
	*segment.Filer
	types.MetaStore

	mu   sync.Mutex
	full chan struct{} // closed when the tail is sealed, or cannot be; nil: it is not full
}

// Open opens a sealed segment, also one without an index.
func (s *segments) Open(info types.SegmentInfo) (types.SegmentReader, error) {
	if info.IndexStart != 0 {
		return s.Filer.Open(info)
	}
	return s.Filer.RecoverTail(info)
}

// Create makes a new tail.
func (s *segments) Create(info types.SegmentInfo) (types.SegmentWriter, error) {
	defer s.sealed()
	return s.tail(s.Filer.Create(info))
}

// RecoverTail opens the tail that was written last.
func (s *segments) RecoverTail(info types.SegmentInfo) (types.SegmentWriter, error) {
	return s.tail(s.Filer.RecoverTail(info))
}

// CommitState keeps what the segments are. After an error no new tail comes.
func (s *segments) CommitState(state types.PersistentState) error {
	err := s.MetaStore.CommitState(state)
	if err != nil {
		s.sealed()
	}
	return err
}

func (s *segments) tail(w types.SegmentWriter, err error) (types.SegmentWriter, error) {
	if err != nil {
		return nil, err
	}
	return &tail{w, s}, nil
}

// A tail tells when it is full.
type tail struct {
	types.SegmentWriter
	segments *segments
}

func (t *tail) Append(entries []types.LogEntry) error {
	err := t.SegmentWriter.Append(entries)
	if full, _, _ := t.Sealed(); full && err == nil {
		t.segments.mu.Lock()
		defer t.segments.mu.Unlock()
		if t.segments.full == nil {
			t.segments.full = make(chan struct{})
		}
	}
	return err
}

func (s *segments) sealed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil {
		close(s.full)
		s.full = nil
	}
}

func (s *segments) waitSealed() {
	s.mu.Lock()
	full := s.full
	s.mu.Unlock()
	if full != nil {
		<-full
	}
}

// sealTail seals the last segment if it is one to which nothing can be appended.
func sealTail(dir string, f *segment.Filer, meta types.MetaStore) error {
	state, err := meta.Load(dir)
	if err != nil {
		return fmt.Errorf("read raft log's segments: %w", err)
	}
	if len(state.Segments) == 0 {
		return nil
	}
	tail := state.Segments[len(state.Segments)-1]
	if !tail.SealTime.IsZero() {
		return nil
	}
	w, err := f.RecoverTail(tail)
	if errors.Is(err, os.ErrNotExist) { // it was not yet made
		return nil
	}
	if err != nil {
		return fmt.Errorf("recover raft log: %w", err)
	}
	sealed, _, err := w.Sealed()
	last := w.LastIndex()
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("recover raft log: %w", err)
	}
	if !sealed {
		return nil
	}
	next := tail
	next.ID, next.CreateTime = state.NextSegmentID, time.Now()
	state.NextSegmentID++
	// Of what was written in part nothing is said to be there: the index is made
	// from the entries, see segments.Open.
	state.Segments = slices.Clone(state.Segments[:len(state.Segments)-1])
	if last >= tail.MinIndex {
		tail.SealTime, tail.MaxIndex, tail.IndexStart = time.Now(), last, 0
		state.Segments = append(state.Segments, tail)
		next.BaseIndex, next.MinIndex = last+1, last+1
	}
	state.Segments = append(state.Segments, next)
	if err := meta.CommitState(state); err != nil {
		return fmt.Errorf("seal raft log's last segment: %w", err)
	}
	return nil
}
