package ops

import (
	"context"
	"net/netip"
	"reflect"
	"strings"

	"muster/acl"
	"muster/model"
	"muster/state"
	"muster/view"
)

// Held is an answer that its holder may give again as long as it is Current.
type Held[V any] struct {
	Value V

	o       *Ops
	q       Query
	answer  *view.Answer[V]
	release func()
	// authz is by whom the answer was filtered; nil if that can't be compared.
	authz acl.Authorizer
}

// Hold asks as Ask does, without waiting for a change, and lets the caller keep
// the answer. The caller must Release it.
func Hold[T, V any](ctx context.Context, o *Ops, cache *Cache[V], q *Query, qu Question[T], render func(T) (Rendered[V], error)) (*Held[V], error) {
	authz, err := o.acl.Resolve(q.Token)
	if err != nil {
		return nil, err
	}
	a := asking[T, V]{o: o, qu: &qu, render: render, authz: authz}
	if qu.Key != "" && (qu.Filter == nil || authz.AllowsAll()) {
		a.cache = cache
	}
	if !reflect.TypeOf(authz).Comparable() {
		authz = nil
	}
	if _, err := o.admit(ctx, q); err != nil {
		return nil, err
	}
	for current := q.current(); ; current = true {
		if reign := o.log.Reign(); current || reign != 0 {
			answer, release, err := a.get(true)
			if err != nil {
				return nil, err
			}
			if current || o.log.Reign() == reign {
				return &Held[V]{Value: answer.Value, o: o, q: *q, answer: answer, release: release, authz: authz}, nil
			}
			release()
		}
		if err := o.log.ConfirmRead(ctx, false); err != nil {
			return nil, err
		}
	}
}

// Current tells, cheaply, whether asking again would yield the same answer. It
// must not be called after Release. A token whose rules have changed resolves
// to another authorizer, and then it would not.
func (h *Held[V]) Current() bool {
	var reign uint64
	if h.q.Mode == Default {
		reign = h.o.log.Reign() // before it is seen that nothing has changed
	}
	if h.authz == nil || h.answer.Watch.Fired() {
		return false
	}
	if authz, err := h.o.acl.Resolve(h.q.Token); err != nil || authz != h.authz {
		return false
	}
	switch h.q.Mode {
	case Stale:
		return h.q.MaxStale <= 0 || h.o.log.LastContact() <= h.q.MaxStale
	case Default:
		return reign != 0 && h.o.log.Reign() == reign
	default:
		return false
	}
}

// Release gives the answer back. Its value may still be used.
func (h *Held[V]) Release() { h.release() }

// NodeByName asks for a node by its name alone, never by its ID; nil if there
// is none.
func (o *Ops) NodeByName(name string) Question[*model.Node] {
	return Question[*model.Node]{
		Key:    questionKey("node-by-name", strings.ToLower(name)),
		Topics: []state.Topic{state.TopicNode(name)},
		Eval: func(v *state.Version) (uint64, *model.Node, error) {
			n := v.Node(name)
			if n != nil && !strings.EqualFold(n.Node, name) {
				n = nil
			}
			return v.NodesIndex(), n, nil
		},
		Filter: func(n *model.Node, authz acl.Authorizer) *model.Node {
			if n == nil || !authz.Allowed(acl.Node, n.Node, acl.Read) {
				return nil
			}
			return n
		},
	}
}

// Owners are those who have an address.
type Owners struct {
	Nodes     []*model.Node        // in the order of their names
	Instances []*model.ServiceNode // those with an address of their own, in the order of service names
}

// AddressOwners asks for the nodes and instances with an address.
func (o *Ops) AddressOwners(addr netip.Addr) Question[*Owners] {
	return Question[*Owners]{
		Key:    questionKey("address-owners", addr.String()),
		Topics: []state.Topic{state.TopicNodes, state.TopicServices},
		Eval: func(v *state.Version) (uint64, *Owners, error) {
			_, nodes := v.Nodes()
			owners := &Owners{Nodes: keep(nodes, func(n *model.Node) bool { return isAddress(n.Address, addr) })}
			v.EachInstance(func(n *model.Node, s *model.NodeService) bool {
				if isAddress(s.Address, addr) {
					owners.Instances = append(owners.Instances, model.NewServiceNode(n, s))
				}
				return true
			})
			return max(v.NodesIndex(), v.ServicesIndex()), owners, nil
		},
		Filter: func(all *Owners, authz acl.Authorizer) *Owners {
			return &Owners{
				Nodes: keep(all.Nodes, func(n *model.Node) bool { return authz.Allowed(acl.Node, n.Node, acl.Read) }),
				Instances: keep(all.Instances, func(s *model.ServiceNode) bool {
					return authz.Allowed(acl.Node, s.Node, acl.Read) && authz.Allowed(acl.Service, s.ServiceName, acl.Read)
				}),
			}
		},
	}
}

// isAddress tells whether a text is an address, however it is spelled.
func isAddress(text string, addr netip.Addr) bool {
	if text == "" {
		return false
	}
	a, err := netip.ParseAddr(text)
	return err == nil && a.Unmap() == addr
}
