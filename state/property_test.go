package state

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"muster/model"
)

// However a log is cut into batches, and wherever it is interrupted by a
// snapshot, the data and the results are the same, byte for byte.
func TestSameLogSameData(t *testing.T) {
	check(t, func(t *rapid.T) {
		entries := drawEntries(t)
		alone, together, interrupted := New(), New(), New()
		var want []string
		for _, e := range entries {
			for _, r := range alone.Apply([]Entry{e}) {
				want = append(want, describe(r))
			}
			checkInvariants(t, alone.Current())
		}
		var got, again []string
		for _, batch := range batches(t, entries) {
			for _, r := range together.Apply(batch) {
				got = append(got, describe(r))
			}
			for _, r := range interrupted.Apply(batch) {
				again = append(again, describe(r))
			}
			checkInvariants(t, together.Current())
			if rapid.IntRange(0, 3).Draw(t, "interrupt") == 0 {
				snapshot := persist(t, interrupted)
				interrupted = restored(t, snapshot)
				if !bytes.Equal(persist(t, interrupted), snapshot) {
					t.Fatalf("restored data differs from its snapshot")
				}
				checkInvariants(t, interrupted.Current())
			}
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("entry %d alone gives\n%s\nin a batch\n%s", i, want[i], got[i])
			}
			if again[i] != want[i] {
				t.Fatalf("entry %d gives\n%s\nafter a restore\n%s", i, want[i], again[i])
			}
		}
		if !bytes.Equal(persist(t, alone), persist(t, together)) {
			t.Fatalf("batches give other data")
		}
		if !bytes.Equal(persist(t, alone), persist(t, interrupted)) {
			t.Fatalf("restoring in between gives other data")
		}
	})
}

// A command that fails changes nothing but the index that was applied.
func TestFailureChangesNothing(t *testing.T) {
	check(t, func(t *rapid.T) {
		s := New()
		for _, e := range drawEntries(t) {
			before := content(t, s.Current())
			watch := s.Watch(everything()...)
			result := s.Apply([]Entry{e})[0]
			if s.Current().Applied() != e.Index {
				t.Fatalf("applied is %d after entry %d", s.Current().Applied(), e.Index)
			}
			same := bytes.Equal(content(t, s.Current()), before)
			if failed(result) && !same {
				t.Fatalf("%s, and yet the data changed", describe(result))
			}
			if same && watch.Fired() {
				t.Fatalf("nothing changed (%s), and yet a watch fired", describe(result))
			}
			watch.Close()
		}
	})
}

// What a reader holds stays as it was, whatever is applied.
func TestVersionsNeverChange(t *testing.T) {
	check(t, func(t *rapid.T) {
		s := New()
		var versions []*Version
		var contents [][]byte
		for _, batch := range batches(t, drawEntries(t)) {
			s.Apply(batch)
			versions = append(versions, s.Current())
			contents = append(contents, content(t, s.Current()))
		}
		for i, v := range versions {
			if !bytes.Equal(content(t, v), contents[i]) {
				t.Fatalf("version %d changed", i)
			}
			checkInvariants(t, v)
		}
	})
}

// Results do not change either: they are given to callers who encode them
// while the next batch is applied.
func TestResultsNeverChange(t *testing.T) {
	check(t, func(t *rapid.T) {
		s := New()
		var results []any
		var before []string
		for _, batch := range batches(t, drawEntries(t)) {
			for _, r := range s.Apply(batch) {
				results = append(results, r)
				before = append(before, describe(r))
			}
		}
		for i, r := range results {
			if describe(r) != before[i] {
				t.Fatalf("result %d was\n%s\nand is\n%s", i, before[i], describe(r))
			}
		}
	})
}

// The log's buffers may be used again after Apply.
func TestApplyKeepsNoBuffers(t *testing.T) {
	check(t, func(t *rapid.T) {
		s := New()
		for _, batch := range batches(t, drawEntries(t)) {
			s.Apply(batch)
			want := content(t, s.Current())
			for _, e := range batch {
				for i := range e.Data {
					e.Data[i] = 0xc1
				}
			}
			if !bytes.Equal(content(t, s.Current()), want) {
				t.Fatalf("the data shares memory with the log")
			}
		}
	})
}

// No answer's index goes back, except for lists of keys when deletions are
// forgotten.
func TestIndexesNeverGoBack(t *testing.T) {
	check(t, func(t *rapid.T) {
		s := New()
		before := answerIndexes(s.Current())
		for _, e := range drawEntries(t) {
			s.Apply([]Entry{e})
			now := answerIndexes(s.Current())
			reaped := len(e.Data) > 0 && model.CommandType(e.Data[0]) == model.CmdTombstone
			for question, index := range before {
				if now[question] < index && (!reaped || question[:2] != "kv") {
					t.Fatalf("the index of %s went from %d to %d", question, index, now[question])
				}
			}
			before = now
		}
	})
}

// answerIndexes asks every kind of question for every name there is.
func answerIndexes(v *Version) map[string]uint64 {
	out := map[string]uint64{}
	out["nodes"], _ = v.Nodes()
	out["sessions"], _ = v.Sessions()
	out["state"], _ = v.ChecksInState(model.HealthAny)
	out["coordinates"], _ = v.Coordinates()
	out["services"] = v.ServicesIndex()
	out["queries"], _ = v.Queries()
	for _, n := range []string{"n1", "n2", "n3", "none"} {
		out["node services "+n], _ = v.NodeServices(n)
		out["node checks "+n], _ = v.NodeChecks(n)
	}
	for _, s := range []string{"web", "db", "we", "", "none"} {
		out["instances "+s], _ = v.Instances(s)
		out["health "+s], _ = v.Health(s)
		out["checks "+s], _ = v.ServiceChecks(s)
	}
	for _, k := range []string{"a", "a/b", "a/c", "ab", "b", "\x00", "a\x00b", "\xff", "", "none"} {
		out["key "+k], _ = v.KVGet(k)
		out["kv list "+k], _ = v.KVList(k)
		out["kv keys "+k], _ = v.KVKeys(k, "/")
	}
	return out
}

// everything is every topic that the generated commands can touch.
func everything() []Topic {
	topics := []Topic{TopicNodes, TopicServices, TopicChecks, TopicSessions, TopicCoordinates, TopicQueries, TopicPrefix("")}
	for _, n := range []string{"n1", "n2", "n3", "ſ", ""} {
		topics = append(topics, TopicNode(n))
	}
	for _, s := range []string{"web", "db", "we", ""} {
		topics = append(topics, TopicService(s))
	}
	for _, k := range []string{"a", "a/b", "a/c", "ab", "b", "\x00", "a\x00b", "\xff", ""} {
		topics = append(topics, TopicKey(k))
	}
	return topics
}
