package quorum

import (
	"time"

	"github.com/hashicorp/raft"

	"muster/internal/meter"
)

// walMetrics gives the counts of the log on disk to the meter. Which there are
// stands in the meter's table; others are let be.
type walMetrics struct {
	counts map[string]*meter.Tally
	meter  *meter.Meter
}

const walPrefix = "raft.wal."

func newWALMetrics(m *meter.Meter) *walMetrics {
	w := &walMetrics{counts: map[string]*meter.Tally{}, meter: m}
	for _, name := range []string{
		"log_appends", "log_entries_written", "log_entry_bytes_written", "log_entries_read", "log_entry_bytes_read",
		"segment_rotations", "head_truncations", "tail_truncations", "stable_gets", "stable_sets",
	} {
		w.counts[name] = m.Tally(walPrefix + name)
	}
	return w
}

// IncrementCounter is called by the log.
func (w *walMetrics) IncrementCounter(name string, delta uint64) { w.counts[name].Add(delta) }

// SetGauge is called by the log.
func (w *walMetrics) SetGauge(name string, value uint64) {
	if name == "last_segment_age_seconds" {
		w.meter.Set(walPrefix+name, float64(value))
	}
}

// OldestEntry is when the oldest entry in the log was appended, by the clock of
// the leader of its time; zero for an empty log.
func (q *Quorum) OldestEntry() time.Time {
	var log raft.Log
	first, err := q.logs.FirstIndex()
	if err != nil || first == 0 || q.logs.GetLog(first, &log) != nil {
		return time.Time{}
	}
	return log.AppendedAt
}
