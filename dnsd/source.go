package dnsd

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"muster/model"
	"muster/ops"
	"muster/relay"
	"muster/view"
)

// Kind is what a Question is about.
type Kind uint8

const (
	// AboutService asks for the instances of a service, with their checks.
	AboutService Kind = iota
	// AboutNode asks for one node by its name.
	AboutNode
	// AboutAddress asks who has an address.
	AboutAddress
	// AboutQuery asks what a prepared query finds.
	AboutQuery
)

// Question is what the server needs to know of the catalog.
type Question struct {
	Kind       Kind
	Datacenter string     // "" is the agent's
	Name       string     // of the service, node or prepared query, in lower case
	Tag        string     // that instances must have, in any case; "" is any
	Address    netip.Addr // never IPv4 in IPv6
	Asker      netip.Addr // from where a prepared query is run
	Token      string
	// Stale allows what any server has; its last contact with the leader may
	// be MaxStale ago, or, if that is 0, any time.
	Stale    bool
	MaxStale time.Duration
	// Key names the question together with what is rendered from its facts:
	// the same key, the same rendered answer.
	Key string
}

// Facts are what a Source knows to a question. They must not be changed.
type Facts struct {
	// Instances are those of the service, healthy or not; those that a query
	// chose; of those that have an address, the first, without checks.
	Instances []*model.CheckServiceNode
	// Nodes holds the node asked for, or the first that has the address.
	Nodes []*model.Node
	// Query is the prepared query asked for; nil if there is none.
	Query *QueryFacts
}

// QueryFacts are what a prepared query says of its answer.
type QueryFacts struct {
	Service    string
	TTL        string // a duration, or "" for that of the service
	Datacenter string // where the instances are
	Sorted     bool   // the nearest instance comes first
}

// Source is where the server learns of nodes and services.
type Source interface {
	// Ask finds out the facts to a question and has them rendered, or returns
	// what was rendered before if nothing has changed since. Nodes and
	// services that are not there, or that the token may not see, are no
	// error but missing facts; of errors the model.Kind counts. The caller
	// must Release what it gets.
	Ask(ctx context.Context, q *Question, render func(*Facts) *Answer) (Held, error)
}

// Held is a rendered answer that may be given again as long as it is Current.
type Held interface {
	Answer() *Answer
	// Current tells, cheaply, whether asking again would yield the same. It
	// must not be called after Release.
	Current() bool
	// Release gives up the hold; the answer itself may still be used.
	Release()
}

// Router tells whether a question may be answered here: *relay.Relay.
type Router interface {
	Admit(ctx context.Context, place relay.Place, datacenter string) error
}

// FromOps is the Source of a server on a node: its own state. It keeps at most a
// number of bytes of rendered answers.
func FromOps(o *ops.Ops, r Router, node string, cacheBytes int) Source {
	return &opsSource{node: node, ops: o, router: r, cache: view.New[*Answer](cacheBytes)}
}

type opsSource struct {
	node   string
	ops    *ops.Ops
	router Router
	cache  *view.Cache[*Answer]
}

func (s *opsSource) Ask(ctx context.Context, q *Question, render func(*Facts) *Answer) (Held, error) {
	if err := s.router.Admit(ctx, relay.Server, q.Datacenter); err != nil {
		return nil, err
	}
	query := &ops.Query{Token: q.Token}
	if q.Stale {
		query.Mode, query.MaxStale = ops.Stale, q.MaxStale
	}
	switch q.Kind {
	case AboutQuery:
		return s.askQuery(ctx, query, q, render)
	case AboutNode:
		return hold(ctx, s, query, q.Key, s.ops.NodeByName(q.Name), func(n *model.Node) *Answer {
			f := &Facts{}
			if n != nil {
				f.Nodes = []*model.Node{n}
			}
			return render(f)
		})
	case AboutAddress:
		return hold(ctx, s, query, q.Key, s.ops.AddressOwners(q.Address), func(o *ops.Owners) *Answer {
			return render(ownerFacts(o))
		})
	default:
		var tags []string
		if q.Tag != "" {
			tags = []string{q.Tag}
		}
		return hold(ctx, s, query, q.Key, s.ops.Health(q.Name, tags, false, query), func(list []*model.CheckServiceNode) *Answer {
			return render(&Facts{Instances: list})
		})
	}
}

// ownerFacts are the facts about an address: one node, else one instance.
func ownerFacts(o *ops.Owners) *Facts {
	f := &Facts{}
	switch {
	case len(o.Nodes) > 0:
		f.Nodes = o.Nodes[:1]
	case len(o.Instances) > 0:
		i := o.Instances[0]
		f.Instances = []*model.CheckServiceNode{{
			Node:    &model.Node{Node: i.Node, Address: i.Address, Datacenter: i.Datacenter},
			Service: &model.NodeService{ID: i.ServiceID, Service: i.ServiceName, Address: i.ServiceAddress},
		}}
	}
	return f
}

func hold[T any](ctx context.Context, s *opsSource, q *ops.Query, key string, qu ops.Question[T], render func(T) *Answer) (Held, error) {
	qu.Key = key
	qu.Floats = nil // it matters to those who are told an index
	h, err := ops.Hold(ctx, s.ops, s.cache, q, qu, func(v T) (ops.Rendered[*Answer], error) {
		a := render(v)
		return ops.Rendered[*Answer]{Value: a, Size: a.Size()}, nil
	})
	if err != nil {
		return nil, err
	}
	return opsHeld{h}, nil
}

type opsHeld struct{ *ops.Held[*Answer] }

func (h opsHeld) Answer() *Answer { return h.Value }

// key names a question and what is rendered from it: the configuration, the
// name as it was asked, in lower case, and the type.
func (s *settings) key(owner string, qtype uint16) string {
	return strconv.FormatUint(s.gen, 10) + "/" + strconv.Itoa(int(qtype)) + "/" + owner
}
