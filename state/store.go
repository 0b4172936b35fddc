package state

import (
	"fmt"
	"sync"
	"sync/atomic"

	"muster/model"
)

// Names of the tables, under which their indexes are kept in snapshots.
const (
	tableNodes       = "nodes"
	tableServices    = "services"
	tableChecks      = "checks"
	tableKV          = "kvs"
	tableTombstones  = "tombstones"
	tableSessions    = "sessions"
	tableCoordinates = "coordinates"
	tableQueries     = "prepared-queries"
	// lastExtinction is the index at which a service name last lost its last
	// instance: what a reader of an unknown name may have missed.
	lastExtinction = "service_last_extinction"
	servicePrefix  = "service."
)

// instance is a service on a node.
type instance struct {
	node string // folded name
	svc  *model.NodeService
}

// Version is all data as of one index. It never changes.
type Version struct {
	applied uint64 // index of the last entry that is in it

	nodes       table[*model.Node]        // folded name
	nodeIDs     table[*model.Node]        // UUID
	services    table[*instance]          // node, service ID
	names       table[*instance]          // service name, node, service ID
	checks      table[*model.HealthCheck] // node, check ID
	svcChecks   table[*model.HealthCheck] // service name, node, check ID
	states      table[*model.HealthCheck] // status, node, check ID
	kv          table[*model.KVPair]
	tombstones  table[uint64]
	sessions    table[*model.Session]
	nodeSess    table[*model.Session]       // node, session ID
	checkSess   table[*model.Session]       // node, check ID, session ID
	locks       table[struct{}]             // session ID, key
	coordinates table[*model.Coordinate]    // node, segment
	queries     table[*model.PreparedQuery] // ID
	queryNames  table[*model.PreparedQuery] // folded name; those that are no templates
	templates   table[*model.PreparedQuery] // folded name, of which others are prefixes
	querySess   table[*model.PreparedQuery] // session ID, ID
	indexes     table[uint64]
	autopilot   *model.AutopilotConfig // never changed in place; nil: none yet
	caTables
	// foreign are records of a restored snapshot that muster keeps but does
	// not act on, by their order in it.
	foreign table[foreignRecord]
	// kept are records that muster does not know all fields of, by keptKey.
	kept table[keptRecord]
}

func newVersion() *Version {
	return &Version{
		nodes: newTable[*model.Node](), nodeIDs: newTable[*model.Node](),
		services: newTable[*instance](), names: newTable[*instance](),
		checks: newTable[*model.HealthCheck](), svcChecks: newTable[*model.HealthCheck](),
		states: newTable[*model.HealthCheck](), kv: newTable[*model.KVPair](),
		tombstones: newTable[uint64](), sessions: newTable[*model.Session](),
		nodeSess: newTable[*model.Session](), checkSess: newTable[*model.Session](),
		locks: newTable[struct{}](), coordinates: newTable[*model.Coordinate](),
		queries: newTable[*model.PreparedQuery](), queryNames: newTable[*model.PreparedQuery](),
		templates: newTable[*model.PreparedQuery](), querySess: newTable[*model.PreparedQuery](),
		indexes: newTable[uint64](), foreign: newTable[foreignRecord](), kept: newTable[keptRecord](), caTables: newCATables(),
	}
}

// Applied is the index of the last log entry that the version contains.
func (v *Version) Applied() uint64 { return v.applied }

// index is the highest index of some tables.
func (v *Version) index(tables ...string) uint64 {
	var top uint64
	for _, t := range tables {
		i, _ := v.indexes.get(t)
		top = max(top, i)
	}
	return top
}

// Store holds the current Version. Reads are free of locks and may come from
// anywhere; Apply and Restore must come from one goroutine at a time.
type Store struct {
	current atomic.Pointer[Version]
	hub     *hub
	gen     uint64 // touched by Apply only

	mu        sync.Mutex
	onRelease []func([]Release) // guarded by mu
}

// Release tells that a session ended while it held a lock.
type Release struct {
	Key     string
	Session *model.Session
}

// New returns an empty store.
func New() *Store {
	s := &Store{hub: newHub()}
	s.current.Store(newVersion())
	return s
}

// Current is the data as last published.
func (s *Store) Current() *Version { return s.current.Load() }

// Watch starts watching topics. Take the watch before reading Current. It must
// be closed unless it fires.
func (s *Store) Watch(topics ...Topic) *Watch { return s.hub.watch(topics...) }

// Watches is how many watches are open.
func (s *Store) Watches() int64 { return s.hub.watches.Load() }

// OnRelease has f called with the locks that ended with their sessions, before
// anybody can see the batch in which they did. It is called by Apply's goroutine
// and must not block.
func (s *Store) OnRelease(f func([]Release)) {
	s.mu.Lock()
	s.onRelease = append(s.onRelease, f)
	s.mu.Unlock()
}

// Entry is one committed command.
type Entry struct {
	Index uint64
	Data  []byte // a type byte and the encoded command
}

// Apply carries out committed commands in order and publishes them together.
// The results are one per entry: what the command yields, or an error. A
// command that fails has changed nothing.
func (s *Store) Apply(entries []Entry) []any {
	results, tx := s.try(entries)
	if tx == nil { // one of them panicked: find out which, alone
		tx = s.begin()
		for i, e := range entries {
			results[i] = tx.guarded(e)
		}
	}
	s.publish(tx)
	return results
}

func (s *Store) begin() *txn {
	s.gen++
	tx := &txn{Version: *s.current.Load(), store: s}
	tx.gen = s.gen
	return tx
}

// try applies a batch without savepoints. It returns no txn if a command
// panicked.
func (s *Store) try(entries []Entry) (results []any, tx *txn) {
	results = make([]any, len(entries))
	defer func() {
		if r := recover(); r != nil {
			tx = nil
		}
	}()
	tx = s.begin()
	for i, e := range entries {
		results[i] = tx.apply(e)
	}
	return results, tx
}

func (s *Store) publish(tx *txn) {
	if len(tx.released) > 0 {
		s.mu.Lock()
		hooks := s.onRelease
		s.mu.Unlock()
		for _, f := range hooks {
			f(tx.released)
		}
	}
	v := tx.Version
	s.hub.fire(tx.topics, func() { s.current.Store(&v) })
}

// txn is the Version in the making.
type txn struct {
	Version
	store    *Store
	gen      uint64
	topics   []Topic
	released []Release
}

type savepoint struct {
	version          Version
	topics, released int
}

// savepoint remembers how things stand. What is written from now on is written
// to copies.
func (tx *txn) savepoint() savepoint {
	tx.store.gen++
	tx.gen = tx.store.gen
	return savepoint{tx.Version, len(tx.topics), len(tx.released)}
}

func (tx *txn) rollback(sp savepoint) {
	tx.Version = sp.version
	tx.topics = tx.topics[:sp.topics]
	tx.released = tx.released[:sp.released]
	tx.store.gen++
	tx.gen = tx.store.gen
}

// guarded applies an entry; if it panics nothing has changed.
func (tx *txn) guarded(e Entry) (result any) {
	sp := tx.savepoint()
	defer func() {
		if r := recover(); r != nil {
			tx.rollback(sp)
			tx.applied = e.Index
			result = model.Errorf(model.Internal, "command at index %d could not be applied: %v", e.Index, r)
		}
	}()
	return tx.apply(e)
}

func (tx *txn) apply(e Entry) any {
	tx.applied = e.Index
	if len(e.Data) == 0 {
		return model.Errorf(model.Internal, "command at index %d is empty", e.Index)
	}
	body := e.Data[1:]
	switch t := model.CommandType(e.Data[0]); t {
	case model.CmdKV:
		var c model.KVCommand
		if decodeKV(body, &c) {
			return tx.applyKV(e.Index, &c)
		}
		return run(body, e.Index, tx.applyKV)
	case model.CmdRegister:
		return run(body, e.Index, tx.applyRegister)
	case model.CmdDeregister:
		return run(body, e.Index, tx.applyDeregister)
	case model.CmdSession:
		return run(body, e.Index, tx.applySession)
	case model.CmdTombstone:
		return run(body, e.Index, tx.applyTombstone)
	case model.CmdCoordinates:
		return run(body, e.Index, tx.applyCoordinates)
	case model.CmdQuery:
		return run(body, e.Index, tx.applyQuery)
	case model.CmdAutopilot:
		return run(body, e.Index, tx.applyAutopilot)
	case model.CmdCA:
		return run(body, e.Index, tx.applyCA)
	case model.CmdTxn:
		return run(body, e.Index, tx.applyTxn)
	default:
		return fmt.Errorf("command of unknown type %d at index %d", t, e.Index)
	}
}

func run[C any](body []byte, index uint64, apply func(uint64, *C) any) any {
	var c C
	if err := decode(body, &c); err != nil {
		return fmt.Errorf("decode command at index %d: %w", index, err)
	}
	return apply(index, &c)
}

// touch sets the index of a table.
func (tx *txn) touch(index uint64, tables ...string) {
	m := tx.indexes.mut(tx.gen)
	for _, t := range tables {
		m.Set(t, index)
	}
}

func (tx *txn) fire(topics ...Topic) { tx.topics = append(tx.topics, topics...) }
