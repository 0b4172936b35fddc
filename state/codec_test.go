package state

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"muster/model"
)

// libraryEncode is what the library makes of a command.
func libraryEncode(t failer, c any) []byte {
	e := encoders.New().(*encoder)
	if err := e.enc.Encode(c); err != nil {
		t.Fatalf("%v", err)
	}
	return e.buf
}

// The fast way to encode and decode a command is the library's, byte for byte.
func TestKVCodecIsTheLibrarys(t *testing.T) {
	number := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 70_000))
	check(t, func(t *rapid.T) {
		c := &model.KVCommand{Op: model.KVOp(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"set", "cas", "delete", "delete-cas", "delete-tree", "lock", "unlock"})).Draw(t, "op")),
			DirEnt: model.KVPair{Key: rapid.String().Draw(t, "key"), Session: rapid.String().Draw(t, "session"),
				Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value"), Flags: number.Draw(t, "flags"), LockIndex: number.Draw(t, "lock index"),
				RaftIndex: model.RaftIndex{CreateIndex: number.Draw(t, "created"), ModifyIndex: number.Draw(t, "modified")}}}
		switch rapid.IntRange(0, 5).Draw(t, "value") {
		case 0:
			c.DirEnt.Value = nil
		case 1:
			c.DirEnt.Value = make([]byte, rapid.IntRange(0, 70_000).Draw(t, "size"))
		case 2:
			c.DirEnt.Key = strings.Repeat("k", rapid.IntRange(0, 70_000).Draw(t, "size"))
		}
		data := appendKV(nil, c)
		if want := libraryEncode(t, c); !bytes.Equal(data, want) {
			t.Fatalf("got\n%q, the library says\n%q", data, want)
		}
		var fast, slow model.KVCommand
		if !decodeKV(data, &fast) {
			t.Fatalf("not decoded")
		}
		if err := decode(data, &slow); err != nil {
			t.Fatalf("%v", err)
		}
		if !reflect.DeepEqual(fast, slow) || !reflect.DeepEqual(fast, *c) {
			t.Fatalf("got %+v, the library says %+v, was %+v", fast, slow, *c)
		}
		i := rapid.IntRange(0, len(data)-1).Draw(t, "cut")
		if decodeKV(data[:i], &fast) {
			t.Fatalf("decoded though %d of %d bytes were there", i, len(data))
		}
		if decodeKV(append(data, 0xc0), &fast) {
			t.Fatalf("decoded though something follows")
		}
	})
}

// Other layouts of the same command, as another release may write them, are
// read by the library.
func TestKVOfAnotherLayout(t *testing.T) {
	type pair struct{ Key, Value, Later string }
	data := libraryEncode(t, map[string]any{"Op": "set", "Later": []int{1}, "DirEnt": pair{Key: "k", Value: "v"}})
	c := newCluster(t)
	c.index++
	result := c.s.Apply([]Entry{{c.index, append([]byte{byte(model.CmdKV)}, data...)}})[0]
	expect(t, "result", result, true)
	expect(t, "value", string(c.pair("k").Value), "v")
}

func TestWellFormed(t *testing.T) {
	check(t, func(t *rapid.T) {
		e := drawEntry(t)
		if len(e.data) == 0 || strings.Contains(e.text, "garbage") || strings.Contains(e.text, "turned") {
			t.Skip()
		}
		body := e.data[1:]
		if err := wellFormed(body); err != nil {
			t.Fatalf("a command is %v", err)
		}
		if wellFormed(body[:rapid.IntRange(0, len(body)-1).Draw(t, "cut")]) == nil {
			t.Fatalf("a part of a command is whole")
		}
	})
	for text, ok := range map[string]bool{
		"\x00": true, "\x7f": true, "\xff": true, "\xc0": true, "\xc1": false, "\xc3": true, "\x80": true, "\x81\x01\x02": true, "\x81\x01": false,
		"\x92\x01\x02": true, "\xa2hi": true, "\xa2h": false, "\xc4\x01x": true, "\xc5\x00\x01x": true, "\xc6\x00\x00\x00\x01x": true,
		"\xc6\xff\xff\xff\xffx": false, "\xca\x00\x00\x00\x00": true, "\xcb\x00\x00\x00\x00": false, "\xcc\x01": true, "\xcd\x01": false,
		"\xce\x00\x00\x00\x01": true, "\xcf\x00\x00\x00\x00\x00\x00\x00\x01": true, "\xd0\x01": true, "\xd1\x00\x01": true, "\xd2\x00\x00\x00\x00": true,
		"\xd3\x00\x00\x00\x00\x00\x00\x00\x00": true, "\xd4\x05x": true, "\xd6\xffabcd": true, "\xd8\x01abcdefghabcdefgh": true, "\xd8\x01a": false,
		"\xc7\x02\x05ab": true, "\xc7\x00\x05": false, "\xc8\x00\x01\x05a": true, "\xc9\x00\x00\x00\x00\x05\x01": false,
		"\xd9\x01x": true, "\xda\x00\x01x": true, "\xdb\x00\x00\x00\x01x": true, "\xdc\x00\x01\x01": true, "\xdd\x00\x00\x00\x02\x01": false,
		"\xde\x00\x01\x01\x01": true, "\xdf\x00\x00\x00\x01\x01\x01": true, "\xdf\xff\xff\xff\xff": false, "": false, "\x01\x02": false,
	} {
		if got := wellFormed([]byte(text)) == nil; got != ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Depth is bounded, so that no stored command can exhaust the stack.
func TestDeepCommandsAreRefused(t *testing.T) {
	c := newCluster(t)
	for _, deep := range []string{"\x91", "\x81\xa1x"} {
		body := "\x81\xa7Service\x81\xa5Proxy\x81\xa6Config\x81\xa1x" + strings.Repeat(deep, 1<<20) + "\xc0"
		c.index++
		result := c.s.Apply([]Entry{{c.index, append([]byte{byte(model.CmdRegister)}, body...)}})[0]
		if err, ok := result.(error); !ok || !strings.Contains(err.Error(), "depth") {
			t.Errorf("got %v", result)
		}
	}
}

func TestApplyRefusesWhatItDoesNotKnow(t *testing.T) {
	c := newCluster(t)
	for data, want := range map[string]string{
		"":             "command at index 11 is empty",
		"\xff\xc0":     "command of unknown type 255 at index 11",
		"\x02":         "decode command at index 11: malformed msgpack",
		"\x02\xa1x":    "decode command at index 11: ",
		"\x00\x01\x02": "decode command at index 11: malformed msgpack",
	} {
		result := c.s.Apply([]Entry{{11, []byte(data)}})[0]
		if err, ok := result.(error); !ok || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", data, result, want)
		}
	}
	// A command that panics is found out among others, which are applied.
	c.index++
	poison := mustEncode(t, model.CmdRegister, &model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Checks: []*model.HealthCheck{{CheckID: "c"}, nil}})
	set := func(key string) []byte { return mustEncode(t, model.CmdKV, kvSetCommand(key, 1)) }
	results := c.s.Apply([]Entry{{12, set("a")}, {13, poison}, {14, set("b")}})
	checkInvariants(t, c.v())
	if err, ok := results[1].(error); !ok || !strings.HasPrefix(err.Error(), "command at index 13 could not be applied: ") {
		t.Errorf("got %v", results[1])
	}
	_, keys := c.v().KVKeys("", "")
	expect(t, "the others", keys, []string{"a", "b"})
	expect(t, "nodes", nodeNames(c.v()), "0")
	expect(t, "applied", c.v().Applied(), 14)
}

// What cannot be encoded is an error, and spoils nothing for the next.
func TestEncodeAfterAnError(t *testing.T) {
	for range 20 {
		if _, err := Encode(model.CmdTxn, map[string]any{"c": 1i}); err == nil {
			t.Fatal("a complex number was encoded")
		}
		if _, err := Pack(1i); err == nil {
			t.Fatal("a complex number was packed")
		}
		var r model.RegisterRequest
		if err := decode([]byte{0x81, 0xa4, 'N', 'o', 'd', 'e', 0xc3}, &r); err == nil {
			t.Fatal("a bool is a name")
		}
		want := instanceOn(1, 1)
		data, err := Pack(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := Unpack(data, &r); err != nil || !reflect.DeepEqual(&r, want) {
			t.Fatalf("got %+v, %v", r, err)
		}
	}
}
