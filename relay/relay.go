// Package relay decides where a request runs: here, on the leader, on another
// server, in another datacenter. It is the only code that forwards or repeats.
package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/meter"
	"muster/model"
	"muster/wire"
)

// Place is where a request must run.
type Place uint8

const (
	// Agent: on the agent that was asked, whatever it is.
	Agent Place = iota
	// Server: on any server of the datacenter.
	Server
	// Leader: on the leader of the datacenter.
	Leader
)

// Cluster is what relay needs to know of the servers that agree, on an agent
// that is one of them.
type Cluster interface {
	// Leading tells whether this server leads and may take writes.
	Leading() bool
	// Leader is the address of the leader, or "".
	Leader() string
	// Changed is closed when either may have another answer.
	Changed() <-chan struct{}
}

// Config is what a Relay is made of.
type Config struct {
	Datacenter string
	// NodeName is told to those that requests are forwarded to.
	NodeName string
	// Cluster is nil on an agent that is not a server.
	Cluster Cluster
	// Servers are the addresses of the servers of a datacenter that are known
	// to be alive; known tells whether the datacenter is known at all.
	Servers func(datacenter string) (addresses []string, known bool)
	Client  *wire.Client
	// Hold is how long a request waits for a leader, or for a server that can
	// be reached, before it is refused (rpc_hold_timeout).
	Hold time.Duration
	// Limits bounds what an agent that is not a server sends; nil: nothing.
	Limits *Limits
	// Meter counts what is sent; nil: nobody.
	Meter *meter.Meter
}

// Headers that agents tell each other of a request.
const (
	// HeaderPrefix begins the names of all of them. What comes from elsewhere
	// must not have such headers.
	HeaderPrefix = "X-Muster-"
	// HeaderNode is the node of the agent that was asked first.
	HeaderNode = "X-Muster-Node"
	// HeaderDatacenter is that of the agent that was asked first, on a request
	// for another datacenter.
	HeaderDatacenter = "X-Muster-Datacenter"
	// headerFinal marks a request that is for the leader: whoever gets it and
	// does not lead must say so, and not forward it.
	headerFinal = "X-Muster-Final"
	// HeaderError marks an answer with the kind of error that relay acts on.
	HeaderError = "X-Muster-Error"
	// NotLeader is the value of HeaderError when a request for the leader came
	// to another server.
	NotLeader = "not-leader"
)

// Need is what a request needs of where it runs.
type Need struct {
	Place Place
	// Datacenter, when not empty, is the one that the request is for.
	Datacenter string
	// Write: the request changes something and must not run twice.
	Write bool
	// Stream: body or answer may be long.
	Stream bool
	// Spare: the caller has an answer of its own for the case that no server can
	// be reached, and so does not want to wait for that as long as others.
	Spare bool
}

// Relay routes the requests of one agent.
type Relay struct {
	cfg  Config
	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu     sync.Mutex
	sticky string // the server that answered last; guarded by mu
	reads  readRounds
	lost   atomic.Bool // no server could be reached when it was last tried for long enough

	sent, failed *meter.Tally
	crossed      *meter.Family
}

// New makes the relay of an agent. It must be closed.
func New(cfg Config) *Relay {
	m := cfg.Meter
	r := &Relay{cfg: cfg, sent: m.Tally("client.rpc"), failed: m.Tally("client.rpc.failed"), crossed: m.Family("rpc.cross-dc", "datacenter")}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Close ends what the relay asks of the leader for reads, and waits for that.
func (r *Relay) Close() {
	r.stop()
	r.reads.close()
}

// IsServer tells whether this agent is a server.
func (r *Relay) IsServer() bool { return r.cfg.Cluster != nil }

// Admit returns nil when a request may run on this agent, now or after
// waiting for a leader; an error when it can run nowhere. It is for callers
// that cannot be forwarded: Pass is for requests.
func (r *Relay) Admit(ctx context.Context, place Place, datacenter string) error {
	if !r.ours(datacenter) {
		return model.ErrNoDatacenter
	}
	if place == Agent {
		return nil
	}
	if !r.IsServer() {
		return model.ErrNoServers
	}
	if place == Server || r.cfg.Cluster.Leading() {
		return nil
	}
	return r.waitFor(ctx, r.cfg.Cluster.Leading)
}

func (r *Relay) ours(datacenter string) bool {
	return datacenter == "" || datacenter == r.cfg.Datacenter
}

// waitFor waits until something holds of the cluster, at most Hold.
func (r *Relay) waitFor(ctx context.Context, ok func() bool) error {
	timeout := time.NewTimer(r.cfg.Hold)
	defer timeout.Stop()
	for {
		changed := r.cfg.Cluster.Changed()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return model.ErrNoLeader
		case <-ctx.Done():
			return model.Errorf(model.Canceled, "%w", context.Cause(ctx))
		}
	}
}

// Here tells whether a request is to run on this agent.
func (r *Relay) Here(need Need) bool {
	if need.Place == Agent && r.ours(need.Datacenter) {
		return true
	}
	if !r.IsServer() || !r.ours(need.Datacenter) {
		return false
	}
	return need.Place != Leader || r.cfg.Cluster.Leading()
}

// Pass has a request answered by whom it is for, unless that is this agent:
// then it returns false, and the caller answers.
func (r *Relay) Pass(w http.ResponseWriter, req *http.Request, need Need) (passed bool, err error) {
	if r.Here(need) {
		return false, nil
	}
	// The leader it came to may find in its body that it is for another datacenter.
	if req.Header.Get(headerFinal) != "" && r.ours(need.Datacenter) {
		return false, model.ErrNotLeader
	}
	out := &wire.Request{Method: req.Method, URI: req.URL.RequestURI(), Header: req.Header.Clone()}
	if out.Header.Get(HeaderNode) == "" {
		out.Header.Set(HeaderNode, r.cfg.NodeName)
	}
	r.tellDatacenter(need, out.Header)
	if need.Stream {
		err := r.stream(req.Context(), need, out, req.Body, w)
		return !errors.Is(err, errHere), r.unlessHere(err)
	}
	if out.Body, err = readBody(w, req); err != nil {
		return true, model.Errorf(model.TooLarge, "Request body cannot be forwarded: %w", err)
	}
	resp, err := r.send(req.Context(), need, out)
	if err != nil {
		req.Body = io.NopCloser(bytes.NewReader(out.Body)) // for the caller, if it is to answer
		return !errors.Is(err, errHere), r.unlessHere(err)
	}
	copyHead(w, resp)
	_, _ = w.Write(resp.Body) // who asked may be gone
	return true, nil
}

// tellDatacenter says in a request for another datacenter from which it comes.
func (r *Relay) tellDatacenter(need Need, h http.Header) {
	if !r.ours(need.Datacenter) && h.Get(HeaderDatacenter) == "" {
		h.Set(HeaderDatacenter, r.cfg.Datacenter)
	}
}

// readBody reads a body that is forwarded in one piece.
func readBody(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	bounded := http.MaxBytesReader(w, req.Body, maxBody)
	switch n := req.ContentLength; {
	case n == 0:
		return nil, nil // what is asked most: no body, no buffer
	case n > 0 && n <= maxBody:
		b := make([]byte, n)
		_, err := io.ReadFull(bounded, b)
		return b, err
	}
	return io.ReadAll(bounded)
}

func (r *Relay) unlessHere(err error) error {
	if errors.Is(err, errHere) {
		return nil
	}
	return err
}

// maxBody bounds a request that is forwarded in one piece, in bytes.
const maxBody = 32 << 20

func copyHead(w http.ResponseWriter, resp *wire.Response) {
	h := w.Header()
	for k, v := range resp.Header {
		h[k] = v
	}
	w.WriteHeader(resp.Status)
}

// Call makes a request of the agent's own and returns the answer. The caller
// has found out by Here that it does not run on this agent.
func (r *Relay) Call(ctx context.Context, need Need, req *wire.Request) (*wire.Response, error) {
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set(HeaderNode, r.cfg.NodeName)
	r.tellDatacenter(need, req.Header)
	return r.send(ctx, need, req)
}

// errHere says that this server began to lead while it looked for the leader.
var errHere = errors.New("the request runs here")

// target is whom to forward to next. An error with the kind NoLeader or
// NoServers may pass.
func (r *Relay) target(need Need, failed map[string]bool) (address string, final bool, err error) {
	dc := r.cfg.Datacenter
	if !r.ours(need.Datacenter) && r.IsServer() {
		dc = need.Datacenter
	} else if r.IsServer() {
		if r.cfg.Cluster.Leading() {
			return "", false, errHere
		}
		if address := r.cfg.Cluster.Leader(); address != "" {
			return address, true, nil
		}
		return "", false, model.ErrNoLeader
	}
	addresses, known := r.cfg.Servers(dc)
	switch {
	case len(addresses) > 0:
		return r.choose(addresses, failed), false, nil
	case dc == r.cfg.Datacenter:
		return "", false, model.ErrNoServers
	case known:
		return "", false, model.Errorf(model.NoServers, "%s", model.TextRemoteNoServer)
	}
	return "", false, model.ErrNoDatacenter
}

// choose prefers the server that answered last, and avoids those that failed.
func (r *Relay) choose(addresses []string, failed map[string]bool) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var good []string
	for _, a := range addresses {
		if failed[a] {
			continue
		}
		if a == r.sticky {
			return a
		}
		good = append(good, a)
	}
	if len(good) == 0 {
		clear(failed)
		good = addresses
	}
	return good[rand.IntN(len(good))]
}

func (r *Relay) answered(address string) {
	r.mu.Lock()
	r.sticky = address
	r.mu.Unlock()
	if r.lost.Load() {
		r.lost.Store(false)
	}
}

// send forwards a request. It repeats what provably never began; what may
// have begun it repeats only if it changes nothing.
func (r *Relay) send(ctx context.Context, need Need, req *wire.Request) (*wire.Response, error) {
	var answer *wire.Response
	err := r.attempt(ctx, need, req, func(address string) error {
		ctx, cancel := ctx, func() {}
		if !r.IsServer() {
			ctx, cancel = r.cfg.Limits.within(ctx, req)
		}
		defer cancel()
		resp, err := r.cfg.Client.Do(ctx, address, req)
		if err == nil && resp.Header.Get(HeaderError) == NotLeader {
			return model.ErrNotLeader
		}
		answer = resp
		return err
	})
	return answer, err
}

func (r *Relay) stream(ctx context.Context, need Need, req *wire.Request, body io.Reader, w http.ResponseWriter) error {
	return r.attempt(ctx, need, req, func(address string) error {
		lent := &loan{body: body}
		err := r.cfg.Client.Stream(ctx, address, req, lent, func(resp *wire.Response, rest io.Reader) error {
			if resp.Header.Get(HeaderError) == NotLeader {
				return model.ErrNotLeader
			}
			copyHead(w, resp)
			_, err := io.Copy(w, rest)
			return err
		})
		if err != nil && !lent.back() {
			// The next server would get the rest of the body only. (%v: the
			// cause must not count as one that lets the request be repeated.)
			return model.Errorf(model.Internal, "%v", err)
		}
		return err
	})
}

// A loan is a body that one attempt may read, until it is taken back.
type loan struct {
	body io.Reader

	mu      sync.Mutex
	reading bool // guarded by mu
	began   bool // guarded by mu
	over    bool // guarded by mu
}

// Read is called by one goroutine at a time, perhaps even after back.
func (l *loan) Read(p []byte) (int, error) {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return 0, io.ErrClosedPipe
	}
	l.reading = true
	l.mu.Unlock()
	n, err := l.body.Read(p)
	l.mu.Lock()
	l.reading, l.began = false, l.began || n > 0
	l.mu.Unlock()
	return n, err
}

// back ends the loan and tells whether the body is as it was.
func (l *loan) back() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	return !l.reading && !l.began
}

// spareHold is how long somebody with an answer of his own waits for a server
// that can be reached. Once it was in vain, nobody of his kind waits until one is
// reached again, but each tries all of them.
const spareHold = 2 * time.Second

func (r *Relay) hold(need Need) time.Duration {
	switch {
	case !need.Spare:
		return r.cfg.Hold
	case r.lost.Load():
		return 0
	}
	return min(spareHold, r.cfg.Hold)
}

// attempt has a request answered by a server, if the limits let it go.
func (r *Relay) attempt(ctx context.Context, need Need, req *wire.Request, do func(address string) error) error {
	if r.IsServer() {
		if !r.ours(need.Datacenter) {
			r.crossed.Inc(need.Datacenter)
		}
		return r.try(ctx, need, req, do)
	}
	r.sent.Inc()
	err := r.cfg.Limits.leave()
	if err == nil {
		err = r.try(ctx, need, req, do)
	}
	if err != nil {
		r.failed.Inc()
	}
	return err
}

// try calls do with one server after the other, until one has answered, it
// cannot be said that nothing began, or the time for that is over and all have
// been tried.
func (r *Relay) try(ctx context.Context, need Need, req *wire.Request, do func(address string) error) error {
	failed, tried := map[string]bool{}, map[string]bool{}
	hold := r.hold(need)
	var began time.Time // of trouble
	pause := 10 * time.Millisecond
	for {
		address, final, err := r.target(need, failed)
		if err == nil {
			req.Header.Del(headerFinal)
			if final {
				req.Header.Set(headerFinal, "1")
			}
			if err = do(address); err == nil {
				r.answered(address)
				return nil
			}
			if !r.mayRepeat(need, err) || ctx.Err() != nil {
				return outcomeUnknown(ctx, need, err)
			}
			failed[address], tried[address] = true, true
		} else if k := model.KindOf(err); k != model.NoLeader && k != model.NoServers {
			return err
		}
		if began.IsZero() {
			began = time.Now()
		}
		if time.Since(began) >= hold && (hold > 0 || r.triedAll(tried)) {
			err = held(err)
			if model.KindOf(err) == model.NoServers && !r.IsServer() {
				r.lost.Store(true)
			}
			return err
		}
		if hold == 0 {
			continue
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return model.Errorf(model.Canceled, "%w", context.Cause(ctx))
		}
		pause = min(2*pause, 250*time.Millisecond)
	}
}

// triedAll tells whether no server is left that was not tried.
func (r *Relay) triedAll(tried map[string]bool) bool {
	addresses, _ := r.cfg.Servers(r.cfg.Datacenter)
	for _, a := range addresses {
		if !tried[a] {
			return false
		}
	}
	return true
}

// mayRepeat tells whether a request that failed may be sent again: it never
// began, or it changes nothing.
func (r *Relay) mayRepeat(need Need, err error) bool {
	if errors.Is(err, wire.ErrUnreachable) || model.KindOf(err) == model.NotLeader {
		return true
	}
	return !need.Write && !need.Stream
}

func outcomeUnknown(ctx context.Context, need Need, err error) error {
	if ctx.Err() != nil {
		return model.Errorf(model.Canceled, "%w", context.Cause(ctx))
	}
	if need.Write {
		return model.Errorf(model.LeadershipLost, "rpc error making call: %w", err)
	}
	return model.Errorf(model.Internal, "rpc error making call: %w", err)
}

// held is the error after waiting for long enough.
func held(err error) error {
	switch {
	case errors.Is(err, wire.ErrUnreachable):
		return model.Errorf(model.NoServers, "rpc error getting client: failed to get conn: %w", err)
	case model.KindOf(err) == model.NotLeader:
		return model.ErrNoLeader
	}
	return err
}
