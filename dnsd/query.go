package dnsd

import (
	"context"
	"errors"

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
