package state

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"muster/model"
)

// reference is the KV store and its sessions written down as plainly as can
// be: maps, whole scans, no sharing. It knows one node's checks.
type reference struct {
	index      uint64
	pairs      map[string]model.KVPair
	tombstones map[string]uint64
	sessions   map[string]model.Session
	critical   map[string]bool // state of the checks that are there
	kvIndex    uint64          // of keys and deletions
	sessIndex  uint64
}

func newReference() *reference {
	return &reference{pairs: map[string]model.KVPair{}, tombstones: map[string]uint64{}, sessions: map[string]model.Session{}, critical: map[string]bool{}}
}

func (r *reference) put(p model.KVPair) {
	if len(p.Value) == 0 {
		p.Value = nil
	}
	old, ok := r.pairs[p.Key]
	p.CreateIndex, p.ModifyIndex = r.index, r.index
	if ok {
		p.CreateIndex = old.CreateIndex
		same := old
		same.ModifyIndex = r.index
		if fmt.Sprintf("%+v", same) == fmt.Sprintf("%+v", p) {
			return
		}
	}
	r.pairs[p.Key] = p
	r.kvIndex = r.index
}

func (r *reference) remove(key string) {
	if _, ok := r.pairs[key]; ok {
		delete(r.pairs, key)
		r.tombstones[key] = r.index
		r.kvIndex = r.index
	}
}

// kv returns what the command must yield: a bool, or the text of an error.
func (r *reference) kv(op model.KVOp, in model.KVPair) any {
	old, exists := r.pairs[in.Key]
	next := model.KVPair{Key: in.Key, Value: in.Value, Flags: in.Flags}
	switch op {
	case model.KVSet:
		next.Session = old.Session
		r.put(next)
	case model.KVCAS:
		if in.ModifyIndex == 0 && exists || in.ModifyIndex != 0 && (!exists || old.ModifyIndex != in.ModifyIndex) {
			return false
		}
		next.Session = old.Session
		r.put(next)
	case model.KVDelete:
		r.remove(in.Key)
	case model.KVDeleteCAS:
		if exists && old.ModifyIndex != in.ModifyIndex {
			return false
		}
		r.remove(in.Key)
	case model.KVDeleteTree:
		for _, k := range slices.Sorted(maps.Keys(r.pairs)) {
			if strings.HasPrefix(k, in.Key) {
				r.remove(k)
			}
		}
	case model.KVLock:
		if in.Session == "" {
			return "missing session"
		}
		if _, ok := r.sessions[in.Session]; !ok {
			return fmt.Sprintf("invalid session %q", in.Session)
		}
		if old.Session != "" && old.Session != in.Session {
			return false
		}
		changed := old.ModifyIndex
		if !exists {
			changed = r.tombstones[in.Key]
		}
		if old.Session == "" && in.ModifyIndex != 0 && changed > in.ModifyIndex {
			return false
		}
		next.Session, next.LockIndex = in.Session, old.LockIndex
		if old.Session == "" {
			next.LockIndex++
		}
		r.put(next)
	case model.KVUnlock:
		if in.Session == "" {
			return "missing session"
		}
		if old.Session != in.Session {
			return false
		}
		next.LockIndex = old.LockIndex
		r.put(next)
	default:
		return fmt.Sprintf("unknown KV operation %q", op)
	}
	return true
}

func (r *reference) end(id string) {
	s, ok := r.sessions[id]
	if !ok {
		return
	}
	delete(r.sessions, id)
	r.sessIndex = r.index
	for k, p := range maps.Clone(r.pairs) {
		if p.Session != id {
			continue
		}
		if s.Behavior == model.SessionsDelete {
			r.remove(k)
		} else {
			p.Session = ""
			r.put(p)
		}
	}
}

func (r *reference) endOfCheck(check string) {
	for id, s := range maps.Clone(r.sessions) {
		if slices.Contains(s.NodeChecks, check) {
			r.end(id)
		}
	}
}

func (r *reference) create(s model.Session) any {
	if s.ID == "" {
		return "Missing session ID"
	}
	if _, ok := r.sessions[s.ID]; ok {
		return fmt.Sprintf("session ID %q is in use", s.ID)
	}
	for _, id := range s.NodeChecks {
		critical, ok := r.critical[id]
		if !ok {
			return fmt.Sprintf("Missing check '%s' registration", id)
		}
		if critical {
			return fmt.Sprintf("Check '%s' is in critical state", id)
		}
	}
	r.sessions[s.ID] = s
	r.sessIndex = r.index
	return s.ID
}

// listing is what KVList and KVKeys must say.
func (r *reference) listing(prefix, separator string) string {
	var top uint64
	var keys, cut []string
	for _, k := range slices.Sorted(maps.Keys(r.pairs)) {
		if !strings.HasPrefix(k, prefix) {
			continue
		}
		keys = append(keys, fmt.Sprintf("%+v", r.pairs[k]))
		top = max(top, r.pairs[k].ModifyIndex)
		if before, _, found := strings.Cut(k[len(prefix):], separator); found {
			k = prefix + before + separator
		}
		if !slices.Contains(cut, k) {
			cut = append(cut, k)
		}
	}
	for k, i := range r.tombstones {
		if strings.HasPrefix(k, prefix) {
			top = max(top, i)
		}
	}
	if top == 0 {
		top = r.kvIndex
	}
	return fmt.Sprintf("%d %v %q", top, keys, cut)
}

func listing(v *Version, prefix, separator string) string {
	index, pairs := v.KVList(prefix)
	var keys []string
	for _, p := range pairs {
		keys = append(keys, fmt.Sprintf("%+v", *p))
	}
	again, cut := v.KVKeys(prefix, separator)
	if again != index {
		return fmt.Sprintf("list at %d, keys at %d", index, again)
	}
	return fmt.Sprintf("%d %v %q", index, keys, cut)
}

func TestKVAgreesWithReference(t *testing.T) {
	check(t, func(t *rapid.T) {
		s, ref := New(), newReference()
		apply := func(typ model.CommandType, command any) any {
			ref.index++
			data, err := Encode(typ, command)
			if err != nil {
				t.Fatalf("%v", err)
			}
			result := s.Apply([]Entry{{ref.index, data}})[0]
			if err, ok := result.(error); ok {
				return err.Error()
			}
			return result
		}
		must := func(what string, got, want any) {
			if got != want {
				t.Fatalf("%s: got %v, want %v", what, got, want)
			}
		}
		apply(model.CmdRegister, &model.RegisterRequest{Node: "n1", Address: "10.0.0.1"})
		t.Repeat(map[string]func(*rapid.T){
			"kv": func(t *rapid.T) {
				c := drawKV(t)
				got := apply(model.CmdKV, c)
				must(fmt.Sprintf("%+v", *c), got, ref.kv(c.Op, c.DirEnt))
			},
			"cas": func(t *rapid.T) { // with the index that is there
				p := drawPair(t)
				p.ModifyIndex = ref.pairs[p.Key].ModifyIndex
				op := oneOf(t, "op", model.KVCAS, model.KVDeleteCAS)
				got := apply(model.CmdKV, &model.KVCommand{Op: op, DirEnt: p})
				must(fmt.Sprintf("%s %+v", op, p), got, ref.kv(op, p))
			},
			"lock": func(t *rapid.T) { // by a session that is there
				if len(ref.sessions) == 0 {
					t.Skip()
				}
				p := drawPair(t)
				p.Session = oneOf(t, "holder", slices.Sorted(maps.Keys(ref.sessions))...)
				op := oneOf(t, "op", model.KVLock, model.KVLock, model.KVUnlock)
				got := apply(model.CmdKV, &model.KVCommand{Op: op, DirEnt: p})
				must(fmt.Sprintf("%s %+v", op, p), got, ref.kv(op, p))
			},
			"create": func(t *rapid.T) {
				x := model.Session{ID: drawSession(t), Node: "n1", Behavior: oneOf(t, "behavior", model.SessionsRelease, model.SessionsDelete)}
				if rapid.Bool().Draw(t, "with check") {
					x.NodeChecks = []string{oneOf(t, "check", "c1", "c2")}
				}
				got := apply(model.CmdSession, &model.SessionCommand{Op: model.SessionCreate, Session: x})
				must(fmt.Sprintf("create %+v", x), got, ref.create(x))
			},
			"destroy": func(t *rapid.T) {
				id := drawSession(t)
				must("destroy", apply(model.CmdSession, &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: id}}), nil)
				ref.end(id)
			},
			"check": func(t *rapid.T) {
				id, status := oneOf(t, "check", "c1", "c2"), drawStatus(t)
				apply(model.CmdRegister, &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Check: &model.HealthCheck{CheckID: id, Status: status}})
				ref.critical[id] = status == model.HealthCritical || status == ""
				if ref.critical[id] {
					ref.endOfCheck(id)
				}
			},
			"no check": func(t *rapid.T) {
				id := oneOf(t, "check", "c1", "c2")
				apply(model.CmdDeregister, &model.DeregisterRequest{Node: "n1", CheckID: id})
				delete(ref.critical, id)
				ref.endOfCheck(id)
			},
			"reap": func(t *rapid.T) {
				until := uint64(rapid.IntRange(0, int(ref.index)).Draw(t, "until"))
				apply(model.CmdTombstone, &model.TombstoneCommand{ReapIndex: until})
				maps.DeleteFunc(ref.tombstones, func(_ string, i uint64) bool { return i <= until })
			},
			"restart": func(t *rapid.T) {
				s = restored(t, persist(t, s))
			},
			"": func(t *rapid.T) {
				v := s.Current()
				checkInvariants(t, v)
				for _, prefix := range []string{"", "a", "a/", "\x00", "none"} {
					must("listing of "+prefix, listing(v, prefix, "/"), ref.listing(prefix, "/"))
				}
				for _, key := range []string{"a", "a/b", "", "none"} {
					index, p := v.KVGet(key)
					want, ok := ref.pairs[key]
					switch {
					case !ok && (p != nil || index != ref.kvIndex):
						t.Fatalf("%q: got %v at %d, want none at %d", key, p, index, ref.kvIndex)
					case ok && (p == nil || fmt.Sprint(*p) != fmt.Sprint(want) || index != want.ModifyIndex || !bytes.Equal(p.Value, want.Value)):
						t.Fatalf("%q: got %v at %d, want %v", key, p, index, want)
					}
				}
				index, list := v.Sessions()
				if index != ref.sessIndex || len(list) != len(ref.sessions) {
					t.Fatalf("got %d sessions at %d, want %d at %d", len(list), index, len(ref.sessions), ref.sessIndex)
				}
			},
		})
	})
}
