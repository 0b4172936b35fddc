package state

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/go-msgpack/v2/codec"

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

// indexRecord is the index of a table.
type indexRecord struct {
	Key   string
	Value uint64
}

// tombstoneRecord is a deleted key.
type tombstoneRecord struct {
	Key   string
	Index uint64
	Flags uint64 `codec:",omitempty"`
}

// foreignRecord is a record of a kind that muster does not act on. It is kept
// and written again.
type foreignRecord struct {
	typ model.CommandType
	raw []byte
}

// Snapshot is a Version that can be written out.
type Snapshot struct{ v *Version }

// Snapshot takes the current version. It costs nothing.
func (s *Store) Snapshot() *Snapshot { return &Snapshot{s.Current()} }

// Applied is the index of the last entry in the snapshot.
func (s *Snapshot) Applied() uint64 { return s.v.applied }

// Persist writes the snapshot. The same data gives the same bytes.
func (s *Snapshot) Persist(w io.Writer) error {
	bw := bufio.NewWriterSize(w, 64<<10)
	out := &recordWriter{w: bw, enc: codec.NewEncoder(bw, canonicalHandle())}
	out.value(header{LastIndex: s.v.applied})
	s.v.writeCatalog(out)
	s.v.sessions.scan("", func(_ string, v *model.Session) bool { return out.record(model.CmdSession, v) })
	s.v.coordinates.scan("", func(_ string, v *model.Coordinate) bool {
		return out.record(model.CmdCoordinates, []model.Coordinate{*v})
	})
	s.v.kv.scan("", func(_ string, v *model.KVPair) bool { return out.record(model.CmdKV, v) })
	s.v.tombstones.scan("", func(k string, v uint64) bool {
		return out.record(model.CmdTombstone, tombstoneRecord{Key: k, Index: v})
	})
	s.v.foreign.scan("", func(_ string, r foreignRecord) bool { return out.raw(r) })
	s.v.indexes.scan("", func(k string, v uint64) bool { return out.record(model.CmdIndex, indexRecord{k, v}) })
	if out.err != nil {
		return fmt.Errorf("write snapshot: %w", out.err)
	}
	return bw.Flush()
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
		if !out.record(model.CmdRegister, &base) {
			return false
		}
		v.services.scan(key+sep, func(_ string, i *instance) bool {
			r := base
			r.Service = i.svc
			return out.record(model.CmdRegister, &r)
		})
		v.checks.scan(key+sep, func(_ string, c *model.HealthCheck) bool {
			r := base
			r.Check = c
			return out.record(model.CmdRegister, &r)
		})
		return out.err == nil
	})
}

type recordWriter struct {
	w   io.Writer
	enc *codec.Encoder
	err error
}

func (o *recordWriter) value(v any) {
	if o.err == nil {
		o.err = o.enc.Encode(v)
	}
}

func (o *recordWriter) record(t model.CommandType, v any) bool {
	if o.err == nil {
		_, o.err = o.w.Write([]byte{byte(t)})
	}
	o.value(v)
	return o.err == nil
}

func (o *recordWriter) raw(r foreignRecord) bool {
	if o.err == nil {
		_, o.err = o.w.Write(append([]byte{byte(r.typ)}, r.raw...))
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
	s.current.Store(&v)
	s.hub.fireAll()
	return foreign, nil
}

func (tx *txn) readSnapshot(r io.Reader) (foreign map[model.CommandType]int, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder, on input that nobody wrote
			err = fmt.Errorf("damaged record: %v", p)
		}
	}()
	br := bufio.NewReaderSize(r, 64<<10)
	dec := codec.NewDecoder(br, newHandle())
	var h header
	if err := dec.Decode(&h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	tx.applied = h.LastIndex
	foreign = map[model.CommandType]int{}
	for n := 0; ; n++ {
		b, err := br.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		t := model.CommandType(b)
		known, err := tx.readRecord(t, dec)
		if err != nil {
			return nil, fmt.Errorf("record %d of type %d: %w", n, t, err)
		}
		if !known {
			var raw codec.Raw
			if err := dec.Decode(&raw); err != nil {
				return nil, fmt.Errorf("record %d of type %d: %w", n, t, err)
			}
			tx.foreign.mut(tx.gen).Set(fmt.Sprintf("%03d%012d", t, n), foreignRecord{t, append([]byte(nil), raw...)})
			foreign[t]++
		}
	}
	tx.topics, tx.released = nil, nil
	return foreign, nil
}

func (tx *txn) readRecord(t model.CommandType, dec *codec.Decoder) (known bool, err error) {
	switch t {
	case model.CmdRegister:
		return true, decodeThen(dec, tx.restoreRegistration)
	case model.CmdKV:
		return true, decodeThen(dec, func(p *model.KVPair) {
			noEmptyValue(p)
			tx.kv.mut(tx.gen).Set(p.Key, p)
			if p.Session != "" {
				tx.locks.mut(tx.gen).Set(key2(p.Session, p.Key), struct{}{})
			}
			tx.raise(tableKV, p.ModifyIndex)
		})
	case model.CmdSession:
		return true, decodeThen(dec, func(s *model.Session) {
			if len(s.NodeChecks) == 0 {
				s.NodeChecks, s.Checks = s.Checks, nil
			}
			tx.storeSession(s)
			tx.raise(tableSessions, s.ModifyIndex)
		})
	case model.CmdTombstone:
		return true, decodeThen(dec, func(r *tombstoneRecord) {
			tx.tombstones.mut(tx.gen).Set(r.Key, r.Index)
			tx.raise(tableTombstones, r.Index)
		})
	case model.CmdCoordinates:
		return true, decodeThen(dec, func(list *[]model.Coordinate) {
			for i := range *list {
				c := &(*list)[i]
				tx.coordinates.mut(tx.gen).Set(key2(fold(c.Node), c.Segment), c)
			}
			tx.raise(tableCoordinates, tx.applied)
		})
	case model.CmdIndex:
		return true, decodeThen(dec, func(r *indexRecord) { tx.indexes.mut(tx.gen).Set(r.Key, r.Value) })
	}
	return false, nil
}

func decodeThen[T any](dec *codec.Decoder, store func(*T)) error {
	v := new(T)
	if err := dec.Decode(v); err != nil {
		return err
	}
	store(v)
	return nil
}

// raise moves the index of a table up to that of a record, for snapshots
// whose table indexes are not recorded.
func (tx *txn) raise(table string, index uint64) {
	if old, _ := tx.indexes.get(table); index > old {
		tx.indexes.mut(tx.gen).Set(table, index)
	}
}

// restoreRegistration stores a registration with the indexes that it carries.
func (tx *txn) restoreRegistration(r *nodeRecord) {
	key := fold(r.Node)
	n, ok := tx.nodes.get(key)
	if !ok || (r.Service == nil && r.Check == nil) {
		n = &model.Node{ID: fold(r.ID), Node: r.Node, Address: r.Address, Datacenter: r.Datacenter,
			TaggedAddresses: r.TaggedAddresses, Meta: r.NodeMeta, Locality: r.Locality, RaftIndex: r.RaftIndex}
		tx.nodes.mut(tx.gen).Set(key, n)
		if n.ID != "" {
			tx.nodeIDs.mut(tx.gen).Set(n.ID, n)
		}
		tx.raise(tableNodes, n.ModifyIndex)
	}
	if s := r.Service; s != nil {
		i := &instance{node: key, svc: s}
		tx.services.mut(tx.gen).Set(key2(key, fold(s.ID)), i)
		tx.names.mut(tx.gen).Set(key3(fold(s.Service), key, fold(s.ID)), i)
		tx.raise(tableServices, s.ModifyIndex)
		tx.raise(servicePrefix+fold(s.Service), max(s.ModifyIndex, n.ModifyIndex))
	}
	checks := r.Checks
	if r.Check != nil {
		checks = append(checks, r.Check)
	}
	for _, c := range checks {
		ckey := key2(key, fold(c.CheckID))
		tx.checks.mut(tx.gen).Set(ckey, c)
		tx.states.mut(tx.gen).Set(key2(c.Status, ckey), c)
		if c.ServiceName != "" {
			tx.svcChecks.mut(tx.gen).Set(key2(fold(c.ServiceName), ckey), c)
		}
		tx.raise(tableChecks, c.ModifyIndex)
	}
}
