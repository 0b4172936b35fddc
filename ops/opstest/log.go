// Package opstest stands in for what operations rest on, in tests of ops and
// of the doors to it: a log without a network, and tokens without a store.
package opstest

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/quorum"
	"muster/state"
)

// A Log is the log of a single server that leads: what is proposed is applied
// at once. It is all that ops.New asks of a quorum. Its methods may be called
// from anywhere.
type Log struct {
	Store *state.Store

	mu          sync.Mutex
	index       uint64
	leader      string
	lastContact time.Duration
	reign       func() uint64
	confirm     func(ctx context.Context, consistent bool) error
	propose     func() error
	servers     []quorum.Server
	transferred []string
	health      ops.AutopilotHealth
}

var (
	_ ops.Log       = (*Log)(nil)
	_ ops.Members   = (*Log)(nil)
	_ ops.Snapshots = (*Log)(nil)
	_ ops.Autopilot = (*Log)(nil)
)

// The server that leads.
const (
	ServerID      = "11111111-1111-1111-1111-111111111111"
	ServerAddress = "10.0.0.1:8300"
)

// NewLog makes a log with an empty store. Reads are always current.
func NewLog() *Log {
	return &Log{Store: state.New(), leader: ServerAddress,
		servers: []quorum.Server{{ID: ServerID, Address: ServerAddress, Voter: true, Leader: true}}}
}

// Ops makes operations on the log. Waits are 5 and 10 minutes as in an agent,
// without jitter; change sets what is to be different.
func (l *Log) Ops(resolver acl.Resolver, change ...func(*ops.Config)) *ops.Ops {
	c := ops.Config{
		Store: l.Store, Log: l, Members: l, Snapshots: l, Autopilot: l, ACL: resolver, Datacenter: "dc1",
		Limits: ops.Limits{KVValue: 512 << 10, TxnBody: 512 << 10, SessionTTL: model.SessionTTLMin,
			QueryTime: 5 * time.Minute, MaxQueryTime: 10 * time.Minute},
		Jitter: func(time.Duration) time.Duration { return 0 },
	}
	for _, f := range change {
		f(&c)
	}
	return ops.New(c)
}

// Apply carries out a command past ops and fails the test if that fails.
func (l *Log) Apply(t testing.TB, typ model.CommandType, command any) {
	t.Helper()
	data, err := state.Encode(typ, command)
	if err != nil {
		t.Fatal(err)
	}
	result, _, err := l.apply(data)
	if err != nil {
		t.Fatal(err)
	}
	if err, ok := result.(error); ok {
		t.Fatal(err)
	}
}

func (l *Log) apply(data []byte) (any, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index++
	return l.Store.Apply([]state.Entry{{Index: l.index, Data: data}})[0], l.index, nil
}

// SetPropose has f decide whether proposals fail; nil: none does.
func (l *Log) SetPropose(f func() error) { l.set(func() { l.propose = f }) }

// SetReign has f answer for Reign; nil: reads are current, in term 1.
func (l *Log) SetReign(f func() uint64) { l.set(func() { l.reign = f }) }

// SetReadOK has f tell whether reads are current, in term 1.
func (l *Log) SetReadOK(f func() bool) {
	l.SetReign(func() uint64 {
		if f() {
			return 1
		}
		return 0
	})
}

// SetConfirm has f answer for ConfirmRead; nil: reads are current.
func (l *Log) SetConfirm(f func(ctx context.Context, consistent bool) error) {
	l.set(func() { l.confirm = f })
}

// SetLeader says whom the server takes for the leader ("" for nobody), and how
// long ago it heard of him.
func (l *Log) SetLeader(address string, lastContact time.Duration) {
	l.set(func() { l.leader, l.lastContact = address, lastContact })
}

// SetHealth sets what Health answers.
func (l *Log) SetHealth(h ops.AutopilotHealth) { l.set(func() { l.health = h }) }

// Health is part of ops.Autopilot.
func (l *Log) Health() ops.AutopilotHealth {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.health
}

func (l *Log) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// Transferred are the IDs of the servers that were asked to lead.
func (l *Log) Transferred() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.transferred
}

// Propose is part of ops.Log.
func (l *Log) Propose(_ context.Context, data []byte) (any, uint64, error) {
	l.mu.Lock()
	f := l.propose
	l.mu.Unlock()
	if f != nil {
		if err := f(); err != nil {
			return nil, 0, err
		}
	}
	return l.apply(data)
}

// ConfirmRead is part of ops.Log.
func (l *Log) ConfirmRead(ctx context.Context, consistent bool) error {
	l.mu.Lock()
	f := l.confirm
	l.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx, consistent)
}

// Reign is part of ops.Log.
func (l *Log) Reign() uint64 {
	l.mu.Lock()
	f := l.reign
	l.mu.Unlock()
	if f == nil {
		return 1
	}
	return f()
}

// Leader is part of ops.Log.
func (l *Log) Leader() (id, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader == "" {
		return "", ""
	}
	return ServerID, l.leader
}

// LastContact is part of ops.Log.
func (l *Log) LastContact() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastContact
}

// Configuration is part of ops.Members.
func (l *Log) Configuration() ([]quorum.Server, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]quorum.Server(nil), l.servers...), 1, nil
}

// RemoveServer is part of ops.Members.
func (l *Log) RemoveServer(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.servers {
		if s.ID == id {
			l.servers = append(l.servers[:i:i], l.servers[i+1:]...)
			return nil
		}
	}
	return model.Errorf(model.NotFound, "no server %s", id)
}

// TransferLeadership is part of ops.Members. It only takes note.
func (l *Log) TransferLeadership(id string) error {
	l.set(func() { l.transferred = append(l.transferred, id) })
	return nil
}

// TakeSnapshot is part of ops.Snapshots.
func (l *Log) TakeSnapshot(context.Context) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s := l.Store.Snapshot()
	var buf bytes.Buffer
	if err := s.Persist(&buf); err != nil {
		return nil, nil, err
	}
	return &raft.SnapshotMeta{Version: raft.SnapshotVersionMax, ID: "2-1-1", Index: max(s.Applied(), 1), Term: 2,
		Size: int64(buf.Len())}, io.NopCloser(&buf), nil
}

// RestoreSnapshot is part of ops.Snapshots.
func (l *Log) RestoreSnapshot(_ context.Context, _ *raft.SnapshotMeta, r io.Reader) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.Store.Restore(r)
	l.index = max(l.index, l.Store.Current().Applied())
	return err
}
