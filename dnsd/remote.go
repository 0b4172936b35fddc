package dnsd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/model"
)

// API asks servers over /v1. The index is that of the answer; body is nil for a
// 404. That no server can be reached is an error of the kind model.NoServers.
type API interface {
	Get(ctx context.Context, r Request) (body []byte, index uint64, err error)
}

// Request is a question to the servers of a datacenter ("" is the agent's).
type Request struct {
	Datacenter string
	URI        string // has a query
	Token      string
	Asker      netip.Addr // from where the agent was asked, if that matters
	// Spare: there is an older answer for the case that no server can be
	// reached.
	Spare bool
}

// The bounds of what FromAPI remembers.
const (
	// maxFollowed is how many questions are followed at a time; of more, those
	// that were not asked for longest are forgotten.
	maxFollowed = 2048
	// followIdle is how long a question is followed after it was last asked.
	followIdle = 10 * time.Minute
	// fetchTimeout bounds the first asking of a question.
	fetchTimeout = 5 * time.Second
	// refetch is how soon a question that could not be asked again is tried.
	refetch = time.Second
)

// FromAPI is the Source of an agent that keeps no data: it asks the servers.
// What was asked once is followed by a blocking query in the background, so
// that the next asking needs nobody, and names go on resolving while no server
// can be reached. Close ends that.
func FromAPI(api API) *Followers {
	ctx, cancel := context.WithCancel(context.Background())
	return &Followers{api: api, ctx: ctx, cancel: cancel, began: time.Now(), all: map[followKey]*follower{}, queries: map[followKey]*queryFacts{}}
}

// Followers is a Source over the API.
type Followers struct {
	api    API
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	began  time.Time

	mu      sync.Mutex
	all     map[followKey]*follower   // guarded by mu
	queries map[followKey]*queryFacts // prepared queries, as answered last; guarded by mu
}

// Close ends all background queries and waits for them.
func (f *Followers) Close() {
	f.cancel()
	f.wg.Wait()
}

type followKey struct {
	kind                  Kind
	datacenter, what, tag string
	token                 string
}

// follower is one question that is followed.
type follower struct {
	key    followKey
	cancel context.CancelFunc
	asked  atomic.Int64 // when, in ns since Followers.began
	used   atomic.Bool  // on the fast path, since lastAsked was called

	first chan struct{} // closed when the first answer, or error, is there
	now   atomic.Pointer[known]
	err   error // of the first asking; set before first is closed
}

// known is what the servers said last, and what was rendered from it.
type known struct {
	facts *Facts
	gone  atomic.Bool // newer facts are there, or nobody follows any more

	mu       sync.Mutex
	rendered map[string]*Answer // by Question.Key; guarded by mu
}

// Ask is part of Source.
func (f *Followers) Ask(ctx context.Context, q *Question, render func(*Facts) *Answer) (Held, error) {
	if q.Kind == AboutQuery {
		return f.askQuery(ctx, q, render)
	}
	fl := f.follow(q)
	select {
	case <-fl.first:
	case <-ctx.Done():
		return nil, model.Errorf(model.Canceled, "%w", context.Cause(ctx))
	}
	k := fl.now.Load()
	if k == nil {
		return nil, fl.err
	}
	return followed{fl, k, k.render(q.Key, render)}, nil
}

// maxRendered bounds the answers kept for one question: one a record type and
// spelling of the domain, and one a configuration.
const maxRendered = 64

func (k *known) render(key string, render func(*Facts) *Answer) *Answer {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.rendered[key]
	if !ok {
		a = render(k.facts)
		if len(k.rendered) >= maxRendered {
			clear(k.rendered)
		}
		k.rendered[key] = a
	}
	return a
}

type followed struct {
	fl *follower
	k  *known
	a  *Answer
}

func (h followed) Answer() *Answer { return h.a }
func (h followed) Release()        {}

// Current is asked before each reply of the fast path, which so keeps the
// question followed.
func (h followed) Current() bool {
	if h.k.gone.Load() {
		return false
	}
	if !h.fl.used.Load() {
		h.fl.used.Store(true)
	}
	return true
}

// clock is how long there have been followers, whatever the wall clock is set to.
func (f *Followers) clock() time.Duration { return time.Since(f.began) }

// lastAsked is when the question was last asked, on either path.
func (f *Followers) lastAsked(fl *follower) time.Duration {
	if fl.used.Swap(false) {
		fl.asked.Store(int64(f.clock()))
	}
	return time.Duration(fl.asked.Load())
}

// follow finds or begins the following of a question.
func (f *Followers) follow(q *Question) *follower {
	key := followKey{kind: q.Kind, datacenter: q.Datacenter, what: q.Name, tag: strings.ToLower(q.Tag), token: q.Token}
	if q.Kind == AboutAddress {
		key.what = q.Address.String()
	}
	now := f.clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	fl, ok := f.all[key]
	if ok {
		fl.asked.Store(int64(now))
		return fl
	}
	if len(f.all) >= maxFollowed {
		f.forgetOldest()
	}
	ctx, cancel := context.WithCancel(f.ctx)
	fl = &follower{key: key, cancel: cancel, first: make(chan struct{})}
	fl.asked.Store(int64(now))
	f.all[key] = fl
	f.wg.Go(func() {
		f.run(ctx, fl)
		f.forget(fl)
	})
	return fl
}

func (f *Followers) forgetOldest() {
	var oldest *follower
	var since time.Duration
	for _, fl := range f.all {
		if asked := f.lastAsked(fl); oldest == nil || asked < since {
			oldest, since = fl, asked
		}
	}
	delete(f.all, oldest.key)
	oldest.cancel()
}

func (f *Followers) forget(fl *follower) {
	fl.cancel()
	f.mu.Lock()
	if f.all[fl.key] == fl {
		delete(f.all, fl.key)
	}
	f.mu.Unlock()
	if k := fl.now.Load(); k != nil {
		k.gone.Store(true)
	}
}

// run follows a question until nobody asks it any more. A first asking that
// fails is not followed: the next one tries again.
func (f *Followers) run(ctx context.Context, fl *follower) {
	first, cancel := context.WithTimeout(ctx, fetchTimeout)
	index, err := f.fetch(first, fl, 0)
	cancel()
	fl.err = err
	close(fl.first)
	if err != nil {
		return
	}
	for ctx.Err() == nil && f.clock()-f.lastAsked(fl) < followIdle {
		next, err := f.fetch(ctx, fl, index)
		switch {
		case err != nil:
			select {
			case <-time.After(refetch):
			case <-ctx.Done():
			}
		case next < index: // the data was replaced
			index = 0
		default:
			index = next
		}
	}
}

// fetch asks once, from an index on, and keeps what it is told.
func (f *Followers) fetch(ctx context.Context, fl *follower, index uint64) (uint64, error) {
	uri := fl.key.uri()
	if index > 0 {
		uri += fmt.Sprintf("&index=%d&wait=60s", index)
	}
	body, next, err := f.api.Get(ctx, Request{Datacenter: fl.key.datacenter, URI: uri, Token: fl.key.token})
	if err != nil {
		return 0, err
	}
	if index > 0 && next == index {
		return next, nil
	}
	facts, err := fl.key.facts(body)
	if err != nil {
		return 0, err
	}
	old := fl.now.Swap(&known{facts: facts, rendered: map[string]*Answer{}})
	if old != nil {
		old.gone.Store(true)
	}
	return next, nil
}

// uri is the path and query of a question; it has a query already.
func (k *followKey) uri() string {
	switch k.kind {
	case AboutQuery:
		return "/v1/query/" + url.PathEscape(k.what) + "/execute?stale"
	case AboutNode:
		return "/v1/catalog/node-services/" + url.PathEscape(k.what) + "?stale"
	case AboutAddress:
		expr := fmt.Sprintf("Address == %q or Services.Address == %q", k.what, k.what)
		return "/v1/internal/ui/nodes?stale&filter=" + url.QueryEscape(expr)
	}
	uri := "/v1/health/service/" + url.PathEscape(k.what) + "?stale"
	if k.tag != "" {
		uri += "&tag=" + url.QueryEscape(k.tag)
	}
	return uri
}

// facts reads the answer to a question.
func (k *followKey) facts(body []byte) (*Facts, error) {
	f := &Facts{}
	if body == nil {
		return f, nil
	}
	switch k.kind {
	case AboutQuery:
		return readQueryFacts(body)
	case AboutNode:
		var l model.NodeServiceList
		if err := json.Unmarshal(body, &l); err != nil {
			return nil, fmt.Errorf("read node: %w", err)
		}
		if l.Node != nil && strings.EqualFold(l.Node.Node, k.what) {
			f.Nodes = []*model.Node{l.Node}
		}
	case AboutAddress:
		return k.ownerFacts(body)
	default:
		if err := json.Unmarshal(body, &f.Instances); err != nil {
			return nil, fmt.Errorf("read instances: %w", err)
		}
	}
	return f, nil
}

func (k *followKey) ownerFacts(body []byte) (*Facts, error) {
	var dumps []struct {
		model.Node
		Services []*model.NodeService
	}
	if err := json.Unmarshal(body, &dumps); err != nil {
		return nil, fmt.Errorf("read owners: %w", err)
	}
	f := &Facts{}
	for i := range dumps {
		d := &dumps[i]
		if d.Address == k.what {
			return &Facts{Nodes: []*model.Node{&d.Node}}, nil
		}
		for _, s := range d.Services {
			if s.Address == k.what && len(f.Instances) == 0 {
				f.Instances = []*model.CheckServiceNode{{Node: &d.Node, Service: s}}
			}
		}
	}
	return f, nil
}

// Both is a Source that asks one for the agent's datacenter and another for
// all others.
func Both(datacenter string, here, elsewhere Source) Source { return both{datacenter, here, elsewhere} }

type both struct {
	datacenter      string
	here, elsewhere Source
}

func (b both) Ask(ctx context.Context, q *Question, render func(*Facts) *Answer) (Held, error) {
	if q.Datacenter == "" || q.Datacenter == b.datacenter {
		return b.here.Ask(ctx, q, render)
	}
	return b.elsewhere.Ask(ctx, q, render)
}
