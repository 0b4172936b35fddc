// Package memdisk is a disk in memory, for tests of servers that crash. What
// was written and not synced may be lost, whole or in part, when the power goes.
// It holds the log of Raft: it is the VFS and the MetaStore of raft-wal.
//
// Nothing here takes time: whoever wants slow disks waits before or after a call
// to the log, since a wait below the locks of the log would stop virtual time.
package memdisk

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/hashicorp/raft-wal/types"
)

// A Disk keeps files and a few values. Open gives the one who uses it now; Crash
// takes it away from him.
type Disk struct {
	mu   sync.Mutex
	rand *rand.Rand
	user *User // what he has written is what there is
	lazy bool

	// plan is what to do at a later operation.
	plan struct {
		after int // operations from now on
		lose  bool
		then  func()
	}
}

// New makes an empty disk. The seed decides what crashes leave behind.
func New(seed uint64) *Disk {
	d := &Disk{rand: rand.New(rand.NewPCG(seed, 1))}
	d.user = &User{disk: d, files: map[string]*file{}, value: map[string][]byte{}}
	return d
}

// Open gives the disk to a process.
func (d *Disk) Open() *User {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.user
}

// Crash takes the disk away from its user, who does not notice: what he writes
// from now on is for himself. With lose, the power went: each write that was not
// synced has happened, has not, or has in part.
func (d *Disk) Crash(lose bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crash(lose)
}

// CrashAfter does the same after n more writes, syncs and the like, and calls
// then before the last of them returns. n is at least 1.
func (d *Disk) CrashAfter(n int, lose bool, then func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan.after, d.plan.lose, d.plan.then = n, lose, then
}

// SetLazy makes syncs of files do nothing from now on, as those of a lying disk
// or of a program that forgot them.
func (d *Disk) SetLazy(lazy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lazy = lazy
}

// crash is called under mu.
func (d *Disk) crash(lose bool) {
	d.plan.after, d.plan.then = 0, nil
	old := d.user
	d.user = &User{disk: d, files: map[string]*file{}, state: old.state, value: maps.Clone(old.value)}
	for _, name := range slices.Sorted(maps.Keys(old.files)) { // the same luck for the same seed
		f := old.files[name]
		left := &file{data: bytes.Clone(f.data)}
		if lose {
			for _, w := range slices.Backward(f.pending) {
				copy(left.data[w.off:], w.was)
			}
			for _, w := range f.pending {
				switch d.rand.IntN(3) {
				case 0:
					copy(left.data[w.off:], w.now)
				case 1:
					copy(left.data[w.off:], w.now[:d.rand.IntN(len(w.now)+1)])
				}
			}
		}
		d.user.files[name] = left
	}
}

// A User is a process that has the disk, until a crash.
type User struct {
	disk  *Disk
	files map[string]*file // this and the rest are guarded by disk.mu
	state types.PersistentState
	value map[string][]byte
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

var (
	_ types.VFS       = (*User)(nil)
	_ types.MetaStore = (*User)(nil)
)

// change runs f, which changes something, and the crash that may be due then.
func (u *User) change(f func() error) error {
	d := u.disk
	d.mu.Lock()
	err := f()
	var then func()
	if d.user == u && d.plan.after > 0 {
		if d.plan.after--; d.plan.after == 0 {
			then = d.plan.then
			d.crash(d.plan.lose)
		}
	}
	d.mu.Unlock()
	if then != nil {
		then()
	}
	return err
}

// look runs f, which changes nothing.
func (u *User) look(f func() error) error {
	u.disk.mu.Lock()
	defer u.disk.mu.Unlock()
	return f()
}

// ListDir is part of types.VFS. There is one folder, whatever its name.
func (u *User) ListDir(string) (names []string, err error) {
	err = u.look(func() error {
		names = slices.Sorted(maps.Keys(u.files))
		return nil
	})
	return names, err
}

// Create is part of types.VFS.
func (u *User) Create(_, name string, size uint64) (types.WritableFile, error) {
	err := u.change(func() error {
		if u.files[name] != nil {
			return fmt.Errorf("create %s: %w", name, fs.ErrExist)
		}
		u.files[name] = &file{data: make([]byte, size)}
		return nil
	})
	return u.open(name, err)
}

// Delete is part of types.VFS.
func (u *User) Delete(_, name string) error {
	return u.change(func() error {
		delete(u.files, name)
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
	err = u.look(func() error {
		if h.file = u.files[name]; h.file == nil {
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
	err = h.user.look(func() error {
		if off < int64(len(h.file.data)) {
			n = copy(p, h.file.data[off:])
		}
		if n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	err := h.user.change(func() error {
		f := h.file
		if need := int(off) + len(p); need > len(f.data) {
			f.data = append(f.data, make([]byte, need-len(f.data))...)
		}
		there := f.data[off : int(off)+len(p)]
		f.pending = append(f.pending, write{off, bytes.Clone(there), bytes.Clone(p)})
		copy(there, p)
		return nil
	})
	return len(p), err
}

func (h *handle) Sync() error {
	return h.user.change(func() error {
		if !h.user.disk.lazy {
			h.file.pending = nil
		}
		return nil
	})
}

func (h *handle) Close() error { return nil }

// Load is part of types.MetaStore.
func (u *User) Load(string) (s types.PersistentState, err error) {
	err = u.look(func() error {
		s = u.state
		s.Segments = slices.Clone(s.Segments)
		return nil
	})
	return s, err
}

// CommitState is part of types.MetaStore.
func (u *User) CommitState(s types.PersistentState) error {
	return u.change(func() error {
		u.state = s
		u.state.Segments = slices.Clone(s.Segments)
		return nil
	})
}

// GetStable is part of types.MetaStore.
func (u *User) GetStable(key []byte) (value []byte, err error) {
	err = u.look(func() error {
		value = bytes.Clone(u.value[string(key)])
		return nil
	})
	return value, err
}

// SetStable is part of types.MetaStore.
func (u *User) SetStable(key, value []byte) error {
	return u.change(func() error {
		u.value[string(key)] = bytes.Clone(value)
		return nil
	})
}

// Close is part of types.MetaStore.
func (u *User) Close() error { return nil }
