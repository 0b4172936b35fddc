// Package archive reads and writes the files that snapshots are kept and sent
// in: a gzipped tar of meta.json, state.bin and SHA256SUMS, as Consul makes
// them. What state.bin holds does not matter here, except to Records.
package archive

import (
	"encoding/json"
	"io"
	"os"
)

// The names of the files in an archive, in their order.
const (
	metaName  = "meta.json"
	stateName = "state.bin"
	sumsName  = "SHA256SUMS"
)

// Limits on what Read takes. A state is loaded into memory, so one that is
// larger than MaxState could not be used.
const (
	maxMeta = 1 << 20
	maxSums = 4 << 10
	// MaxState is the size in bytes of the largest state that is read.
	MaxState = 64 << 30
)

// Meta describes a snapshot.
type Meta struct {
	// Version is that of the format; it is 1.
	Version int
	// ID names the snapshot: term, index and the time in milliseconds.
	ID string
	// Index and Term are those of the last log entry in the snapshot.
	Index uint64
	Term  uint64
	// Peers is the list of servers as old versions of Raft kept it.
	Peers []byte
	// Configuration are the servers at ConfigurationIndex, as the Raft
	// library encodes them.
	Configuration      json.RawMessage
	ConfigurationIndex uint64
	// Size is the length of the state in bytes. Write sets it.
	Size int64
}

// State is a verified state, in a temporary file that Close removes.
type State struct {
	file *os.File
	size int64
}

var _ io.ReadSeekCloser = (*State)(nil)

// Size is the length of the state in bytes.
func (s *State) Size() int64 { return s.size }

// Read reads on from the current position.
func (s *State) Read(p []byte) (int, error) { return s.file.Read(p) }

// Seek sets the position.
func (s *State) Seek(offset int64, whence int) (int64, error) { return s.file.Seek(offset, whence) }

// Close removes the file.
func (s *State) Close() error {
	err := s.file.Close()
	if rerr := os.Remove(s.file.Name()); err == nil {
		err = rerr
	}
	return err
}

func newState() (*State, error) {
	file, err := os.CreateTemp("", "muster-snapshot-*.bin")
	if err != nil {
		return nil, err
	}
	return &State{file: file}, nil
}
