package ops

import (
	"slices"
	"strings"

	"muster/acl"
	"muster/model"
)

// Rules go by names, and the catalog is changed by what finds a row in it: an
// ID, or a name in whatever case. What follows asks for the permission by all
// names that are meant, so that nobody gets at something by another name.

// permitAll checks an access to all of several names.
func permitAll(authz acl.Authorizer, r acl.Resource, a acl.Access, names ...string) error {
	for _, name := range names {
		if err := permit(authz, r, name, a); err != nil {
			return err
		}
	}
	return nil
}

// permitNode checks an access to a node by its name and, unless that is "", by
// its ID; r is acl.Node, or what is bound to a node.
func (o *Ops) permitNode(authz acl.Authorizer, r acl.Resource, a acl.Access, name, id string) error {
	if authz.AllowsAll() {
		return nil
	}
	var names []string
	if name != "" || id == "" {
		names = append(names, name)
	}
	v := o.store.Current()
	if n := v.Node(name); n != nil && strings.EqualFold(n.Node, name) && n.Node != name {
		names = append(names, n.Node)
	}
	if n := v.Node(id); n != nil && strings.EqualFold(n.ID, id) && !slices.Contains(names, n.Node) {
		names = append(names, n.Node)
	}
	return permitAll(authz, r, a, names...)
}

// permitInstance checks an access to an instance by its ID, and by the name
// that it has or is to have.
func (o *Ops) permitInstance(authz acl.Authorizer, a acl.Access, node string, s *model.NodeService) error {
	if authz.AllowsAll() {
		return nil
	}
	old := o.store.Current().Service(node, s.ID)
	var names []string
	if s.Service != "" || old == nil {
		names = append(names, s.Service)
	}
	if old != nil && old.Service != s.Service {
		names = append(names, old.Service)
	}
	if d := s.Proxy.DestinationServiceName; a == acl.Write && s.Kind == model.KindConnectProxy && d != "" {
		names = append(names, d) // it is found as an instance of that, too
	}
	return permitAll(authz, acl.Service, a, names...)
}

// permitTree checks that all below a prefix may be written.
func (o *Ops) permitTree(authz acl.Authorizer, prefix string) error {
	if authz.AllowsAll() {
		return nil
	}
	names := []string{prefix}
	_, list := o.store.Current().KVList(prefix)
	for _, p := range list {
		names = append(names, p.Key)
	}
	return permitAll(authz, acl.Key, acl.Write, names...)
}

// visible leaves out the results of a transaction that a token may not see.
func visible(authz acl.Authorizer, results []model.TxnResult) []model.TxnResult {
	if results == nil || authz.AllowsAll() {
		return results
	}
	return keep(results, func(r model.TxnResult) bool {
		switch {
		case r.KV != nil:
			return authz.Allowed(acl.Key, r.KV.Key, acl.Read)
		case r.Node != nil:
			return authz.Allowed(acl.Node, r.Node.Node, acl.Read)
		case r.Service != nil:
			return authz.Allowed(acl.Service, r.Service.Service, acl.Read)
		case r.Check != nil:
			return authz.Allowed(acl.Node, r.Check.Node, acl.Read) &&
				(r.Check.ServiceName == "" || authz.Allowed(acl.Service, r.Check.ServiceName, acl.Read))
		}
		return true
	})
}
