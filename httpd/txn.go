package httpd

import (
	"encoding/json"
	"net/http"

	"muster/model"
	"muster/ops"
)

// txnRequest is one operation as clients send it: keys are flat.
type txnRequest struct {
	KV *struct {
		Verb    model.KVOp
		Key     string
		Value   []byte
		Flags   uint64
		Index   uint64
		Session string
	}
	Node *struct {
		Verb model.TxnVerb
		Node model.Node
	}
	Service *struct {
		Verb    model.TxnVerb
		Node    string
		Service model.NodeService
	}
	Check *struct {
		Verb  model.TxnVerb
		Check model.HealthCheck
	}
	Session *struct {
		Verb    model.TxnVerb
		Session model.Session
	}
	Intention json.RawMessage
}

func (in *txnRequest) op() model.TxnOp {
	var op model.TxnOp
	switch {
	case in.KV != nil:
		op.KV = &model.TxnKV{Verb: in.KV.Verb, DirEnt: model.KVPair{Key: in.KV.Key, Value: in.KV.Value, Flags: in.KV.Flags,
			Session: in.KV.Session, RaftIndex: model.RaftIndex{ModifyIndex: in.KV.Index}}}
	case in.Node != nil:
		op.Node = &model.TxnNode{Verb: in.Node.Verb, Node: in.Node.Node}
	case in.Service != nil:
		op.Service = &model.TxnService{Verb: in.Service.Verb, Node: in.Service.Node, Service: in.Service.Service}
	case in.Check != nil:
		op.Check = &model.TxnCheck{Verb: in.Check.Verb, Check: in.Check.Check}
		op.Check.Check.Definition.Normalize()
	case in.Session != nil:
		op.Session = &model.TxnSession{Verb: in.Session.Verb, Session: in.Session.Session}
	}
	return op
}

// txnAnswer is the answer to a transaction that wrote.
type txnAnswer struct {
	Results []model.TxnResult
	Errors  []model.TxnError
}

// txnReadAnswer is the answer to one that only read.
type txnReadAnswer struct {
	txnAnswer
	Index            uint64
	LastContact      int64 // ns
	KnownLeader      bool
	ConsistencyLevel string
	NotModified      bool
}

func (c *call) txn() error {
	b, err := c.body(c.door.cfg.Ops.Limits().TxnBody, "txn_max_req_len")
	if err != nil {
		return err
	}
	var in []txnRequest
	if err := unmarshal(b, &in); err != nil {
		return model.Errorf(model.BadRequest, "Failed to parse body: %w", err)
	}
	if len(in) > model.TxnMaxOps {
		return model.Errorf(model.TooLarge, "Transaction contains too many operations (%d > %d)", len(in), model.TxnMaxOps)
	}
	t := &model.Txn{}
	limit := c.door.cfg.Ops.Limits().KVValue
	for i := range in {
		if in[i].Intention != nil {
			return model.Errorf(model.Unimplemented, "Intention operations in transactions are not implemented")
		}
		if kv := in[i].KV; kv != nil && int64(len(kv.Value)) > limit {
			return model.Errorf(model.TooLarge, "Value for key %q is too large (%d > %d bytes)", kv.Key, len(kv.Value), limit)
		}
		t.Ops = append(t.Ops, in[i].op())
	}
	resp, err := c.door.cfg.Ops.Txn(c.context(), &c.q, t)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(resp.Errors) > 0 {
		status = http.StatusConflict
	}
	if keysOnly(resp.Results) && !t.ReadOnly() && len(resp.Errors) == 0 {
		return c.sendJSON(status, renderTxn(resp.Results))
	}
	answer := txnAnswer{Results: resp.Results, Errors: resp.Errors}
	if !t.ReadOnly() || len(t.Ops) == 0 {
		return c.jsonStatus(status, answer)
	}
	meta := c.door.cfg.Ops.Meta(c.q.Mode)
	c.setContact(meta)
	read := txnReadAnswer{txnAnswer: answer, LastContact: int64(meta.LastContact), KnownLeader: meta.KnownLeader}
	if c.q.Mode == ops.Stale || c.q.Mode == ops.Consistent {
		read.ConsistencyLevel = hModes[c.q.Mode][0]
	}
	return c.jsonStatus(status, read)
}

func keysOnly(results []model.TxnResult) bool {
	for i := range results {
		if results[i].KV == nil {
			return false
		}
	}
	return true
}

// renderTxn writes the answer to a transaction on keys by hand, as renderKV
// does.
func renderTxn(results []model.TxnResult) *body {
	b := append(make([]byte, 0, 64+200*len(results)), `{"Results":[`...)
	for i := range results {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"KV":`...)
		b = appendKV(b, results[i].KV)
		b = append(b, '}')
	}
	return &body{json: append(b, `],"Errors":null}`...)}
}
