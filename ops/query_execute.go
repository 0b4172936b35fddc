package ops

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"muster/acl"
	"muster/model"
	"muster/state"
)

// Asker is who runs a prepared query, as far as queries can depend on it.
type Asker struct {
	Node    string // of the agent that was asked
	Segment string // of that agent's network
	IP      string // from where the agent was asked
	// Near, if not "", takes the place of the query's own.
	Near string
}

// Elsewhere are the other datacenters.
type Elsewhere interface {
	// Datacenters are the names of all that are known, this one first, then by
	// distance.
	Datacenters() []string
	// Health asks a datacenter for the instances of a service.
	Health(ctx context.Context, datacenter, service string, q *Query) ([]*model.CheckServiceNode, error)
}

// elsewhereTimeout bounds the asking of one other datacenter.
const elsewhereTimeout = 3 * time.Second

// Found is what a prepared query finds here.
type Found struct {
	// Query is the query as it is for the name that was asked for; nil if there
	// is none.
	Query *model.PreparedQuery
	// Nodes are the instances that count.
	Nodes []*model.CheckServiceNode
	// Sorted: the order of Nodes means something.
	Sorted bool
	// Own: the answer is for this asker only.
	Own bool
	// Err is why the query can't be run.
	Err error

	source string // the node from which Nodes are sorted
}

// ErrQueryChanged says that a prepared query became one about another service
// while it was run. It is to be run again.
var ErrQueryChanged = errors.New("the prepared query has changed")

// Find asks for what a prepared query finds in this datacenter.
func (o *Ops) Find(idOrName string, from Asker, caller *Query) Question[*Found] {
	// Who waits must know of what: the query is looked up before.
	service, near, key := "", "", questionKey("find", idOrName, from.Node, from.Segment, from.Near)
	topics := []state.Topic{state.TopicQueries}
	if q, err := o.findQuery(o.store.Current(), idOrName, from); err == nil && q != nil {
		service, near = q.Service.Service, cmp.Or(from.Near, q.Service.Near)
		topics = append(topics, state.TopicService(service))
		if isOwn(q, near) {
			key = ""
		}
		if near != "" {
			topics = append(topics, state.TopicCoordinates)
		}
	}
	return Question[*Found]{
		Key:    key,
		Topics: topics,
		Eval: func(v *state.Version) (uint64, *Found, error) {
			q, err := o.findQuery(v, idOrName, from)
			f := &Found{Query: q, Err: err}
			if err != nil || q == nil {
				return v.QueriesIndex(), f, nil
			}
			if q.Service.Service != service || cmp.Or(from.Near, q.Service.Near) != near || isOwn(q, near) != (key == "") {
				return 0, nil, ErrQueryChanged
			}
			if q.Service.Connect {
				f.Err = model.Errorf(model.Unimplemented, "Service.Connect: there is no service mesh yet")
				return v.QueriesIndex(), f, nil
			}
			index, list := v.Health(service)
			f.Nodes = matching(list, &q.Service)
			f.Own = key == ""
			o.sortFound(v, f, from, near)
			return index, f, o.filterFound(f, caller)
		},
		Filter: func(f *Found, authz acl.Authorizer) *Found {
			if f.Query == nil || f.Query.Token != "" {
				return f // filtered already
			}
			own := *f
			own.Nodes = visibleInstances(f.Nodes, authz)
			return &own
		},
	}
}

// isOwn tells whether what a query finds is for one asker only.
func isOwn(q *model.PreparedQuery, near string) bool { return q.Token != "" || near == model.NearIP }

// filterFound leaves out what the query's own token may not see.
func (o *Ops) filterFound(f *Found, caller *Query) error {
	if f.Query.Token == "" {
		return nil
	}
	authz, err := o.acl.Resolve(f.Query.Token)
	if err != nil {
		return err
	}
	f.Nodes = visibleInstances(f.Nodes, authz)
	return nil
}

func visibleInstances(list []*model.CheckServiceNode, authz acl.Authorizer) []*model.CheckServiceNode {
	return keep(list, func(i *model.CheckServiceNode) bool {
		return authz.Allowed(acl.Node, i.Node.Node, acl.Read) && authz.Allowed(acl.Service, i.Service.Service, acl.Read)
	})
}

// sortFound puts the nearest instances first, if the query or the asker wants it.
func (o *Ops) sortFound(v *state.Version, f *Found, from Asker, near string) {
	if near == "" {
		return
	}
	if near == model.NearAgent {
		near = from.Node
	}
	f.source = nearNode(v, near, from.IP)
	_, coordinates := v.NodeCoordinates(f.source)
	f.Sorted = len(coordinates) > 0
	o.shuffleNodes(f.Nodes) // equally near ones share the load
	sortNear(v, f.source, "", f.Nodes, func(i *model.CheckServiceNode) string { return i.Node.Node })
}

func (o *Ops) shuffleNodes(list []*model.CheckServiceNode) {
	o.shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// matching returns the instances that a query wants, and that are healthy as it
// understands it.
func matching(list []*model.CheckServiceNode, s *model.QueryService) []*model.CheckServiceNode {
	return keep(list, func(i *model.CheckServiceNode) bool {
		i.Service = shownService(i.Service)
		if shown(i.Checks, shownCheck); len(i.Checks) == 0 {
			i.Checks = nil // null, as recorded: not as in other answers
		}
		for _, c := range i.Checks {
			if slices.ContainsFunc(s.IgnoreCheckIDs, func(id string) bool { return strings.EqualFold(id, c.CheckID) }) {
				continue
			}
			if c.Status == model.HealthCritical || s.OnlyPassing && c.Status != model.HealthPassing {
				return false
			}
		}
		return matchesTags(i.Service.Tags, s.Tags) && hasMeta(i.Node.Meta, s.NodeMeta) && hasMeta(i.Service.Meta, s.ServiceMeta)
	})
}

// matchesTags tells whether tags hold all that are wanted, and none of those
// with a "!" before them.
func matchesTags(have, want []string) bool {
	for _, w := range want {
		tag, unwanted := strings.CutPrefix(w, "!")
		if hasTags(have, []string{tag}) == unwanted {
			return false
		}
	}
	return true
}

// Executed is what a prepared query found, here or elsewhere.
type Executed struct {
	Found
	// Datacenter is where Nodes are.
	Datacenter string
	// Failovers is how many other datacenters were asked.
	Failovers int
}

// Execute runs a prepared query: here, and where that finds nothing, in the
// other datacenters that it names. limit, above 0, is how many instances are
// wanted.
func (o *Ops) Execute(ctx context.Context, idOrName string, from Asker, limit int, q *Query) (*Executed, Meta, error) {
	for {
		f, meta, err := Ask(ctx, o, nil, q, o.Find(idOrName, from, q), func(f *Found) (Rendered[*Found], error) {
			return Rendered[*Found]{Value: f}, nil
		})
		if errors.Is(err, ErrQueryChanged) {
			continue
		}
		if err == nil {
			err = f.Err
		}
		if err != nil {
			return nil, meta, err
		}
		x := &Executed{Found: *f, Datacenter: o.datacenter}
		if x.Query == nil {
			return x, meta, nil
		}
		o.FailOver(ctx, x, q)
		if !x.Sorted {
			o.shuffleNodes(x.Nodes)
		} else {
			ownFirst(x.Nodes, x.source)
		}
		if limit > 0 && len(x.Nodes) > limit {
			x.Nodes = x.Nodes[:limit]
		}
		return x, meta, nil
	}
}

// ownTop is among how many of the nearest the source's own instance must be to
// be put first.
const ownTop = 10

// ownFirst puts the instance on the node from which the list is sorted first,
// if it is among the nearest: others may be as near.
func ownFirst(list []*model.CheckServiceNode, source string) {
	for i, inst := range list[:min(len(list), ownTop)] {
		if strings.EqualFold(inst.Node.Node, source) {
			copy(list[1:i+1], list[:i])
			list[0] = inst
			return
		}
	}
}

// FailOver asks the other datacenters that a query names, one after the other,
// until one has instances. Those that can't be asked count as having none. It
// does nothing if there are instances here.
func (o *Ops) FailOver(ctx context.Context, x *Executed, q *Query) {
	if len(x.Nodes) > 0 || o.elsewhere == nil {
		return
	}
	as := *q
	as.MinIndex = 0
	if x.Query.Token != "" {
		as.Token = x.Query.Token
	}
	for _, dc := range o.failoverList(&x.Query.Service.Failover) {
		if ctx.Err() != nil {
			return
		}
		x.Failovers++
		bounded, cancel := context.WithTimeout(ctx, elsewhereTimeout)
		list, err := o.elsewhere.Health(bounded, dc, x.Query.Service.Service, &as)
		cancel()
		if err != nil {
			continue
		}
		if list = matching(list, &x.Query.Service); len(list) > 0 {
			x.Nodes, x.Datacenter, x.Sorted = list, dc, false
			return
		}
	}
}

// failoverList are the datacenters to fail over to, in order, each once.
func (o *Ops) failoverList(f *model.QueryFailover) []string {
	known := keep(o.elsewhere.Datacenters(), func(dc string) bool { return dc != o.datacenter })
	wanted := slices.Clone(known[:min(max(f.NearestN, 0), len(known))])
	wanted = append(wanted, f.Datacenters...)
	for _, t := range f.Targets {
		if t.Peer == "" { // clusters do not peer yet
			wanted = append(wanted, t.Datacenter)
		}
	}
	var list []string
	for _, dc := range wanted {
		if slices.Contains(known, dc) && !slices.Contains(list, dc) {
			list = append(list, dc)
		}
	}
	return list
}
