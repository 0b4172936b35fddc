package state

import (
	"fmt"
	"testing"

	"muster/model"
)

func at(index uint64) model.RaftIndex { return model.RaftIndex{ModifyIndex: index} }

func TestKVSetKeepsCreateIndexAndResetsFlags(t *testing.T) {
	c := newCluster(t)
	first := c.do(&model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "foo", Value: []byte("bar"), Flags: 42}})
	expect(t, "first", *c.pair("foo"), model.KVPair{Key: "foo", Value: []byte("bar"), Flags: 42, RaftIndex: model.RaftIndex{CreateIndex: first, ModifyIndex: first}})
	second := c.kvSet("foo", "second")
	expect(t, "second", *c.pair("foo"), model.KVPair{Key: "foo", Value: []byte("second"), RaftIndex: model.RaftIndex{CreateIndex: first, ModifyIndex: second}})
	c.kvSet("foo", "second")
	expect(t, "the same again", c.pair("foo").ModifyIndex, second)

	expect(t, "delete", c.kv(model.KVDelete, model.KVPair{Key: "foo"}), true)
	deleted := c.index
	index, p := c.v().KVGet("foo")
	expect(t, "deleted", fmt.Sprint(index, p), fmt.Sprint(deleted, (*model.KVPair)(nil)))
	expect(t, "delete again", c.kv(model.KVDelete, model.KVPair{Key: "foo"}), true)
	index, _ = c.v().KVGet("foo")
	expect(t, "index after nothing was deleted", index, deleted)
	third := c.kvSet("foo", "third")
	expect(t, "created again", c.pair("foo").CreateIndex, third)
}

func TestKVMissingKeyHasTheIndexOfTheTable(t *testing.T) {
	c := newCluster(t)
	index, _ := c.v().KVGet("none")
	expect(t, "empty store", index, 0)
	last := c.kvSet("a", "1")
	index, _ = c.v().KVGet("none")
	expect(t, "after a write", index, last)
	c.kv(model.KVDelete, model.KVPair{Key: "a"})
	index, _ = c.v().KVGet("none")
	expect(t, "after a deletion", index, c.index)
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1"})
	index, _ = c.v().KVGet("none")
	expect(t, "after a write elsewhere", index, c.index-1)
}

func TestKVCheckAndSet(t *testing.T) {
	c := newCluster(t)
	cas := func(key string, index uint64) any {
		return c.kv(model.KVCAS, model.KVPair{Key: key, Value: []byte("v"), Flags: c.index, RaftIndex: at(index)})
	}
	expect(t, "0 creates", cas("k", 0), true)
	first := c.index
	expect(t, "0 does not overwrite", cas("k", 0), false)
	expect(t, "the index overwrites", cas("k", first), true)
	expect(t, "the old index does not", cas("k", first), false)
	expect(t, "an index on no key does not", cas("none", 99999), false)
	second := c.pair("k").ModifyIndex

	del := func(key string, index uint64) any {
		return c.kv(model.KVDeleteCAS, model.KVPair{Key: key, RaftIndex: at(index)})
	}
	expect(t, "delete by the old index", del("k", first), false)
	expect(t, "delete by 0", del("k", 0), false)
	expect(t, "delete by the index", del("k", second), true)
	expect(t, "delete what is not there", del("k", second), true)
	expect(t, "0 creates again", cas("k", 0), true)
}

func TestKVListings(t *testing.T) {
	c := newCluster(t)
	index := map[string]uint64{}
	for _, k := range []string{"web/a", "web/b", "web/sub/c", "web/sub/deeper/d", "webhook", "zed", "Z", "é"} {
		index[k] = c.kvSet(k, "1")
	}
	for _, tt := range []struct {
		prefix, separator string
		want              []string
		index             uint64
	}{
		{"web/", "", []string{"web/a", "web/b", "web/sub/c", "web/sub/deeper/d"}, index["web/sub/deeper/d"]},
		{"web", "", []string{"web/a", "web/b", "web/sub/c", "web/sub/deeper/d", "webhook"}, index["webhook"]},
		{"", "", []string{"Z", "web/a", "web/b", "web/sub/c", "web/sub/deeper/d", "webhook", "zed", "é"}, index["é"]},
		{"web/", "/", []string{"web/a", "web/b", "web/sub/"}, index["web/sub/deeper/d"]},
		{"", "/", []string{"Z", "web/", "webhook", "zed", "é"}, index["é"]},
		{"", "e", []string{"Z", "we", "ze", "é"}, index["é"]},
		{"web", "/", []string{"web/", "webhook"}, index["webhook"]},
		{"web", "sub/", []string{"web/a", "web/b", "web/sub/", "webhook"}, index["webhook"]},
		{"none", "", []string{}, c.index},
		{"web/a", "/", []string{"web/a"}, index["web/a"]},
	} {
		got, keys := c.v().KVKeys(tt.prefix, tt.separator)
		expect(t, fmt.Sprintf("keys of %q cut at %q", tt.prefix, tt.separator), fmt.Sprintf("%q %d", keys, got), fmt.Sprintf("%q %d", tt.want, tt.index))
		if keys == nil {
			t.Errorf("keys of %q are nil", tt.prefix)
		}
		if tt.separator != "" {
			continue
		}
		got, pairs := c.v().KVList(tt.prefix)
		var list []string
		for _, p := range pairs {
			list = append(list, p.Key)
		}
		expect(t, fmt.Sprintf("list of %q", tt.prefix), fmt.Sprintf("%q %d", list, got), fmt.Sprintf("%q %d", tt.want, tt.index))
	}
}

// The index of a list covers deletions below its prefix until they are
// forgotten, and no others.
func TestKVTombstones(t *testing.T) {
	c := newCluster(t)
	a := c.kvSet("dir/a", "1")
	c.kvSet("dir/b", "1")
	c.kvSet("dirt", "1")
	c.kvSet("other/a", "1")
	c.kv(model.KVDelete, model.KVPair{Key: "dir/b"})
	b := c.index
	c.kv(model.KVDelete, model.KVPair{Key: "other/a"})
	other := c.index

	list := func(prefix string) uint64 {
		index, _ := c.v().KVList(prefix)
		keys, _ := c.v().KVKeys(prefix, "/")
		expect(t, "index of the keys of "+prefix, keys, index)
		return index
	}
	expect(t, "dir/", list("dir/"), b)
	expect(t, "dir/a", list("dir/a"), a)
	expect(t, "other/", list("other/"), other)
	expect(t, "all", list(""), other)
	expect(t, "none", list("none"), other)
	n, highest := c.v().Tombstones()
	expect(t, "tombstones", fmt.Sprint(n, highest), fmt.Sprint(2, other))

	c.do(&model.TombstoneCommand{ReapIndex: b})
	n, highest = c.v().Tombstones()
	expect(t, "tombstones after the first is forgotten", fmt.Sprint(n, highest), fmt.Sprint(1, other))
	expect(t, "dir/ after that", list("dir/"), a)
	expect(t, "other/ after that", list("other/"), other)
	c.do(&model.TombstoneCommand{ReapIndex: other})
	n, _ = c.v().Tombstones()
	expect(t, "tombstones after all are forgotten", n, 0)
	expect(t, "other/ after that", list("other/"), other) // that of the table

	// A key that is written again keeps its tombstone: the list may have been
	// read in between.
	c.kvSet("dir/b", "2")
	c.kv(model.KVDelete, model.KVPair{Key: "dir/b"})
	again := c.kvSet("dir/b", "3")
	expect(t, "dir/ written again", list("dir/"), again)
}

func TestKVDeleteTree(t *testing.T) {
	c := newCluster(t)
	for i := range 300 {
		c.kvSet(fmt.Sprintf("many/%03d", i), "v")
	}
	rest := c.kvSet("many", "v")
	expect(t, "delete", c.kv(model.KVDeleteTree, model.KVPair{Key: "many/"}), true)
	index, pairs := c.v().KVList("many")
	expect(t, "what is left", fmt.Sprint(index, len(pairs), pairs[0].Key), fmt.Sprint(c.index, 1, "many"))
	expect(t, "its index", pairs[0].ModifyIndex, rest)
	expect(t, "all", c.kv(model.KVDeleteTree, model.KVPair{Key: ""}), true)
	_, pairs = c.v().KVList("")
	expect(t, "nothing is left", len(pairs), 0)
	last := c.index
	expect(t, "nothing to delete", c.kv(model.KVDeleteTree, model.KVPair{Key: ""}), true)
	index, _ = c.v().KVList("")
	expect(t, "index after nothing was deleted", index, last)
}

func TestKVLocks(t *testing.T) {
	c := newCluster(t)
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1"})
	c.session(model.Session{ID: "x1", Node: "n1"})
	c.session(model.Session{ID: "x2", Node: "n1"})
	try := func(op model.KVOp, session, value string) string {
		r := c.kv(op, model.KVPair{Key: "k", Value: []byte(value), Session: session})
		_, p := c.v().KVGet("k")
		if p == nil {
			return fmt.Sprint(r)
		}
		return fmt.Sprintf("%v %s %q %d", r, p.Session, p.Value, p.LockIndex)
	}
	expect(t, "unlock of no key", try(model.KVUnlock, "x1", "0"), "false")
	expect(t, "first lock", try(model.KVLock, "x1", "1"), `true x1 "1" 1`)
	expect(t, "lock by another", try(model.KVLock, "x2", "2"), `false x1 "1" 1`)
	expect(t, "lock again", try(model.KVLock, "x1", "3"), `true x1 "3" 1`)
	moved := c.index
	expect(t, "lock again with the same", try(model.KVLock, "x1", "3"), `true x1 "3" 1`)
	expect(t, "and no new index", c.pair("k").ModifyIndex, moved)
	expect(t, "unlock by another", try(model.KVUnlock, "x2", "4"), `false x1 "3" 1`)
	expect(t, "plain write", try(model.KVSet, "", "5"), `true x1 "5" 0`)
	expect(t, "lock by another after it", try(model.KVLock, "x2", "6"), `false x1 "5" 0`)
	expect(t, "lock again after it", try(model.KVLock, "x1", "6"), `true x1 "6" 0`)
	expect(t, "unlock replaces the value", try(model.KVUnlock, "x1", ""), `true  "" 0`)
	expect(t, "unlock again", try(model.KVUnlock, "x1", ""), `false  "" 0`)
	expect(t, "lock by another now", try(model.KVLock, "x2", "7"), `true x2 "7" 1`)
	expect(t, "unlock", try(model.KVUnlock, "x2", "8"), `true  "8" 1`)
	expect(t, "second lock counts", try(model.KVLock, "x1", "9"), `true x1 "9" 2`)
	expect(t, "check and set keeps the lock", c.kv(model.KVCAS, model.KVPair{Key: "k", Value: []byte("10"), RaftIndex: at(c.pair("k").ModifyIndex)}), true)
	expect(t, "check and set keeps the lock", c.pair("k").Session, "x1")
	expect(t, "deletion frees it", try(model.KVDelete, "", ""), "true")
	expect(t, "and the count begins again", try(model.KVLock, "x2", "1"), `true x2 "1" 1`)
}

// A lock that was free when its delay was looked at is taken only if it has been
// free since: else a session may have ended that held it meanwhile.
func TestKVLockSince(t *testing.T) {
	for _, behavior := range []string{model.SessionsRelease, model.SessionsDelete} {
		c := newCluster(t)
		c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1"})
		c.session(model.Session{ID: "x1", Node: "n1", Behavior: behavior})
		c.session(model.Session{ID: "x2", Node: "n1"})
		lock := func(session string, seen uint64) any {
			return c.kv(model.KVLock, model.KVPair{Key: "k", Session: session, RaftIndex: at(seen)})
		}
		free := c.index
		expect(t, "free", lock("x1", free), true)
		expect(t, "its own", lock("x1", free), true)
		held := c.index
		c.do(&model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: "x1"}})
		ended := c.index
		expect(t, "held and free again since", lock("x2", free), false)
		expect(t, "free again since", lock("x2", held), false)
		expect(t, "free since", lock("x2", ended), true)
		c.kv(model.KVUnlock, model.KVPair{Key: "k", Session: "x2"})
		expect(t, "whoever did not look", lock("x2", 0), true)
	}
}

func TestKVLockErrors(t *testing.T) {
	c := newCluster(t)
	lock := func(op model.KVOp, session string) *model.KVCommand {
		return &model.KVCommand{Op: op, DirEnt: model.KVPair{Key: "k", Session: session}}
	}
	c.fails(lock(model.KVLock, ""), "missing session")
	c.fails(lock(model.KVUnlock, ""), "missing session")
	c.fails(lock(model.KVLock, "11111111-2222-3333-4444-555555555555"), `invalid session "11111111-2222-3333-4444-555555555555"`)
	c.fails(lock("nonsense", ""), `unknown KV operation "nonsense"`)
}

// An empty value is no value, however it is written, restored or locked.
func TestKVEmptyValueIsNil(t *testing.T) {
	c := newCluster(t)
	c.do(&model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "empty", Value: []byte{}}})
	c.do(&model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "nil"}})
	c.restore(persist(t, c.s))
	for _, k := range []string{"empty", "nil"} {
		if v := c.pair(k).Value; v != nil {
			t.Errorf("value of %q is %#v", k, v)
		}
	}
}
