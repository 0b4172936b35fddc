package relay

import (
	"context"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"

	"muster/internal/limit"
	"muster/internal/meter"
	"muster/model"
	"muster/wire"
)

// Mode is what happens to requests above limits.request_limits.
type Mode string

// The modes.
const (
	Disabled   Mode = "disabled"
	Permissive Mode = "permissive" // they are counted and logged
	Enforcing  Mode = "enforcing"  // they are refused
)

// Rates are the limits of how many requests there may be. They are requests a
// second; below 0 is no limit.
type Rates struct {
	Mode Mode
	// Reads and Writes are what this server takes, from all agents and clients
	// together.
	Reads, Writes float64
	// Sent is what this client agent sends to servers, Burst how many at once.
	Sent  float64
	Burst int
	// Timeout is how long a client agent waits for an answer, on top of what the
	// question itself waits for a change; MaxWait is the longest of that.
	Timeout, MaxWait time.Duration
}

// Limits bounds the requests of one agent by their rate. A token bucket for each
// of reads, writes and what is sent holds what may come at once: for the first two
// as many as in a second.
type Limits struct {
	now    atomic.Pointer[buckets]
	logger hclog.Logger
	meter  *meter.Meter
	notice limit.Notice
}

// buckets are the rates in force.
type buckets struct {
	Rates
	reads, writes, sent *rate.Limiter
}

// NewLimits makes limits. m may be nil.
func NewLimits(r Rates, logger hclog.Logger, m *meter.Meter) *Limits {
	l := &Limits{logger: logger, meter: m, notice: limit.Notice{Every: time.Second}}
	l.Set(r)
	return l
}

// Set changes the limits. A rate that stays as it was goes on with what it holds.
func (l *Limits) Set(r Rates) {
	old := l.now.Load()
	if old == nil {
		old = &buckets{}
	}
	l.now.Store(&buckets{r, bound(old.reads, r.Reads, burstOf(r.Reads)), bound(old.writes, r.Writes, burstOf(r.Writes)),
		bound(old.sent, r.Sent, r.Burst)})
}

func bound(old *rate.Limiter, perSecond float64, burst int) *rate.Limiter {
	per := rate.Limit(perSecond)
	if perSecond < 0 {
		per = rate.Inf
	}
	if old != nil && old.Limit() == per && old.Burst() == burst {
		return old
	}
	return rate.NewLimiter(per, burst)
}

func burstOf(perSecond float64) int { return int(min(max(perSecond, 1), 1<<30)) }

// Arrive lets a request in that is to run on this server, or says why not.
// operation is its route, for whoever reads logs; node is the agent that was asked.
func (l *Limits) Arrive(need Need, operation, node string) error {
	if l == nil {
		return nil
	}
	r := l.now.Load()
	bucket, kind := r.reads, "global/read"
	if need.Write {
		bucket, kind = r.writes, "global/write"
	}
	if r.Mode == Disabled || bucket.Allow() {
		return nil
	}
	l.meter.Count("rpc.rate_limit.exceeded", meter.Label{Name: "limit_type", Value: kind},
		meter.Label{Name: "op", Value: operation}, meter.Label{Name: "mode", Value: string(r.Mode)})
	if dropped, ok := l.notice.Pass(); ok {
		l.logger.Warn("Requests exceed the allowed rate (limits.request_limits)", "limit_type", kind, "operation", operation,
			"node", node, "refused", r.Mode == Enforcing, "not_logged", dropped)
	} else {
		l.meter.Count("rpc.rate_limit.log_dropped")
	}
	switch {
	case r.Mode != Enforcing:
		return nil
	case need.Place == Leader:
		return model.Errorf(model.Overloaded, "%s", model.TextOverloaded)
	}
	return model.Errorf(model.TooMany, "%s", model.TextTooMany)
}

// leave lets a request of this client agent go to a server, or says why not.
func (l *Limits) leave() error {
	if l == nil || l.now.Load().sent.Allow() {
		return nil
	}
	l.meter.Count("client.rpc.exceeded")
	if dropped, ok := l.notice.Pass(); ok {
		l.logger.Warn("This agent sends more requests than allowed (limits.rpc_rate)", "not_logged", dropped)
	}
	return model.Errorf(model.TooMany, "%s", model.TextOwnRate)
}

// within bounds how long a server may take for the answer to a request.
func (l *Limits) within(ctx context.Context, req *wire.Request) (context.Context, context.CancelFunc) {
	if l == nil {
		return ctx, func() {}
	}
	r := l.now.Load()
	if r.Timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, r.Timeout+waits(req.URI, r.MaxWait))
}

// waits is the longest that a question itself may wait for a change.
func waits(uri string, longest time.Duration) time.Duration {
	_, query, _ := strings.Cut(uri, "?")
	if !strings.Contains(query, "index=") {
		return 0
	}
	q, err := url.ParseQuery(query)
	if err != nil || q.Get("index") == "" || q.Get("index") == "0" {
		return 0
	}
	wait, err := time.ParseDuration(q.Get("wait"))
	if err != nil || wait <= 0 || wait > longest {
		wait = longest
	}
	return wait + wait/16 // see ops
}
