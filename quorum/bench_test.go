package quorum

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// cpuTime is the processor time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// nothing is a StateMachine that costs nothing.
type nothing struct{ machine }

func (*nothing) Apply(batch []Entry) []any { return make([]any, len(batch)) }

func BenchmarkPropose(b *testing.B) {
	for _, kind := range []string{"memory", "disk"} {
		for _, writers := range []int{1, 32, 256} {
			b.Run(fmt.Sprintf("%s/writers=%d", kind, writers), func(b *testing.B) {
				dir := ""
				if kind == "disk" {
					dir = b.TempDir()
				}
				q, err := Open(Config{ID: "a", Address: "a:8300", Dir: dir, Bootstrap: true}, &nothing{})
				if err != nil {
					b.Fatal(err)
				}
				defer q.Close()
				waitReady(b, q)
				data := make([]byte, 300)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				b.SetParallelism((writers + 1) / 2)
				b.ReportAllocs()
				b.ResetTimer()
				cpu := cpuTime()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, _, err := q.Propose(ctx, data); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

func BenchmarkReadOK(b *testing.B) {
	q, err := Open(Config{ID: "a", Address: "a:8300", Bootstrap: true}, &nothing{})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	waitReady(b, q)
	for b.Loop() {
		if !q.ReadOK() {
			b.Fatal("not ok")
		}
	}
}
