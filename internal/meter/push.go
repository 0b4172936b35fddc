package meter

import (
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-metrics"
)

// openPushed opens what metrics are sent to.
func (m *Meter) openPushed(c *Config) (metrics.FanoutSink, error) {
	var sinks metrics.FanoutSink
	for _, target := range []struct {
		option, addr string
		open         func() (metrics.MetricSink, error)
	}{
		{"telemetry.statsd_address", c.StatsdAddr, func() (metrics.MetricSink, error) {
			return metrics.NewStatsdSinkWithLogger(c.StatsdAddr, c.Logger)
		}},
		{"telemetry.statsite_address", c.StatsiteAddr, func() (metrics.MetricSink, error) {
			return metrics.NewStatsiteSinkWithLogger(c.StatsiteAddr, c.Logger)
		}},
		{"telemetry.dogstatsd_addr", c.DogstatsdAddr, func() (metrics.MetricSink, error) {
			return openDog(c.DogstatsdAddr, c.Hostname, c.DogstatsdTags)
		}},
	} {
		if target.addr == "" {
			continue
		}
		l := &lateSink{open: func() (metrics.MetricSink, error) {
			if err := checkAddress(target.addr); err != nil {
				return nil, err
			}
			return target.open()
		}, tell: c.Logger.With("option", target.option, "address", target.addr)}
		if err := l.try(); err != nil && !c.RetryFailed {
			return nil, fmt.Errorf("%s: %w", target.option, err)
		}
		m.late = append(m.late, l)
		sinks = append(sinks, l)
	}
	return sinks, nil
}

// checkAddress tells what is wrong with an address that the library would only
// write to its log, again and again.
func checkAddress(addr string) error {
	if strings.HasPrefix(addr, unixScheme) {
		return nil
	}
	_, err := net.ResolveUDPAddr("udp", addr)
	return err
}

// A lateSink is where metrics go once it can be opened; before that and after
// Shutdown they are lost.
type lateSink struct {
	open func() (metrics.MetricSink, error)
	tell hclog.Logger

	mu   sync.RWMutex
	sink metrics.MetricSink // nil: not open; guarded by mu
}

// try opens it, unless it is.
func (l *lateSink) try() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sink != nil {
		return nil
	}
	s, err := l.open()
	if err != nil {
		l.tell.Warn("Metrics cannot be sent", "error", err)
		return err
	}
	l.sink = s
	return nil
}

// use calls f with the sink while it is open. (The library's sinks panic when they
// are used after their Shutdown.)
func (l *lateSink) use(f func(metrics.MetricSink)) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.sink != nil {
		f(l.sink)
	}
}

func (l *lateSink) SetGauge(key []string, v float32) { l.SetGaugeWithLabels(key, v, nil) }
func (l *lateSink) SetGaugeWithLabels(key []string, v float32, labels []metrics.Label) {
	l.use(func(s metrics.MetricSink) { s.SetGaugeWithLabels(key, v, labels) })
}
func (l *lateSink) EmitKey(key []string, v float32) {
	l.use(func(s metrics.MetricSink) { s.EmitKey(key, v) })
}
func (l *lateSink) IncrCounter(key []string, v float32) { l.IncrCounterWithLabels(key, v, nil) }
func (l *lateSink) IncrCounterWithLabels(key []string, v float32, labels []metrics.Label) {
	l.use(func(s metrics.MetricSink) { s.IncrCounterWithLabels(key, v, labels) })
}
func (l *lateSink) AddSample(key []string, v float32) { l.AddSampleWithLabels(key, v, nil) }
func (l *lateSink) AddSampleWithLabels(key []string, v float32, labels []metrics.Label) {
	l.use(func(s metrics.MetricSink) { s.AddSampleWithLabels(key, v, labels) })
}

// Shutdown sends what is left and closes it.
func (l *lateSink) Shutdown() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.sink.(metrics.ShutdownSink); ok {
		c.Shutdown()
	}
	l.sink = nil
}
