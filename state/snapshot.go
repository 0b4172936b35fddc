package state

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"muster/internal/archive"
	"muster/model"
)

// A snapshot is a stream of a header and records, each a type byte and one
// msgpack value: the original's format, so that its snapshots can be restored
// and ours be inspected by its tools.

// header begins a snapshot.
type header struct {
	LastIndex uint64
}

// nodeRecord is a node, an instance or a check, as a registration.
type nodeRecord = model.RegisterRequest

// registration is a nodeRecord as it is read. Those that a cluster imported
// from a peer may have the names of its own nodes: they are not acted upon.
type registration struct {
	nodeRecord
	PeerName string
}

// indexRecord is the index of a table.
type indexRecord struct {
	Key   string
	Value uint64
}

// foreignRecord is a record of a kind that muster does not act on. It is kept
// and written again.
type foreignRecord struct {
	typ model.CommandType
	raw []byte
}

// keptRecord is a record with fields that muster does not know, as those of a
// newer release may have. It is written again as it came, until what was made
// of it changes.
type keptRecord struct {
	key string // of the item in its table
	of  [2]any // pointers to what was made of it; nil: nothing to hold on to
	raw []byte
}

// What registrations are about, before their keys.
const (
	nodeItem    = "node" + sep
	serviceItem = "service" + sep
	checkItem   = "check" + sep
)

func keptKey(t model.CommandType, key string) string { return string(rune(t)) + key }

// Snapshot is a Version that can be written out.
type Snapshot struct{ v *Version }

// Snapshot takes the current version. It costs nothing.
func (s *Store) Snapshot() *Snapshot { return &Snapshot{s.Current()} }

// Applied is the index of the last entry in the snapshot.
func (s *Snapshot) Applied() uint64 { return s.v.applied }

// Persist writes the snapshot. The same data gives the same bytes.
func (s *Snapshot) Persist(w io.Writer) error {
	out := &recordWriter{w: bufio.NewWriterSize(w, 64<<10)}
	out.enc = codec.NewEncoderBytes(&out.buf, canonicalHandle())
	out.value(header{LastIndex: s.v.applied})
	out.kept = s.v.kept
	s.v.writeCatalog(out)
	s.v.sessions.scan("", func(k string, v *model.Session) bool { return out.item(model.CmdSession, k, v, v, nil) })
	s.v.coordinates.scan("", func(_ string, v *model.Coordinate) bool {
		return out.record(model.CmdCoordinates, []model.Coordinate{*v})
	})
	s.v.queries.scan("", func(k string, v *model.PreparedQuery) bool { return out.item(model.CmdQuery, k, v, v, nil) })
	s.v.kv.scan("", func(k string, v *model.KVPair) bool { return out.item(model.CmdKV, k, v, v, nil) })
	s.v.tombstones.scan("", func(k string, v uint64) bool {
		return out.record(model.CmdTombstone, &model.KVPair{Key: k, RaftIndex: model.RaftIndex{ModifyIndex: v}})
	})
	if c := s.v.autopilot; c != nil {
		out.record(model.CmdAutopilot, c)
	}
	s.v.writeCA(out)
	s.v.foreign.scan("", func(_ string, r foreignRecord) bool { return out.raw(r) })
	s.v.indexes.scan("", func(k string, v uint64) bool { return out.record(model.CmdIndex, indexRecord{k, v}) })
	if out.err == nil {
		out.err = out.w.Flush()
	}
	if out.err != nil {
		return fmt.Errorf("write snapshot: %w", out.err)
	}
	return nil
}

// Release is for the interface of the log: there is nothing to free.
func (s *Snapshot) Release() {}

func canonicalHandle() *codec.MsgpackHandle {
	h := newHandle()
	h.Canonical = true
	return h
}

func (v *Version) writeCatalog(out *recordWriter) {
	v.nodes.scan("", func(key string, n *model.Node) bool {
		base := nodeRecord{Datacenter: n.Datacenter, ID: n.ID, Node: n.Node, Address: n.Address,
			TaggedAddresses: n.TaggedAddresses, NodeMeta: n.Meta, Locality: n.Locality, RaftIndex: n.RaftIndex}
		if !out.item(model.CmdRegister, nodeItem+key, &base, n, nil) {
			return false
		}
		v.services.scan(key+sep, func(k string, i *instance) bool {
			r := base
			r.Service = i.svc
			return out.item(model.CmdRegister, serviceItem+k, &r, n, i.svc)
		})
		v.checks.scan(key+sep, func(k string, c *model.HealthCheck) bool {
			r := base
			r.Check = c
			return out.item(model.CmdRegister, checkItem+k, &r, n, c)
		})
		return out.err == nil
	})
}

// recordWriter writes until the first error. It encodes into memory first: the
// library would hide what is wrong with the disk.
type recordWriter struct {
	w   *bufio.Writer
	enc *codec.Encoder
	buf []byte // where enc writes to
	err error

	kept table[keptRecord]
}

func (o *recordWriter) value(v any) {
	o.buf = o.buf[:0]
	o.enc.ResetBytes(&o.buf)
	if o.err == nil {
		o.err = o.enc.Encode(v)
	}
	if o.err == nil {
		_, o.err = o.w.Write(o.buf)
	}
}

func (o *recordWriter) record(t model.CommandType, v any) bool {
	if o.err == nil {
		o.err = o.w.WriteByte(byte(t))
	}
	o.value(v)
	return o.err == nil
}

// item writes what stands at a key, made of one or two values: as it came,
// when they are those of then.
func (o *recordWriter) item(t model.CommandType, key string, v, a, b any) bool {
	if o.kept.len() > 0 {
		if k, ok := o.kept.get(keptKey(t, key)); ok && k.of == [2]any{a, b} {
			return o.raw(foreignRecord{t, k.raw})
		}
	}
	return o.record(t, v)
}

func (o *recordWriter) raw(r foreignRecord) bool {
	if o.err == nil {
		o.err = o.w.WriteByte(byte(r.typ))
	}
	if o.err == nil {
		_, o.err = o.w.Write(r.raw)
	}
	return o.err == nil
}

// Restore replaces all data by a snapshot and wakes everybody who waits. After
// an error everything is as it was. It returns how many records of each kind
// are kept without being acted on.
func (s *Store) Restore(r io.Reader) (map[model.CommandType]int, error) {
	tx := &txn{Version: *newVersion(), store: s}
	s.gen++
	tx.gen = s.gen
	foreign, err := tx.readSnapshot(r)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	v := tx.Version
	s.hub.fireAll(func() { s.current.Store(&v) })
	return foreign, nil
}

// readSnapshot reads records of any origin. What they claim of lengths and
// depth is checked before anything is decoded.
func (tx *txn) readSnapshot(r io.Reader) (foreign map[model.CommandType]int, err error) {
	header, records, err := archive.Records(r)
	if err != nil {
		return nil, err
	}
	tx.applied = header.LastIndex
	foreign = map[model.CommandType]int{}
	n := 0
	for record, err := range records {
		if err != nil {
			return nil, err
		}
		t := model.CommandType(record.Type)
		known, err := tx.readRecord(t, record.Data)
		if err != nil {
			return nil, fmt.Errorf("record %d of type %d: %w", n, t, err)
		}
		if !known {
			tx.foreign.mut(tx.gen).Set(fmt.Sprintf("%03d%012d", t, n), foreignRecord{t, bytes.Clone(record.Data)})
			foreign[t]++
		}
		n++
	}
	tx.topics, tx.released = nil, nil
	return foreign, nil
}

func (tx *txn) readRecord(t model.CommandType, data []byte) (known bool, err error) {
	switch t {
	case model.CmdRegister:
		known := true
		err := restore(tx, t, data, func(r *registration) keptRecord {
			if known = r.PeerName == ""; !known {
				return keptRecord{}
			}
			return tx.restoreRegistration(&r.nodeRecord)
		})
		return known, err
	case model.CmdKV:
		return true, restore(tx, t, data, tx.restoreKV)
	case model.CmdSession:
		return true, restore(tx, t, data, tx.restoreSession)
	case model.CmdTombstone:
		return true, decodeThen(data, func(p *model.KVPair) { // what the deletion left
			tx.tombstones.mut(tx.gen).Set(p.Key, p.ModifyIndex)
			tx.raise(tableTombstones, p.ModifyIndex)
		})
	case model.CmdCoordinates:
		return true, decodeThen(data, tx.restoreCoordinates)
	case model.CmdQuery:
		return true, restore(tx, t, data, tx.restoreQuery)
	case model.CmdAutopilot:
		return true, decodeThen(data, tx.restoreAutopilot)
	case model.CmdCA, model.CmdCAProvider, model.CmdCAConfig:
		return true, tx.readCA(t, data)
	case model.CmdIndex:
		return true, decodeThen(data, func(r *indexRecord) { tx.indexes.mut(tx.gen).Set(r.Key, r.Value) })
	}
	return false, nil
}

func decodeThen[T any](data []byte, store func(*T)) error {
	v := new(T)
	if err := decode(data, v); err != nil {
		return err
	}
	store(v)
	return nil
}

// restore is decodeThen for what is kept as it came when muster does not know
// all of it.
func restore[T any](tx *txn, t model.CommandType, data []byte, store func(*T) keptRecord) error {
	v := new(T)
	all := decodeAll(data, v)
	if !all {
		v = new(T)
		if err := decode(data, v); err != nil {
			return err
		}
	}
	if k := store(v); !all && k.of[0] != nil {
		k.raw = bytes.Clone(data)
		tx.kept.mut(tx.gen).Set(keptKey(t, k.key), k)
	}
	return nil
}

func (tx *txn) restoreKV(p *model.KVPair) keptRecord {
	noEmptyValue(p)
	if old, ok := tx.kv.get(p.Key); ok && old.Session != "" {
		tx.locks.mut(tx.gen).Delete(lockKey(old.Session, p.Key))
	}
	tx.kv.mut(tx.gen).Set(p.Key, p)
	if p.Session != "" {
		tx.locks.mut(tx.gen).Set(lockKey(p.Session, p.Key), struct{}{})
	}
	tx.raise(tableKV, p.ModifyIndex)
	return keptRecord{key: p.Key, of: [2]any{p}}
}

func (tx *txn) restoreSession(s *model.Session) keptRecord {
	if len(s.NodeChecks) == 0 {
		s.NodeChecks, s.Checks = s.Checks, nil
	}
	if old, ok := tx.sessions.get(s.ID); ok {
		tx.unstoreSession(old)
	}
	tx.storeSession(s)
	tx.raise(tableSessions, s.ModifyIndex)
	return keptRecord{key: s.ID, of: [2]any{s}}
}

func (tx *txn) restoreCoordinates(list *[]model.Coordinate) {
	for i := range *list {
		c := &(*list)[i]
		if c.Coord == nil {
			continue
		}
		tx.coordinates.mut(tx.gen).Set(key2(fold(c.Node), c.Segment), c)
	}
	tx.raise(tableCoordinates, tx.applied)
}

// raise moves the index of a table up to that of a record, for snapshots
// whose table indexes are not recorded.
func (tx *txn) raise(table string, index uint64) {
	if old, _ := tx.indexes.get(table); index > old {
		tx.indexes.mut(tx.gen).Set(table, index)
	}
}

// restoreRegistration stores a registration with the indexes that it carries.
func (tx *txn) restoreRegistration(r *nodeRecord) keptRecord {
	key := fold(r.Node)
	n, ok := tx.nodes.get(key)
	if !ok || (r.Service == nil && r.Check == nil) {
		n = &model.Node{ID: fold(r.ID), Node: r.Node, Address: r.Address, Datacenter: r.Datacenter,
			TaggedAddresses: r.TaggedAddresses, Meta: r.NodeMeta, Locality: r.Locality, RaftIndex: r.RaftIndex}
		tx.restoreNode(n)
	}
	if s := r.Service; s != nil {
		tx.restoreService(n, s)
	}
	checks := r.Checks
	if r.Check != nil {
		checks = append(checks, r.Check)
	}
	for _, c := range checks {
		if c != nil {
			tx.restoreCheck(n, c)
		}
	}
	switch {
	case len(checks) == 0 && r.Service == nil:
		return keptRecord{key: nodeItem + key, of: [2]any{n}}
	case len(checks) == 0:
		return keptRecord{key: serviceItem + key2(key, fold(r.Service.ID)), of: [2]any{n, r.Service}}
	case r.Service == nil && len(checks) == 1 && r.Check != nil:
		return keptRecord{key: checkItem + key2(key, fold(r.Check.CheckID)), of: [2]any{n, r.Check}}
	}
	return keptRecord{} // several at once: Consul writes none so
}

func (tx *txn) restoreNode(n *model.Node) {
	key := fold(n.Node)
	if old, ok := tx.nodes.get(key); ok && old.ID != "" {
		tx.nodeIDs.mut(tx.gen).Delete(old.ID)
	}
	if other, ok := tx.nodeIDs.get(n.ID); ok && !equal(other.Node, n.Node) {
		bare := other.Clone() // an ID is one node's only
		bare.ID = ""
		tx.nodes.mut(tx.gen).Set(fold(bare.Node), bare)
	}
	tx.nodes.mut(tx.gen).Set(key, n)
	if n.ID != "" {
		tx.nodeIDs.mut(tx.gen).Set(n.ID, n)
	}
	tx.raise(tableNodes, n.ModifyIndex)
}

func (tx *txn) restoreService(n *model.Node, s *model.NodeService) {
	i := &instance{node: fold(n.Node), svc: s}
	key := key2(i.node, fold(s.ID))
	if old, ok := tx.services.get(key); ok {
		tx.names.mut(tx.gen).Delete(key3(fold(old.svc.Service), i.node, fold(s.ID)))
	}
	tx.services.mut(tx.gen).Set(key, i)
	tx.names.mut(tx.gen).Set(key3(fold(s.Service), i.node, fold(s.ID)), i)
	tx.raise(tableServices, s.ModifyIndex)
	tx.raise(servicePrefix+fold(s.Service), max(s.ModifyIndex, n.ModifyIndex))
}

func (tx *txn) restoreCheck(n *model.Node, c *model.HealthCheck) {
	if !equal(c.Node, n.Node) {
		c.Node = n.Node
	}
	key := key2(fold(n.Node), fold(c.CheckID))
	if old, ok := tx.checks.get(key); ok {
		tx.unindexCheck(old)
	}
	tx.checks.mut(tx.gen).Set(key, c)
	tx.indexCheck(c)
	tx.raise(tableChecks, c.ModifyIndex)
	tx.services.scan(fold(n.Node)+sep, func(_ string, i *instance) bool {
		if c.ServiceID == "" || equal(c.ServiceID, i.svc.ID) {
			tx.raise(servicePrefix+fold(i.svc.Service), c.ModifyIndex)
		}
		return true
	})
}
