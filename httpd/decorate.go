package httpd

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"muster/internal/meter"
	"muster/relay"
	"muster/view"
)

// decorated adds to routes what is around all handlers: limits and metrics.
func decorated(cfg Config, rows []route) []route {
	queries, blocked := cfg.Meter.Tally("rpc.query"), &gauge{}
	cfg.Meter.Watch("rpc.queries_blocking", blocked.value)
	asked := map[string]*meter.Family{
		"/v1/catalog/service/": cfg.Meter.Family("catalog.service.query", "service"),
		"/v1/health/service/":  cfg.Meter.Family("health.service.query", "service"),
	}
	timed := map[string]*meter.Timer{"/v1/session/renew/": cfg.Meter.Timer("session.renew")}
	for i := range rows {
		r := &rows[i]
		r.took = cfg.Meter.Timer("api.http", meter.Label{Name: "method", Value: r.method}, meter.Label{Name: "path", Value: pathLabel(r.path)})
		if r.handle == nil {
			continue
		}
		if r.place != relay.Agent && r.method == http.MethodGet {
			r.handle = counted(queries, r.handle)
		}
		if f := asked[r.path]; f != nil {
			r.handle = named(f, r.handle)
		}
		if t := timed[r.path]; t != nil {
			r.handle = measured(t, r.handle)
		}
		if r.blocking {
			r.handle = counting(blocked, r.handle)
		}
		if cfg.Limits != nil && isLimited(r) {
			r.handle = limited(cfg.Limits, r, r.handle)
		}
	}
	return rows
}

// pathLabel is how dashboards know a path: dots for slashes, an underscore for
// what callers fill in.
func pathLabel(path string) string {
	label := strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ".")
	if strings.HasSuffix(label, ".") {
		label += "_"
	}
	return label
}

// isLimited leaves out what agents answer for themselves, and what operators need
// to find out and to mend why there are too many requests.
func isLimited(r *route) bool {
	return r.place != relay.Agent && !strings.HasPrefix(r.path, "/v1/status/") && !strings.HasPrefix(r.path, "/v1/operator/")
}

// limited lets requests in within the limits. It is around what runs here only:
// what is forwarded is let in by whom it is forwarded to.
func limited(l *relay.Limits, r *route, next func(*call) error) func(*call) error {
	need, operation := relay.Need{Place: r.place, Write: r.method != http.MethodGet}, r.method+" "+r.path
	return func(c *call) error {
		if err := l.Arrive(need, operation, c.node()); err != nil {
			return err
		}
		return next(c)
	}
}

func counted(t *meter.Tally, next func(*call) error) func(*call) error {
	return func(c *call) error {
		t.Inc()
		return next(c)
	}
}

// named counts by what the path names.
func named(f *meter.Family, next func(*call) error) func(*call) error {
	return func(c *call) error {
		f.Inc(c.name)
		return next(c)
	}
}

func measured(t *meter.Timer, next func(*call) error) func(*call) error {
	return func(c *call) error {
		defer t.Since(time.Now())
		return next(c)
	}
}

// watchCache tells of the answers that are kept.
func watchCache(m *meter.Meter, answers *view.Cache[*body]) {
	m.Watch("cache.entries_count", func() float64 {
		_, _, entries, _ := answers.Stats()
		return float64(entries)
	})
	m.WatchCount("cache.hit", func() uint64 {
		hits, _, _, _ := answers.Stats()
		return hits
	})
	m.WatchCount("cache.fetch_success", func() uint64 {
		_, renders, _, _ := answers.Stats()
		return renders
	})
}

// counting counts the questions that wait for a change, while they do.
func counting(g *gauge, next func(*call) error) func(*call) error {
	return func(c *call) error {
		if c.q.MinIndex == 0 {
			return next(c)
		}
		g.n.Add(1)
		defer g.n.Add(-1)
		return next(c)
	}
}

// gauge is a number that goes up and down.
type gauge struct{ n atomic.Int64 }

func (g *gauge) value() float64 { return float64(g.n.Load()) }
