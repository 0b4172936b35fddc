package state

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"muster/internal/archive"
	"muster/model"
)

// newer is a snapshot as a later release may write it: fields and kinds of
// records that are not known.
func newer(t *testing.T) []byte {
	at := map[string]any{"CreateIndex": 5, "ModifyIndex": 6}
	with := func(more ...any) map[string]any {
		m := map[string]any{}
		for k, v := range at {
			m[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	node := func(more ...any) map[string]any {
		return with(append([]any{"Datacenter", "dc1", "ID", uuid1, "Node", "n1", "Address", "10.0.0.1"}, more...)...)
	}
	return encodeSnapshot(t, 9,
		model.CmdRegister, node("NodeFlavor", "sweet"),
		model.CmdRegister, node("Service", with("ID", "web", "Service", "web", "Port", 80, "Proxy", map[string]any{"Gears": 5})),
		model.CmdRegister, node("Check", with("Node", "n1", "CheckID", "c", "Status", "passing", "Mood", "good")),
		model.CmdKV, with("Key", "a", "Value", []byte("1"), "Lease", "long"),
		model.CmdKV, with("Key", "b", "Value", []byte("2")),
		model.CmdSession, with("ID", uuid2, "Node", "n1", "Behavior", "release", "Color", "red"),
		model.CmdCA, with("ID", "r1", "RootCert", "cert", "Active", true, "Quantum", "yes"),
		model.CmdCAProvider, with("ID", "p1", "RootCert", "cert", "PrivateKey", "key", "Vault", map[string]any{"Deep": []any{1, 2}}),
		model.CmdCAConfig, with("ClusterID", "x", "Provider", "consul", "Moon", 1),
		model.CommandType(40), with("ID", "peering"),
		model.CommandType(200), with("ID", "of the far future"))
}

// recordsIn are the records of a snapshot, sorted.
func recordsIn(t *testing.T, snapshot []byte) []string {
	t.Helper()
	_, records, err := archive.Records(bytes.NewReader(snapshot))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for r, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%03d %q", r.Type, r.Data))
	}
	slices.Sort(all)
	return all
}

// TestNewerRecords: what a later release knows more of survives, and goes back
// to it as it came. What is not known of an item is forgotten when the item
// changes.
func TestNewerRecords(t *testing.T) {
	came := newer(t)
	s := New()
	foreign, err := s.Restore(bytes.NewReader(came))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "foreign", foreign, map[model.CommandType]int{40: 1, 200: 1})
	checkInvariants(t, s.Current())
	expect(t, "instance", s.Current().Service("n1", "web").Port, 80)
	want := recordsIn(t, came)
	missing := func(snapshot []byte) (list []string) {
		has := recordsIn(t, snapshot)
		for _, r := range want {
			if !slices.Contains(has, r) {
				list = append(list, r)
			}
		}
		return list
	}
	first := persist(t, s)
	for name, word := range map[string]string{"node": "NodeFlavor", "instance": "Gears", "check": "Mood", "key": "Lease",
		"session": "Color", "root": "Quantum", "provider": "Deep", "configuration": "Moon"} {
		if !bytes.Contains(first, []byte(word)) {
			t.Errorf("the %s lost its %s", name, word)
		}
	}
	// The pair that is known whole is written as muster writes pairs.
	if m := missing(persist(t, restored(t, first))); len(m) != 1 || !bytes.Contains([]byte(m[0]), []byte("Key")) {
		t.Errorf("records changed: %q", m)
	}
	s.Apply([]Entry{
		{10, mustEncode(t, model.CmdKV, &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "a", Value: []byte("3")}})},
		{11, mustEncode(t, model.CmdRegister, &model.RegisterRequest{ID: uuid1, Node: "n1", Address: "10.0.0.2"})},
		{12, mustEncode(t, model.CmdSession, &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: uuid2}})},
	})
	again := restored(t, persist(t, s)).Current()
	_, pair := again.KVGet("a")
	expect(t, "value", string(pair.Value), "3")
	expect(t, "address", again.Node("n1").Address, "10.0.0.2")
	if _, list := again.Sessions(); len(list) != 0 {
		t.Errorf("sessions %v are back", list)
	}
	if !bytes.Contains(persist(t, s), []byte("Quantum")) {
		t.Error("the root was not changed, and lost something")
	}
}

// BenchmarkRestore reads 10,000 pairs.
func BenchmarkRestore(b *testing.B) {
	s := New()
	var entries []Entry
	for i := range 10_000 {
		data, err := Encode(model.CmdKV, &model.KVCommand{Op: model.KVSet,
			DirEnt: model.KVPair{Key: fmt.Sprintf("key/%d", i), Value: make([]byte, 256)}})
		if err != nil {
			b.Fatal(err)
		}
		entries = append(entries, Entry{uint64(i + 1), data})
	}
	s.Apply(entries)
	var snapshot bytes.Buffer
	if err := s.Snapshot().Persist(&snapshot); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New().Restore(bytes.NewReader(snapshot.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}
