package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestTarget(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		grow, live uint64
		want       int
	}{{24 * mib, 0, 1000}, {24 * mib, mib, 1000}, {24 * mib, 8 * mib, 300}, {24 * mib, 24 * mib, 100}, {24 * mib, 400 * mib, 100}} {
		if got := target(c.grow, c.live); got != c.want {
			t.Errorf("target(%d, %d) = %d, want %d", c.grow, c.live, got, c.want)
		}
	}
}

// After every collection the percentage follows what lives.
func TestFollows(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	GrowAtLeast(1 << 40)
	for range 3 {
		debug.SetGCPercent(77)
		deadline := time.Now().Add(10 * time.Second)
		for {
			runtime.GC()
			now := debug.SetGCPercent(77)
			if now == 1000 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the percentage is still %d", now)
			}
			runtime.Gosched()
		}
	}
}
