package ops

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"muster/acl"
	"muster/model"
	"muster/state"
)

// Register puts a node, an instance and checks into the catalog.
func (o *Ops) Register(ctx context.Context, token string, r *model.RegisterRequest) error {
	authz, err := o.acl.Resolve(token)
	if err != nil {
		return err
	}
	if r.Datacenter == "" {
		r.Datacenter = o.datacenter
	}
	if r.Node == "" {
		return model.Errorf(model.Internal, "Must provide node")
	}
	if r.Address == "" && !r.SkipNodeUpdate {
		return model.Errorf(model.Internal, "Must provide address if SkipNodeUpdate is not set")
	}
	if r.ID != "" {
		if err := checkNodeID(r.ID); err != nil {
			return err
		}
	}
	if err := model.ValidateName("Node", r.Node); err != nil {
		return err
	}
	if err := o.permitNode(authz, acl.Node, acl.Write, r.Node, r.ID); err != nil {
		return err
	}
	if s := r.Service; s != nil {
		if err := prepareService(s); err != nil {
			return err
		}
		if err := o.permitInstance(authz, acl.Write, r.Node, s); err != nil {
			return err
		}
	}
	if r.Check != nil {
		r.Checks = append(r.Checks, r.Check)
		r.Check = nil
	}
	r.Checks = slices.DeleteFunc(r.Checks, func(c *model.HealthCheck) bool { return c == nil }) // JSON has null
	for _, c := range r.Checks {
		if err := prepareCheck(c, r.Node); err != nil {
			return err
		}
	}
	_, err = o.propose(ctx, model.CmdRegister, r)
	return err
}

func checkNodeID(id string) error {
	if len(id) != 36 {
		return model.Errorf(model.Internal, "Bad node ID: uuid string is wrong length")
	}
	if !uuidForm.MatchString(id) {
		return model.Errorf(model.Internal, "Bad node ID: uuid is improperly formatted")
	}
	return nil
}

// prepareService validates an instance and fills in what it leaves out.
func prepareService(s *model.NodeService) error {
	if s.ID == "" {
		s.ID = s.Service
	}
	if s.ID != "" && s.Service == "" {
		return model.Errorf(model.Internal, "Must provide service name with ID")
	}
	if s.Service == "" {
		return model.Errorf(model.Internal, "Must provide service name")
	}
	for _, n := range []string{s.ID, s.Service} {
		if err := model.ValidateName("Service", n); err != nil {
			return err
		}
	}
	if model.AnyAddress(s.Address) {
		return model.Errorf(model.Internal, "Invalid service address")
	}
	if s.Weights == nil || *s.Weights == (model.Weights{}) {
		s.Weights = &model.Weights{Passing: 1, Warning: 1}
	}
	for _, w := range []int{s.Weights.Passing, s.Weights.Warning} {
		if w < 0 || w > model.WeightMax {
			return model.Errorf(model.Internal, "Invalid Weights: DNS Weight must be between 0 and %d", model.WeightMax)
		}
	}
	return nil
}

// prepareCheck validates a check of a registration and fills in what it leaves
// out.
func prepareCheck(c *model.HealthCheck, node string) error {
	if c.CheckID == "" {
		c.CheckID = c.Name
	}
	if c.CheckID == "" { // it could not be taken out again
		return model.Errorf(model.Internal, "Must provide CheckID or Name of a check")
	}
	if c.Node == "" {
		c.Node = node
	}
	if !strings.EqualFold(c.Node, node) {
		return model.Errorf(model.Internal, "check node %q does not match node %q", c.Node, node)
	}
	if err := model.ValidateName("CheckID", c.CheckID); err != nil {
		return err
	}
	switch c.Status {
	case "", model.HealthPassing, model.HealthWarning, model.HealthCritical:
	default:
		return model.Errorf(model.Internal, "Invalid check status %q: must be passing, warning or critical", c.Status)
	}
	c.Definition.Normalize()
	if c.Type == "" {
		c.Type = c.Definition.Kind()
	}
	return nil
}

// Deregister takes a check, an instance or a node out of the catalog.
func (o *Ops) Deregister(ctx context.Context, token string, r *model.DeregisterRequest) error {
	if r.Node == "" {
		return model.Errorf(model.Internal, "Must provide node")
	}
	authz, err := o.acl.Resolve(token)
	if err != nil {
		return err
	}
	if err := o.permitNode(authz, acl.Node, acl.Write, r.Node, ""); err != nil {
		return err
	}
	_, err = o.propose(ctx, model.CmdDeregister, r)
	return err
}

func hasMeta(meta, want map[string]string) bool {
	for k, v := range want {
		if got, ok := meta[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// questionKey joins parts into a key that no other parts yield: callers choose
// what is in them, and must not get, or make others get, the answer to another
// question.
func questionKey(parts ...string) string {
	n := 0
	for _, p := range parts {
		n += len(p) + 4
	}
	b := make([]byte, 0, n)
	for _, p := range parts {
		b = strconv.AppendInt(b, int64(len(p)), 10)
		b = append(b, ':')
		b = append(b, p...)
	}
	return string(b)
}

// metaKey is a canonical text of a node-meta filter, for the keys of questions.
func metaKey(meta map[string]string) string {
	pairs := make([]string, 0, len(meta))
	for k, v := range meta {
		pairs = append(pairs, questionKey(k, v))
	}
	slices.Sort(pairs)
	return questionKey(pairs...)
}

// Nodes asks for the nodes of the catalog.
func (o *Ops) Nodes(q *Query) Question[[]*model.Node] {
	topics := []state.Topic{state.TopicNodes}
	if q.Near != "" {
		topics = append(topics, state.TopicCoordinates)
	}
	return Question[[]*model.Node]{
		Key:    questionKey("nodes", q.Near, q.NearIP, q.Filter, metaKey(q.NodeMeta)),
		Topics: topics,
		Eval: func(v *state.Version) (uint64, []*model.Node, error) {
			index, list := v.Nodes()
			list = keep(list, func(n *model.Node) bool { return hasMeta(n.Meta, q.NodeMeta) })
			list, err := filter(list, q.Filter)
			sortNear(v, q.Near, q.NearIP, list, func(n *model.Node) string { return n.Node })
			return index, list, err
		},
		Filter: func(list []*model.Node, authz acl.Authorizer) []*model.Node {
			return keep(list, func(n *model.Node) bool { return authz.Allowed(acl.Node, n.Node, acl.Read) })
		},
	}
}

// Services asks for the names of the services and the tags of each.
func (o *Ops) Services(q *Query) Question[model.ServicesList] {
	topics := []state.Topic{state.TopicServices}
	if len(q.NodeMeta) > 0 || q.Filter != "" {
		topics = append(topics, state.TopicNodes)
	}
	return Question[model.ServicesList]{
		Key:    questionKey("services", q.Filter, metaKey(q.NodeMeta)),
		Topics: topics,
		Eval: func(v *state.Version) (uint64, model.ServicesList, error) {
			out := model.ServicesList{}
			// An expression about anything else than instances has no effect,
			// as it had none when this question knew no filters.
			eval, _ := evaluator(reflect.TypeFor[*model.ServiceNode](), q.Filter)
			v.EachInstance(func(n *model.Node, s *model.NodeService) bool {
				if !hasMeta(n.Meta, q.NodeMeta) {
					return true
				}
				if eval != nil {
					if ok, err := eval.Evaluate(model.NewServiceNode(n, s)); err != nil || !ok {
						return true
					}
				}
				tags, ok := out[s.Service]
				if !ok {
					tags = []string{}
				}
				for _, t := range s.Tags {
					if !slices.Contains(tags, t) {
						tags = append(tags, t)
					}
				}
				out[s.Service] = tags
				return true
			})
			for _, tags := range out {
				slices.Sort(tags)
			}
			return v.ServicesIndex(), out, nil
		},
		Filter: func(list model.ServicesList, authz acl.Authorizer) model.ServicesList {
			out := model.ServicesList{}
			for name, tags := range list {
				if authz.Allowed(acl.Service, name, acl.Read) {
					out[name] = tags
				}
			}
			return out
		},
	}
}

// Instances asks for the instances of a service that have all of some tags.
func (o *Ops) Instances(service string, tags []string, q *Query) Question[[]*model.ServiceNode] {
	return Question[[]*model.ServiceNode]{
		Key:    questionKey("instances", strings.ToLower(service), questionKey(tags...), q.Near, q.NearIP, q.Filter, metaKey(q.NodeMeta)),
		Topics: serviceTopics(service, q),
		Floats: none[*model.ServiceNode],
		Eval: func(v *state.Version) (uint64, []*model.ServiceNode, error) {
			index, list := v.Instances(service)
			list = keep(shown(list, shownInstance), func(s *model.ServiceNode) bool {
				return hasTags(s.ServiceTags, tags) && hasMeta(s.NodeMeta, q.NodeMeta)
			})
			list, err := filter(list, q.Filter)
			sortNear(v, q.Near, q.NearIP, list, func(s *model.ServiceNode) string { return s.Node })
			return index, list, err
		},
		Filter: func(list []*model.ServiceNode, authz acl.Authorizer) []*model.ServiceNode {
			return keep(list, func(s *model.ServiceNode) bool {
				return authz.Allowed(acl.Node, s.Node, acl.Read) && authz.Allowed(acl.Service, s.ServiceName, acl.Read)
			})
		},
	}
}

func serviceTopics(service string, q *Query) []state.Topic {
	topics := []state.Topic{state.TopicService(service)}
	if q.Near != "" {
		topics = append(topics, state.TopicCoordinates)
	}
	return topics
}

func hasTags(have, want []string) bool {
	for _, w := range want {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, w) }) {
			return false
		}
	}
	return true
}

// NodeServices asks for a node and its instances; nil when there is no such
// node.
func (o *Ops) NodeServices(node string, q *Query) Question[*model.NodeServiceList] {
	return Question[*model.NodeServiceList]{
		// Not shared: its index is that of whole tables, its topic the node.
		Topics: nodeTopics(o.store.Current(), node),
		Eval: func(v *state.Version) (uint64, *model.NodeServiceList, error) {
			n := v.Node(node)
			if n == nil {
				_, err := filter([]*model.NodeService{}, q.Filter)
				return 0, nil, err
			}
			index, list := v.NodeServices(n.Node)
			list = shown(list, shownService)
			list, err := filter(list, q.Filter)
			return index, &model.NodeServiceList{Node: n, Services: list}, err
		},
		Filter: func(l *model.NodeServiceList, authz acl.Authorizer) *model.NodeServiceList {
			if l == nil || !authz.Allowed(acl.Node, l.Node.Node, acl.Read) {
				return nil
			}
			return &model.NodeServiceList{Node: l.Node, Services: keep(l.Services, func(s *model.NodeService) bool {
				return authz.Allowed(acl.Service, s.Service, acl.Read)
			})}
		},
	}
}

// nodeTopics are the topics of a node that is named or given by its ID. An
// unknown one may be the ID of a node to come.
func nodeTopics(v *state.Version, node string) []state.Topic {
	if n := v.Node(node); n != nil {
		return []state.Topic{state.TopicNode(n.Node)}
	}
	return []state.Topic{state.TopicNode(node), state.TopicNodes}
}
