package local

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"muster/model"
)

func processorTime() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkRegister has 32 callers register one of 500 services again and
// again, with a disk and a catalog that costs nothing.
func BenchmarkRegister(b *testing.B) {
	for _, dir := range []string{"", b.TempDir()} {
		b.Run(fmt.Sprintf("disk=%v", dir != ""), func(b *testing.B) {
			a, err := New(Config{NodeName: "n1", Catalog: newFakeCatalog(), DataDir: dir})
			if err != nil {
				b.Fatal(err)
			}
			a.Start(context.Background())
			var n atomic.Int64
			begin := processorTime()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := int(n.Add(1))
					def := &model.ServiceDefinition{ID: fmt.Sprint("svc", i%500), Name: "svc", Port: 1 + i%60000, Tags: []string{"a"}}
					if err := a.AddService(def, SourceAPI, false); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64((processorTime()-begin).Nanoseconds())/float64(b.N), "cpu-ns/op")
			if err := a.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
