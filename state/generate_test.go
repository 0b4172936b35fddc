package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"muster/model"
)

// The generators draw from few names, so that commands meet each other's
// objects, in several spellings.

func oneOf[T any](t *rapid.T, label string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, label)
}

func drawNode(t *rapid.T) string {
	return oneOf(t, "node", "n1", "N1", "n2", "n3", "ſ", "", "n1\x00s1")
}

func drawNodeID(t *rapid.T) string {
	return oneOf(t, "node id", "", "", "7f2f4953-0000-0000-0000-000000000001", "7F2F4953-0000-0000-0000-000000000001", "7f2f4953-0000-0000-0000-000000000002")
}

func drawServiceID(t *rapid.T) string {
	return oneOf(t, "service id", "s1", "S1", "s2", "ſ1", "s1\x00")
}

func drawServiceName(t *rapid.T) string {
	return oneOf(t, "service", "web", "Web", "db", "we", "", "web\x00n1")
}

func drawCheckID(t *rapid.T) string {
	return oneOf(t, "check id", "c1", "C1", "c2", "c", "c1\x00x1", model.SerfHealthID)
}

func drawStatus(t *rapid.T) string {
	return oneOf(t, "status", model.HealthPassing, model.HealthPassing, model.HealthWarning, model.HealthCritical, "", "passing\x00n1")
}

func drawSession(t *rapid.T) string { return oneOf(t, "session", "x1", "x2", "x", "x1\x00a", "") }

func drawKey(t *rapid.T) string {
	return oneOf(t, "key", "a", "a/b", "a/c", "ab", "b", "\x00", "a\x00b", "\xff", "")
}

func drawValue(t *rapid.T) []byte {
	return oneOf(t, "value", nil, []byte{}, []byte("1"), []byte("2"), make([]byte, 300))
}

func drawMap(t *rapid.T) map[string]string {
	return oneOf(t, "map", nil, map[string]string{}, map[string]string{"k": "v"}, map[string]string{"k": "w", "l": "x", "m": ""})
}

// drawIndex is a ModifyIndex that may be the right one.
func drawIndex(t *rapid.T) uint64 { return uint64(rapid.IntRange(0, 30).Draw(t, "cas index")) }

func drawPair(t *rapid.T) model.KVPair {
	return model.KVPair{Key: drawKey(t), Value: drawValue(t), Flags: uint64(rapid.IntRange(0, 1).Draw(t, "flags")),
		Session: drawSession(t), RaftIndex: model.RaftIndex{ModifyIndex: drawIndex(t)}}
}

func drawService(t *rapid.T) *model.NodeService {
	s := &model.NodeService{ID: drawServiceID(t), Service: drawServiceName(t), Port: rapid.IntRange(0, 2).Draw(t, "port"),
		Tags: oneOf(t, "tags", nil, []string{}, []string{"v1"}), Meta: drawMap(t)}
	if rapid.Bool().Draw(t, "weighted") {
		s.Weights = &model.Weights{Passing: 1, Warning: 1}
	}
	if rapid.Bool().Draw(t, "proxy") {
		s.Proxy.Config = map[string]any{"a": 1.5, "b": []any{"x", nil, map[string]any{"c": true}}}
	}
	return s
}

func drawCheck(t *rapid.T) *model.HealthCheck {
	c := &model.HealthCheck{Node: drawNode(t), CheckID: drawCheckID(t), Name: "check", Status: drawStatus(t),
		Output: oneOf(t, "output", "", "ok")}
	switch rapid.IntRange(0, 5).Draw(t, "check of") {
	case 0, 1:
		c.ServiceID = drawServiceID(t)
	case 2:
		c.ServiceName = drawServiceName(t) // a name alone ties it to nothing
	}
	return c
}

func drawRegister(t *rapid.T) *model.RegisterRequest {
	r := &model.RegisterRequest{ID: drawNodeID(t), Node: drawNode(t), Address: oneOf(t, "address", "10.0.0.1", "10.0.0.2"),
		NodeMeta: drawMap(t), SkipNodeUpdate: rapid.Bool().Draw(t, "skip")}
	if rapid.Bool().Draw(t, "with service") {
		r.Service = drawService(t)
	}
	for range rapid.IntRange(0, 2).Draw(t, "checks") {
		c := drawCheck(t)
		if rapid.IntRange(0, 9).Draw(t, "no check") == 0 {
			c = nil
		}
		r.Checks = append(r.Checks, c)
	}
	if rapid.IntRange(0, 3).Draw(t, "with check") == 0 {
		r.Check = drawCheck(t)
	}
	return r
}

func drawDeregister(t *rapid.T) *model.DeregisterRequest {
	r := &model.DeregisterRequest{Node: drawNode(t)}
	switch rapid.IntRange(0, 2).Draw(t, "what") {
	case 0:
		r.ServiceID = drawServiceID(t)
	case 1:
		r.CheckID = drawCheckID(t)
	}
	return r
}

func drawKV(t *rapid.T) *model.KVCommand {
	return &model.KVCommand{DirEnt: drawPair(t), Op: oneOf(t, "op", model.KVSet, model.KVSet, model.KVCAS, model.KVDelete,
		model.KVDeleteCAS, model.KVDeleteTree, model.KVLock, model.KVLock, model.KVUnlock, "nonsense")}
}

func drawSessionCommand(t *rapid.T) *model.SessionCommand {
	s := model.Session{ID: drawSession(t), Node: drawNode(t), Behavior: oneOf(t, "behavior", model.SessionsRelease, model.SessionsDelete),
		LockDelay: model.LockDelayDefault}
	for range rapid.IntRange(0, 2).Draw(t, "checks") {
		s.NodeChecks = append(s.NodeChecks, drawCheckID(t))
	}
	if rapid.IntRange(0, 4).Draw(t, "with service check") == 0 {
		s.ServiceChecks = []model.ServiceCheck{{ID: drawCheckID(t)}}
	}
	return &model.SessionCommand{Session: s, Op: oneOf(t, "op", model.SessionCreate, model.SessionCreate, model.SessionDestroy, "nonsense")}
}

func drawCoordinates(t *rapid.T) *model.CoordinatesCommand {
	c := &model.CoordinatesCommand{}
	for range rapid.IntRange(0, 2).Draw(t, "updates") {
		u := model.Coordinate{Node: drawNode(t), Segment: oneOf(t, "segment", "", "s")}
		if rapid.Bool().Draw(t, "known") {
			u.Coord = &model.Vector{Vec: []float64{1, 2}, Height: 0.5}
		}
		c.Updates = append(c.Updates, u)
	}
	return c
}

func drawVerb(t *rapid.T) model.TxnVerb {
	return oneOf(t, "verb", model.VerbSet, model.VerbSet, model.VerbGet, model.VerbCAS, model.VerbDelete, model.VerbDeleteCAS, "nonsense")
}

func drawTxnOp(t *rapid.T) model.TxnOp {
	index := model.RaftIndex{ModifyIndex: drawIndex(t)}
	switch rapid.IntRange(0, 6).Draw(t, "operation on") {
	case 0:
		return model.TxnOp{}
	case 1:
		n := model.Node{ID: drawNodeID(t), Node: drawNode(t), Address: "10.0.0.3", RaftIndex: index}
		return model.TxnOp{Node: &model.TxnNode{Verb: drawVerb(t), Node: n}}
	case 2:
		s := *drawService(t)
		s.RaftIndex = index
		return model.TxnOp{Service: &model.TxnService{Verb: drawVerb(t), Node: drawNode(t), Service: s}}
	case 3:
		c := *drawCheck(t)
		c.RaftIndex = index
		return model.TxnOp{Check: &model.TxnCheck{Verb: drawVerb(t), Check: c}}
	case 4:
		return model.TxnOp{Session: &model.TxnSession{Verb: oneOf(t, "verb", model.VerbDelete, "nonsense"), Session: model.Session{ID: drawSession(t)}}}
	default:
		return model.TxnOp{KV: &model.TxnKV{DirEnt: drawPair(t), Verb: oneOf(t, "verb", model.KVSet, model.KVSet, model.KVDelete, model.KVDeleteCAS,
			model.KVDeleteTree, model.KVCAS, model.KVLock, model.KVUnlock, model.KVGet, model.KVGetOrEmpty, model.KVGetTree,
			model.KVCheckSession, model.KVCheckIndex, model.KVCheckNotExists, "nonsense")}}
	}
}

func drawQueryName(t *rapid.T) string {
	return oneOf(t, "query name", "", "a", "A", "ab", "b", "q1", "ſ", "a\x00b")
}

func drawQueryCommand(t *rapid.T) *model.QueryCommand {
	q := model.PreparedQuery{ID: oneOf(t, "query id", "q1", "Q1", "q2", "q3", ""), Name: drawQueryName(t), Token: oneOf(t, "token", "", "t")}
	q.Service = model.QueryService{Service: drawServiceName(t), Tags: oneOf(t, "tags", nil, []string{}, []string{"v1"}), NodeMeta: drawMap(t)}
	if rapid.Bool().Draw(t, "bound") {
		q.Session = drawSession(t)
	}
	if rapid.Bool().Draw(t, "template") {
		q.Template.Type = model.QueryTemplatePrefix
	}
	if rapid.Bool().Draw(t, "failover") {
		q.Service.Failover = model.QueryFailover{Targets: []model.QueryTarget{{Datacenter: "dc2"}}}
	}
	return &model.QueryCommand{Query: q, Op: oneOf(t, "op", model.QueryCreate, model.QueryCreate, model.QueryUpdate, model.QueryDelete, "nonsense")}
}

func drawTxn(t *rapid.T) *model.Txn {
	return &model.Txn{Ops: rapid.SliceOfN(rapid.Custom(drawTxnOp), 0, 5).Draw(t, "ops")}
}

// drawn is the data of a log entry. It prints as the command that it was made
// from.
type drawn struct {
	data []byte
	text string
}

func (d drawn) GoString() string { return d.text }

// drawEntry is the data of a log entry: mostly commands, sometimes garbage.
func drawEntry(t *rapid.T) drawn {
	var typ model.CommandType
	var command any
	switch rapid.IntRange(0, 15).Draw(t, "command") {
	case 0:
		garbage := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "garbage")
		return drawn{garbage, fmt.Sprintf("garbage %x", garbage)}
	case 1:
		typ, command = model.CmdTombstone, &model.TombstoneCommand{ReapIndex: drawIndex(t)}
	case 2:
		typ, command = model.CmdCoordinates, drawCoordinates(t)
	case 3:
		typ, command = model.CmdDeregister, drawDeregister(t)
	case 4, 5:
		typ, command = model.CmdSession, drawSessionCommand(t)
	case 6, 7, 8:
		typ, command = model.CmdRegister, drawRegister(t)
	case 9:
		typ, command = model.CmdTxn, drawTxn(t)
	case 10, 11:
		typ, command = model.CmdQuery, drawQueryCommand(t)
	case 15:
		typ, command = model.CmdAutopilot, &model.AutopilotCommand{CAS: rapid.Bool().Draw(t, "cas"), Config: model.AutopilotConfig{
			MinQuorum: uint(rapid.IntRange(0, 2).Draw(t, "quorum")), RaftIndex: model.RaftIndex{ModifyIndex: drawIndex(t)}}}
	default:
		typ, command = model.CmdKV, drawKV(t)
	}
	data, err := Encode(typ, command)
	if err != nil {
		t.Fatalf("%v", err)
	}
	text, _ := json.Marshal(command)
	out := drawn{data, fmt.Sprintf("\n\t%T %s", command, text)}
	if rapid.IntRange(0, 30).Draw(t, "damage") == 0 {
		i, bit := rapid.IntRange(0, len(data)-1).Draw(t, "at"), rapid.IntRange(0, 7).Draw(t, "bit")
		data[i] ^= 1 << bit
		out.text += fmt.Sprintf(" with bit %d of byte %d turned: %x", bit, i, data)
	}
	return out
}

func drawEntries(t *rapid.T) []Entry {
	data := rapid.SliceOfN(rapid.Custom(drawEntry), 0, 40).Draw(t, "entries")
	entries := make([]Entry, len(data))
	index := uint64(0)
	for i, d := range data {
		index += uint64(rapid.IntRange(1, 2).Draw(t, "step"))
		entries[i] = Entry{index, bytes.Clone(d.data)}
	}
	return entries
}

// batches cuts a list at random.
func batches[T any](t *rapid.T, list []T) [][]T {
	var out [][]T
	for len(list) > 0 {
		n := rapid.IntRange(1, min(len(list), 8)).Draw(t, "batch")
		out = append(out, list[:n])
		list = list[n:]
	}
	return out
}

// describe is a result in a form that can be compared.
func describe(result any) string {
	switch r := result.(type) {
	case error:
		return fmt.Sprintf("error %d %s", model.KindOf(r), r)
	case *model.TxnResponse:
		out := fmt.Sprintf("errors %+v", r.Errors)
		for _, x := range r.Results {
			switch {
			case x.KV != nil:
				out += fmt.Sprintf("\nkv %+v", *x.KV)
			case x.Node != nil:
				out += fmt.Sprintf("\nnode %+v", *x.Node)
			case x.Service != nil:
				s := *x.Service
				s.Weights = nil // a pointer
				out += fmt.Sprintf("\nservice %+v", s)
			case x.Check != nil:
				out += fmt.Sprintf("\ncheck %+v", *x.Check)
			}
		}
		return out
	}
	return fmt.Sprintf("%#v", result)
}

// failed tells whether a result means that nothing was done.
func failed(result any) bool {
	switch r := result.(type) {
	case error:
		return true
	case bool:
		return !r
	case *model.TxnResponse:
		return len(r.Errors) > 0
	}
	return false
}

func check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	rapid.Check(t, property)
}
