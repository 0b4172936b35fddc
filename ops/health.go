package ops

import (
	"strings"

	"muster/acl"
	"muster/model"
	"muster/state"
)

// Health asks for the instances of a service with their checks; with passing,
// only for those whose checks all pass.
func (o *Ops) Health(service string, tags []string, passing bool, q *Query) Question[[]*model.CheckServiceNode] {
	pass := ""
	if passing {
		pass = "p"
	}
	return Question[[]*model.CheckServiceNode]{
		Key:    questionKey("health", strings.ToLower(service), questionKey(tags...), pass, q.Near, q.NearIP, q.Filter, metaKey(q.NodeMeta)),
		Topics: serviceTopics(service, q),
		Floats: none[*model.CheckServiceNode],
		Eval: func(v *state.Version) (uint64, []*model.CheckServiceNode, error) {
			index, list := v.Health(service)
			for _, i := range list {
				i.Service = shownService(i.Service)
				shown(i.Checks, shownCheck)
			}
			list = keep(list, func(i *model.CheckServiceNode) bool {
				return hasTags(i.Service.Tags, tags) && hasMeta(i.Node.Meta, q.NodeMeta) && (!passing || Passing(i.Checks))
			})
			list, err := filter(list, q.Filter)
			sortNear(v, q.Near, q.NearIP, list, func(i *model.CheckServiceNode) string { return i.Node.Node })
			return index, list, err
		},
		Filter: func(list []*model.CheckServiceNode, authz acl.Authorizer) []*model.CheckServiceNode {
			return keep(list, func(i *model.CheckServiceNode) bool {
				return authz.Allowed(acl.Node, i.Node.Node, acl.Read) && authz.Allowed(acl.Service, i.Service.Service, acl.Read)
			})
		},
	}
}

// Passing tells whether all checks pass.
func Passing(checks []*model.HealthCheck) bool {
	for _, c := range checks {
		if c.Status != model.HealthPassing {
			return false
		}
	}
	return true
}

// checks completes a question whose answer is a list of checks. Without a key
// it is not shared: the index is that of all checks, the topics may be fewer.
func (o *Ops) checks(key string, topics []state.Topic, q *Query, get func(*state.Version) (uint64, []*model.HealthCheck)) Question[[]*model.HealthCheck] {
	if q.Near != "" {
		topics = append(topics, state.TopicCoordinates)
	}
	if len(q.NodeMeta) > 0 {
		topics = append(topics, state.TopicNodes)
	}
	return Question[[]*model.HealthCheck]{
		Key:    key,
		Topics: topics,
		Eval: func(v *state.Version) (uint64, []*model.HealthCheck, error) {
			index, list := get(v)
			list = shown(list, shownCheck)
			list = keep(list, func(c *model.HealthCheck) bool {
				if len(q.NodeMeta) == 0 {
					return true
				}
				n := v.Node(c.Node)
				return n != nil && hasMeta(n.Meta, q.NodeMeta)
			})
			list, err := filter(list, q.Filter)
			sortNear(v, q.Near, q.NearIP, list, func(c *model.HealthCheck) string { return c.Node })
			return index, list, err
		},
		Filter: func(list []*model.HealthCheck, authz acl.Authorizer) []*model.HealthCheck {
			return keep(list, func(c *model.HealthCheck) bool {
				return authz.Allowed(acl.Node, c.Node, acl.Read) && (c.ServiceName == "" || authz.Allowed(acl.Service, c.ServiceName, acl.Read))
			})
		},
	}
}

// NodeChecks asks for the checks on a node.
func (o *Ops) NodeChecks(node string, q *Query) Question[[]*model.HealthCheck] {
	return o.checks("", []state.Topic{state.TopicNode(node)}, q, func(v *state.Version) (uint64, []*model.HealthCheck) {
		return v.NodeChecks(node)
	})
}

// ServiceChecks asks for the checks of a service's instances.
func (o *Ops) ServiceChecks(service string, q *Query) Question[[]*model.HealthCheck] {
	return o.checks("", []state.Topic{state.TopicService(service)}, q, func(v *state.Version) (uint64, []*model.HealthCheck) {
		return v.ServiceChecks(service)
	})
}

// ChecksInState asks for the checks with a status, or with model.HealthAny for
// all.
func (o *Ops) ChecksInState(status string, q *Query) Question[[]*model.HealthCheck] {
	return o.checks(questionKey("checks", status, q.Near, q.NearIP, q.Filter, metaKey(q.NodeMeta)), []state.Topic{state.TopicChecks}, q, func(v *state.Version) (uint64, []*model.HealthCheck) {
		return v.ChecksInState(status)
	})
}
