package state

import (
	"fmt"
	"testing"

	"muster/model"
)

func kvOp(verb model.KVOp, p model.KVPair) model.TxnOp {
	return model.TxnOp{KV: &model.TxnKV{Verb: verb, DirEnt: p}}
}

func nodeOp(verb model.TxnVerb, n model.Node) model.TxnOp {
	return model.TxnOp{Node: &model.TxnNode{Verb: verb, Node: n}}
}

func serviceOp(verb model.TxnVerb, node string, s model.NodeService) model.TxnOp {
	return model.TxnOp{Service: &model.TxnService{Verb: verb, Node: node, Service: s}}
}

func checkOp(verb model.TxnVerb, c model.HealthCheck) model.TxnOp {
	return model.TxnOp{Check: &model.TxnCheck{Verb: verb, Check: c}}
}

func pairs(resp *model.TxnResponse) string {
	out := fmt.Sprint(resp.Errors)
	for _, r := range resp.Results {
		out += fmt.Sprintf(" %s=%q/%d", r.KV.Key, r.KV.Value, r.KV.ModifyIndex)
	}
	return out
}

func TestTxnKV(t *testing.T) {
	c := withNode(t)
	c.session(model.Session{ID: "x1", Node: "n1"})
	resp := c.txn(kvOp(model.KVSet, model.KVPair{Key: "a", Value: []byte("1"), Flags: 7}),
		kvOp(model.KVSet, model.KVPair{Key: "dir/b", Value: []byte("2")}), kvOp(model.KVSet, model.KVPair{Key: "dir/c", Value: []byte("3")}))
	set := c.index
	expect(t, "set blanks the values", pairs(resp), fmt.Sprintf(`[] a=""/%d dir/b=""/%d dir/c=""/%d`, set, set, set))
	if resp.Results[0].KV.Value != nil {
		t.Error("a blank value is not nil")
	}
	expect(t, "the entry keeps its own", string(c.pair("a").Value), "1")
	resp = c.txn(kvOp(model.KVGet, model.KVPair{Key: "a"}), kvOp(model.KVGetTree, model.KVPair{Key: "dir/"}), kvOp(model.KVGetOrEmpty, model.KVPair{Key: "none"}))
	expect(t, "get", pairs(resp), fmt.Sprintf(`[] a="1"/%d dir/b="2"/%d dir/c="3"/%d none=""/0`, set, set, set))
	resp = c.txn(kvOp(model.KVCAS, model.KVPair{Key: "a", Value: []byte("2"), RaftIndex: at(set)}), kvOp(model.KVCAS, model.KVPair{Key: "new"}))
	expect(t, "cas", pairs(resp), fmt.Sprintf(`[] a=""/%d new=""/%d`, c.index, c.index))
	resp = c.txn(kvOp(model.KVLock, model.KVPair{Key: "l", Value: []byte("l"), Session: "x1"}), kvOp(model.KVCheckSession, model.KVPair{Key: "l", Session: "x1"}),
		kvOp(model.KVCheckNotExists, model.KVPair{Key: "nothing"}))
	locked := c.index
	expect(t, "lock", pairs(resp), fmt.Sprintf(`[] l=""/%d l=""/%d`, locked, locked))
	expect(t, "lock", fmt.Sprint(resp.Results[0].KV.Session, resp.Results[0].KV.LockIndex), "x11")
	resp = c.txn(kvOp(model.KVCheckIndex, model.KVPair{Key: "l", RaftIndex: at(locked)}), kvOp(model.KVUnlock, model.KVPair{Key: "l", Session: "x1"}),
		kvOp(model.KVCheckSession, model.KVPair{Key: "l"}))
	expect(t, "unlock", pairs(resp), fmt.Sprintf(`[] l=""/%d l=""/%d l=""/%d`, locked, c.index, c.index))
	resp = c.txn(kvOp(model.KVDelete, model.KVPair{Key: "dir/b"}), kvOp(model.KVDeleteCAS, model.KVPair{Key: "dir/c", RaftIndex: at(set)}),
		kvOp(model.KVDeleteTree, model.KVPair{Key: "l"}), kvOp(model.KVDelete, model.KVPair{Key: "none"}), model.TxnOp{})
	expect(t, "delete", fmt.Sprint(resp.Errors, len(resp.Results), resp.Results != nil), "[] 0 true")
	_, keys := c.v().KVKeys("", "")
	expect(t, "what is left", keys, []string{"a", "new"})
	expect(t, "a mixed one is seen whole", c.pair("new").ModifyIndex, c.pair("a").ModifyIndex)
}

func TestTxnErrorTexts(t *testing.T) {
	c := withNode(t)
	c.session(model.Session{ID: "x1", Node: "n1"})
	c.session(model.Session{ID: "x2", Node: "n1"})
	a := c.kvSet("a", "1")
	c.kv(model.KVLock, model.KVPair{Key: "l", Session: "x1"})
	var ops []model.TxnOp
	var want []model.TxnError
	fails := func(op model.TxnOp, what string) {
		want = append(want, model.TxnError{OpIndex: len(ops), What: what})
		ops = append(ops, op)
	}
	ops = append(ops, kvOp(model.KVSet, model.KVPair{Key: "innocent"}))
	fails(kvOp(model.KVCAS, model.KVPair{Key: "a", RaftIndex: at(a - 1)}), `failed to set key "a", index is stale`)
	fails(kvOp(model.KVCAS, model.KVPair{Key: "a"}), `failed to set key "a", index is stale`)
	fails(kvOp(model.KVDeleteCAS, model.KVPair{Key: "a", RaftIndex: at(1)}), `failed to delete key "a", index is stale`)
	fails(kvOp(model.KVLock, model.KVPair{Key: "l", Session: "x2"}), `failed to lock key "l", lock is already held`)
	fails(kvOp(model.KVLock, model.KVPair{Key: "l"}), `missing session`)
	fails(kvOp(model.KVLock, model.KVPair{Key: "l", Session: "none"}), `invalid session "none"`)
	fails(kvOp(model.KVUnlock, model.KVPair{Key: "l", Session: "x2"}), `failed to unlock key "l", lock isn't held, or is held by another session`)
	fails(kvOp(model.KVUnlock, model.KVPair{Key: "a", Session: "x2"}), `failed to unlock key "a", lock isn't held, or is held by another session`)
	fails(kvOp(model.KVGet, model.KVPair{Key: "none"}), `key "none" doesn't exist`)
	fails(kvOp(model.KVCheckSession, model.KVPair{Key: "a", Session: "x1"}), `failed session check for key "a", current session "" != "x1"`)
	fails(kvOp(model.KVCheckSession, model.KVPair{Key: "none", Session: "x1"}), `failed session check for key "none", key doesn't exist`)
	fails(kvOp(model.KVCheckIndex, model.KVPair{Key: "a", RaftIndex: at(1)}), fmt.Sprintf(`failed index check for key "a", current modify index %d != 1`, a))
	fails(kvOp(model.KVCheckIndex, model.KVPair{Key: "none"}), `failed index check for key "none", key doesn't exist`)
	fails(kvOp(model.KVCheckNotExists, model.KVPair{Key: "a"}), `key "a" exists`)
	fails(kvOp("nonsense", model.KVPair{Key: "a"}), `unknown KV verb "nonsense"`)
	fails(nodeOp(model.VerbGet, model.Node{Node: "none"}), `node "none" doesn't exist`)
	fails(nodeOp(model.VerbCAS, model.Node{Node: "n1", RaftIndex: at(1)}), `failed to set node "n1", index is stale`)
	fails(nodeOp(model.VerbDeleteCAS, model.Node{Node: "n1", RaftIndex: at(1)}), `failed to delete node "n1", index is stale`)
	fails(nodeOp("nonsense", model.Node{Node: "n1"}), `unknown Node verb "nonsense"`)
	fails(serviceOp(model.VerbGet, "n1", model.NodeService{ID: "none"}), `service "none" on node "n1" doesn't exist`)
	fails(serviceOp(model.VerbSet, "none", model.NodeService{ID: "web1"}), `node "none" doesn't exist`)
	fails(serviceOp(model.VerbCAS, "n1", model.NodeService{ID: "web1", RaftIndex: at(1)}), `failed to set service "web1" on node "n1", index is stale`)
	fails(serviceOp(model.VerbDeleteCAS, "n1", model.NodeService{ID: "web1", RaftIndex: at(1)}), `failed to delete service "web1" on node "n1", index is stale`)
	fails(checkOp(model.VerbGet, model.HealthCheck{Node: "n1", CheckID: "none"}), `check "none" on node "n1" doesn't exist`)
	fails(checkOp(model.VerbSet, model.HealthCheck{Node: "none", CheckID: "c"}), `node "none" doesn't exist`)
	fails(checkOp(model.VerbSet, model.HealthCheck{Node: "n1", CheckID: "c", ServiceID: "none"}), `Missing service registration on node "n1"`)
	fails(checkOp(model.VerbCAS, model.HealthCheck{Node: "n1", CheckID: "serfHealth", RaftIndex: at(1)}), `failed to set check "serfHealth" on node "n1", index is stale`)
	fails(checkOp(model.VerbDeleteCAS, model.HealthCheck{Node: "n1", CheckID: "serfHealth", RaftIndex: at(1)}), `failed to delete check "serfHealth" on node "n1", index is stale`)
	fails(model.TxnOp{Session: &model.TxnSession{Verb: model.VerbGet}}, `unknown Session verb "get"`)
	resp := c.txn(ops...)
	for i, w := range want {
		if i < len(resp.Errors) && resp.Errors[i] != w {
			t.Errorf("got %v, want %v", resp.Errors[i], w)
		}
	}
	expect(t, "errors", len(resp.Errors), len(want))
}

func TestTxnCatalog(t *testing.T) {
	c := newCluster(t)
	resp := c.txn(nodeOp(model.VerbSet, model.Node{Node: "n1", Address: "10.0.0.1", Meta: map[string]string{"k": "v"}}),
		serviceOp(model.VerbSet, "N1", model.NodeService{ID: "web1", Service: "web", Port: 80}),
		checkOp(model.VerbSet, model.HealthCheck{Node: "N1", CheckID: "c1", Name: "c1", Status: model.HealthPassing, ServiceID: "WEB1"}),
		checkOp(model.VerbSet, model.HealthCheck{Node: "n1", Name: "by name"}))
	made := c.index
	expect(t, "errors", resp.Errors, "[]")
	n, s, ch := resp.Results[0].Node, resp.Results[1].Service, resp.Results[2].Check
	expect(t, "node", fmt.Sprint(n.Node, n.Address, n.Meta, n.CreateIndex, n.ModifyIndex), fmt.Sprint("n1", "10.0.0.1", map[string]string{"k": "v"}, made, made))
	expect(t, "service", fmt.Sprint(s.ID, s.Service, s.Port, s.ModifyIndex), fmt.Sprint("web1", "web", 80, made))
	expect(t, "check", fmt.Sprint(ch.Node, ch.CheckID, ch.ServiceID, ch.ServiceName, ch.ModifyIndex), fmt.Sprint("n1", "c1", "web1", "web", made))
	expect(t, "check without ID", fmt.Sprint(resp.Results[3].Check.CheckID, resp.Results[3].Check.Status), "by namecritical")
	expect(t, "health", health(c.v(), "web"), fmt.Sprint(made, " n1/web1( by name:critical c1:passing )"))

	get := []model.TxnOp{nodeOp(model.VerbGet, model.Node{Node: "N1"}), serviceOp(model.VerbGet, "n1", model.NodeService{ID: "WEB1"}),
		checkOp(model.VerbGet, model.HealthCheck{Node: "n1", CheckID: "C1"})}
	read := c.v().ReadTxn(&model.Txn{Ops: get})
	expect(t, "read", describe(read), describe(c.txn(get...)))

	resp = c.txn(nodeOp(model.VerbCAS, model.Node{Node: "n1", Address: "10.0.0.2", RaftIndex: at(made)}))
	expect(t, "cas", fmt.Sprint(resp.Errors, resp.Results[0].Node.Address, resp.Results[0].Node.Meta, resp.Results[0].Node.CreateIndex), fmt.Sprint("[]", "10.0.0.2", map[string]string{}, made))
	resp = c.txn(serviceOp(model.VerbCAS, "n1", model.NodeService{ID: "web1", Service: "web", Port: 81, RaftIndex: at(made)}),
		checkOp(model.VerbCAS, model.HealthCheck{Node: "n1", CheckID: "c1", ServiceID: "web1", Status: model.HealthWarning, RaftIndex: at(made)}),
		serviceOp(model.VerbCAS, "n1", model.NodeService{ID: "db1", Service: "db"}),
		checkOp(model.VerbCAS, model.HealthCheck{Node: "n1", CheckID: "new"}),
		nodeOp(model.VerbCAS, model.Node{Node: "n2"}))
	expect(t, "cas", fmt.Sprint(resp.Errors, len(resp.Results)), "[] 5")
	changed := c.index
	resp = c.txn(checkOp(model.VerbDeleteCAS, model.HealthCheck{Node: "n1", CheckID: "c1", RaftIndex: at(changed)}),
		serviceOp(model.VerbDeleteCAS, "n1", model.NodeService{ID: "db1", RaftIndex: at(changed)}),
		nodeOp(model.VerbDeleteCAS, model.Node{Node: "n2", RaftIndex: at(changed)}),
		checkOp(model.VerbDelete, model.HealthCheck{Node: "n1", CheckID: "new"}),
		checkOp(model.VerbDelete, model.HealthCheck{Node: "n1", CheckID: "none"}),
		serviceOp(model.VerbDelete, "n1", model.NodeService{ID: "web1", Service: "web"}),
		nodeOp(model.VerbDelete, model.Node{Node: "n1"}), nodeOp(model.VerbDelete, model.Node{Node: "n1"}))
	expect(t, "delete", fmt.Sprint(resp.Errors, len(resp.Results)), "[] 0")
	expect(t, "nodes", nodeNames(c.v()), fmt.Sprint(c.index))
}

// A node is found by its ID, whatever name the operation gives it.
func TestTxnNodeByID(t *testing.T) {
	c := newCluster(t)
	c.register(&model.RegisterRequest{ID: uuid1, Node: "n1", Address: "10.0.0.1"})
	resp := c.txn(nodeOp(model.VerbGet, model.Node{ID: uuid1, Node: "other"}))
	expect(t, "get", resp.Results[0].Node.Node, "n1")
	resp = c.txn(nodeOp(model.VerbCAS, model.Node{ID: uuid1, Node: "n9", Address: "10.0.0.1", RaftIndex: at(c.v().Node("n1").ModifyIndex)}))
	expect(t, "rename", fmt.Sprint(resp.Errors, resp.Results[0].Node.Node), "[]n9")
	expect(t, "nodes", nodeNames(c.v()), fmt.Sprint(c.index, " n9"))
}

// What fails late takes back what was done early: sessions that ended, locks
// that were released, watches that would have fired.
func TestTxnRollsEverythingBack(t *testing.T) {
	c := withNode(t)
	c.session(model.Session{ID: "x1", Node: "n1", NodeChecks: []string{model.SerfHealthID}})
	c.kv(model.KVLock, model.KVPair{Key: "l", Session: "x1"})
	c.kvSet("a", "1")
	released := 0
	c.s.OnRelease(func(r []Release) { released += len(r) })
	w := c.s.Watch(everything()...)
	resp := c.txn(
		kvOp(model.KVDeleteTree, model.KVPair{}),
		nodeOp(model.VerbSet, model.Node{Node: "n2", Address: "10.0.0.2"}),
		checkOp(model.VerbSet, model.HealthCheck{Node: "n1", CheckID: model.SerfHealthID, Status: model.HealthCritical}),
		nodeOp(model.VerbDelete, model.Node{Node: "n1"}),
		kvOp(model.KVGet, model.KVPair{Key: "a"}),
	)
	expect(t, "errors", resp.Errors, []model.TxnError{{OpIndex: 4, What: `key "a" doesn't exist`}})
	expect(t, "applied", c.v().Applied(), c.index)
	if w.Fired() || released != 0 {
		t.Errorf("a watch fired: %v, %d locks released", w.Fired(), released)
	}
	// What follows in the same batch builds on what was before.
	results := c.batch(
		command{model.CmdKV, &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "b"}}},
		command{model.CmdTxn, &model.Txn{Ops: []model.TxnOp{kvOp(model.KVDeleteTree, model.KVPair{}), kvOp(model.KVGet, model.KVPair{Key: "a"})}}},
		command{model.CmdKV, &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "c"}}},
	)
	expect(t, "the others", fmt.Sprint(results[0], results[2]), "true true")
	_, keys := c.v().KVKeys("", "")
	expect(t, "keys", keys, []string{"a", "b", "c", "l"})
}

func TestReadTxnRefusesToWrite(t *testing.T) {
	c := withNode(t)
	for _, op := range []model.TxnOp{
		kvOp(model.KVSet, model.KVPair{Key: "a"}), kvOp(model.KVUnlock, model.KVPair{Key: "a"}), nodeOp(model.VerbSet, model.Node{Node: "n2"}),
		serviceOp(model.VerbDelete, "n1", model.NodeService{ID: "web1"}), checkOp(model.VerbCAS, model.HealthCheck{Node: "n1"}),
		{Session: &model.TxnSession{Verb: model.VerbDelete}},
	} {
		resp := c.v().ReadTxn(&model.Txn{Ops: []model.TxnOp{op}})
		if len(resp.Errors) != 1 || resp.Errors[0].What != "transaction writes" {
			t.Errorf("%+v: %+v", op, resp)
		}
	}
	resp := c.v().ReadTxn(&model.Txn{})
	expect(t, "empty", fmt.Sprint(resp.Results != nil, len(resp.Errors)), "true 0")
}
