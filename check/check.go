// Package check runs health checks: each kind (HTTP, TCP, script, TTL, ...) in
// a file of its own, all of them in the loop of this one. What comes out are
// Results; what becomes of them is the caller's business.
package check

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"muster/model"
)

// A Result is an outcome that counts: the thresholds of the check are applied.
type Result struct {
	CheckID string
	Status  string // passing, warning or critical
	Output  string
}

// Options is what all checks of an agent share. The zero value works.
type Options struct {
	// Dial connects to what is checked; nil is a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Rand picks in [0, 1) where in its first interval a check begins. It is
	// called from several goroutines; nil is math/rand.
	Rand func() float64
	// TLS is what checks over TLS start from, such as the agent's certificate;
	// nil offers none and trusts the roots of the system.
	TLS *tls.Config
	// Proxy says through which proxy an HTTP check goes; nil is none.
	Proxy func(*http.Request) (*url.URL, error)
	// DockerHost is where Docker listens: unix:///path, tcp://host:port or
	// http(s)://host:port; "" is unix:///var/run/docker.sock.
	DockerHost string
	// DockerTLS is used when Docker listens on TLS.
	DockerTLS *tls.Config
	// Mirror is asked by alias checks; nil refuses to make them.
	Mirror Mirror
}

// A Spec is a check to be made.
type Spec struct {
	ID  string
	Def *model.CheckDefinition // not modified, must not be
	// OutputMaxSize bounds the output in bytes; 0 is
	// model.CheckOutputMaxSize. The definition may only lower it.
	OutputMaxSize int
	// Report receives the results, one after the other, from the check's own
	// goroutine. It must not stop that check, which waits for it.
	Report func(Result)
}

// A Runner makes checks and keeps what they share.
type Runner struct {
	opt    Options
	epoch  time.Time // all checks run at multiples of beat since then
	http   transports
	docker *docker
}

// NewRunner prepares for making checks. Close it after its checks are stopped.
func NewRunner(opt Options) (*Runner, error) {
	if opt.Dial == nil {
		opt.Dial = new(net.Dialer).DialContext
	}
	if opt.Rand == nil {
		opt.Rand = rand.Float64
	}
	d, err := newDocker(&opt)
	if err != nil {
		return nil, err
	}
	return &Runner{opt: opt, epoch: time.Now(), http: newTransports(&opt), docker: d}, nil
}

// Close drops connections that are kept for the next run of a check.
func (r *Runner) Close() {
	r.http.close()
	r.docker.client.CloseIdleConnections()
}

// A Check is one check, running between Start and Stop.
type Check struct {
	loop   func(ctx context.Context)
	ttl    *ttl // nil unless it is one
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	done   chan struct{} // nil before Start; under mu
}

// New makes a check that does nothing yet. The error says, in words for the
// user, why a definition can't be run.
func (r *Runner) New(spec Spec) (*Check, error) {
	def := spec.Def
	if spec.OutputMaxSize <= 0 {
		spec.OutputMaxSize = model.CheckOutputMaxSize
	}
	if def.OutputMaxSize > 0 {
		spec.OutputMaxSize = min(spec.OutputMaxSize, def.OutputMaxSize)
	}
	c := &Check{}
	switch def.Kind() {
	case model.CheckTTL:
		c.ttl = newTTL(spec)
		c.loop = c.ttl.run
	case model.CheckAlias:
		if r.opt.Mirror == nil {
			return nil, model.Errorf(model.Internal, "alias checks need a catalog")
		}
		c.loop = (&alias{spec: spec, source: r.opt.Mirror}).run
	default:
		p, err := r.prober(&spec)
		if err != nil {
			return nil, err
		}
		c.loop = newTicker(spec, p, r).run
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// prober makes what runs a check that is run at intervals.
func (r *Runner) prober(spec *Spec) (prober, error) {
	def := spec.Def
	switch kind := def.Kind(); kind {
	case model.CheckHTTP:
		return r.newHTTP(spec)
	case model.CheckTCP:
		return &tcpProbe{address: def.TCP, dial: r.opt.Dial, tls: tlsFor(r.opt.TLS, def, def.TCPUseTLS)}, nil
	case model.CheckUDP:
		return &udpProbe{address: def.UDP, dial: r.opt.Dial}, nil
	case model.CheckGRPC:
		return newGRPC(spec, &r.opt), nil
	case model.CheckH2Ping:
		return &h2pingProbe{address: def.H2PING, dial: r.opt.Dial, tls: tlsFor(r.opt.TLS, def, def.H2PingUseTLS)}, nil
	case model.CheckScript:
		return &scriptProbe{command: def.Command(), outputMax: spec.OutputMaxSize}, nil
	case model.CheckDocker:
		return r.docker.newProbe(spec)
	case model.CheckOSService:
		return &osServiceProbe{name: def.OSService}, nil
	default:
		return nil, model.Errorf(model.BadRequest, "nothing says what kind of check it is")
	}
}

// tlsFor is the TLS configuration of a check, nil when it uses none.
func tlsFor(base *tls.Config, def *model.CheckDefinition, use bool) *tls.Config {
	if !use {
		return nil
	}
	c := &tls.Config{}
	if base != nil {
		c = base.Clone()
	}
	if def.TLSServerName != "" {
		c.ServerName = def.TLSServerName
	}
	c.InsecureSkipVerify = def.TLSSkipVerify
	return c
}

// Start begins to run the check. It may be called once.
func (c *Check) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil || c.ctx.Err() != nil {
		return
	}
	done := make(chan struct{})
	c.done = done
	go func() {
		defer close(done)
		c.loop(c.ctx)
	}()
}

// Stop ends the check and waits until no Report is running or will be. A check
// that was stopped can't be started again.
func (c *Check) Stop() {
	c.cancel()
	c.mu.Lock()
	done := c.done
	c.mu.Unlock()
	if done != nil {
		<-done
	}
}

// Renew tells a TTL check that its owner was heard of just now, and with which
// output. For other checks it does nothing.
func (c *Check) Renew(output string) {
	if c.ttl != nil {
		c.ttl.renew(output)
	}
}

// A prober runs a check once. The context ends at the timeout of the check or
// when it is stopped. Close is called after the last probe.
type prober interface {
	probe(ctx context.Context) (status, output string)
	close()
}

// noState is for probers that keep nothing between two runs.
type noState struct{}

func (noState) close() {}

// Checks run at common moments, this far apart. To wake up is what costs most
// of a small check; several that run at a moment share that. Five hundred
// checks that run once a second still come in twenty groups.
const beat = 50 * time.Millisecond

// quoteMax is how much longer than the captured output an output may be, with
// the words around it, in bytes.
const quoteMax = 4096

// A ticker runs a prober at intervals.
type ticker struct {
	spec     Spec
	prober   prober
	runner   *Runner
	interval time.Duration
	timeout  time.Duration
	threshold
}

func newTicker(spec Spec, p prober, r *Runner) *ticker {
	def := spec.Def
	t := &ticker{
		spec: spec, prober: p, runner: r,
		interval:  max(time.Duration(def.Interval), model.CheckIntervalMin).Round(beat),
		timeout:   time.Duration(def.Timeout),
		threshold: newThreshold(def),
	}
	if t.timeout <= 0 {
		t.timeout = model.CheckTimeoutDefault
		if k := def.Kind(); k == model.CheckScript || k == model.CheckDocker {
			t.timeout = model.CheckScriptTimeoutDefault
		}
	}
	return t
}

// run probes at fixed times that begin somewhere in the first interval, so that
// checks that were registered together don't run together. Times that pass
// while a probe is running are left out.
func (t *ticker) run(ctx context.Context) {
	defer t.prober.close()
	stagger := time.Duration(t.runner.opt.Rand() * float64(t.interval))
	next := t.runner.epoch.Add((time.Since(t.runner.epoch) + stagger).Truncate(beat))
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		status, output := t.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if status, counts := t.take(status); counts {
			t.spec.Report(Result{CheckID: t.spec.ID, Status: status, Output: output})
		}
		now := time.Now()
		next = next.Add(t.interval)
		if late := now.Sub(next); late > 0 {
			next = next.Add(late.Truncate(t.interval) + t.interval)
		}
		timer.Reset(next.Sub(now))
	}
}

func (t *ticker) once(ctx context.Context) (status, output string) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	status, output = t.prober.probe(ctx)
	// The size is that of what is captured. Errors may quote it, and more.
	if limit := t.spec.OutputMaxSize + quoteMax; len(output) > limit {
		output = output[:limit]
	}
	return status, output
}

// A threshold holds a state back until there were enough results of its kind
// in a row.
type threshold struct {
	passing, warning, critical int // results needed
	good, bad                  int // results so far
}

func newThreshold(def *model.CheckDefinition) threshold {
	t := threshold{passing: def.SuccessBeforePassing, warning: def.FailuresBeforeWarning, critical: def.FailuresBeforeCritical}
	if t.warning <= 0 {
		t.warning = t.critical
	}
	return t
}

// take counts a result and returns the state to report, if any. A warning is a
// success as far as counting goes.
func (t *threshold) take(status string) (string, bool) {
	if status != model.HealthCritical {
		t.good, t.bad = t.good+1, 0
		return status, t.good >= t.passing
	}
	t.good, t.bad = 0, t.bad+1
	switch {
	case t.bad >= t.critical:
		return model.HealthCritical, true
	case t.bad >= t.warning:
		return model.HealthWarning, true
	}
	return "", false
}
