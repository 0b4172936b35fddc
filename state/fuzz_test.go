package state

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"muster/model"
)

// seedCommands are entries of every kind, whole and damaged.
func seedCommands(f *testing.F) [][]byte {
	at := model.RaftIndex{ModifyIndex: 12}
	commands := []any{
		instanceOn(1, 1),
		&model.RegisterRequest{ID: uuid1, Node: "n1", Address: "10.0.0.2", Checks: []*model.HealthCheck{nil}},
		&model.DeregisterRequest{Node: "n1", ServiceID: "web1"},
		&model.DeregisterRequest{Node: "n1"},
		&model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "a", Value: []byte("v"), Flags: 1 << 40}},
		&model.KVCommand{Op: model.KVLock, DirEnt: model.KVPair{Key: "a", Session: "x1"}},
		&model.KVCommand{Op: model.KVDeleteTree},
		&model.SessionCommand{Op: model.SessionCreate, Session: model.Session{ID: "x1", Node: "n1", NodeChecks: []string{model.SerfHealthID}}},
		&model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: "x1"}},
		&model.AutopilotCommand{Config: model.AutopilotConfig{MinQuorum: 3}},
		&model.TombstoneCommand{ReapIndex: 100},
		&model.CoordinatesCommand{Updates: []model.Coordinate{{Node: "n1", Coord: &model.Vector{Vec: []float64{1}}}}},
		&model.QueryCommand{Op: model.QueryCreate, Query: model.PreparedQuery{ID: "q1", Name: "a", Session: "x1", Service: model.QueryService{Service: "web"}}},
		&model.QueryCommand{Op: model.QueryCreate, Query: model.PreparedQuery{ID: "q2", Template: model.QueryTemplate{Type: model.QueryTemplatePrefix}}},
		&model.QueryCommand{Op: model.QueryDelete, Query: model.PreparedQuery{ID: "q1"}},
		&model.Txn{Ops: []model.TxnOp{kvOp(model.KVCAS, model.KVPair{Key: "a", RaftIndex: at}), nodeOp(model.VerbSet, model.Node{Node: "n2"}),
			serviceOp(model.VerbSet, "n2", model.NodeService{ID: "s", Service: "web"}), checkOp(model.VerbDelete, model.HealthCheck{Node: "n1", CheckID: "c"})}},
	}
	seeds := [][]byte{nil, {0}, {1, 0xc0}, {0, 0x80}, {200}}
	for _, c := range commands {
		data := mustEncode(f, commandType(c), c)
		seeds = append(seeds, data, data[:len(data)/2])
	}
	return seeds
}

// FuzzApply applies any three entries to some data, one by one and together:
// nothing panics past the store, the tables agree, the results are the same,
// and what fails has changed nothing.
func FuzzApply(f *testing.F) {
	seeds := seedCommands(f)
	for i, s := range seeds {
		f.Add(s, seeds[(i+3)%len(seeds)], seeds[(i*7+1)%len(seeds)])
	}
	base := withNode(f)
	base.session(model.Session{ID: "x1", Node: "n1", NodeChecks: []string{model.SerfHealthID}})
	base.kv(model.KVLock, model.KVPair{Key: "a", Session: "x1"})
	snapshot := persist(f, base.s)
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		alone, together := restored(t, snapshot), restored(t, snapshot)
		var entries []Entry
		var want []string
		for i, data := range [][]byte{a, b, c} {
			e := Entry{base.index + uint64(i+1), data}
			entries = append(entries, e)
			before := content(t, alone.Current())
			result := alone.Apply([]Entry{e})[0]
			if failed(result) && !bytes.Equal(content(t, alone.Current()), before) {
				t.Fatalf("%s, and yet the data changed", describe(result))
			}
			want = append(want, describe(result))
			checkInvariants(t, alone.Current())
		}
		for i, result := range together.Apply(entries) {
			if got := describe(result); got != want[i] {
				t.Fatalf("entry %d alone gives\n%s\nin a batch\n%s", i, want[i], got)
			}
		}
		if !bytes.Equal(persist(t, alone), persist(t, together)) {
			t.Fatal("a batch gives other data")
		}
		if !bytes.Equal(persist(t, restored(t, persist(t, alone))), persist(t, alone)) {
			t.Fatal("the data does not survive a restore")
		}
	})
}

// FuzzRestore restores any bytes: no panic, no memory that the bytes do not
// account for, tables that agree, and commands that work on what came of it.
func FuzzRestore(f *testing.F) {
	f.Add(originState(f))
	c := withNode(f)
	c.session(model.Session{ID: "x1", Node: "n1", NodeChecks: []string{model.SerfHealthID}})
	c.kv(model.KVLock, model.KVPair{Key: "a", Session: "x1"})
	c.kvSet("b", "1")
	c.kv(model.KVDelete, model.KVPair{Key: "b"})
	c.do(&model.CoordinatesCommand{Updates: []model.Coordinate{{Node: "n1", Coord: &model.Vector{Vec: []float64{1, 2}}}}})
	good := persist(f, c.s)
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(bytes.Clone(good), 2, 0xdf, 0xff, 0xff, 0xff, 0xff))
	f.Add(append(bytes.Clone(good), good[12:]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := New()
		empty := persist(t, s)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		allocated := m.TotalAlloc
		_, err := s.Restore(bytes.NewReader(data))
		runtime.ReadMemStats(&m)
		if used := m.TotalAlloc - allocated; used > uint64(4<<20+2000*len(data)) {
			t.Fatalf("%d bytes made it allocate %d", len(data), used)
		}
		if err != nil {
			if !bytes.Equal(persist(t, s), empty) {
				t.Fatal("a refused snapshot changed something")
			}
			return
		}
		first := persist(t, s)
		agree(t, s.Current())
		again := restored(t, first)
		if !bytes.Equal(persist(t, again), first) {
			t.Fatal("a second round is not like the first")
		}
		takeAway(t, s)
	})
}

func agree(t failer, v *Version) {
	t.Helper()
	if found := faults(v, false); len(found) > 0 {
		t.Fatalf("the tables contradict each other:\n%s", strings.Join(found, "\n"))
	}
}

// takeAway takes everything away again, by commands.
func takeAway(t *testing.T, s *Store) {
	t.Helper()
	index := s.Current().Applied()
	apply := func(typ model.CommandType, body any) {
		index++
		data, err := Encode(typ, body)
		if err != nil {
			t.Fatal(err)
		}
		if err, ok := s.Apply([]Entry{{index, data}})[0].(error); ok {
			t.Fatalf("%T: %v", body, err)
		}
	}
	v := s.Current()
	for _, x := range v.sessions.collect("") {
		apply(model.CmdSession, &model.SessionCommand{Op: model.SessionDestroy, Session: *x})
	}
	for _, i := range v.services.collect("") {
		apply(model.CmdDeregister, &model.DeregisterRequest{Node: i.node, ServiceID: i.svc.ID})
	}
	agree(t, s.Current())
	for _, n := range v.nodes.collect("") {
		apply(model.CmdDeregister, &model.DeregisterRequest{Node: n.Node})
	}
	apply(model.CmdKV, &model.KVCommand{Op: model.KVDeleteTree})
	agree(t, s.Current())
	left := s.Current()
	if n := left.nodes.len() + left.names.len() + left.states.len() + left.svcChecks.len() + left.nodeIDs.len(); n != 0 {
		t.Fatalf("%d things are left of the catalog", n)
	}
	if n := left.kv.len() + left.locks.len() + left.sessions.len() + left.checkSess.len(); n != 0 {
		t.Fatalf("%d things are left of the keys and sessions", n)
	}
}

// FuzzDecodeKV compares the fast way to decode a command with the library's.
func FuzzDecodeKV(f *testing.F) {
	for _, data := range seedCommands(f) {
		if len(data) > 0 {
			f.Add(data[1:])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var fast, slow model.KVCommand
		if !decodeKV(data, &fast) {
			return
		}
		if err := decode(data, &slow); err != nil {
			t.Fatalf("the library says %v", err)
		}
		if fast.Op != slow.Op || !sameKV(&fast.DirEnt, &slow.DirEnt) || fast.DirEnt.RaftIndex != slow.DirEnt.RaftIndex || fast.DirEnt.Key != slow.DirEnt.Key {
			t.Fatalf("got %+v, the library says %+v", fast, slow)
		}
		if (fast.DirEnt.Value == nil) != (slow.DirEnt.Value == nil) {
			t.Fatal("one of the values is nil")
		}
	})
}
