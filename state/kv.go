package state

import (
	"bytes"
	"strings"

	"muster/model"
)

// KVGet returns the entry of a key, or nil. The index is that of the entry, or
// of the whole table when there is none.
func (v *Version) KVGet(key string) (uint64, *model.KVPair) {
	if p, ok := v.kv.get(key); ok {
		return p.ModifyIndex, p
	}
	return v.index(tableKV, tableTombstones), nil
}

// KVList returns the entries whose keys begin with prefix, in order. The index
// covers deletions below the prefix.
func (v *Version) KVList(prefix string) (uint64, []*model.KVPair) {
	var list []*model.KVPair
	var top uint64
	v.kv.scan(prefix, func(_ string, p *model.KVPair) bool {
		list = append(list, p)
		top = max(top, p.ModifyIndex)
		return true
	})
	return v.prefixIndex(prefix, top), list
}

// KVKeys returns the keys that begin with prefix, cut after the first
// separator behind it ("" cuts none), in order and once each.
func (v *Version) KVKeys(prefix, separator string) (uint64, []string) {
	keys := []string{}
	var top uint64
	v.kv.scan(prefix, func(key string, p *model.KVPair) bool {
		top = max(top, p.ModifyIndex)
		if separator != "" {
			if i := strings.Index(key[len(prefix):], separator); i >= 0 {
				key = key[:len(prefix)+i+len(separator)]
			}
		}
		if n := len(keys); n == 0 || keys[n-1] != key {
			keys = append(keys, key)
		}
		return true
	})
	return v.prefixIndex(prefix, top), keys
}

func (v *Version) prefixIndex(prefix string, top uint64) uint64 {
	v.tombstones.scan(prefix, func(_ string, index uint64) bool {
		top = max(top, index)
		return true
	})
	if top == 0 {
		return v.index(tableKV, tableTombstones)
	}
	return top
}

func (tx *txn) applyKV(index uint64, c *model.KVCommand) any {
	switch c.Op {
	case model.KVSet:
		tx.kvSet(index, &c.DirEnt)
		return true
	case model.KVCAS:
		_, done := tx.kvCAS(index, &c.DirEnt)
		return done
	case model.KVDelete:
		tx.kvDelete(index, c.DirEnt.Key)
		return true
	case model.KVDeleteCAS:
		return tx.kvDeleteCAS(index, c.DirEnt.Key, c.DirEnt.ModifyIndex)
	case model.KVDeleteTree:
		tx.kvDeleteTree(index, c.DirEnt.Key)
		return true
	case model.KVLock:
		_, done, err := tx.kvLock(index, &c.DirEnt)
		if err != nil {
			return err
		}
		return done
	case model.KVUnlock:
		_, done, err := tx.kvUnlock(index, &c.DirEnt)
		if err != nil {
			return err
		}
		return done
	default:
		return model.Errorf(model.BadRequest, "unknown KV operation %q", c.Op)
	}
}

// kvPut stores an entry as it is. An entry that says nothing new keeps its
// index. It returns what is stored.
func (tx *txn) kvPut(index uint64, p *model.KVPair) *model.KVPair {
	noEmptyValue(p)
	old, exists := tx.kv.get(p.Key)
	if exists {
		p.CreateIndex = old.CreateIndex
		if sameKV(old, p) {
			return old
		}
	} else {
		p.CreateIndex = index
	}
	p.ModifyIndex = index
	switch {
	case exists && old.Session != p.Session:
		if old.Session != "" {
			tx.locks.mut(tx.gen).Delete(lockKey(old.Session, p.Key))
		}
		fallthrough
	case !exists:
		if p.Session != "" {
			tx.locks.mut(tx.gen).Set(lockKey(p.Session, p.Key), struct{}{})
		}
	}
	tx.kv.mut(tx.gen).Set(p.Key, p)
	tx.touch(index, tableKV)
	tx.fire(TopicKey(p.Key))
	return p
}

// noEmptyValue keeps readers from having to tell two kinds of nothing apart.
func noEmptyValue(p *model.KVPair) {
	if len(p.Value) == 0 {
		p.Value = nil
	}
}

func sameKV(a, b *model.KVPair) bool {
	return a.Flags == b.Flags && a.Session == b.Session && a.LockIndex == b.LockIndex && bytes.Equal(a.Value, b.Value)
}

// kvSet writes the value and flags and keeps the lock. The lock's count starts
// again at 0, as clients of the original know it.
func (tx *txn) kvSet(index uint64, p *model.KVPair) *model.KVPair {
	n := &model.KVPair{Key: p.Key, Flags: p.Flags, Value: p.Value, LockIndex: p.LockIndex}
	if old, ok := tx.kv.get(p.Key); ok {
		n.Session = old.Session
	}
	return tx.kvPut(index, n)
}

// kvCAS writes if the entry has the given ModifyIndex; 0 means that there is
// no entry.
func (tx *txn) kvCAS(index uint64, p *model.KVPair) (*model.KVPair, bool) {
	old, exists := tx.kv.get(p.Key)
	if exists != (p.ModifyIndex != 0) || (exists && old.ModifyIndex != p.ModifyIndex) {
		return nil, false
	}
	return tx.kvSet(index, p), true
}

func (tx *txn) kvDelete(index uint64, key string) {
	old, ok := tx.kv.get(key)
	if !ok {
		return
	}
	tx.kv.mut(tx.gen).Delete(key)
	tx.tombstones.mut(tx.gen).Set(key, index)
	if old.Session != "" {
		tx.locks.mut(tx.gen).Delete(lockKey(old.Session, key))
	}
	tx.touch(index, tableKV, tableTombstones)
	tx.fire(TopicKey(key))
}

// kvDeleteCAS deletes if the entry has the given ModifyIndex. A key that is
// not there counts as deleted.
func (tx *txn) kvDeleteCAS(index uint64, key string, cas uint64) bool {
	old, ok := tx.kv.get(key)
	if ok && old.ModifyIndex != cas {
		return false
	}
	tx.kvDelete(index, key)
	return true
}

func (tx *txn) kvDeleteTree(index uint64, prefix string) {
	for _, p := range tx.kv.collect(prefix) {
		tx.kvDelete(index, p.Key)
	}
}

// kvLock writes and takes the lock for a session, if it is its own, or free and
// has been since the index that the command names.
func (tx *txn) kvLock(index uint64, p *model.KVPair) (*model.KVPair, bool, error) {
	if p.Session == "" {
		return nil, false, model.Errorf(model.Internal, "missing session")
	}
	if _, ok := tx.sessions.get(p.Session); !ok {
		return nil, false, model.Errorf(model.Internal, "invalid session %q", p.Session)
	}
	n := &model.KVPair{Key: p.Key, Flags: p.Flags, Value: p.Value, Session: p.Session, LockIndex: 1}
	old, ok := tx.kv.get(p.Key)
	if seen := p.ModifyIndex; seen != 0 && (!ok || old.Session == "") && tx.changed(p.Key) > seen {
		return nil, false, nil
	}
	if ok {
		switch old.Session {
		case "":
			n.LockIndex = old.LockIndex + 1
		case p.Session:
			n.LockIndex = old.LockIndex
		default:
			return nil, false, nil
		}
	}
	return tx.kvPut(index, n), true, nil
}

// changed is the index of the last change of a key, its deletion included; 0 when
// none is remembered.
func (v *Version) changed(key string) uint64 {
	if p, ok := v.kv.get(key); ok {
		return p.ModifyIndex
	}
	index, _ := v.tombstones.get(key)
	return index
}

// kvUnlock writes and gives the lock back, if the session holds it.
func (tx *txn) kvUnlock(index uint64, p *model.KVPair) (*model.KVPair, bool, error) {
	if p.Session == "" {
		return nil, false, model.Errorf(model.Internal, "missing session")
	}
	old, ok := tx.kv.get(p.Key)
	if !ok || old.Session != p.Session {
		return nil, false, nil
	}
	n := &model.KVPair{Key: p.Key, Flags: p.Flags, Value: p.Value, LockIndex: old.LockIndex}
	return tx.kvPut(index, n), true, nil
}

// Tombstones is how many deleted keys are remembered, and the highest index of
// a deletion.
func (v *Version) Tombstones() (n int, highest uint64) {
	i, _ := v.indexes.get(tableTombstones)
	return v.tombstones.len(), i
}

// applyTombstone forgets deletions. No reader needs to be woken: the answers
// stay the same.
func (tx *txn) applyTombstone(_ uint64, c *model.TombstoneCommand) any {
	var old []string
	tx.tombstones.scan("", func(key string, index uint64) bool {
		if index <= c.ReapIndex {
			old = append(old, key)
		}
		return true
	})
	if len(old) == 0 {
		return nil
	}
	m := tx.tombstones.mut(tx.gen)
	for _, k := range old {
		m.Delete(k)
	}
	return nil
}
