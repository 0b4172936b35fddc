package ops

import (
	"slices"
	"strings"

	"muster/acl"
	"muster/model"
	"muster/state"
)

// NodeDump is a node with all that is registered on it.
type NodeDump struct {
	ID              string
	Node            string
	Address         string
	Datacenter      string `json:",omitempty"`
	TaggedAddresses map[string]string
	Meta            map[string]string
	Services        []*model.NodeService
	Checks          []*model.HealthCheck
}

// ServiceSummary is a service with the sums over its instances.
type ServiceSummary struct {
	Kind                 model.ServiceKind `json:",omitempty"`
	Name                 string
	Datacenter           string
	Tags                 []string
	Nodes                []string
	ExternalSources      []string
	InstanceCount        int
	ChecksPassing        int
	ChecksWarning        int
	ChecksCritical       int
	GatewayConfig        struct{}
	ConnectedWithProxy   bool
	ConnectedWithGateway bool
}

// externalSource is the key of service metadata that says who registered it.
const externalSource = "external-source"

func dump(v *state.Version, n *model.Node) *NodeDump {
	_, services := v.NodeServices(n.Node)
	_, checks := v.NodeChecks(n.Node)
	return &NodeDump{ID: n.ID, Node: n.Node, Address: n.Address, Datacenter: n.Datacenter, TaggedAddresses: n.TaggedAddresses,
		Meta: n.Meta, Services: shown(append([]*model.NodeService{}, services...), shownService),
		Checks: shown(append([]*model.HealthCheck{}, checks...), shownCheck)}
}

func catalogIndex(v *state.Version) uint64 {
	return max(v.NodesIndex(), v.ServicesIndex(), v.ChecksIndex())
}

// NodeDumps asks for all nodes (name ""), or for one, with everything.
func (o *Ops) NodeDumps(name string, q *Query) Question[[]*NodeDump] {
	topics, key := []state.Topic{state.TopicNodes, state.TopicServices, state.TopicChecks}, questionKey("ui-nodes", q.Filter)
	if name != "" {
		topics, key = nodeTopics(o.store.Current(), name), ""
	}
	return Question[[]*NodeDump]{
		Key:    key,
		Topics: topics,
		Eval: func(v *state.Version) (uint64, []*NodeDump, error) {
			nodes := []*model.Node{}
			if name == "" {
				_, nodes = v.Nodes()
			} else if n := v.Node(name); n != nil {
				nodes = append(nodes, n)
			}
			list := make([]*NodeDump, len(nodes))
			for i, n := range nodes {
				list[i] = dump(v, n)
			}
			list, err := filter(list, q.Filter)
			return catalogIndex(v), list, err
		},
		Filter: func(list []*NodeDump, authz acl.Authorizer) []*NodeDump {
			list = keep(list, func(d *NodeDump) bool { return authz.Allowed(acl.Node, d.Node, acl.Read) })
			for i, d := range list {
				c := *d
				c.Services = keep(d.Services, func(s *model.NodeService) bool { return authz.Allowed(acl.Service, s.Service, acl.Read) })
				c.Checks = keep(d.Checks, func(h *model.HealthCheck) bool {
					return h.ServiceName == "" || authz.Allowed(acl.Service, h.ServiceName, acl.Read)
				})
				list[i] = &c
			}
			return list
		},
	}
}

// ServiceSummaries asks for all services with the sums over their instances.
func (o *Ops) ServiceSummaries(q *Query) Question[[]*ServiceSummary] {
	return Question[[]*ServiceSummary]{
		Key:    questionKey("ui-services", q.Filter),
		Topics: []state.Topic{state.TopicNodes, state.TopicServices, state.TopicChecks},
		Eval: func(v *state.Version) (uint64, []*ServiceSummary, error) {
			list, err := summarize(v, o.datacenter, q.Filter)
			return catalogIndex(v), list, err
		},
		Filter: func(list []*ServiceSummary, authz acl.Authorizer) []*ServiceSummary {
			return keep(list, func(s *ServiceSummary) bool { return authz.Allowed(acl.Service, s.Name, acl.Read) })
		},
	}
}

func summarize(v *state.Version, datacenter, expr string) ([]*ServiceSummary, error) {
	byName := map[string]*ServiceSummary{}
	list := []*ServiceSummary{}
	instances := []*model.NodeService{}
	nodes := []*model.Node{}
	v.EachInstance(func(n *model.Node, s *model.NodeService) bool {
		instances, nodes = append(instances, s), append(nodes, n)
		return true
	})
	matching, err := filter(instances, expr)
	if err != nil {
		return nil, err
	}
	tallies := map[string]*nodeTally{}
	next := 0
	for i, s := range instances {
		if next == len(matching) || matching[next] != s {
			continue
		}
		next++
		sum, ok := byName[s.Service]
		if !ok {
			sum = &ServiceSummary{Kind: s.Kind, Name: s.Service, Datacenter: datacenter, Nodes: []string{}}
			byName[s.Service] = sum
			list = append(list, sum)
		}
		node := nodes[i].Node
		if tallies[node] == nil {
			tallies[node] = newNodeTally(v, node)
		}
		sum.add(nodes[i], s, tallies[node])
	}
	slices.SortFunc(list, func(a, b *ServiceSummary) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (sum *ServiceSummary) add(n *model.Node, s *model.NodeService, t *nodeTally) {
	sum.InstanceCount++
	if !slices.Contains(sum.Nodes, n.Node) {
		sum.Nodes = append(sum.Nodes, n.Node)
	}
	for _, t := range s.Tags {
		if !slices.Contains(sum.Tags, t) {
			sum.Tags = append(sum.Tags, t)
		}
	}
	if src := s.Meta[externalSource]; src != "" && !slices.Contains(sum.ExternalSources, src) {
		sum.ExternalSources = append(sum.ExternalSources, src)
	}
	t.addTo(sum, s.ID)
}

// tally counts checks by their status.
type tally struct{ passing, warning, critical int }

func (t *tally) count(status string) {
	switch status {
	case model.HealthPassing:
		t.passing++
	case model.HealthWarning:
		t.warning++
	default:
		t.critical++
	}
}

// nodeTally counts the checks of one node, once for all instances on it: to read
// those of each instance would go over all of the node's every time.
type nodeTally struct {
	own       tally
	instances map[string]*tally // by service ID in lower case, as IDs are compared
}

func newNodeTally(v *state.Version, node string) *nodeTally {
	t := &nodeTally{instances: map[string]*tally{}}
	_, checks := v.NodeChecks(node)
	for _, c := range checks {
		if c.ServiceID == "" {
			t.own.count(c.Status)
			continue
		}
		id := strings.ToLower(c.ServiceID)
		if t.instances[id] == nil {
			t.instances[id] = &tally{}
		}
		t.instances[id].count(c.Status)
	}
	return t
}

// addTo adds the checks of an instance, and those of its node.
func (t *nodeTally) addTo(sum *ServiceSummary, serviceID string) {
	counts := []tally{t.own}
	if of := t.instances[strings.ToLower(serviceID)]; of != nil {
		counts = append(counts, *of)
	}
	for _, c := range counts {
		sum.ChecksPassing += c.passing
		sum.ChecksWarning += c.warning
		sum.ChecksCritical += c.critical
	}
}
