package state

import (
	"bytes"
	"fmt"
	"testing"

	"muster/model"
)

// cluster applies commands to a store as a log would, one index each, and
// checks the tables after each.
type cluster struct {
	t     testing.TB
	s     *Store
	index uint64
}

type command struct {
	typ  model.CommandType
	body any
}

func newCluster(t testing.TB) *cluster { return &cluster{t: t, s: New(), index: 10} }

func commandType(c any) model.CommandType {
	switch c.(type) {
	case *model.RegisterRequest:
		return model.CmdRegister
	case *model.DeregisterRequest:
		return model.CmdDeregister
	case *model.KVCommand:
		return model.CmdKV
	case *model.SessionCommand:
		return model.CmdSession
	case *model.TombstoneCommand:
		return model.CmdTombstone
	case *model.CoordinatesCommand:
		return model.CmdCoordinates
	case *model.AutopilotCommand:
		return model.CmdAutopilot
	case *model.Txn:
		return model.CmdTxn
	case *model.QueryCommand:
		return model.CmdQuery
	}
	panic(fmt.Sprintf("no command: %T", c))
}

func (c *cluster) batch(commands ...command) []any {
	c.t.Helper()
	var entries []Entry
	for _, x := range commands {
		c.index++
		entries = append(entries, Entry{c.index, mustEncode(c.t, x.typ, x.body)})
	}
	results := c.s.Apply(entries)
	checkInvariants(c.t, c.v())
	return results
}

func (c *cluster) apply(t model.CommandType, body any) any {
	c.t.Helper()
	return c.batch(command{t, body})[0]
}

// do applies a command that must not fail, and returns its index.
func (c *cluster) do(body any) uint64 {
	c.t.Helper()
	if err, ok := c.apply(commandType(body), body).(error); ok {
		c.t.Fatalf("%T: %v", body, err)
	}
	return c.index
}

// fails applies a command that must fail with a text, and change nothing.
func (c *cluster) fails(body any, text string) {
	c.t.Helper()
	before := content(c.t, c.v())
	err, ok := c.apply(commandType(body), body).(error)
	if !ok || err.Error() != text {
		c.t.Errorf("%T: got %v, want %q", body, err, text)
	}
	if !bytes.Equal(content(c.t, c.v()), before) {
		c.t.Errorf("%T: it failed and yet changed something", body)
	}
}

func (c *cluster) v() *Version { return c.s.Current() }

func (c *cluster) kv(op model.KVOp, p model.KVPair) any {
	c.t.Helper()
	return c.apply(model.CmdKV, &model.KVCommand{Op: op, DirEnt: p})
}

func (c *cluster) kvSet(key, value string) uint64 {
	c.t.Helper()
	return c.do(&model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: key, Value: []byte(value)}})
}

// pair is an entry that must be there.
func (c *cluster) pair(key string) *model.KVPair {
	c.t.Helper()
	index, p := c.v().KVGet(key)
	if p == nil {
		c.t.Fatalf("key %q is not there", key)
	}
	if index != p.ModifyIndex {
		c.t.Errorf("key %q: index %d, ModifyIndex %d", key, index, p.ModifyIndex)
	}
	return p
}

func (c *cluster) register(r *model.RegisterRequest) uint64 {
	c.t.Helper()
	return c.do(r)
}

// check sets the state of a check on a node that is there.
func (c *cluster) check(node, id, serviceID, status string) uint64 {
	c.t.Helper()
	return c.do(&model.RegisterRequest{Node: node, SkipNodeUpdate: true,
		Check: &model.HealthCheck{CheckID: id, Name: id, ServiceID: serviceID, Status: status}})
}

func (c *cluster) session(s model.Session) {
	c.t.Helper()
	if got := c.apply(model.CmdSession, &model.SessionCommand{Op: model.SessionCreate, Session: s}); got != s.ID {
		c.t.Fatalf("create session %q: %v", s.ID, got)
	}
}

func (c *cluster) destroy(id string) uint64 {
	c.t.Helper()
	return c.do(&model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: id}})
}

func (c *cluster) txn(ops ...model.TxnOp) *model.TxnResponse {
	c.t.Helper()
	before := content(c.t, c.v())
	resp := c.apply(model.CmdTxn, &model.Txn{Ops: ops}).(*model.TxnResponse)
	if len(resp.Errors) > 0 && !bytes.Equal(content(c.t, c.v()), before) {
		c.t.Errorf("a transaction failed and yet changed something")
	}
	if len(resp.Errors) > 0 && resp.Results != nil {
		c.t.Errorf("a transaction failed and yet has results")
	}
	return resp
}

func (c *cluster) restore(snapshot []byte) {
	c.t.Helper()
	if _, err := c.s.Restore(bytes.NewReader(snapshot)); err != nil {
		c.t.Fatalf("restore: %v", err)
	}
	checkInvariants(c.t, c.v())
}

func (c *cluster) noWatches() {
	c.t.Helper()
	if n := c.s.Watches(); n != 0 || len(c.s.hub.heads) != 0 || len(c.s.hub.prefixes) != 0 {
		c.t.Errorf("%d watches are left, %d topics, %d lengths of prefixes", n, len(c.s.hub.heads), len(c.s.hub.prefixes))
	}
}

// expect compares printed forms.
func expect(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}
