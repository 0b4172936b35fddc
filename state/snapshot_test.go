package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"muster/internal/archive"
	"muster/model"
)

// origin is where a snapshot of Consul 1.10 is, and what its API said then.
const origin = "../test/conformance/testdata/consul-1.10"

func originState(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(origin, "origin.snap"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, state, err := archive.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	data, err := io.ReadAll(state)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// answers compares an answer with what is recorded in a file, as JSON.
func answers(t *testing.T, file string, answer any) {
	t.Helper()
	recorded, err := os.ReadFile(filepath.Join(origin, file))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := indent(t, encoded), indent(t, recorded); got != want {
		g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Errorf("%s, line %d:\ngot  %s\nwant %s", file, i, g[i], w[i])
				return
			}
		}
		t.Errorf("%s: got %d lines, want %d", file, len(g), len(w))
	}
}

// indent brings JSON into one form: sorted keys, one value a line.
func indent(t *testing.T, b []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// A snapshot of Consul gives the same answers here.
func TestRestoreOrigin(t *testing.T) {
	s := New()
	foreign, err := s.Restore(bytes.NewReader(originState(t)))
	if err != nil {
		t.Fatal(err)
	}
	v := s.Current()
	checkInvariants(t, v)
	expect(t, "applied", v.Applied(), 72)

	index, nodes := v.Nodes()
	answers(t, "catalog_nodes.json", nodes)
	expect(t, "index of the nodes", index, 63)
	_, pairs := v.KVList("")
	answers(t, "kv__recurse.json", pairs)
	_, sessions := v.Sessions()
	answers(t, "session_list.json", sessions)
	_, queries := v.Queries()
	answers(t, "query.json", queries)
	index, health := v.Health("web")
	answers(t, "health_service_web.json", health)
	expect(t, "index of the service", index, 63)

	var names []string
	v.EachInstance(func(n *model.Node, s *model.NodeService) bool {
		names = append(names, n.Node+"/"+s.Service)
		return true
	})
	expect(t, "instances", names, []string{"origin/consul", "ext1/web", "ext2/web", "ext3/web"})
	for _, p := range pairs {
		if p.Session != "" {
			expect(t, "lock", p.Session, sessions[0].ID)
			if _, ok := v.locks.get(lockKey(p.Session, p.Key)); !ok {
				t.Errorf("the lock on %q is not known", p.Key)
			}
		}
	}
	n, highest := v.Tombstones()
	expect(t, "tombstones", fmt.Sprint(n, highest > 0), "1 true")
	if len(foreign) < 6 {
		t.Errorf("only %v kept as foreign", foreign)
	}
}

// What muster does not act upon is kept, byte for byte, and so goes back to
// Consul as it came.
func TestRestoreKeepsForeignRecords(t *testing.T) {
	foreignOf := func(state []byte) map[byte][]string {
		_, records, err := archive.Records(bytes.NewReader(state))
		if err != nil {
			t.Fatal(err)
		}
		out := map[byte][]string{}
		for r, err := range records {
			if err != nil {
				t.Fatal(err)
			}
			switch model.CommandType(r.Type) {
			case model.CmdRegister, model.CmdKV, model.CmdSession, model.CmdTombstone, model.CmdCoordinates, model.CmdQuery, model.CmdAutopilot, model.CmdIndex,
				model.CmdCA, model.CmdCAProvider, model.CmdCAConfig:
			default:
				out[r.Type] = append(out[r.Type], string(r.Data))
			}
		}
		return out
	}
	state := originState(t)
	s := restored(t, state)
	first := persist(t, s)
	want := foreignOf(state)
	if got := foreignOf(first); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Error("the foreign records changed")
	}
	if len(want) < 6 {
		t.Errorf("only %d kinds of foreign records", len(want))
	}
	// Commands do not disturb them, nor does another round.
	s.Apply([]Entry{{100, mustEncode(t, model.CmdKV, &model.KVCommand{Op: model.KVDeleteTree})}})
	again := restored(t, persist(t, restored(t, persist(t, s))))
	if got := foreignOf(persist(t, again)); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Error("the foreign records changed later")
	}
	if !bytes.Equal(persist(t, restored(t, first)), first) {
		t.Error("a second round is not like the first")
	}
}

// Table indexes are those of the snapshot; where it has none, those of the
// records.
func TestRestoreIndexes(t *testing.T) {
	c := withNode(t)
	c.kvSet("a", "1")
	c.kvSet("b", "1")
	c.kv(model.KVDelete, model.KVPair{Key: "b"})
	c.do(&model.DeregisterRequest{Node: "n1", CheckID: "service:web1"})
	want := map[string]uint64{}
	c.v().indexes.scan("", func(k string, i uint64) bool { want[k] = i; return true })
	snapshot := persist(t, c.s)
	s := restored(t, snapshot)
	got := map[string]uint64{}
	s.Current().indexes.scan("", func(k string, i uint64) bool { got[k] = i; return true })
	expect(t, "indexes", got, want)

	_, records, err := archive.Records(bytes.NewReader(snapshot))
	if err != nil {
		t.Fatal(err)
	}
	bare := encodeSnapshot(t, c.index)
	for r, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		if model.CommandType(r.Type) != model.CmdIndex {
			bare = append(append(bare, r.Type), r.Data...)
		}
	}
	s = restored(t, bare)
	checkInvariants(t, s.Current())
	index, _ := s.Current().KVGet("b")
	expect(t, "index of the deleted key", index, want[tableTombstones])
	expect(t, "index of the services", s.Current().ServicesIndex(), want[tableServices])
}

// encodeSnapshot makes a snapshot of records, each a type and a value.
func encodeSnapshot(t testing.TB, applied uint64, records ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := codec.NewEncoder(&b, newHandle())
	encode := func(v any) {
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	encode(map[string]any{"LastIndex": applied, "Later": "field"})
	for i := 0; i < len(records); i += 2 {
		b.WriteByte(byte(records[i].(model.CommandType)))
		encode(records[i+1])
	}
	return b.Bytes()
}

// Nodes that a cluster imported from another are not taken for its own.
func TestRestoreLeavesImportedNodesAlone(t *testing.T) {
	record := func(address, peer string) map[string]any {
		return map[string]any{"Node": "n1", "Address": address, "PeerName": peer, "CreateIndex": 5, "ModifyIndex": 5}
	}
	snapshot := encodeSnapshot(t, 9, model.CmdRegister, record("10.0.0.1", ""), model.CmdRegister, record("10.9.9.9", "dc2"))
	s := New()
	foreign, err := s.Restore(bytes.NewReader(snapshot))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "address", s.Current().Node("n1").Address, "10.0.0.1")
	expect(t, "foreign", foreign, map[model.CommandType]int{model.CmdRegister: 1})
	if !bytes.Contains(persist(t, s), []byte("10.9.9.9")) {
		t.Error("the imported node is lost")
	}
}

// Later records of the same thing replace earlier ones altogether.
func TestRestoreRepeatedRecords(t *testing.T) {
	at := model.RaftIndex{CreateIndex: 3, ModifyIndex: 4}
	node := func(id string, s *model.NodeService, c *model.HealthCheck) *model.RegisterRequest {
		return &model.RegisterRequest{ID: id, Node: "n1", Address: "10.0.0.1", Service: s, Check: c, RaftIndex: at}
	}
	snapshot := encodeSnapshot(t, 9,
		model.CmdRegister, node(uuid1, nil, nil), model.CmdRegister, node(uuid2, nil, nil),
		model.CmdRegister, node(uuid2, &model.NodeService{ID: "s", Service: "a", RaftIndex: at}, nil),
		model.CmdRegister, node(uuid2, &model.NodeService{ID: "S", Service: "b", RaftIndex: at}, nil),
		model.CmdRegister, node(uuid2, nil, &model.HealthCheck{CheckID: "c", Node: "other", Status: "passing", ServiceName: "x", RaftIndex: at}),
		model.CmdRegister, node(uuid2, nil, &model.HealthCheck{CheckID: "C", Status: "warning", RaftIndex: at}),
		model.CmdRegister, &model.RegisterRequest{ID: uuid2, Node: "n2", RaftIndex: at},
		model.CmdSession, &model.Session{ID: "x", Node: "n1", Checks: []string{"c"}, RaftIndex: at},
		model.CmdSession, &model.Session{ID: "x", Node: "N1", RaftIndex: at},
		model.CmdSession, &model.Session{ID: "y", Node: "N1", RaftIndex: at},
		model.CmdKV, &model.KVPair{Key: "k", Session: "x", RaftIndex: at}, model.CmdKV, &model.KVPair{Key: "k", Session: "y", Value: []byte{}, RaftIndex: at},
		model.CmdIndex, map[string]any{"Key": "service.a", "Value": 4}, model.CmdCoordinates, []model.Coordinate{{Node: "N1", Coord: &model.Vector{}}, {Node: "n1", Segment: "x"}})
	s := restored(t, snapshot)
	s.Current().indexes.mut(1 << 40).Delete(servicePrefix + "a") // recorded for a name that has gone
	checkInvariants(t, s.Current())
	expect(t, "check", s.Current().Check("n1", "c").Status, "warning")
	expect(t, "node of the ID", s.Current().Node(uuid2).Node, "n2")
	expect(t, "coordinates", len(coordinatesOf(s.Current(), "n1")), 1)
}

// Snapshots that break off or hold nonsense are refused, and leave everything
// as it was.
func TestRestoreRefuses(t *testing.T) {
	c := withNode(t)
	c.kvSet("a", "1")
	before := persist(t, c.s)
	w := c.s.Watch(everything()...)
	good := persist(t, c.s)
	bad := map[string][]byte{
		"nothing":           nil,
		"no header":         {0x01},
		"type without body": append(bytes.Clone(good), byte(model.CmdKV)),
		"wrong body":        append(bytes.Clone(good), byte(model.CmdKV), 0xa1, 'x'),
		"4 GB of bytes":     append(bytes.Clone(good), byte(model.CmdKV), 0x81, 0xa5, 'V', 'a', 'l', 'u', 'e', 0xc6, 0xff, 0xff, 0xff, 0xff),
		"4 G entries":       append(bytes.Clone(good), byte(model.CmdSession), 0xdf, 0xff, 0xff, 0xff, 0xff),
		"4 G pairs":         append(bytes.Clone(good), 77, 0xdd, 0xff, 0xff, 0xff, 0xff),
		"empty extensions":  append(append(bytes.Clone(good), byte(model.CmdKV), 0x81, 0xa1, 'x'), bytes.Repeat([]byte{0xc7, 0x00, 0x05}, 1<<20)...),
		"deep lists":        append(append(bytes.Clone(good), byte(model.CmdKV), 0x81, 0xa1, 'x'), append(bytes.Repeat([]byte{0x91}, 1<<20), 0xc0)...),
	}
	for i := 1; i < len(good); i += 7 {
		if !recordEnds(t, good)[i] {
			bad[fmt.Sprintf("first %d bytes", i)] = good[:i]
		}
	}
	for name, snapshot := range bad {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		allocated := m.TotalAlloc
		if _, err := c.s.Restore(bytes.NewReader(snapshot)); err == nil {
			t.Errorf("%s: restored", name)
		}
		runtime.ReadMemStats(&m)
		if used := m.TotalAlloc - allocated; used > 64<<20 {
			t.Errorf("%s: %d MB were allocated", name, used>>20)
		}
	}
	if !bytes.Equal(persist(t, c.s), before) || w.Fired() {
		t.Error("a refused snapshot changed something")
	}
	broken := errors.New("broken")
	if _, err := c.s.Restore(io.MultiReader(bytes.NewReader(good), failingReader{broken})); !errors.Is(err, broken) {
		t.Errorf("a broken reader gives %v", err)
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// recordEnds are the lengths at which a snapshot is whole.
func recordEnds(t testing.TB, snapshot []byte) map[int]bool {
	t.Helper()
	header, rest := skip(t, snapshot)
	at := header
	ends := map[int]bool{at: true}
	for len(rest) > 0 {
		n, after := skip(t, rest[1:])
		at += 1 + n
		ends[at] = true
		rest = after
	}
	return ends
}

// skip is the length of the first value, and what follows it.
func skip(t testing.TB, b []byte) (int, []byte) {
	t.Helper()
	for n := 1; n <= len(b); n++ {
		if wellFormed(b[:n]) == nil {
			return n, b[n:]
		}
	}
	t.Fatal("no whole value")
	return 0, nil
}

func TestPersistReportsErrors(t *testing.T) {
	c := withNode(t)
	for i := range 3000 {
		c.s.Apply([]Entry{{uint64(1000 + i), mustEncode(t, model.CmdKV, kvSetCommand(fmt.Sprint(i), 100))}})
	}
	full := errors.New("disk full")
	if err := c.s.Snapshot().Persist(&failingWriter{left: 100_000, err: full}); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if err := c.s.Snapshot().Persist(&failingWriter{err: full}); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, w.err
	}
	return len(p), nil
}

// A snapshot is taken while commands go on; it shows the moment it was taken.
func TestSnapshotWhileApplying(t *testing.T) {
	c := withNode(t)
	snapshot := c.s.Snapshot()
	want := persist(t, c.s)
	expect(t, "applied", snapshot.Applied(), c.index)
	done := make(chan error)
	var b bytes.Buffer
	go func() { done <- snapshot.Persist(&b) }()
	for i := range uint64(100) {
		c.s.Apply([]Entry{{c.index + i, mustEncode(t, model.CmdKV, kvSetCommand(fmt.Sprint(i), 100))}})
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	snapshot.Release()
	if !bytes.Equal(b.Bytes(), want) {
		t.Error("the snapshot shows what came later")
	}
}
