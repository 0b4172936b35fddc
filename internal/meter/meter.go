// Package meter collects the metrics of an agent: those that muster and its
// libraries emit through go-metrics, for /v1/agent/metrics, for Prometheus, and
// for whom they are sent to. Table lists them all.
package meter

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-metrics"
	gmprom "github.com/hashicorp/go-metrics/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
)

// Config says what is collected, and where it goes.
type Config struct {
	// Prefix stands before the name of every metric.
	Prefix          string
	Hostname        string
	DisableHostname bool
	// PrometheusRetention is how long a metric that nobody sets any more is
	// shown; 0 switches Prometheus off.
	PrometheusRetention time.Duration
	Filter              Filter
	// Addresses to send to, host:port; "" for none. That for DogStatsD may also
	// be unix://PATH.
	StatsdAddr, StatsiteAddr, DogstatsdAddr string
	DogstatsdTags                           []string // name:value
	// RetryFailed: an address that cannot be used is tried again every retry;
	// without it, Start fails.
	RetryFailed bool
	// HostMetrics measures the machine too, and the disk that DataDir is on.
	HostMetrics bool
	DataDir     string
	Logger      hclog.Logger // nil: nowhere
}

// Filter says which metrics are kept: the longest prefix counts. Prefixes
// include that of the configuration.
type Filter struct {
	Allowed, Blocked []string
	// Default: metrics with no prefix of either are kept. A reload cannot change it.
	Default bool
}

// interval is how long values are gathered into one, and how many of such
// are kept; retry is how often an address that failed is tried again.
const (
	interval = 10 * time.Second
	keep     = time.Minute
	retry    = time.Minute
)

// Meter is the metrics of one process: go-metrics has one receiver for all
// libraries.
type Meter struct {
	cfg      Config
	memory   *metrics.InmemSink
	registry *prometheus.Registry // nil: off
	metrics  *metrics.Metrics
	late     []*lateSink
	pushed   metrics.MetricSink // all of late; nil when there are none
	filter   atomic.Pointer[Filter]
	samples  map[string]*Metric // the samples of the table: Timers measure them

	mu      sync.Mutex
	timers  map[string][]*Timer // by name; guarded by mu
	tallies []*Tally            // guarded by mu
	gauges  []func()            // see Watch; guarded by mu

	stop context.CancelFunc
	done chan struct{} // closed when watch has ended
}

// Start begins to collect.
func Start(c Config) (*Meter, error) {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &Meter{cfg: c, memory: metrics.NewInmemSink(interval, keep), samples: samples(), timers: map[string][]*Timer{},
		stop: stop, done: make(chan struct{})}
	m.filter.Store(&c.Filter)
	sinks := metrics.FanoutSink{numbers{m.memory}}
	if c.PrometheusRetention > 0 {
		sink, err := m.openPrometheus(&c)
		if err != nil {
			stop()
			return nil, err
		}
		sinks = append(sinks, sink)
	}
	pushed, err := m.openPushed(&c)
	if err != nil {
		stop()
		return nil, err
	}
	if len(pushed) > 0 {
		m.pushed = pushed
		sinks = append(sinks, numbers{pushed})
	}
	conf := metrics.DefaultConfig(c.Prefix)
	conf.HostName, conf.EnableHostname = c.Hostname, !c.DisableHostname
	conf.AllowedPrefixes, conf.BlockedPrefixes, conf.FilterDefault = c.Filter.Allowed, c.Filter.Blocked, c.Filter.Default
	conf.EnableRuntimeMetrics = false // the library would never stop, see watch
	if m.metrics, err = metrics.NewGlobal(conf, newSampler(m, sinks)); err != nil {
		stop()
		return nil, err
	}
	var machine *machine
	if c.HostMetrics {
		machine = newMachine(c.DataDir)
	}
	go m.watch(ctx, machine)
	return m, nil
}

// openPrometheus makes the form for Prometheus, in which every metric of the
// table has its series from the start.
func (m *Meter) openPrometheus(c *Config) (metrics.MetricSink, error) {
	m.registry = prometheus.NewRegistry()
	opts := gmprom.PrometheusOpts{Expiration: c.PrometheusRetention, Registerer: m.registry}
	rows := Table()
	if c.HostMetrics {
		rows = append(rows, hostTable()...)
	}
	for _, row := range rows {
		name := row.path(c)
		switch row.Kind { // samples: see Collect
		case Gauge:
			opts.GaugeDefinitions = append(opts.GaugeDefinitions, gmprom.GaugeDefinition{Name: name, Help: row.Help})
		case Counter:
			opts.CounterDefinitions = append(opts.CounterDefinitions, gmprom.CounterDefinition{Name: name, Help: row.Help})
		}
	}
	sink, err := gmprom.NewPrometheusSinkFrom(opts)
	if err != nil {
		return nil, err
	}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return sink, nil
}

// watch tells what must be looked at to be known, until Close: the Go runtime and,
// if it is not nil, the machine.
func (m *Meter) watch(ctx context.Context, machine *machine) {
	defer close(m.done)
	ticker := time.NewTicker(interval / 2) // at least once in each
	defer ticker.Stop()
	tried := time.Now()
	for {
		m.metrics.EmitRuntimeStats()
		m.flush()
		if machine != nil {
			machine.emit(ctx, m)
		}
		select {
		case now := <-ticker.C:
			if now.Sub(tried) >= retry {
				tried = now
				for _, l := range m.late {
					l.try()
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// SetFilter changes which metrics are kept; what Default says stays as it was.
func (m *Meter) SetFilter(f Filter) {
	f.Default = m.cfg.Filter.Default
	m.filter.Store(&f)
	m.metrics.UpdateFilter(f.Allowed, f.Blocked)
}

// Prometheus tells whether Gather has anything.
func (m *Meter) Prometheus() bool { return m.registry != nil }

// Gather is what Prometheus asks.
func (m *Meter) Gather() ([]*dto.MetricFamily, error) {
	m.flush()
	return m.registry.Gather()
}

// Summary is what /v1/agent/metrics answers: the last whole interval.
func (m *Meter) Summary() (metrics.MetricsSummary, error) {
	m.flush()
	v, err := m.memory.DisplayMetrics(nil, nil)
	if err != nil {
		return metrics.MetricsSummary{}, err
	}
	s := v.(metrics.MetricsSummary)
	m.addSamples(&s)
	return s, nil
}

// Stream writes each interval as a line of JSON when it has ended, and calls
// flush, until the context ends or writing fails.
func (m *Meter) Stream(ctx context.Context, w io.Writer, flush func()) {
	m.memory.Stream(ctx, lineEncoder{m, json.NewEncoder(w), flush})
}

type lineEncoder struct {
	meter *Meter
	json  *json.Encoder
	flush func()
}

func (e lineEncoder) Encode(v any) error {
	defer e.flush()
	s, ok := v.(metrics.MetricsSummary)
	if !ok {
		return e.json.Encode(v)
	}
	e.meter.addSamples(&s)
	return e.json.Encode(s)
}

// Close sends what is left. It must be called once.
func (m *Meter) Close() {
	m.stop()
	<-m.done
	m.flush()
	// What libraries emit from now on goes nowhere: their receiver outlives us.
	conf := metrics.DefaultConfig(m.cfg.Prefix)
	conf.EnableRuntimeMetrics = false
	_, _ = metrics.NewGlobal(conf, &metrics.BlackholeSink{}) // fails for no configuration
	m.metrics.Shutdown()
}
