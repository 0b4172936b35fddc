// Package memdisk is a disk in memory, for tests of servers that crash. What
// was written and not synced may be lost, whole or in part, when the power goes;
// syncs take time and can be held up. It holds the log of Raft: it is the VFS and
// the MetaStore of raft-wal. In a testing/synctest bubble its time is virtual.
package memdisk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft-wal/types"
)

// ErrCrashed is what whoever used the disk before a crash gets from it.
var ErrCrashed = errors.New("the machine has crashed")

// SyncTime is how long a sync takes.
const SyncTime = 500 * time.Microsecond

// A Disk keeps files and a few values. Open gives the one who uses it now;
// Crash takes it away from him.
type Disk struct {
	mu    sync.Mutex
	rand  *rand.Rand
	files map[string]*file
	state types.PersistentState
	value map[string][]byte
	user  *User

	stall chan struct{} // closed when a stall ends; nil: there is none
	// lazy makes syncs of files do nothing, as those of a lying disk or of a
	// program that forgot them.
	lazy bool
}

// A file is what is written, and what of that would be gone after a crash.
type file struct {
	data    []byte
	pending []write
}

type write struct {
	off int64
	was []byte // what stood there before
	now []byte
}

// New makes an empty disk. The seed decides what crashes leave behind.
func New(seed uint64) *Disk {
	return &Disk{rand: rand.New(rand.NewPCG(seed, 1)), files: map[string]*file{}, value: map[string][]byte{}}
}

// Open gives the disk to a process.
func (d *Disk) Open() *User {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user = &User{d}
	return d.user
}

// Crash takes the disk away from its user. With lose, the power went: each write
// that was not synced has happened, has not, or has in part.
func (d *Disk) Crash(lose bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user = nil
	if d.stall != nil {
		close(d.stall)
		d.stall = nil
	}
	for _, name := range slices.Sorted(maps.Keys(d.files)) { // the same luck for the same seed
		f := d.files[name]
		if lose {
			for _, w := range slices.Backward(f.pending) {
				copy(f.data[w.off:], w.was)
			}
			for _, w := range f.pending {
				switch d.rand.IntN(3) {
				case 0:
					copy(f.data[w.off:], w.now)
				case 1:
					copy(f.data[w.off:], w.now[:d.rand.IntN(len(w.now)+1)])
				}
			}
		}
		f.pending = nil
	}
}

// Stall holds up all syncs until Resume or a crash.
func (d *Disk) Stall() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stall == nil {
		d.stall = make(chan struct{})
	}
}

// Resume ends a stall.
func (d *Disk) Resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stall != nil {
		close(d.stall)
		d.stall = nil
	}
}

// SetLazy makes syncs of files do nothing from now on.
func (d *Disk) SetLazy(lazy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lazy = lazy
}

// A User is a process that has the disk, until a crash.
type User struct{ disk *Disk }

var (
	_ types.VFS       = (*User)(nil)
	_ types.MetaStore = (*User)(nil)
)

// with runs f under the lock of the disk, if u still has it.
func (u *User) with(f func(d *Disk) error) error {
	u.disk.mu.Lock()
	defer u.disk.mu.Unlock()
	if u.disk.user != u {
		return ErrCrashed
	}
	return f(u.disk)
}

// wait takes the time of a sync, and of a stall.
func (u *User) wait() error {
	time.Sleep(SyncTime)
	for {
		var stall chan struct{}
		if err := u.with(func(d *Disk) error { stall = d.stall; return nil }); err != nil || stall == nil {
			return err
		}
		<-stall
	}
}

// ListDir is part of types.VFS. There is one folder, whatever its name.
func (u *User) ListDir(string) (names []string, err error) {
	err = u.with(func(d *Disk) error {
		names = slices.Sorted(maps.Keys(d.files))
		return nil
	})
	return names, err
}

// Create is part of types.VFS.
func (u *User) Create(_, name string, size uint64) (types.WritableFile, error) {
	err := u.with(func(d *Disk) error {
		if d.files[name] != nil {
			return fmt.Errorf("create %s: %w", name, fs.ErrExist)
		}
		d.files[name] = &file{data: make([]byte, size)}
		return nil
	})
	return u.open(name, err)
}

// Delete is part of types.VFS.
func (u *User) Delete(_, name string) error {
	return u.with(func(d *Disk) error {
		delete(d.files, name)
		return nil
	})
}

// OpenReader is part of types.VFS.
func (u *User) OpenReader(_, name string) (types.ReadableFile, error) { return u.open(name, nil) }

// OpenWriter is part of types.VFS.
func (u *User) OpenWriter(_, name string) (types.WritableFile, error) { return u.open(name, nil) }

func (u *User) open(name string, err error) (*handle, error) {
	if err != nil {
		return nil, err
	}
	h := &handle{user: u}
	err = u.with(func(d *Disk) error {
		if h.file = d.files[name]; h.file == nil {
			return fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// A handle is an open file. A deleted one can be read on.
type handle struct {
	user *User
	file *file
}

func (h *handle) ReadAt(p []byte, off int64) (n int, err error) {
	err = h.user.with(func(*Disk) error {
		if off >= int64(len(h.file.data)) {
			return io.EOF
		}
		if n = copy(p, h.file.data[off:]); n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	err := h.user.with(func(*Disk) error {
		f := h.file
		if need := int(off) + len(p); need > len(f.data) {
			f.data = append(f.data, make([]byte, need-len(f.data))...)
		}
		old := f.data[off : int(off)+len(p)]
		f.pending = append(f.pending, write{off, bytes.Clone(old), bytes.Clone(p)})
		copy(old, p)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (h *handle) Sync() error {
	if err := h.user.wait(); err != nil {
		return err
	}
	return h.user.with(func(d *Disk) error {
		if !d.lazy {
			h.file.pending = nil
		}
		return nil
	})
}

func (h *handle) Close() error { return nil }

// Load is part of types.MetaStore.
func (u *User) Load(string) (s types.PersistentState, err error) {
	err = u.with(func(d *Disk) error {
		s = d.state
		s.Segments = slices.Clone(s.Segments)
		return nil
	})
	return s, err
}

// CommitState is part of types.MetaStore.
func (u *User) CommitState(s types.PersistentState) error {
	if err := u.wait(); err != nil {
		return err
	}
	s.Segments = slices.Clone(s.Segments)
	return u.with(func(d *Disk) error {
		d.state = s
		return nil
	})
}

// GetStable is part of types.MetaStore.
func (u *User) GetStable(key []byte) (value []byte, err error) {
	err = u.with(func(d *Disk) error {
		value = bytes.Clone(d.value[string(key)])
		return nil
	})
	return value, err
}

// SetStable is part of types.MetaStore.
func (u *User) SetStable(key, value []byte) error {
	if err := u.wait(); err != nil {
		return err
	}
	return u.with(func(d *Disk) error {
		d.value[string(key)] = bytes.Clone(value)
		return nil
	})
}

// Close is part of types.MetaStore.
func (u *User) Close() error { return nil }
