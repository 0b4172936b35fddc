package meter

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-metrics"
)

// sampler is the way of the samples that libraries emit: those of the table go to
// Timers, as our own do, since the receivers of go-metrics take microseconds and many
// allocations a value. All else goes where it would go without a sampler.
type sampler struct {
	metrics.MetricSink
	meter *Meter
	names map[string]string // names in the table, by paths joined with dots

	mu     sync.RWMutex
	timers map[string]*Timer // by path and labels; guarded by mu
}

func newSampler(m *Meter, rest metrics.MetricSink) *sampler {
	s := &sampler{MetricSink: rest, meter: m, names: map[string]string{}, timers: map[string]*Timer{}}
	for name, row := range m.samples {
		s.names[strings.Join(row.path(&m.cfg), ".")] = name
	}
	return s
}

// AddSample is part of metrics.MetricSink.
func (s *sampler) AddSample(key []string, v float32) { s.AddSampleWithLabels(key, v, nil) }

// AddSampleWithLabels is part of metrics.MetricSink.
func (s *sampler) AddSampleWithLabels(key []string, v float32, labels []Label) {
	var room [160]byte
	series := room[:0]
	for i, part := range key {
		if i > 0 {
			series = append(series, '.')
		}
		series = append(series, part...)
	}
	path := len(series)
	for _, l := range labels {
		series = append(append(series, 0), l.Name...)
		series = append(append(series, 0), l.Value...)
	}
	s.mu.RLock()
	t := s.timers[string(series)]
	s.mu.RUnlock()
	if t == nil {
		t = s.timer(string(series), string(series[:path]), labels)
	}
	if t == nil {
		s.MetricSink.AddSampleWithLabels(key, v, labels)
		return
	}
	t.observe(time.Now(), float64(v))
}

// timer makes the Timer of a series; nil if the table does not have it, or if there
// are too many.
func (s *sampler) timer(series, path string, labels []Label) *Timer {
	name, ok := s.names[path]
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.timers[series]
	if t == nil && len(s.timers) < maxLabels {
		t = s.meter.newTimer(name, slices.Clone(labels), len(labels) > 0)
		s.timers[series] = t
	}
	return t
}
