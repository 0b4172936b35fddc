package meter

import (
	"strings"

	"github.com/hashicorp/go-metrics"
)

// Label is a name and a value that tell series of one metric apart.
type Label = metrics.Label

// Count adds one to a counter of the table. It is for what happens seldom: see
// Tally. A nil Meter counts nothing.
func (m *Meter) Count(name string, labels ...Label) { m.Add(name, 1, labels...) }

// Add adds n to a counter of the table.
func (m *Meter) Add(name string, n float64, labels ...Label) {
	if m != nil {
		m.metrics.IncrCounterWithLabels(strings.Split(name, "."), float32(n), labels)
	}
}

// Set sets a gauge of the table.
func (m *Meter) Set(name string, value float64, labels ...Label) {
	if m != nil {
		m.metrics.SetGaugeWithLabels(strings.Split(name, "."), float32(value), labels)
	}
}

// WatchCount has a counter follow a number that only grows.
func (m *Meter) WatchCount(name string, total func() uint64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	told := uint64(0)
	m.gauges = append(m.gauges, func() {
		if n := total(); n > told {
			m.Add(name, float64(n-told))
			told = n
		}
	})
}

// Watch has a gauge be asked for its value twice in each interval, and whenever
// somebody looks. value must not block. NaN is no value: only Prometheus, which
// wants every series at any time, is told.
func (m *Meter) Watch(name string, value func() float64, labels ...Label) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges = append(m.gauges, func() { m.Set(name, value(), labels...) })
}

// numbers is a sink for receivers that do not know NaN, as JSON does not.
type numbers struct{ metrics.MetricSink }

// SetGaugeWithLabels is part of metrics.MetricSink, and all that sets gauges here.
func (n numbers) SetGaugeWithLabels(key []string, value float32, labels []Label) {
	if value == value {
		n.MetricSink.SetGaugeWithLabels(key, value, labels)
	}
}
