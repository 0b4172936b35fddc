package state

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"muster/model"
)

// watched is a topic with the answers that whoever watches it reads.
type watched struct {
	name  string
	topic Topic
	read  func(v *Version) string
	// exact topics fire only if the answer or its index moved.
	exact bool
}

func show[T any](index uint64, list []*T) string {
	out := fmt.Sprint(index)
	for _, x := range list {
		out += fmt.Sprintf("\n%+v", *x)
	}
	return out
}

// without leaves out the index of an answer that covers more than the topic.
func without[T any](_ uint64, list []*T) string { return show(0, list) }

func allWatched() []watched {
	list := []watched{
		{"nodes", TopicNodes, func(v *Version) string { return show(v.Nodes()) }, true},
		{"services", TopicServices, func(v *Version) string {
			out := fmt.Sprint(v.ServicesIndex())
			v.EachInstance(func(_ *model.Node, s *model.NodeService) bool {
				out += fmt.Sprintf("\n%s %v", s.Service, s.Tags)
				return true
			})
			return out
		}, true},
		{"checks", TopicChecks, func(v *Version) string { return show(v.ChecksInState(model.HealthAny)) }, true},
		{"sessions", TopicSessions, func(v *Version) string { return show(v.Sessions()) }, true},
		{"coordinates", TopicCoordinates, func(v *Version) string { return show(v.Coordinates()) }, true},
	}
	for _, k := range []string{"a", "a/b", "a/c", "ab", "b", "\x00", "a\x00b", "\xff", "", "none"} {
		list = append(list, watched{"key " + k, TopicKey(k), func(v *Version) string {
			if index, p := v.KVGet(k); p != nil {
				return fmt.Sprint(index, *p)
			}
			return "none" // the index is that of the table
		}, true})
	}
	for _, k := range []string{"a", "a/", "a/b", "ab", "", "none"} {
		list = append(list, watched{"prefix " + k, TopicPrefix(k), func(v *Version) string {
			index, pairs := v.KVList(k)
			if len(pairs) == 0 {
				return "none"
			}
			_, keys := v.KVKeys(k, "/")
			return show(index, pairs) + fmt.Sprint(keys)
		}, true})
	}
	for _, s := range []string{"web", "db", "we", "", "none"} {
		list = append(list, watched{"service " + s, TopicService(s), func(v *Version) string {
			index, health := v.Health(s)
			if len(health) == 0 {
				index = 0
			}
			out := fmt.Sprint(index)
			for _, h := range health {
				out += fmt.Sprintf("\n%+v\n%+v\n%s", *h.Node, *h.Service, show(0, h.Checks))
			}
			return out + without(v.Instances(s)) + without(v.ServiceChecks(s))
		}, true})
	}
	for _, n := range []string{"n1", "n2", "n3", "ſ", "", "none"} {
		list = append(list, watched{"node " + n, TopicNode(n), func(v *Version) string {
			out := "none"
			if node := v.Node(n); node != nil {
				out = fmt.Sprintf("%+v", *node)
			}
			return out + without(v.NodeServices(n)) + without(v.NodeChecks(n))
		}, true})
	}
	return list
}

// Whoever takes a watch and reads afterwards hears of every change of what was
// read; and of nothing else, where the topic is no wider than the answer.
func TestWatchTellsEveryChange(t *testing.T) {
	check(t, func(t *rapid.T) {
		s := New()
		all := allWatched()
		for _, batch := range batches(t, drawEntries(t)) {
			watches := make([]*Watch, len(all))
			before := make([]string, len(all))
			for i, w := range all {
				watches[i] = s.Watch(w.topic)
				before[i] = w.read(s.Current())
			}
			reaps := false
			for _, e := range batch {
				reaps = reaps || (len(e.Data) > 0 && model.CommandType(e.Data[0]) == model.CmdTombstone)
			}
			s.Apply(batch)
			for i, w := range all {
				after := w.read(s.Current())
				if after != before[i] && !watches[i].Fired() && !reaps {
					t.Fatalf("%s did not fire:\n%s\nbecame\n%s", w.name, before[i], after)
				}
				if after == before[i] && watches[i].Fired() && w.exact && len(batch) == 1 && single(batch[0]) {
					t.Fatalf("%s fired and nothing changed:\n%s", w.name, after)
				}
				watches[i].Close()
			}
			if n := s.Watches(); n != 0 || len(s.hub.heads) != 0 || len(s.hub.prefixes) != 0 {
				t.Fatalf("%d watches are left, %d topics, %d lengths of prefixes", n, len(s.hub.heads), len(s.hub.prefixes))
			}
		}
	})
}

// single tells whether a command changes one thing at most, so that nothing can
// come and go within it.
func single(e Entry) bool {
	var r model.RegisterRequest
	switch {
	case len(e.Data) == 0:
		return true
	case model.CommandType(e.Data[0]) == model.CmdTxn:
		return false
	case model.CommandType(e.Data[0]) == model.CmdRegister && decode(e.Data[1:], &r) == nil:
		return len(r.Checks) == 0 || (len(r.Checks) == 1 && r.Check == nil)
	}
	return true
}

func TestWatchFiresForItsTopicOnly(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command any
		fires   []Topic
		silent  []Topic
	}{
		{"key", &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "dir/new"}},
			[]Topic{TopicKey("dir/new"), TopicPrefix("dir/new"), TopicPrefix("dir/"), TopicPrefix("d"), TopicPrefix("")},
			[]Topic{TopicKey("dir/"), TopicKey("dir/new2"), TopicKey("dir/ne"), TopicPrefix("dir/new2"), TopicPrefix("dir/a"), TopicNodes, TopicService("dir/new"), TopicNode("dir/new")}},
		{"key that is deleted", &model.KVCommand{Op: model.KVDelete, DirEnt: model.KVPair{Key: "dir/a"}},
			[]Topic{TopicKey("dir/a"), TopicPrefix("dir/")}, []Topic{TopicKey("dir/b"), TopicPrefix("dir/b"), TopicPrefix("other")}},
		{"tree that is deleted", &model.KVCommand{Op: model.KVDeleteTree, DirEnt: model.KVPair{Key: "dir/"}},
			[]Topic{TopicKey("dir/a"), TopicKey("dir/b"), TopicPrefix("dir/a"), TopicPrefix("")}, []Topic{TopicKey("dir/"), TopicKey("dir/c"), TopicPrefix("other")}},
		{"key that stays", &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "dir/a", Value: []byte("1")}},
			nil, []Topic{TopicKey("dir/a"), TopicPrefix("")}},
		{"instance", &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Service: &model.NodeService{ID: "web1", Service: "Web", Port: 81}},
			[]Topic{TopicService("web"), TopicService("WEB"), TopicServices, TopicNode("n1"), TopicNode("N1")},
			[]Topic{TopicService("db"), TopicService("we"), TopicNode("n2"), TopicNodes, TopicChecks}},
		{"node", &model.RegisterRequest{Node: "n1", Address: "10.0.0.9"},
			[]Topic{TopicService("web"), TopicService("db"), TopicNode("n1"), TopicNodes}, []Topic{TopicService("api"), TopicServices, TopicChecks, TopicNode("n2")}},
		{"check of an instance", &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Check: &model.HealthCheck{CheckID: "c", ServiceID: "web1"}},
			[]Topic{TopicService("web"), TopicChecks, TopicNode("n1")}, []Topic{TopicService("db"), TopicServices, TopicNodes, TopicNode("n2")}},
		{"check of a node", &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Check: &model.HealthCheck{CheckID: "c"}},
			[]Topic{TopicService("web"), TopicService("db"), TopicChecks, TopicNode("n1")}, []Topic{TopicService("api"), TopicServices, TopicNode("n2")}},
		{"last instance", &model.DeregisterRequest{Node: "n2", ServiceID: "api1"},
			[]Topic{TopicService("api"), TopicServices, TopicNode("n2")}, []Topic{TopicService("web"), TopicNodes, TopicNode("n1"), TopicChecks}},
		{"nothing", &model.DeregisterRequest{Node: "n2", ServiceID: "none"}, nil, everything()},
		{"session", &model.SessionCommand{Op: model.SessionCreate, Session: model.Session{ID: "x", Node: "n1"}},
			[]Topic{TopicSessions}, []Topic{TopicNode("n1"), TopicChecks, TopicPrefix("")}},
		{"coordinate", &model.CoordinatesCommand{Updates: []model.Coordinate{{Node: "n1", Coord: &model.Vector{}}}},
			[]Topic{TopicCoordinates}, []Topic{TopicNode("n1"), TopicNodes}},
		{"deletions forgotten", &model.TombstoneCommand{ReapIndex: 1000}, nil, everything()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t)
			c.kvSet("dir/a", "1")
			c.kvSet("dir/b", "1")
			c.kvSet("gone", "1")
			c.kv(model.KVDelete, model.KVPair{Key: "gone"})
			c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Service: &model.NodeService{ID: "web1", Service: "web"}})
			c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Service: &model.NodeService{ID: "db1", Service: "db"}})
			c.register(&model.RegisterRequest{Node: "n2", Address: "10.0.0.2", Service: &model.NodeService{ID: "api1", Service: "api"}})
			watch := func(topics []Topic) (out []*Watch) {
				for _, topic := range topics {
					out = append(out, c.s.Watch(topic))
				}
				return out
			}
			fires, silent := watch(tt.fires), watch(tt.silent)
			c.apply(commandType(tt.command), tt.command)
			for i, w := range fires {
				if !w.Fired() {
					t.Errorf("%v did not fire", tt.fires[i])
				}
			}
			for i, w := range silent {
				if w.Fired() {
					t.Errorf("%v fired", tt.silent[i])
				}
			}
		})
	}
}

func TestWatchOfSeveralTopicsFiresOnce(t *testing.T) {
	c := newCluster(t)
	w := c.s.Watch(TopicKey("a"), TopicKey("a"), TopicPrefix("a"), TopicNodes)
	other := c.s.Watch(TopicNodes)
	c.batch(
		command{model.CmdKV, &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "a"}}},
		command{model.CmdRegister, &model.RegisterRequest{Node: "n1", Address: "10.0.0.1"}},
	)
	for _, w := range []*Watch{w, other} {
		select {
		case <-w.Done():
		default:
			t.Error("the channel is open")
		}
		if !w.Fired() {
			t.Error("not fired")
		}
		w.Close()
		w.Close()
	}
	c.noWatches()
}

func TestWatchCloseForgetsEverything(t *testing.T) {
	c := newCluster(t)
	const n = 10_000
	watches := make([]*Watch, n)
	for i := range watches {
		watches[i] = c.s.Watch(TopicKey(fmt.Sprint(i%100)), TopicPrefix(fmt.Sprint(i%1000)), TopicService("web"), TopicNodes)
	}
	if got := c.s.Watches(); got != n {
		t.Errorf("%d watches are open, not %d", got, n)
	}
	for i := range watches { // in an order that is neither that of taking nor its reverse
		w := watches[i*7919%n]
		w.Close()
		w.Close()
		if w.Fired() {
			t.Fatal("closing fired")
		}
		select {
		case <-w.Done():
			t.Fatal("closing closed Done")
		default:
		}
	}
	c.noWatches()
	c.kvSet("1", "x") // meets none of them
}

func TestRestoreWakesEverybody(t *testing.T) {
	c := newCluster(t)
	snapshot := persist(t, c.s)
	watches := []*Watch{c.s.Watch(TopicNodes), c.s.Watch(TopicKey("none"), TopicPrefix("x")), c.s.Watch(TopicService("web"))}
	c.restore(snapshot)
	for i, w := range watches {
		if !w.Fired() {
			t.Errorf("watch %d did not fire", i)
		}
	}
	c.noWatches()
}

// Readers that watch, read, and wait for the next change see a counter go up
// to its end without ever missing a step for good.
func TestWatchWhileWriting(t *testing.T) {
	s := New()
	const writes, readers = 500, 8
	var woken atomic.Int64
	var group sync.WaitGroup
	for r := range readers {
		group.Go(func() {
			topic := TopicKey("counter")
			if r%2 == 1 {
				topic = TopicPrefix("count")
			}
			last := uint64(0)
			for last < writes {
				w := s.Watch(topic, TopicNodes)
				v := s.Current()
				index, p := v.KVGet("counter")
				if p != nil && p.Flags > last {
					last = p.Flags
					w.Close()
					continue
				}
				if p != nil && (p.Flags < last || index != p.ModifyIndex) {
					t.Errorf("read %d at %d after %d", p.Flags, index, last)
				}
				<-w.Done()
				woken.Add(1)
			}
		})
	}
	var entries []Entry
	for i := range uint64(writes) {
		c := &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "counter", Flags: i + 1}}
		entries = append(entries, Entry{i + 1, mustEncode(t, model.CmdKV, c)})
		if len(entries) == 1+int(i%5) {
			s.Apply(entries)
			entries = nil
		}
	}
	s.Apply(entries)
	group.Wait()
	if n := s.Watches(); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}

// Watches are taken, closed and fired from many sides at once.
func TestWatchCloseWhileFiring(t *testing.T) {
	s := New()
	var group sync.WaitGroup
	for r := range 4 {
		group.Go(func() {
			for i := range 300 {
				w := s.Watch(TopicKey("a"), TopicPrefix(""), TopicKey(fmt.Sprint(r, i)))
				if i%2 == 0 {
					s.Current().KVGet("a")
				}
				w.Close()
				w.Fired()
			}
		})
	}
	for i := range uint64(300) {
		c := &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "a", Flags: i}}
		s.Apply([]Entry{{i + 1, mustEncode(t, model.CmdKV, c)}})
	}
	group.Wait()
	if s.Watches() != 0 || len(s.hub.heads) != 0 || len(s.hub.prefixes) != 0 {
		t.Errorf("%d watches, %d topics, %d lengths are left", s.Watches(), len(s.hub.heads), len(s.hub.prefixes))
	}
}

// What was read under a watch that has not fired is as new as anything that
// anybody has read: whoever keeps answers may rely on Fired alone.
func TestNotFiredMeansNothingNewer(t *testing.T) {
	s := New()
	stop := make(chan struct{})
	var group sync.WaitGroup
	type kept struct {
		watch *Watch
		index uint64
	}
	var shared atomic.Pointer[kept]
	for range 2 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				seen, _ := s.Current().KVGet("k")
				if k := shared.Load(); k != nil && !k.watch.Fired() {
					if k.index < seen {
						t.Errorf("kept %d, read %d before", k.index, seen)
						return
					}
					continue
				}
				w := s.Watch(TopicKey("k"))
				index, _ := s.Current().KVGet("k")
				shared.Store(&kept{w, index})
			}
		})
	}
	for i := range uint64(20_000) {
		if i%100 == 0 { // others to be woken first make the moment longer
			for range 50 {
				s.Watch(TopicNodes)
			}
		}
		c := &model.Txn{Ops: []model.TxnOp{nodeOp(model.VerbSet, model.Node{Node: "n", Address: fmt.Sprint(i)}), kvOp(model.KVSet, model.KVPair{Key: "k", Flags: i})}}
		s.Apply([]Entry{{i + 1, mustEncode(t, model.CmdTxn, c)}})
	}
	close(stop)
	group.Wait()
}
