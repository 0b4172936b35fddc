// Package heap keeps a small heap from being collected all the time.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// percent is Go's own default: the heap may double before it is collected.
const percent = 100

// GrowAtLeast lets the heap grow by at least so many bytes between two
// collections: an agent that keeps little and answers much would otherwise
// collect a few megabytes many times a second. A heap larger than that is
// collected as always. What GOGC says in the environment is overruled.
func GrowAtLeast(bytes uint64) {
	set(bytes)
	again := new(sentinel)
	again.bytes = bytes
	runtime.SetFinalizer(again, (*sentinel).collected)
}

// sentinel is garbage whose finalizer runs after each collection.
type sentinel struct{ bytes uint64 }

func (s *sentinel) collected() {
	set(s.bytes)
	runtime.SetFinalizer(s, (*sentinel).collected)
}

func set(bytes uint64) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(target(bytes, live[0].Value.Uint64()))
}

// target is how far, in percent of what lives, the heap may grow.
func target(bytes, live uint64) int {
	const most = 1000 // of a heap that has not been measured yet
	if live == 0 {
		return most
	}
	return int(min(max(percent, bytes*100/live), most))
}
