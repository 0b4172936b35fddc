// Package quorum makes servers agree on the order of commands. It runs Raft,
// keeps the log and the snapshots, knows the members, and says whether what
// this server would answer now is current. It does not know what a command
// means: that is the StateMachine's business.
package quorum

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"muster/internal/meter"
	"muster/model"
)

// An Entry is one command at its place in the agreed order.
type Entry struct {
	// Index grows from entry to entry, with gaps: Raft's own entries take
	// indexes too.
	Index uint64
	// Term is the term of the leader that appended the entry.
	Term uint64
	// Data is what was given to Propose. It must not be changed; it may be kept.
	Data []byte
	// AppendedAt is the time by the clock of the leader that appended the
	// entry: the same on every server, but not monotonic.
	AppendedAt time.Time
}

// A StateMachine is what the agreed commands change. Apply, Snapshot and
// Restore are never called at the same time.
type StateMachine interface {
	// Apply takes in entries in order and returns one result for each, which
	// Propose hands to its caller on the server where that runs. The slice
	// itself must not be kept.
	Apply(batch []Entry) []any
	// Snapshot returns the state as of the last Apply. It must not take long:
	// no entry is applied meanwhile.
	Snapshot() (Snapshot, error)
	// Restore replaces the whole state with the one read from r. After an
	// error the former state must still stand.
	Restore(r io.Reader) error
}

// A Snapshot is a state that stays as it is while later entries are applied.
type Snapshot interface {
	// Persist writes the state. It runs at the same time as Apply.
	Persist(w io.Writer) error
	// Release is called once, when the snapshot is no longer needed.
	Release()
}

// Config says how a server takes part.
type Config struct {
	// ID identifies this server for ever (the node ID). Required.
	ID string
	// Address is where the other servers reach this one. Empty: what the
	// Transport calls its own address.
	Address string
	// Dir holds the folders "wal", the log, and "snapshots"; it is made if
	// missing. Only one process can use it. Empty: everything is kept in memory.
	// A file "peers.json" in it replaces the members when the server is opened;
	// "peers.info", which is written there, explains it.
	Dir string
	// Storage, when set, opens what takes the place of Dir.
	Storage func() (*Storage, error)
	// Transport connects the servers. Close closes it; if Open fails, it is
	// still the caller's. Close waits for calls that are under way, so it should
	// not let one take long. nil: a transport that reaches nobody, for a server
	// on its own.
	Transport raft.Transport
	// Bootstrap makes a server that has no state yet a cluster of one. It is
	// ignored on a server that has state.
	Bootstrap bool
	// Multiplier scales the time without a leader after which an election
	// begins (1 s) and the time without a majority after which a leader gives
	// up (0.5 s). 1 to 10; 0 is 5.
	Multiplier int
	// CommitTimeout is the time after which Raft sends a follower something
	// even if there is nothing to say, varied up to its double; a follower that
	// could not be reached is tried again then. 0 is 200 ms.
	CommitTimeout time.Duration
	// Snapshots says when the log is cut.
	Snapshots SnapshotPolicy
	// Gone watches the process of the server at an address, and returns nil when
	// it is certain that it has ended; an error when nothing can be told or ctx
	// ends. With it the others replace a leader that died as soon as their
	// promises allow. A wrong answer disturbs nobody. nil: nothing is ever certain.
	Gone func(ctx context.Context, id, address string) error
	// SegmentSize is the size of a file of the log, in bytes, two of which exist
	// at least. 0 is 16 MiB.
	SegmentSize int
	// NoRecent keeps no recent entries in memory for followers.
	NoRecent bool
	// Meter counts what the log on disk does. nil: nobody.
	Meter *meter.Meter
	// Logger gets what Raft has to say. nil: nobody does.
	Logger hclog.Logger
}

// SnapshotPolicy says when the log is replaced by a snapshot.
type SnapshotPolicy struct {
	// Threshold is the number of entries since the last snapshot that calls
	// for another. 0 is 16384.
	Threshold uint64
	// Interval is the time between two looks at the threshold, varied up to its
	// double. 0 is 30 s; at least 5 ms.
	Interval time.Duration
	// Trailing is the number of entries kept in the log behind a snapshot, for
	// followers that are a little late. 0 is 10240.
	Trailing uint64
}

func (p SnapshotPolicy) withDefaults() SnapshotPolicy {
	if p.Threshold == 0 {
		p.Threshold = 16384
	}
	if p.Interval == 0 {
		p.Interval = 30 * time.Second
	}
	if p.Trailing == 0 {
		p.Trailing = 10240
	}
	return p
}

// A Quorum is this server's part in the agreement. Its methods may be called
// from any goroutine.
type Quorum struct {
	id        string
	raft      *raft.Raft
	fsm       *fsm
	lease     *lease
	transport *transport
	stall     *stallWatch
	gone      func(ctx context.Context, id, address string) error
	// electionTimeout is what Raft waits for a leader at least.
	electionTimeout time.Duration
	store           *Storage
	logs            *logStore // the store's, with what this room adds
	logger          hclog.Logger

	// gate counts those who wait for Raft, so that Close can let them finish:
	// Raft forgets those who still wait when it stops.
	gate gate

	changing chan struct{} // holds a value while the members are changed
	attempts attempts      // transfers of leadership that failed

	done     chan struct{}  // closed by Close
	wg       sync.WaitGroup // goroutines of this room
	outcomes sync.WaitGroup // the one that tells outcomes

	watcher  watcher
	confirm  confirmer
	proposer proposer
}

// Open starts this server's part. It returns when a snapshot, if there is one,
// has been restored; the log behind it is applied later, when the server leads
// or hears from a leader. If a peers.json asks for it, the members are replaced first. Close must be called on what it returns.
func Open(cfg Config, sm StateMachine) (*Quorum, error) {
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	recovery, err := wantedRecovery(&cfg)
	if err != nil {
		return nil, err
	}
	st, err := openStorage(&cfg)
	if err != nil {
		return nil, err
	}
	q, err := open(cfg, sm, st, recovery)
	if err != nil {
		_ = st.Close()
		return nil, err
	}
	return q, nil
}

func open(cfg Config, sm StateMachine, st *Storage, recovery *recovery) (*Quorum, error) {
	conf, err := raftConfig(cfg)
	if err != nil {
		return nil, err
	}
	inner := cfg.Transport
	if inner == nil {
		_, inner = raft.NewInmemTransport(raft.ServerAddress(cfg.Address))
	}
	lease := newLease(cfg.ID)
	stall := newStallWatch(stallTimes * conf.HeartbeatTimeout)
	trans, err := newTransport(inner, cfg.ID, cfg.Address, lease, stall.is)
	if err != nil {
		return nil, err
	}
	q := &Quorum{
		id:        cfg.ID,
		fsm:       newFSM(sm, trans.spreader.poke),
		lease:     lease,
		transport: trans,
		store:     st,
		logs:      newLogStore(st.Logs, lease.setConfiguration, stall),
		stall:     stall,
		gone:      cfg.Gone,
		logger:    cfg.Logger,
		changing:  make(chan struct{}, 1),
		done:      make(chan struct{}),

		electionTimeout: conf.HeartbeatTimeout,
	}
	q.logs.none = cfg.NoRecent
	q.watcher.init()
	q.confirm.init()
	q.proposer.init()
	if recovery != nil {
		if err := recovery.run(conf, st, q.fsm, trans); err != nil {
			return nil, err
		}
	}
	if err := q.start(conf, cfg.Bootstrap); err != nil {
		return nil, err
	}
	return q, nil
}

// start runs Raft and the goroutines of this room.
func (q *Quorum) start(conf *raft.Config, bootstrap bool) error {
	existing, err := raft.HasExistingState(q.logs, q.store.Stable, q.store.Snapshots)
	if err != nil {
		return fmt.Errorf("look for raft state: %w", err)
	}
	if existing {
		// Before it stopped this server may have promised a leader not to vote.
		q.transport.promise(time.Now())
	} else if bootstrap {
		self := raft.Configuration{Servers: []raft.Server{{ID: conf.LocalID, Address: q.transport.LocalAddr()}}}
		if err := raft.BootstrapCluster(conf, q.logs, q.store.Stable, q.store.Snapshots, q.transport, self); err != nil {
			return fmt.Errorf("bootstrap raft: %w", err)
		}
	}
	q.raft, err = raft.NewRaft(conf, q.fsm, q.logs, q.store.Stable, q.store.Snapshots, q.transport)
	if err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	q.observe()
	q.wg.Go(q.watchLeadership)
	q.wg.Go(q.confirmRounds)
	q.wg.Go(q.spreadCommits)
	q.wg.Go(q.watchStalls)
	if q.gone != nil {
		q.wg.Go(q.succeedLeaders)
	}
	q.wg.Go(func() { q.proposer.send(q.raft) })
	q.outcomes.Go(q.proposer.receive)
	q.transport.start(q.raft)
	q.electSoleVoter()
	return nil
}

// electSoleVoter begins an election at once when this server is the only one
// that has a vote: there is nobody to wait for. Raft takes the message of a
// leader that hands over, "your election timer has fired", which is always
// safe; so the timeouts need not be shortened for the start.
func (q *Quorum) electSoleVoter() {
	servers, _ := q.configuration()
	voters := 0
	self := false
	for _, s := range servers {
		if s.Suffrage == raft.Voter {
			voters++
			self = self || string(s.ID) == q.id
		}
	}
	if voters == 1 && self {
		q.transport.timeoutSelf()
	}
}

func raftConfig(cfg Config) (*raft.Config, error) {
	if cfg.ID == "" {
		return nil, fmt.Errorf("raft: no server ID")
	}
	if cfg.Multiplier == 0 {
		cfg.Multiplier = 5
	}
	if cfg.Multiplier < 1 || cfg.Multiplier > 10 {
		return nil, fmt.Errorf("raft: multiplier %d is not between 1 and 10", cfg.Multiplier)
	}
	if cfg.CommitTimeout == 0 {
		cfg.CommitTimeout = 200 * time.Millisecond
	}
	policy := cfg.Snapshots.withDefaults()
	scale := time.Duration(cfg.Multiplier)
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(cfg.ID)
	conf.HeartbeatTimeout = electionTimeout * scale
	conf.ElectionTimeout = electionTimeout * scale
	conf.LeaderLeaseTimeout = electionTimeout / 2 * scale
	conf.CommitTimeout = cfg.CommitTimeout
	conf.MaxAppendEntries = maxBatch
	conf.BatchApplyCh = true
	conf.ShutdownOnRemove = false
	conf.SnapshotThreshold = policy.Threshold
	conf.SnapshotInterval = policy.Interval
	conf.TrailingLogs = policy.Trailing
	conf.NoLegacyTelemetry = true
	conf.Logger = cfg.Logger
	if err := raft.ValidateConfig(conf); err != nil {
		return nil, fmt.Errorf("raft settings: %w", err)
	}
	return conf, nil
}

const (
	// electionTimeout at multiplier 1.
	electionTimeout = time.Second
	// maxBatch is how many entries share one fsync, one Apply or one message
	// to a follower at most.
	maxBatch = 128
	// MaxEntry is the size of the largest command, in bytes. A whole batch of
	// them must stay below the 4 GiB that a file of the log can address.
	MaxEntry = 8 << 20
)

// Reload changes when snapshots are taken.
func (q *Quorum) Reload(p SnapshotPolicy) error {
	p = p.withDefaults()
	rc := q.raft.ReloadableConfig()
	rc.SnapshotThreshold, rc.SnapshotInterval, rc.TrailingLogs = p.Threshold, p.Interval, p.Trailing
	if err := q.raft.ReloadConfig(rc); err != nil {
		return fmt.Errorf("raft settings: %w", err)
	}
	return nil
}

// Close leaves: a leader hands over to another server if there is one, then
// Raft stops and the files are closed. It waits for every goroutine and for
// every call that is still waiting for an outcome. Later calls do nothing.
func (q *Quorum) Close() error {
	if q.IsLeader() && q.otherVoters() {
		// Without success the others elect somebody when they miss this one.
		if err := q.TransferLeadership(""); err != nil {
			q.logger.Warn("could not hand over leadership", "error", err)
		}
	}
	return q.stop()
}

func (q *Quorum) stop() error {
	if !q.gate.close() {
		return nil
	}
	close(q.proposer.queue)
	q.outcomes.Wait()
	close(q.done)
	err := q.raft.Shutdown().Error()
	q.wg.Wait()
	q.fsm.close()
	if cerr := q.store.Close(); err == nil {
		err = cerr
	}
	return err
}

// errClosed is what calls return after Close.
var errClosed = model.Errorf(model.Canceled, "server is shutting down")

func canceled(ctx context.Context) error {
	return model.Errorf(model.Canceled, "%w", ctx.Err())
}
