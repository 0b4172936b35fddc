package meter

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// A Timer measures how long something takes that happens often: one series of a
// sample of the table. It gathers by itself, since the way through go-metrics takes
// microseconds and two dozen allocations a value. A nil Timer measures nothing.
type Timer struct {
	meter  *Meter
	key    []string // with the prefix
	help   string
	labels []Label
	// passing: whoever the labels name comes and goes, and so Prometheus is shown
	// the series for as long after its last value as is configured.
	passing bool

	mu        sync.Mutex
	now, last window // guarded by mu
	count     uint64 // since the start; guarded by mu
	sum       float64
}

// A window is what was measured in one interval.
type window struct {
	number  int64 // of the interval since 1970
	sample  metrics.AggregateSample
	buckets []uint32 // see bucket; nil before the first value
}

// Timer makes a series. name is a sample of the table.
func (m *Meter) Timer(name string, labels ...Label) *Timer {
	if m == nil {
		return nil
	}
	return m.newTimer(name, labels, false)
}

func (m *Meter) newTimer(name string, labels []Label, passing bool) *Timer {
	m.mu.Lock()
	defer m.mu.Unlock()
	row := m.samples[name]
	if row == nil {
		return nil // a test compares the names in the code with the table
	}
	t := &Timer{meter: m, key: row.path(&m.cfg), help: row.Help, labels: labels, passing: passing}
	m.timers[name] = append(m.timers[name], t)
	return t
}

// Since records the time from start until now.
func (t *Timer) Since(start time.Time) {
	if t == nil {
		return
	}
	now := time.Now()
	t.observe(now, float64(now.Sub(start))/float64(time.Millisecond))
}

// Took records a time that was measured elsewhere.
func (t *Timer) Took(d time.Duration) {
	if t != nil {
		t.observe(time.Now(), float64(d)/float64(time.Millisecond))
	}
}

func (t *Timer) observe(now time.Time, v float64) {
	number := now.UnixNano() / int64(interval)
	t.mu.Lock()
	if t.now.number != number {
		t.now, t.last = t.last, t.now // for its buckets
		t.now.number, t.now.sample = number, metrics.AggregateSample{}
		clear(t.now.buckets)
	}
	if t.now.buckets == nil {
		t.now.buckets = make([]uint32, bucketCount)
	}
	t.now.buckets[bucket(v)]++
	s := &t.now.sample
	s.Count++
	s.Sum += v
	s.SumSq += v * v
	if v < s.Min || s.Count == 1 {
		s.Min = v
	}
	s.Max = max(s.Max, v)
	t.count++
	t.sum += v
	t.mu.Unlock()
	if t.meter.pushed != nil && t.meter.keeps(t.key) {
		t.meter.pushed.AddSampleWithLabels(t.key, float32(v), t.labels)
	}
}

// Buckets are eight for each doubling, from a 1024th of a millisecond to about
// twelve days: a quantile read from them is off by 6 % at most.
const (
	bucketsPerOctave = 8
	firstExponent    = -10
	bucketCount      = 40 * bucketsPerOctave
)

func bucket(v float64) int {
	if !(v > 0) {
		return 0
	}
	bits := math.Float64bits(v)
	exponent, part := int(bits>>52)-1023, int(bits>>49&7)
	return min(max((exponent-firstExponent)*bucketsPerOctave+part, 0), bucketCount-1)
}

// middle is the value that a bucket stands for.
func middle(i int) float64 {
	return math.Ldexp(1+(float64(i%bucketsPerOctave)+0.5)/bucketsPerOctave, i/bucketsPerOctave+firstExponent)
}

// in returns what was measured in an interval, or nil.
func (t *Timer) in(number int64) *metrics.AggregateSample {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range []*window{&t.now, &t.last} {
		if w.number == number && w.sample.Count > 0 {
			s := w.sample
			s.Rate = s.Sum / interval.Seconds()
			return &s
		}
	}
	return nil
}

// summary is the series for Prometheus: what was measured since the start, with
// the quantiles of the present interval and the one before.
func (t *Timer) summary(now time.Time) prometheus.Metric {
	t.mu.Lock()
	defer t.mu.Unlock()
	number := now.UnixNano() / int64(interval)
	var recent [bucketCount]uint32
	total := uint32(0)
	for _, w := range []*window{&t.now, &t.last} {
		if w.number >= number-1 {
			for i, n := range w.buckets {
				recent[i] += n
				total += n
			}
		}
	}
	return newSummary(t.key, t.help, t.labels, t.count, t.sum, func(q float64) float64 { return quantile(&recent, total, q) })
}

func quantile(buckets *[bucketCount]uint32, total uint32, q float64) float64 {
	if total == 0 {
		return math.NaN() // as for every summary without recent values
	}
	rank, seen := uint32(math.Ceil(q*float64(total))), uint32(0)
	for i, n := range buckets {
		if seen += n; seen >= rank {
			return middle(i)
		}
	}
	return middle(bucketCount - 1)
}

func newSummary(key []string, help string, labels []Label, count uint64, sum float64, quantile func(float64) float64) prometheus.Metric {
	names, values := make([]string, len(labels)), make([]string, len(labels))
	for i, l := range labels {
		names[i], values[i] = l.Name, l.Value
	}
	quantiles := map[float64]float64{}
	for _, q := range []float64{0.5, 0.9, 0.99} {
		quantiles[q] = quantile(q)
	}
	desc := prometheus.NewDesc(promName.Replace(strings.Join(key, "_")), help, names, nil)
	return prometheus.MustNewConstSummary(desc, count, sum, quantiles, values...)
}

// promName replaces what names of Prometheus must not have, as go-metrics does.
var promName = strings.NewReplacer(" ", "_", ".", "_", "=", "_", "-", "_", "/", "_")

// Describe describes nothing: series come as they are made.
func (m *Meter) Describe(chan<- *prometheus.Desc) {}

// Collect gives Prometheus the series of all timers, and an empty one for each
// sample of the table that has none.
func (m *Meter) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for name, row := range m.samples {
		if !m.keeps(row.path(&m.cfg)) {
			continue
		}
		plain := false
		for _, t := range m.timers[name] {
			if len(t.labels) > 0 && !t.shown(now) {
				continue
			}
			plain = plain || len(t.labels) == 0
			out <- t.summary(now)
		}
		if !plain {
			out <- newSummary(row.path(&m.cfg), row.Help, nil, 0, 0, func(float64) float64 { return math.NaN() })
		}
	}
}

// shown tells whether there is anything to show of a series with labels.
func (t *Timer) shown(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	age := time.Duration(now.UnixNano()/int64(interval)-t.now.number) * interval
	return t.count > 0 && (!t.passing || age <= t.meter.cfg.PrometheusRetention)
}

// addSamples adds what the timers measured in the interval of a summary.
func (m *Meter) addSamples(s *metrics.MetricsSummary) {
	at, err := time.Parse("2006-01-02 15:04:05 -0700 MST", s.Timestamp)
	if err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.timers)) {
		for _, t := range m.timers[name] {
			sample := t.in(at.UnixNano() / int64(interval))
			if sample == nil || !m.keeps(t.key) {
				continue
			}
			labels := map[string]string{}
			for _, l := range t.labels {
				labels[l.Name] = l.Value
			}
			s.Samples = append(s.Samples, metrics.SampledValue{Name: strings.Join(t.key, "."), AggregateSample: sample,
				Mean: sample.Mean(), Stddev: sample.Stddev(), DisplayLabels: labels})
		}
	}
}

// keeps tells whether the filter lets a metric pass.
func (m *Meter) keeps(key []string) bool {
	f := m.filter.Load()
	if len(f.Allowed) == 0 && len(f.Blocked) == 0 {
		return f.Default
	}
	name := strings.Join(key, ".")
	keep, longest := f.Default, -1
	for _, p := range f.Allowed {
		if strings.HasPrefix(name, p) && len(p) > longest {
			keep, longest = true, len(p)
		}
	}
	for _, p := range f.Blocked {
		if strings.HasPrefix(name, p) && len(p) >= longest {
			keep, longest = false, len(p)
		}
	}
	return keep
}

// A Tally is a counter that counts often: one series of a counter of the table. It
// reaches go-metrics in steps. A nil Tally counts nothing.
type Tally struct {
	key    []string // without the prefix
	labels []Label
	n      atomic.Uint64
	told   uint64 // guarded by Meter.mu
}

// Tally makes a series. name is a counter of the table.
func (m *Meter) Tally(name string, labels ...Label) *Tally {
	if m == nil {
		return nil
	}
	t := &Tally{key: strings.Split(name, "."), labels: labels}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tallies = append(m.tallies, t)
	return t
}

// Inc adds one.
func (t *Tally) Inc() {
	if t != nil {
		t.n.Add(1)
	}
}

// Add adds n.
func (t *Tally) Add(n uint64) {
	if t != nil {
		t.n.Add(n)
	}
}

// flush tells go-metrics what the tallies have counted since the last call, and
// what the gauges show.
func (m *Meter) flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tell := range m.gauges {
		tell()
	}
	for _, t := range m.tallies {
		if n := t.n.Load(); n != t.told {
			m.metrics.IncrCounterWithLabels(t.key, float32(n-t.told), t.labels)
			t.told = n
		}
	}
}

// maxLabels bounds the series of a Family: what is named by callers has no bound
// of its own.
const maxLabels = 10_000

// A Family is a counter with one label whose values come up as it counts.
type Family struct {
	meter       *Meter
	name, label string
	byValue     sync.Map // string to *Tally
	size        atomic.Int64
}

// Family makes a counter of the table with a label.
func (m *Meter) Family(name, label string) *Family {
	if m == nil {
		return nil
	}
	return &Family{meter: m, name: name, label: label}
}

// Inc adds one to the series of a value. The first 10,000 values have one.
func (f *Family) Inc(value string) {
	if f == nil {
		return
	}
	t, ok := f.byValue.Load(value)
	if !ok {
		if f.size.Load() >= maxLabels {
			return
		}
		var had bool
		if t, had = f.byValue.LoadOrStore(value, f.meter.Tally(f.name, Label{Name: f.label, Value: value})); !had {
			f.size.Add(1)
		}
	}
	t.(*Tally).Inc()
}
