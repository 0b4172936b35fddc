// Package watches carries out the watches of the configuration: queries whose
// changes run a program or make an HTTP request. A watch is a client of the
// agent's own HTTP API as any other, through the Go client's watch package.
package watches

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/api/watch"
	"github.com/hashicorp/go-hclog"

	"muster/config"
)

// closeGrace is how long handlers may take to end when the agent stops.
const closeGrace = 3 * time.Second

// Config is what watches need of the agent.
type Config struct {
	// Dial opens a connection to the agent's own HTTP API.
	Dial func(ctx context.Context) (net.Conn, error)
	// Logger defaults to one that writes nothing.
	Logger hclog.Logger
}

// Watches are those of one agent. Methods may be called from anywhere.
type Watches struct {
	transport *http.Transport // to the agent
	logger    hclog.Logger

	ctx    context.Context // of the handlers
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu      sync.Mutex
	closed  bool                // guarded by mu
	running map[string][]*query // by definition; guarded by mu
}

// New makes the watches of an agent, none to begin with.
func New(c Config) *Watches {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	w := &Watches{
		logger:  c.Logger,
		running: map[string][]*query{},
		transport: &http.Transport{
			DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return c.Dial(ctx) },
			IdleConnTimeout: time.Minute,
		},
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Check says what is wrong with watches, without starting any.
func Check(list []config.Watch) error {
	_, err := plan(list)
	return err
}

// Set replaces the watches. One that is the same as before goes on without
// noticing. What was started by one that is gone may end by itself. After an
// error nothing has changed.
func (w *Watches) Set(list []config.Watch) error {
	planned, err := plan(list)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	next := map[string][]*query{}
	for _, p := range planned {
		var q *query
		if same := w.running[p.definition]; len(same) > 0 {
			q, w.running[p.definition] = same[0], same[1:]
		} else {
			q = w.start(p)
		}
		next[p.definition] = append(next[p.definition], q)
	}
	w.stop()
	w.running = next
	return nil
}

// Close ends the watches and their handlers, and waits for them.
func (w *Watches) Close() {
	w.mu.Lock()
	w.closed = true
	w.cancel()
	w.stop()
	w.mu.Unlock()
	w.loops.Wait()
	w.transport.CloseIdleConnections()
}

// stop ends all queries, and does not wait for handlers; w.mu is held.
func (w *Watches) stop() {
	for _, queries := range w.running {
		for _, q := range queries {
			q.stop()
		}
	}
	clear(w.running)
}

// planned is a watch of the configuration, understood.
type planned struct {
	definition string // all of it, for comparing
	plan       *watch.Plan
	handler    handler
}

func plan(list []config.Watch) ([]planned, error) {
	out := make([]planned, len(list))
	for i := range list {
		definition, err := json.Marshal(list[i])
		if err != nil {
			return nil, fmt.Errorf("watches[%d]: %w", i, err)
		}
		p := planned{definition: string(definition)}
		if p.plan, err = parse(&list[i]); err != nil {
			return nil, fmt.Errorf("watches[%d]: %w", i, err)
		}
		if p.handler, err = newHandler(&list[i]); err != nil {
			return nil, fmt.Errorf("watches[%d]: %w", i, err)
		}
		out[i] = p
	}
	return out, nil
}

// A query is a watch that runs.
type query struct {
	plan  *watch.Plan
	begun chan struct{} // closed once plan can be stopped
	once  sync.Once
}

// start runs a watch until its plan is stopped; w.mu is held.
func (w *Watches) start(p planned) *query {
	q := &query{plan: p.plan, begun: make(chan struct{})}
	logger := w.logger.Named("watch").With("type", p.plan.Type)
	ask := p.plan.Watcher
	p.plan.Watcher = func(p *watch.Plan) (watch.BlockingParamVal, any, error) {
		index, result, err := ask(p)
		// Wait for a Stop that is under way: it cancels the request before it
		// is seen to stop, and the plan would take that for an error.
		p.IsStopped()
		return index, result, err
	}
	p.plan.HybridHandler = func(index watch.BlockingParamVal, result any) { w.handle(p, index, result, logger) }
	w.loops.Go(func() {
		defer q.setBegun()
		client, err := api.NewClient(&api.Config{
			Address: "localhost", Scheme: "http", HttpClient: &http.Client{Transport: q.noting(w.transport)},
			Datacenter: p.plan.Datacenter, Token: p.plan.Token,
		})
		if err == nil {
			err = p.plan.RunWithClientAndHclog(client, w.logger)
		}
		if err != nil {
			logger.Error("could not run a watch", "error", err)
		}
	})
	return q
}

// stop has the plan end. A plan must not be stopped before it has made its
// first request: it would call a function then that is not there yet.
func (q *query) stop() {
	<-q.begun
	q.plan.Stop()
}

func (q *query) setBegun() { q.once.Do(func() { close(q.begun) }) }

// noting is a transport that notes the first request.
func (q *query) noting(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		q.setBegun()
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// handle tells a handler of a result. Later changes wait for it.
func (w *Watches) handle(p planned, index watch.BlockingParamVal, result any, logger hclog.Logger) {
	body, err := json.Marshal(result)
	if err == nil {
		var output string
		output, err = p.handler.handle(w.ctx, index, append(body, '\n'))
		if err == nil && output != "" {
			logger.Debug("watch handler output", "handler", p.handler, "output", output)
		}
		if err != nil && output != "" {
			err = fmt.Errorf("%w, output: %s", err, output)
		}
	}
	if err != nil && w.ctx.Err() == nil {
		logger.Error("watch handler failed", "handler", p.handler, "error", err)
	}
}
