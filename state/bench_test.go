package state

import (
	"fmt"
	"runtime"
	"testing"

	"muster/model"
)

func mustEncode(tb testing.TB, t model.CommandType, command any) []byte {
	tb.Helper()
	b, err := Encode(t, command)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func kvSetCommand(key string, size int) *model.KVCommand {
	return &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: key, Value: make([]byte, size), Flags: 42}}
}

// instanceOn is what an agent registers: an instance with tags and metadata,
// a check of it and one of its node.
func instanceOn(node, service int) *model.RegisterRequest {
	name, id := fmt.Sprintf("node-%05d", node), fmt.Sprintf("web-%05d", node)
	return &model.RegisterRequest{
		Datacenter: "dc1", ID: fmt.Sprintf("7f2f4953-4ecd-7120-3a6f-%012x", node), Node: name, Address: "10.0.0.1",
		TaggedAddresses: map[string]string{"lan": "10.0.0.1", "wan": "192.0.2.1"},
		NodeMeta:        map[string]string{"rack": "r1"},
		Service: &model.NodeService{
			ID: id, Service: fmt.Sprintf("web-%d", service), Tags: []string{"v1", "primary"}, Port: 8080,
			Meta: map[string]string{"version": "1.1"}, Weights: &model.Weights{Passing: 1, Warning: 1},
		},
		Checks: []*model.HealthCheck{
			{CheckID: model.SerfHealthID, Name: model.SerfHealthName, Status: model.HealthPassing, Output: model.SerfAliveOutput},
			{CheckID: "service:" + id, Name: "http", Status: model.HealthPassing, ServiceID: id, Output: "HTTP GET: 200 OK"},
		},
	}
}

func BenchmarkEncodeKV(b *testing.B) {
	c := kvSetCommand("service/web/config/key-000017", 256)
	b.ReportAllocs()
	for b.Loop() {
		mustEncode(b, model.CmdKV, c)
	}
}

func BenchmarkDecodeKV(b *testing.B) {
	data := mustEncode(b, model.CmdKV, kvSetCommand("service/web/config/key-000017", 256))
	b.ReportAllocs()
	for b.Loop() {
		var c model.KVCommand
		if !decodeKV(data[1:], &c) {
			b.Fatal("not decoded")
		}
	}
}

// The library's own way, for comparison.
func BenchmarkDecodeKVByReflection(b *testing.B) {
	data := mustEncode(b, model.CmdKV, kvSetCommand("service/web/config/key-000017", 256))
	b.ReportAllocs()
	for b.Loop() {
		var c model.KVCommand
		if err := decode(data[1:], &c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWellFormed(b *testing.B) {
	data := mustEncode(b, model.CmdRegister, instanceOn(1, 1))
	for b.Loop() {
		if err := wellFormed(data[1:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeRegister(b *testing.B) {
	c := instanceOn(1, 1)
	b.ReportAllocs()
	for b.Loop() {
		mustEncode(b, model.CmdRegister, c)
	}
}

func BenchmarkDecodeRegister(b *testing.B) {
	data := mustEncode(b, model.CmdRegister, instanceOn(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		var c model.RegisterRequest
		if err := decode(data[1:], &c); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkApply applies commands in batches, in the order given and again
// from the start. ns/op and B/op are per command.
func benchmarkApply(b *testing.B, batch, n int, command func(i int) []byte) {
	s := New()
	data := make([][]byte, n)
	for i := range data {
		data[i] = command(i)
	}
	entries := make([]Entry, 0, batch)
	index := uint64(0)
	apply := func(d []byte) {
		index++
		if entries = append(entries, Entry{index, d}); len(entries) == batch {
			s.Apply(entries)
			entries = entries[:0]
		}
	}
	for _, d := range data {
		apply(d)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		apply(data[i*7919%n])
		i++
	}
}

// BenchmarkApplyKV overwrites keys of 256 bytes among 100,000.
func BenchmarkApplyKV(b *testing.B) {
	for _, batch := range []int{1, 32} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			flags := uint64(0)
			benchmarkApply(b, batch, 100_000, func(i int) []byte {
				c := kvSetCommand(fmt.Sprintf("bench/key-%06d", i%50_000), 256)
				flags++
				c.DirEnt.Flags = flags
				return mustEncode(b, model.CmdKV, c)
			})
		})
	}
}

// BenchmarkApplyRegister changes instances of 100 services on 2,000 nodes.
func BenchmarkApplyRegister(b *testing.B) {
	for _, batch := range []int{1, 32} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			benchmarkApply(b, batch, 4_000, func(i int) []byte {
				r := instanceOn(i%2000, i%100)
				r.Service.Port = 1000 + i
				return mustEncode(b, model.CmdRegister, r)
			})
		})
	}
}

func BenchmarkKVGet(b *testing.B) {
	s := New()
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("bench/key-%06d", i)
		s.Apply([]Entry{{uint64(i + 1), mustEncode(b, model.CmdKV, kvSetCommand(keys[i], 256))}})
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, p := s.Current().KVGet(keys[i*7919%len(keys)]); p == nil {
			b.Fatal("gone")
		}
		i++
	}
}

func BenchmarkHealth(b *testing.B) {
	for _, n := range []int{10, 500} {
		b.Run(fmt.Sprintf("instances=%d", n), func(b *testing.B) {
			s := New()
			for i := range n {
				s.Apply([]Entry{{uint64(i + 1), mustEncode(b, model.CmdRegister, instanceOn(i, 1))}})
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, list := s.Current().Health("web-1"); len(list) != n {
					b.Fatal(len(list))
				}
			}
		})
	}
}

// BenchmarkMemory tells what is kept per key and per instance.
func BenchmarkMemory(b *testing.B) {
	measure := func(b *testing.B, n int, command func(i int) []byte) {
		for b.Loop() {
			data := make([][]byte, n)
			for i := range data {
				data[i] = command(i)
			}
			before := heap()
			s := New()
			for i, d := range data {
				s.Apply([]Entry{{uint64(i + 1), d}})
			}
			b.ReportMetric(float64(heap()-before)/float64(n), "heapB/item")
			runtime.KeepAlive(s)
			runtime.KeepAlive(data)
		}
	}
	b.Run("keys=100000", func(b *testing.B) {
		measure(b, 100_000, func(i int) []byte {
			return mustEncode(b, model.CmdKV, kvSetCommand(fmt.Sprintf("bench/key-%06d", i), 256))
		})
	})
	b.Run("instances=20000", func(b *testing.B) {
		measure(b, 20_000, func(i int) []byte { return mustEncode(b, model.CmdRegister, instanceOn(i, i%200)) })
	})
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkWatchFire(b *testing.B) {
	s := New()
	for i := range 10_000 {
		s.Watch(TopicKey(fmt.Sprintf("other-%d", i)))
	}
	data := mustEncode(b, model.CmdKV, kvSetCommand("a/key", 16))
	other := mustEncode(b, model.CmdKV, kvSetCommand("a/key", 17))
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		w := s.Watch(TopicKey("a/key"))
		i++
		s.Apply([]Entry{{i, data}})
		if !w.Fired() {
			b.Fatal("not fired")
		}
		data, other = other, data
	}
}
