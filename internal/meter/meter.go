// Package meter collects the metrics of an agent: those that muster and its
// libraries emit through go-metrics, for /v1/agent/metrics and Prometheus.
package meter

import (
	"time"

	"github.com/hashicorp/go-metrics"
	gmprom "github.com/hashicorp/go-metrics/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Config says what is collected.
type Config struct {
	// Prefix stands before the name of every metric.
	Prefix          string
	Hostname        string
	DisableHostname bool
	// PrometheusRetention is how long a metric that nobody sets any more is
	// shown; 0 switches Prometheus off.
	PrometheusRetention              time.Duration
	AllowedPrefixes, BlockedPrefixes []string
	// FilterDefault: metrics with neither prefix are kept.
	FilterDefault            bool
	StatsdAddr, StatsiteAddr string
}

// interval is how long values are gathered into one, and how many of such
// are kept.
const (
	interval = 10 * time.Second
	keep     = time.Minute
)

// Meter is the metrics of one process: go-metrics has one receiver for all
// libraries.
type Meter struct {
	memory   *metrics.InmemSink
	registry *prometheus.Registry // nil: off
	metrics  *metrics.Metrics

	stop chan struct{} // closed by Close
	done chan struct{} // closed when watchRuntime has ended
}

// Start begins to collect.
func Start(c Config) (*Meter, error) {
	m := &Meter{memory: metrics.NewInmemSink(interval, keep), stop: make(chan struct{}), done: make(chan struct{})}
	sinks := metrics.FanoutSink{m.memory}
	if c.PrometheusRetention > 0 {
		m.registry = prometheus.NewRegistry()
		sink, err := gmprom.NewPrometheusSinkFrom(gmprom.PrometheusOpts{Expiration: c.PrometheusRetention, Registerer: m.registry})
		if err != nil {
			return nil, err
		}
		m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		sinks = append(sinks, sink)
	}
	if c.StatsdAddr != "" {
		s, err := metrics.NewStatsdSink(c.StatsdAddr)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, s)
	}
	if c.StatsiteAddr != "" {
		s, err := metrics.NewStatsiteSink(c.StatsiteAddr)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, s)
	}
	conf := metrics.DefaultConfig(c.Prefix)
	conf.HostName, conf.EnableHostname = c.Hostname, !c.DisableHostname
	conf.AllowedPrefixes, conf.BlockedPrefixes, conf.FilterDefault = c.AllowedPrefixes, c.BlockedPrefixes, c.FilterDefault
	conf.EnableRuntimeMetrics = false // the library would never stop, see watchRuntime
	var err error
	if m.metrics, err = metrics.NewGlobal(conf, sinks); err != nil {
		return nil, err
	}
	go m.watchRuntime()
	return m, nil
}

// watchRuntime tells the metrics of the Go runtime until Close.
func (m *Meter) watchRuntime() {
	defer close(m.done)
	ticker := time.NewTicker(interval / 2) // at least once in each
	defer ticker.Stop()
	for {
		m.metrics.EmitRuntimeStats()
		select {
		case <-ticker.C:
		case <-m.stop:
			return
		}
	}
}

// Prometheus tells whether Gatherer has anything.
func (m *Meter) Prometheus() bool { return m.registry != nil }

// Gatherer is what Prometheus asks.
func (m *Meter) Gatherer() prometheus.Gatherer { return m.registry }

// Summary is what /v1/agent/metrics answers: the last whole interval.
func (m *Meter) Summary() (metrics.MetricsSummary, error) {
	v, err := m.memory.DisplayMetrics(nil, nil)
	if err != nil {
		return metrics.MetricsSummary{}, err
	}
	return v.(metrics.MetricsSummary), nil
}

// Close sends what is left. It must be called once.
func (m *Meter) Close() {
	close(m.stop)
	<-m.done
	m.metrics.Shutdown()
}
