package ops_test

import (
	"fmt"
	"strings"
	"testing"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

// kv is an operation on a key.
func kv(verb model.KVOp, key, value string) model.TxnOp {
	return model.TxnOp{KV: &model.TxnKV{Verb: verb, DirEnt: model.KVPair{Key: key, Value: []byte(value)}}}
}

// What a transaction cannot do is told for every operation, in their order,
// before anything is proposed.
func TestTxnChecksBeforehand(t *testing.T) {
	large := strings.Repeat("v", 11)
	for _, c := range []struct {
		ops  []model.TxnOp
		want string
	}{
		{[]model.TxnOp{kv(model.KVSet, "", "v")}, "0: Must provide key"},
		{[]model.TxnOp{kv(model.KVGet, "", "")}, "0: Must provide key"},
		{[]model.TxnOp{kv(model.KVSet, "a", "v"), kv(model.KVSet, "k", large), kv(model.KVSet, "", "v")},
			`1: Value for key "k" is too large (11 > 10 bytes); 2: Must provide key`},
		{[]model.TxnOp{kv(model.KVSet, "hidden", "v"), kv(model.KVGet, "hidden", "")},
			`0: Permission denied: token lacks permission 'key:write' on "hidden"; 1: Permission denied: token lacks permission 'key:read' on "hidden"`},
		{[]model.TxnOp{{Node: &model.TxnNode{Verb: model.VerbSet}}}, "0: Must provide node"},
		{[]model.TxnOp{{Node: &model.TxnNode{Verb: model.VerbSet, Node: model.Node{Node: "n", ID: "short"}}}}, "0: Bad node ID: uuid string is wrong length"},
		{[]model.TxnOp{{Node: &model.TxnNode{Verb: model.VerbSet, Node: model.Node{Node: "a\x00b"}}}}, "0: Node must not contain a NUL byte"},
		{[]model.TxnOp{{Service: &model.TxnService{Verb: model.VerbSet, Node: "n1", Service: model.NodeService{ID: "x"}}}}, "0: Must provide service name with ID"},
		{[]model.TxnOp{{Service: &model.TxnService{Verb: model.VerbSet, Node: "n1"}}}, "0: Must provide service name"},
		{[]model.TxnOp{{Service: &model.TxnService{Verb: model.VerbSet, Node: "n1", Service: model.NodeService{Service: "x", Address: "::"}}}},
			"0: Invalid service address"},
		{[]model.TxnOp{{Check: &model.TxnCheck{Verb: model.VerbSet, Check: model.HealthCheck{CheckID: "c"}}}}, "0: Must provide node"},
		{[]model.TxnOp{{Check: &model.TxnCheck{Verb: model.VerbSet, Check: model.HealthCheck{Node: "n1", CheckID: "c", Status: "odd"}}}},
			`0: Invalid check status "odd": must be passing, warning or critical`},
		{[]model.TxnOp{{}, {}}, ""},
	} {
		l, _ := newTown(t, acl.AllowAll{})
		o := l.Ops(opstest.Tokens{"": opstest.Except("hidden")}, func(c *ops.Config) { c.Limits.KVValue = 10 })
		before := l.Store.Current().Applied()
		resp, err := o.Txn(t.Context(), &ops.Query{}, &model.Txn{Ops: c.ops})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range resp.Errors {
			got = append(got, fmt.Sprintf("%d: %s", e.OpIndex, e.What))
		}
		if text := strings.Join(got, "; "); text != c.want || resp.Results == nil && c.want == "" {
			t.Errorf("%+v: %s, want %s", resp, text, c.want)
		}
		if after := l.Store.Current().Applied(); after != before {
			t.Errorf("%s: %d commands were proposed", c.want, after-before)
		}
	}
}

// All of a transaction happens or none; errors of the log are the caller's.
func TestTxnWrites(t *testing.T) {
	l, o := newTown(t, acl.AllowAll{})
	run := func(list ...model.TxnOp) *model.TxnResponse {
		t.Helper()
		resp, err := o.Txn(t.Context(), &ops.Query{}, &model.Txn{Ops: list})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if resp := run(kv(model.KVSet, "new", "v"), kv(model.KVGet, "none", "")); len(resp.Errors) != 1 || resp.Results != nil ||
		resp.Errors[0].What != `key "none" doesn't exist` {
		t.Errorf("%+v", resp)
	}
	if _, p := l.Store.Current().KVGet("new"); p != nil {
		t.Error("half of it happened")
	}
	if resp := run(kv(model.KVSet, "new", "v"), kv(model.KVGet, "new", "")); len(resp.Results) != 2 || string(resp.Results[1].KV.Value) != "v" {
		t.Errorf("%+v", resp)
	}
	l.SetPropose(func() error { return model.ErrLeadershipLost })
	if _, err := o.Txn(t.Context(), &ops.Query{}, &model.Txn{Ops: []model.TxnOp{kv(model.KVSet, "new", "w")}}); model.KindOf(err) != model.LeadershipLost {
		t.Errorf("%v", err)
	}
	// What only reads is not proposed.
	if resp := run(kv(model.KVGet, "new", ""), kv(model.KVGetTree, "", ""), kv(model.KVCheckNotExists, "none", "")); len(resp.Results) != 5 {
		t.Errorf("%+v", resp)
	}
}

// KVApply tells by a bool what was not done, and by an error what cannot be.
func TestKVApply(t *testing.T) {
	_, o := newTown(t, acl.AllowAll{})
	apply := func(op model.KVOp, p model.KVPair) string {
		done, err := o.KVApply(t.Context(), "", &model.KVCommand{Op: op, DirEnt: p})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(done)
	}
	for _, c := range []struct {
		op   model.KVOp
		p    model.KVPair
		want string
	}{
		{model.KVSet, model.KVPair{}, "Must provide key"},
		{model.KVSet, model.KVPair{Key: "k", Value: make([]byte, 512<<10+1)}, `Value for key "k" is too large (524289 > 524288 bytes)`},
		{model.KVCAS, model.KVPair{Key: "k"}, "true"},
		{model.KVCAS, model.KVPair{Key: "k"}, "false"},
		{model.KVLock, model.KVPair{Key: "k"}, "missing session"},
		{model.KVLock, model.KVPair{Key: "k", Session: "x"}, "failed session lookup: index error: UUID must be 36 characters"},
		{model.KVLock, model.KVPair{Key: "k", Session: "44444444-4444-4444-4444-444444444444"},
			`invalid session "44444444-4444-4444-4444-444444444444"`},
		{model.KVLock, model.KVPair{Key: "k", Session: sessionID}, "true"},
		{model.KVUnlock, model.KVPair{Key: "k"}, "missing session"},
		{model.KVUnlock, model.KVPair{Key: "k", Session: "x"}, "false"},
		{model.KVUnlock, model.KVPair{Key: "k", Session: sessionID}, "true"},
		{model.KVDeleteCAS, model.KVPair{Key: "none"}, "true"},
		{model.KVDelete, model.KVPair{Key: "none"}, "true"},
		{model.KVDeleteTree, model.KVPair{}, "true"},
	} {
		if got := apply(c.op, c.p); got != c.want {
			t.Errorf("%s: %s, want %s", c.op, got, c.want)
		}
	}
}
