package dnsd

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"muster/model"
)

// fakeAPI answers every question with the same instances; one with an index
// when that is an old one, or after a minute.
type fakeAPI struct {
	mu        sync.Mutex
	index     uint64                    // guarded by mu
	instances []*model.CheckServiceNode // guarded by mu
	down      bool                      // guarded by mu
	changed   chan struct{}             // closed by the next change; guarded by mu
}

func (f *fakeAPI) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.index++
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeAPI) get() (body []byte, index uint64, changed chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, 0, nil, model.ErrNoServers
	}
	body, err = json.Marshal(f.instances)
	return body, f.index, f.changed, err
}

func (f *fakeAPI) Get(ctx context.Context, r Request) ([]byte, uint64, error) {
	body, index, changed, err := f.get()
	u, bad := url.Parse(r.URI)
	if err != nil || bad != nil || u.Query().Get("index") != strconv.FormatUint(index, 10) {
		return body, index, errors.Join(err, bad)
	}
	select {
	case <-changed:
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	body, index, _, err = f.get()
	return body, index, err
}

// TestNamesOutliveTheServers: a name that is in use goes on resolving while no
// server can be reached, however long the fast path alone has answered it, and
// one that is not is forgotten.
func TestNamesOutliveTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{index: 1, changed: make(chan struct{}), instances: []*model.CheckServiceNode{
			{Node: &model.Node{Node: "n", Address: "10.0.0.1"}, Service: &model.NodeService{Service: "web"}},
		}}
		followers := FromAPI(api)
		defer followers.Close()
		w := &world{t: t, Server: New(Options{Source: followers}, defaults())}
		defer w.Close()
		b := query("web.service.consul", dns.TypeA, how{})
		if m := w.unpack(w.slow(b, false)); len(m.Answer) != 1 {
			t.Fatal(m)
		}
		for range 30 {
			time.Sleep(time.Minute)
			if out := w.fast(b, false); out == nil || len(w.unpack(out).Answer) != 1 {
				t.Fatal("the name is not followed any more")
			}
		}
		api.set(func() { api.instances = append(api.instances, api.instances[0]); api.instances[1] = second })
		synctest.Wait()
		if w.fast(b, false) != nil || len(w.unpack(w.slow(b, false)).Answer) != 2 {
			t.Fatal("an old answer")
		}
		api.set(func() { api.down = true })
		for range 30 {
			time.Sleep(time.Minute)
			if out := w.fast(b, false); out == nil || len(w.unpack(out).Answer) != 2 {
				t.Fatal("the name does not outlive the servers")
			}
		}
		time.Sleep(followIdle + 2*time.Minute)
		followers.mu.Lock()
		if n := len(followers.all); n != 0 {
			t.Errorf("%d questions are followed that nobody asks", n)
		}
		followers.mu.Unlock()
		if w.fast(b, false) != nil {
			t.Fatal("an answer that nobody keeps up to date")
		}
		if m := w.unpack(w.slow(b, false)); m.Rcode != dns.RcodeServerFailure {
			t.Fatal(m)
		}
	})
}

var second = &model.CheckServiceNode{Node: &model.Node{Node: "n2", Address: "10.0.0.2"}, Service: &model.NodeService{Service: "web"}}

// What a prepared query found last is given while no server can be reached, but
// only then: each other time the servers are asked.
func TestQueriesOutliveTheServers(t *testing.T) {
	api := &queryAPI{body: `{"Service": "web", "Nodes": [{"Node": {"Node": "n", "Address": "10.0.0.1"}, "Service": {"Port": 80}}], "DNS": {"TTL": "9s"}}`}
	followers := FromAPI(api)
	defer followers.Close()
	w := &world{t: t, Server: New(Options{Source: followers}, defaults())}
	defer w.Close()
	b := query("q.query.consul", dns.TypeA, how{})
	ask := func(rcode, answers int, asked string) {
		t.Helper()
		m := w.unpack(w.slow(b, false))
		if m.Rcode != rcode || len(m.Answer) != answers || api.asked != asked || w.fast(b, false) != nil {
			t.Errorf("asked %q: %v", api.asked, m)
		}
		for _, rr := range m.Answer {
			if rr.Header().Ttl != 9 {
				t.Errorf("%v", rr)
			}
		}
	}
	const uri = "/v1/query/q/execute?stale"
	api.err = model.ErrNoServers
	ask(dns.RcodeServerFailure, 0, uri)
	api.err = nil
	ask(dns.RcodeSuccess, 1, uri)
	ask(dns.RcodeSuccess, 1, uri+" spare")
	api.err = model.ErrNoServers
	ask(dns.RcodeSuccess, 1, uri+" spare")
	api.err = model.Errorf(model.Internal, "refused by a server that was reached")
	ask(dns.RcodeServerFailure, 0, uri+" spare")
	api.err, api.body = nil, ""
	ask(dns.RcodeNameError, 0, uri+" spare")
	api.err = model.ErrNoServers
	ask(dns.RcodeServerFailure, 0, uri)
}

// queryAPI gives one answer.
type queryAPI struct {
	body, asked string
	err         error
}

func (f *queryAPI) Get(_ context.Context, r Request) ([]byte, uint64, error) {
	f.asked = r.URI
	if r.Spare {
		f.asked += " spare"
	}
	if f.body == "" {
		return nil, 1, f.err
	}
	return []byte(f.body), 1, f.err
}

func TestQueriesRememberedAreBounded(t *testing.T) {
	f := FromAPI(nil)
	for i := range maxFollowed + 10 {
		f.remember(followKey{kind: AboutQuery, what: strconv.Itoa(i)}, &Facts{Query: &QueryFacts{}})
	}
	if _, oldest := f.queries[followKey{kind: AboutQuery, what: "0"}]; len(f.queries) != maxFollowed || oldest {
		t.Errorf("%d are kept", len(f.queries))
	}
}
