package dnsd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/model"
	"muster/ops"
)

// alone is an answer that nobody else gets, and its asker only once.
type alone struct{ a *Answer }

func (h alone) Answer() *Answer { return h.a }
func (h alone) Current() bool   { return false }
func (h alone) Release()        {}

// askQuery runs a prepared query. What it finds here is shared and held, as any
// other answer; what other datacenters say, or what depends on the asker, is not.
func (s *opsSource) askQuery(ctx context.Context, query *ops.Query, q *Question, render func(*Facts) *Answer) (Held, error) {
	from := ops.Asker{Node: s.node, IP: q.Asker.String()}
	for {
		qu := s.ops.Find(q.Name, from, query)
		if qu.Key != "" { // it can be shared
			qu.Key = q.Key
		}
		h, err := ops.Hold(ctx, s.ops, s.cache, query, qu, func(f *ops.Found) (ops.Rendered[*Answer], error) {
			if f.Err != nil {
				return ops.Rendered[*Answer]{}, f.Err
			}
			a := render(foundFacts(f, ""))
			a.own = f.Own
			a.failsOver = f.Query != nil && len(f.Nodes) == 0 && f.Query.Service.Failover.Wanted()
			return ops.Rendered[*Answer]{Value: a, Size: a.Size()}, nil
		})
		if errors.Is(err, ops.ErrQueryChanged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if a := h.Value; a.own && !a.failsOver {
			h.Release()
			return alone{a}, nil
		}
		if !h.Value.failsOver {
			return opsHeld{h}, nil
		}
		h.Release()
		return s.failOver(ctx, query, q, from, render)
	}
}

// failOver runs a prepared query, in other datacenters where it finds nothing
// here.
func (s *opsSource) failOver(ctx context.Context, query *ops.Query, q *Question, from ops.Asker, render func(*Facts) *Answer) (Held, error) {
	x, _, err := s.ops.Execute(ctx, q.Name, from, 0, query)
	if err != nil {
		return nil, err
	}
	a := render(foundFacts(&x.Found, x.Datacenter))
	a.own = true
	return alone{a}, nil
}

func foundFacts(f *ops.Found, datacenter string) *Facts {
	if f.Query == nil {
		return &Facts{}
	}
	return &Facts{Instances: f.Nodes, Query: &QueryFacts{Service: f.Query.Service.Service, TTL: f.Query.DNS.TTL,
		Datacenter: datacenter, Sorted: f.Sorted}}
}

// queryFacts are what a prepared query found when it was last run.
type queryFacts struct {
	facts *Facts
	asked time.Time
}

// askQuery has the servers run a prepared query, each time: nothing tells when
// it would find something else. What it found last is for when no server can be
// reached.
func (f *Followers) askQuery(ctx context.Context, q *Question, render func(*Facts) *Answer) (Held, error) {
	key := followKey{kind: AboutQuery, datacenter: q.Datacenter, what: q.Name, token: q.Token}
	f.mu.Lock()
	last := f.queries[key]
	f.mu.Unlock()
	uri := key.uri()
	if !q.Stale {
		uri = strings.TrimSuffix(uri, "?stale") + "?leader"
	}
	body, _, err := f.api.Get(ctx, Request{Datacenter: q.Datacenter, URI: uri, Token: q.Token, Asker: q.Asker, Spare: last != nil})
	facts := &Facts{}
	switch {
	case err != nil && last != nil && model.KindOf(err) == model.NoServers:
		facts = last.facts
	case err != nil:
		return nil, err
	default:
		if facts, err = key.facts(body); err != nil {
			return nil, err
		}
		f.remember(key, facts)
	}
	a := render(facts)
	a.own = true
	return alone{a}, nil
}

// remember keeps what a query found, and of too many the newest.
func (f *Followers) remember(key followKey, facts *Facts) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.queries[key]; !ok && len(f.queries) >= maxFollowed {
		var oldest followKey
		var since time.Time
		for k, q := range f.queries {
			if since.IsZero() || q.asked.Before(since) {
				oldest, since = k, q.asked
			}
		}
		delete(f.queries, oldest)
	}
	if facts.Query == nil {
		delete(f.queries, key)
		return
	}
	f.queries[key] = &queryFacts{facts, time.Now()}
}

// readQueryFacts reads the answer of /v1/query/NAME/execute.
func readQueryFacts(body []byte) (*Facts, error) {
	var r struct {
		Service    string
		Nodes      []*model.CheckServiceNode
		DNS        model.QueryDNS
		Datacenter string
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("read what a prepared query found: %w", err)
	}
	return &Facts{Instances: r.Nodes, Query: &QueryFacts{Service: r.Service, TTL: r.DNS.TTL, Datacenter: r.Datacenter,
		Sorted: true}}, nil // the servers have put them into an order, at random if none was wanted
}
