package cluster

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"muster/internal/memdisk"
	"muster/quorum"
)

const (
	// segmentBytes is the size of a file of the Raft log: small, so that there
	// are several soon.
	segmentBytes = 32 << 10
	// syncTime is how long it takes until something is on disk.
	syncTime = 500 * time.Microsecond
)

// A disk is where a server keeps its part of the Raft log. It takes time, and
// may stall.
type disk struct {
	*memdisk.Disk
	snapshots raft.SnapshotStore

	mu    sync.Mutex
	stall chan struct{} // closed when a stall ends; nil: there is none
}

func newDisk(seed uint64) *disk {
	return &disk{Disk: memdisk.New(seed), snapshots: quorum.NewMemorySnapshots()}
}

// Stall holds up all writes until Resume.
func (d *disk) Stall() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stall == nil {
		d.stall = make(chan struct{})
	}
}

// Resume ends a stall.
func (d *disk) Resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stall != nil {
		close(d.stall)
		d.stall = nil
	}
}

// wait takes the time of a write.
func (d *disk) wait() {
	time.Sleep(syncTime)
	d.mu.Lock()
	stall := d.stall
	d.mu.Unlock()
	if stall != nil {
		<-stall
	}
}

// storage opens it for a server.
func (d *disk) storage() (*quorum.Storage, error) {
	user := d.Open()
	log, err := quorum.OpenLog("wal", user, user, segmentBytes, hclog.NewNullLogger(), nil)
	if err != nil {
		return nil, err
	}
	return &quorum.Storage{Logs: slowLog{log, d}, Stable: slowValues{log, d}, Snapshots: d.snapshots,
		Closers: []func() error{log.Close}}, nil
}

type slowLog struct {
	raft.LogStore
	disk *disk
}

func (l slowLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

func (l slowLog) StoreLogs(logs []*raft.Log) error {
	l.disk.wait()
	return l.LogStore.StoreLogs(logs)
}

type slowValues struct {
	raft.StableStore
	disk *disk
}

func (v slowValues) Set(key, value []byte) error {
	v.disk.wait()
	return v.StableStore.Set(key, value)
}

func (v slowValues) SetUint64(key []byte, value uint64) error {
	v.disk.wait()
	return v.StableStore.SetUint64(key, value)
}
