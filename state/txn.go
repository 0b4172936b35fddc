package state

import (
	"fmt"

	"muster/model"
)

// applyTxn carries out all operations or none.
func (tx *txn) applyTxn(index uint64, t *model.Txn) any {
	sp := tx.savepoint()
	resp := tx.runTxn(index, t)
	if len(resp.Errors) > 0 {
		tx.rollback(sp)
		tx.applied = index
	}
	return resp
}

// ReadTxn carries out a transaction that only reads.
func (v *Version) ReadTxn(t *model.Txn) *model.TxnResponse {
	if !t.ReadOnly() {
		return &model.TxnResponse{Errors: []model.TxnError{{What: "transaction writes"}}}
	}
	tx := &txn{Version: *v}
	return tx.runTxn(v.applied, t)
}

func (tx *txn) runTxn(index uint64, t *model.Txn) *model.TxnResponse {
	resp := &model.TxnResponse{Results: []model.TxnResult{}}
	for i := range t.Ops {
		op := &t.Ops[i]
		var results []model.TxnResult
		var err error
		switch {
		case op.KV != nil:
			results, err = tx.txnKV(index, op.KV)
		case op.Node != nil:
			results, err = tx.txnNode(index, op.Node)
		case op.Service != nil:
			results, err = tx.txnService(index, op.Service)
		case op.Check != nil:
			results, err = tx.txnCheck(index, op.Check)
		case op.Session != nil:
			err = tx.txnSession(index, op.Session)
		}
		if err != nil {
			resp.Errors = append(resp.Errors, model.TxnError{OpIndex: i, What: err.Error()})
			continue
		}
		resp.Results = append(resp.Results, results...)
	}
	if len(resp.Errors) > 0 {
		resp.Results = nil
	}
	return resp
}

func (tx *txn) txnKV(index uint64, op *model.TxnKV) ([]model.TxnResult, error) {
	p := &op.DirEnt
	var entry *model.KVPair
	switch op.Verb {
	case model.KVSet:
		entry = tx.kvSet(index, p)
	case model.KVCAS:
		var done bool
		if entry, done = tx.kvCAS(index, p); !done {
			return nil, fmt.Errorf("failed to set key %q, index is stale", p.Key)
		}
	case model.KVLock:
		var done bool
		var err error
		if entry, done, err = tx.kvLock(index, p); err != nil {
			return nil, err
		} else if !done {
			return nil, fmt.Errorf("failed to lock key %q, lock is already held", p.Key)
		}
	case model.KVUnlock:
		var done bool
		var err error
		if entry, done, err = tx.kvUnlock(index, p); err != nil {
			return nil, err
		} else if !done {
			return nil, fmt.Errorf("failed to unlock key %q, lock isn't held, or is held by another session", p.Key)
		}
	case model.KVDelete:
		tx.kvDelete(index, p.Key)
		return nil, nil
	case model.KVDeleteCAS:
		if !tx.kvDeleteCAS(index, p.Key, p.ModifyIndex) {
			return nil, fmt.Errorf("failed to delete key %q, index is stale", p.Key)
		}
		return nil, nil
	case model.KVDeleteTree:
		tx.kvDeleteTree(index, p.Key)
		return nil, nil
	default:
		return tx.txnReadKV(op)
	}
	return []model.TxnResult{{KV: withoutValue(entry)}}, nil
}

// txnReadKV carries out the verbs that only read.
func (v *Version) txnReadKV(op *model.TxnKV) ([]model.TxnResult, error) {
	key := op.DirEnt.Key
	entry, exists := v.kv.get(key)
	switch op.Verb {
	case model.KVGet:
		if !exists {
			return nil, fmt.Errorf("key %q doesn't exist", key)
		}
		return []model.TxnResult{{KV: entry}}, nil
	case model.KVGetOrEmpty:
		if !exists {
			entry = &model.KVPair{Key: key}
		}
		return []model.TxnResult{{KV: entry}}, nil
	case model.KVGetTree:
		var results []model.TxnResult
		for _, p := range v.kv.collect(key) {
			results = append(results, model.TxnResult{KV: p})
		}
		return results, nil
	case model.KVCheckSession:
		if !exists {
			return nil, fmt.Errorf("failed session check for key %q, key doesn't exist", key)
		}
		if entry.Session != op.DirEnt.Session {
			return nil, fmt.Errorf("failed session check for key %q, current session %q != %q", key, entry.Session, op.DirEnt.Session)
		}
	case model.KVCheckIndex:
		if !exists {
			return nil, fmt.Errorf("failed index check for key %q, key doesn't exist", key)
		}
		if entry.ModifyIndex != op.DirEnt.ModifyIndex {
			return nil, fmt.Errorf("failed index check for key %q, current modify index %d != %d", key, entry.ModifyIndex, op.DirEnt.ModifyIndex)
		}
	case model.KVCheckNotExists:
		if exists {
			return nil, fmt.Errorf("key %q exists", key)
		}
		return nil, nil
	default:
		return nil, fmt.Errorf("unknown KV verb %q", op.Verb)
	}
	return []model.TxnResult{{KV: withoutValue(entry)}}, nil
}

func withoutValue(p *model.KVPair) *model.KVPair {
	c := *p
	c.Value = nil
	return &c
}

// txnTarget is what the verbs of nodes, instances and checks have in common.
type txnTarget struct {
	what    string // for errors: `node "n1"`
	exists  bool
	current uint64 // ModifyIndex of what is there
	given   uint64 // ModifyIndex that the operation names
	put     func() error
	remove  func()
	result  func() model.TxnResult
}

func (t txnTarget) run(kind string, verb model.TxnVerb) ([]model.TxnResult, error) {
	switch verb {
	case model.VerbGet:
		if !t.exists {
			return nil, fmt.Errorf("%s doesn't exist", t.what)
		}
	case model.VerbCAS:
		if t.exists != (t.given != 0) || t.current != t.given {
			return nil, fmt.Errorf("failed to set %s, index is stale", t.what)
		}
		fallthrough
	case model.VerbSet:
		if err := t.put(); err != nil {
			return nil, err
		}
	case model.VerbDeleteCAS:
		if !t.exists || t.current != t.given {
			return nil, fmt.Errorf("failed to delete %s, index is stale", t.what)
		}
		fallthrough
	case model.VerbDelete:
		if t.exists {
			t.remove()
		}
		return nil, nil
	default:
		return nil, fmt.Errorf("unknown %s verb %q", kind, verb)
	}
	return []model.TxnResult{t.result()}, nil
}

func (tx *txn) txnNode(index uint64, op *model.TxnNode) ([]model.TxnResult, error) {
	n := op.Node
	find := func() *model.Node {
		if n.ID != "" {
			if found, ok := tx.nodeIDs.get(fold(n.ID)); ok {
				return found
			}
		}
		found, _ := tx.nodes.get(fold(n.Node))
		return found
	}
	old := find()
	t := txnTarget{
		what: fmt.Sprintf("node %q", n.Node), exists: old != nil, given: n.ModifyIndex,
		put: func() error {
			n.ID = fold(n.ID)
			if err := tx.nodeConflict(&n); err != nil {
				return err
			}
			tx.putNode(index, &n)
			return nil
		},
		remove: func() { tx.deleteNode(index, old.Node) },
		result: func() model.TxnResult { return model.TxnResult{Node: find()} },
	}
	if old != nil {
		t.current = old.ModifyIndex
	}
	return t.run("Node", op.Verb)
}

func (tx *txn) txnService(index uint64, op *model.TxnService) ([]model.TxnResult, error) {
	s := op.Service
	old := tx.Service(op.Node, s.ID)
	t := txnTarget{
		what: fmt.Sprintf("service %q on node %q", s.ID, op.Node), exists: old != nil, given: s.ModifyIndex,
		put: func() error {
			n, ok := tx.nodes.get(fold(op.Node))
			if !ok {
				return fmt.Errorf("node %q doesn't exist", op.Node)
			}
			tx.putService(index, n.Node, &s)
			return nil
		},
		remove: func() { tx.deleteService(index, op.Node, s.ID) },
		result: func() model.TxnResult { return model.TxnResult{Service: tx.Service(op.Node, s.ID)} },
	}
	if old != nil {
		t.current = old.ModifyIndex
	}
	return t.run("Service", op.Verb)
}

func (tx *txn) txnCheck(index uint64, op *model.TxnCheck) ([]model.TxnResult, error) {
	c := op.Check
	if c.CheckID == "" {
		c.CheckID = c.Name
	}
	old := tx.Check(c.Node, c.CheckID)
	t := txnTarget{
		what: fmt.Sprintf("check %q on node %q", c.CheckID, c.Node), exists: old != nil, given: c.ModifyIndex,
		put: func() error {
			n, ok := tx.nodes.get(fold(c.Node))
			if !ok {
				return fmt.Errorf("node %q doesn't exist", c.Node)
			}
			if c.ServiceID != "" && tx.Service(c.Node, c.ServiceID) == nil {
				return fmt.Errorf("Missing service registration on node %q", c.Node) //nolint:staticcheck // text of the API
			}
			c.Node = n.Node
			tx.putCheck(index, &c)
			return nil
		},
		remove: func() { tx.deleteCheck(index, c.Node, c.CheckID) },
		result: func() model.TxnResult { return model.TxnResult{Check: tx.Check(c.Node, c.CheckID)} },
	}
	if old != nil {
		t.current = old.ModifyIndex
	}
	return t.run("Check", op.Verb)
}

func (tx *txn) txnSession(index uint64, op *model.TxnSession) error {
	if op.Verb != model.VerbDelete {
		return fmt.Errorf("unknown Session verb %q", op.Verb)
	}
	if s, ok := tx.sessions.get(op.Session.ID); ok {
		tx.endSession(index, s)
	}
	return nil
}
