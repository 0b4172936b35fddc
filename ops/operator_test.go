package ops_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

func TestRaft(t *testing.T) {
	l := opstest.NewLog()
	o := l.Ops(acl.Open{})
	conf, err := o.RaftConfiguration("")
	if err != nil || len(conf.Servers) != 1 || conf.Servers[0].Node != "(unknown)" || conf.Index != 1 {
		t.Errorf("%+v, %v", conf, err)
	}
	l.Apply(t, model.CmdRegister, &model.RegisterRequest{ID: opstest.ServerID, Node: "s1", Address: "10.0.0.1"})
	conf, err = o.RaftConfiguration("")
	want := ops.RaftServer{ID: opstest.ServerID, Node: "s1", Address: opstest.ServerAddress, Leader: true, ProtocolVersion: "3", Voter: true}
	if err != nil || conf.Servers[0] != want {
		t.Errorf("%+v, %v", conf, err)
	}
	if peers, err := o.Peers(); err != nil || len(peers) != 1 || peers[0] != opstest.ServerAddress || o.Leader() != opstest.ServerAddress {
		t.Errorf("peers %q, %v, leader %q", peers, err, o.Leader())
	}
	wantError(t, "transfer", o.RaftTransfer("", "x"), "")
	if got := l.Transferred(); len(got) != 1 || got[0] != "x" {
		t.Errorf("transferred to %q", got)
	}
	wantError(t, "remove", o.RaftRemove("", "none", ""), `id "none" was not found in the Raft configuration`)
	wantError(t, "remove", o.RaftRemove("", "", "1.2.3.4:1"), `address "1.2.3.4:1" was not found in the Raft configuration`)
	wantError(t, "remove", o.RaftRemove("", "", opstest.ServerAddress), "")
	if peers, err := o.Peers(); err != nil || len(peers) != 0 {
		t.Errorf("peers %q, %v", peers, err)
	}
	l.SetLeader("", 0)
	if o.Leader() != "" {
		t.Errorf("leader %q", o.Leader())
	}
}

// A snapshot that was saved brings everything back; one that is damaged
// changes nothing.
func TestSnapshots(t *testing.T) {
	r := newReign()
	o := r.Ops(acl.Open{})
	set(t, r.Log, "k", "old")
	var archive bytes.Buffer
	save := func(q ops.Query) error {
		archive.Reset()
		return o.SnapshotSave(t.Context(), &q, func(index uint64) io.Writer {
			if index != 1 {
				t.Errorf("index %d", index)
			}
			return &archive
		})
	}
	r.err = model.ErrNotLeader
	if err := save(ops.Query{}); !errors.Is(err, model.ErrNotLeader) || archive.Len() != 0 {
		t.Errorf("without a majority: %v", err)
	}
	if err := save(ops.Query{Mode: ops.Stale}); err != nil {
		t.Errorf("stale: %v", err)
	}
	r.err = nil
	if err := save(ops.Query{}); err != nil {
		t.Fatal(err)
	}
	set(t, r.Log, "k", "new")
	value := func() string {
		v, _, err := get(t.Context(), o, "k", ops.Query{})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	good := archive.Bytes()
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{"nothing": nil, "text": []byte("not a snapshot"), "half": good[:len(good)/2], "a flipped bit": flipped} {
		if err := o.SnapshotRestore(t.Context(), "", bytes.NewReader(bad)); err == nil {
			t.Errorf("restored %s", name)
		}
		if v := value(); v != "new" {
			t.Errorf("%s changed the data: %q", name, v)
		}
	}
	if err := o.SnapshotRestore(t.Context(), "", bytes.NewReader(good)); err != nil || value() != "old" {
		t.Errorf("restored %q, %v", value(), err)
	}
}
