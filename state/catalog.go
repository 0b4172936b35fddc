package state

import "muster/model"

// Node returns a node by name, or by ID or a unique beginning of one of at
// least four characters; nil if there is none.
func (v *Version) Node(nameOrID string) *model.Node {
	id := fold(nameOrID)
	if n, ok := v.nodes.get(id); ok {
		return n
	}
	if len(id) < 4 {
		return nil
	}
	if n, ok := v.nodeIDs.get(id); ok {
		return n
	}
	if found := v.nodeIDs.collect(id); len(found) == 1 {
		return found[0]
	}
	return nil
}

// Nodes returns all nodes in the order of their names.
func (v *Version) Nodes() (uint64, []*model.Node) {
	return v.index(tableNodes), v.nodes.collect("")
}

// NodesIndex is the index of the nodes.
func (v *Version) NodesIndex() uint64 { return v.index(tableNodes) }

// ServicesIndex is the index of the instances.
func (v *Version) ServicesIndex() uint64 { return v.index(tableServices) }

// ChecksIndex is the index of the checks.
func (v *Version) ChecksIndex() uint64 { return v.index(tableChecks) }

// NodeServices returns the instances of a node in the order of their IDs. The
// index is that of the catalog's nodes and services.
func (v *Version) NodeServices(node string) (uint64, []*model.NodeService) {
	var list []*model.NodeService
	v.services.scan(fold(node)+sep, func(_ string, i *instance) bool {
		list = append(list, i.svc)
		return true
	})
	return v.index(tableNodes, tableServices), list
}

// Service returns an instance of a node, or nil.
func (v *Version) Service(node, id string) *model.NodeService {
	if i, ok := v.services.get(key2(fold(node), fold(id))); ok {
		return i.svc
	}
	return nil
}

// EachInstance visits all instances in the order of service name, node and ID.
func (v *Version) EachInstance(visit func(node *model.Node, svc *model.NodeService) bool) {
	v.names.scan("", func(_ string, i *instance) bool {
		n, ok := v.nodes.get(i.node)
		return !ok || visit(n, i.svc)
	})
}

// Instances returns the instances of a service with their nodes, in the order
// of node names and service IDs. The index is that of the service.
func (v *Version) Instances(service string) (uint64, []*model.ServiceNode) {
	list := []*model.ServiceNode{}
	v.eachOf(service, func(n *model.Node, s *model.NodeService) {
		list = append(list, model.NewServiceNode(n, s))
	})
	return v.serviceIndex(service, tableNodes, tableServices), list
}

// Health returns the instances of a service with nodes and checks, in the
// order of node names and service IDs. The index is that of the service.
func (v *Version) Health(service string) (uint64, []*model.CheckServiceNode) {
	list := []*model.CheckServiceNode{}
	v.eachOf(service, func(n *model.Node, s *model.NodeService) {
		list = append(list, &model.CheckServiceNode{Node: n, Service: s, Checks: v.ChecksOf(n.Node, s.ID)})
	})
	return v.serviceIndex(service, tableNodes, tableServices, tableChecks), list
}

func (v *Version) eachOf(service string, visit func(*model.Node, *model.NodeService)) {
	v.names.scan(fold(service)+sep, func(_ string, i *instance) bool {
		if n, ok := v.nodes.get(i.node); ok {
			visit(n, i.svc)
		}
		return true
	})
}

// serviceIndex is the index of a service; of one that is not there, that of
// the last disappearance of any, or of some tables.
func (v *Version) serviceIndex(service string, tables ...string) uint64 {
	if i, ok := v.indexes.get(servicePrefix + fold(service)); ok {
		return i
	}
	if i, ok := v.indexes.get(lastExtinction); ok {
		return i
	}
	return v.index(tables...)
}

// ChecksOf returns the checks that decide about an instance: those of the node
// and then its own, each in the order of their IDs.
func (v *Version) ChecksOf(node, serviceID string) []*model.HealthCheck {
	list := []*model.HealthCheck{}
	own := 0
	v.checks.scan(fold(node)+sep, func(_ string, c *model.HealthCheck) bool {
		switch {
		case c.ServiceID == "":
			list = append(list, nil)
			copy(list[own+1:], list[own:])
			list[own] = c
			own++
		case equal(c.ServiceID, serviceID):
			list = append(list, c)
		}
		return true
	})
	return list
}

// NodeChecks returns all checks on a node in the order of their IDs.
func (v *Version) NodeChecks(node string) (uint64, []*model.HealthCheck) {
	return v.index(tableChecks), v.checks.collect(fold(node) + sep)
}

// ServiceChecks returns the checks of a service's instances.
func (v *Version) ServiceChecks(service string) (uint64, []*model.HealthCheck) {
	return v.index(tableChecks), v.svcChecks.collect(fold(service) + sep)
}

// ChecksInState returns the checks with a status, or with model.HealthAny all.
func (v *Version) ChecksInState(status string) (uint64, []*model.HealthCheck) {
	if status == model.HealthAny {
		return v.index(tableChecks), v.checks.collect("")
	}
	return v.index(tableChecks), v.states.collect(stateKey(status, ""))
}

// Check returns a check of a node, or nil.
func (v *Version) Check(node, id string) *model.HealthCheck {
	c, _ := v.checks.get(key2(fold(node), fold(id)))
	return c
}

// applyRegister checks everything first and writes then, so that nothing is
// half applied.
func (tx *txn) applyRegister(index uint64, r *model.RegisterRequest) any {
	node := &model.Node{ID: fold(r.ID), Node: r.Node, Address: r.Address, Datacenter: r.Datacenter,
		TaggedAddresses: r.TaggedAddresses, Meta: r.NodeMeta, Locality: r.Locality, RaftIndex: r.RaftIndex}
	old, exists := tx.nodes.get(fold(r.Node))
	update := !exists || !r.SkipNodeUpdate
	if update {
		if err := tx.nodeConflict(node); err != nil {
			return model.Errorf(model.Internal, "failed inserting node: %w", err)
		}
	}
	checks := r.Checks
	if r.Check != nil {
		checks = append(checks[:len(checks):len(checks)], r.Check)
	}
	for _, c := range checks {
		if c.ServiceID == "" || (r.Service != nil && equal(r.Service.ID, c.ServiceID)) {
			continue
		}
		if tx.Service(r.Node, c.ServiceID) == nil {
			return model.Errorf(model.Internal, "failed inserting check: Missing service registration on node %q", r.Node)
		}
	}
	name := r.Node
	if update {
		tx.putNode(index, node)
	} else {
		name = old.Node
	}
	if r.Service != nil {
		tx.putService(index, name, r.Service)
	}
	for _, c := range checks {
		c.Node = name
		tx.putCheck(index, c)
	}
	return nil
}

// nodeConflict tells whether a node may have its name: another node with
// another ID may lose it only when it is known to have failed.
func (tx *txn) nodeConflict(n *model.Node) error {
	if n.ID == "" {
		return nil
	}
	holder, ok := tx.nodes.get(fold(n.Node))
	if !ok || holder.ID == "" || holder.ID == n.ID {
		return nil
	}
	if c := tx.Check(holder.Node, model.SerfHealthID); c != nil && c.Status == model.HealthCritical {
		return nil
	}
	return model.Errorf(model.Internal, "Error while renaming Node ID: %q: Node name %s is reserved by node %s with name %s (%s)",
		n.ID, n.Node, holder.ID, holder.Node, holder.Address)
}

// putNode stores a node. One that comes back under another name loses the old
// name with all that was registered there.
func (tx *txn) putNode(index uint64, n *model.Node) {
	if n.ID != "" {
		if prev, ok := tx.nodeIDs.get(n.ID); ok && fold(prev.Node) != fold(n.Node) {
			tx.deleteNode(index, prev.Node)
		}
	}
	key := fold(n.Node)
	old, exists := tx.nodes.get(key)
	if exists {
		if n.ID == "" {
			n.ID = old.ID
		}
		n.CreateIndex = old.CreateIndex
		if old.Same(n) {
			return
		}
		if old.ID != "" && old.ID != n.ID {
			tx.nodeIDs.mut(tx.gen).Delete(old.ID)
		}
	} else {
		n.CreateIndex = index
	}
	n.ModifyIndex = index
	tx.nodes.mut(tx.gen).Set(key, n)
	if n.ID != "" {
		tx.nodeIDs.mut(tx.gen).Set(n.ID, n)
	}
	tx.touch(index, tableNodes)
	tx.fire(TopicNodes, TopicNode(n.Node))
	tx.touchServicesOf(index, n.Node)
}

// touchServicesOf moves the indexes of all services with an instance on a node.
func (tx *txn) touchServicesOf(index uint64, node string) {
	tx.services.scan(fold(node)+sep, func(_ string, i *instance) bool {
		tx.touchService(index, i.svc.Service)
		return true
	})
}

func (tx *txn) touchService(index uint64, service string) {
	tx.indexes.mut(tx.gen).Set(servicePrefix+fold(service), index)
	tx.fire(TopicService(service))
}

func (tx *txn) putService(index uint64, node string, s *model.NodeService) {
	key := key2(fold(node), fold(s.ID))
	renamed := false
	if old, ok := tx.services.get(key); ok {
		s.CreateIndex = old.svc.CreateIndex
		if old.svc.Same(s) {
			return
		}
		if renamed = !equal(old.svc.Service, s.Service); renamed {
			tx.unname(index, old)
		}
	} else {
		s.CreateIndex = index
	}
	s.ModifyIndex = index
	i := &instance{node: fold(node), svc: s}
	tx.services.mut(tx.gen).Set(key, i)
	tx.names.mut(tx.gen).Set(key3(fold(s.Service), i.node, fold(s.ID)), i)
	tx.touch(index, tableServices)
	tx.touchService(index, s.Service)
	tx.fire(TopicServices, TopicNode(node))
	if !renamed {
		return
	}
	for _, c := range tx.checks.collect(i.node + sep) {
		if c.ServiceID != "" && equal(c.ServiceID, s.ID) {
			tx.putCheck(index, c.Clone()) // it takes the new name
		}
	}
}

// unname takes an instance from under the name of its service. With the last
// one the service itself is gone.
func (tx *txn) unname(index uint64, i *instance) {
	name := fold(i.svc.Service)
	tx.names.mut(tx.gen).Delete(key3(name, i.node, fold(i.svc.ID)))
	left := false
	tx.names.scan(name+sep, func(string, *instance) bool {
		left = true
		return false
	})
	if left {
		tx.touchService(index, name)
		return
	}
	tx.indexes.mut(tx.gen).Delete(servicePrefix + name)
	tx.touch(index, lastExtinction)
	tx.fire(TopicService(name))
}

func (tx *txn) putCheck(index uint64, c *model.HealthCheck) {
	if c.Status == "" {
		c.Status = model.HealthCritical
	}
	if c.ServiceID != "" {
		if s := tx.Service(c.Node, c.ServiceID); s != nil {
			c.ServiceID, c.ServiceName, c.ServiceTags = s.ID, s.Service, s.Tags
		}
	}
	key := key2(fold(c.Node), fold(c.CheckID))
	old, exists := tx.checks.get(key)
	if exists {
		c.CreateIndex = old.CreateIndex
		if old.Same(c) {
			return
		}
		tx.unindexCheck(old)
		if !equal(old.ServiceID, c.ServiceID) || !equal(old.ServiceName, c.ServiceName) {
			tx.touchCheck(index, old)
		}
	} else {
		c.CreateIndex = index
	}
	c.ModifyIndex = index
	tx.checks.mut(tx.gen).Set(key, c)
	tx.indexCheck(c)
	tx.touchCheck(index, c)
	if c.Status == model.HealthCritical {
		tx.endSessionsOfCheck(index, c.Node, c.CheckID)
	}
}

// indexCheck puts a check into the tables other than that of the checks.
func (tx *txn) indexCheck(c *model.HealthCheck) {
	key := key2(fold(c.Node), fold(c.CheckID))
	tx.states.mut(tx.gen).Set(stateKey(c.Status, key), c)
	if c.ServiceName != "" {
		tx.svcChecks.mut(tx.gen).Set(key2(fold(c.ServiceName), key), c)
	}
}

// unindexCheck takes it out again.
func (tx *txn) unindexCheck(c *model.HealthCheck) {
	key := key2(fold(c.Node), fold(c.CheckID))
	tx.states.mut(tx.gen).Delete(stateKey(c.Status, key))
	if c.ServiceName != "" {
		tx.svcChecks.mut(tx.gen).Delete(key2(fold(c.ServiceName), key))
	}
}

// touchCheck moves the indexes of everything that a check decides about.
func (tx *txn) touchCheck(index uint64, c *model.HealthCheck) {
	tx.touch(index, tableChecks)
	tx.fire(TopicChecks, TopicNode(c.Node))
	if c.ServiceName != "" {
		tx.fire(TopicService(c.ServiceName))
	}
	if c.ServiceID == "" {
		tx.touchServicesOf(index, c.Node)
	} else if s := tx.Service(c.Node, c.ServiceID); s != nil {
		tx.touchService(index, s.Service)
	}
}

func (tx *txn) applyDeregister(index uint64, r *model.DeregisterRequest) any {
	switch {
	case r.ServiceID != "":
		tx.deleteService(index, r.Node, r.ServiceID)
	case r.CheckID != "":
		tx.deleteCheck(index, r.Node, r.CheckID)
	default:
		tx.deleteNode(index, r.Node)
	}
	return nil
}

func (tx *txn) deleteNode(index uint64, node string) {
	key := fold(node)
	n, ok := tx.nodes.get(key)
	if !ok {
		return
	}
	for _, i := range tx.services.collect(key + sep) {
		tx.deleteService(index, node, i.svc.ID)
	}
	for _, c := range tx.checks.collect(key + sep) {
		tx.deleteCheck(index, node, c.CheckID)
	}
	coords := tx.coordinates.collect(key + sep)
	for _, c := range coords {
		tx.coordinates.mut(tx.gen).Delete(key2(key, c.Segment))
	}
	if len(coords) > 0 {
		tx.touch(index, tableCoordinates)
		tx.fire(TopicCoordinates)
	}
	for _, s := range tx.nodeSess.collect(key + sep) {
		tx.endSession(index, s)
	}
	tx.nodes.mut(tx.gen).Delete(key)
	if n.ID != "" {
		tx.nodeIDs.mut(tx.gen).Delete(n.ID)
	}
	tx.touch(index, tableNodes)
	tx.fire(TopicNodes, TopicNode(node))
}

func (tx *txn) deleteService(index uint64, node, id string) {
	key := key2(fold(node), fold(id))
	i, ok := tx.services.get(key)
	if !ok {
		return
	}
	for _, c := range tx.checks.collect(fold(node) + sep) {
		if equal(c.ServiceID, id) {
			tx.deleteCheck(index, node, c.CheckID)
		}
	}
	tx.services.mut(tx.gen).Delete(key)
	tx.unname(index, i)
	tx.touch(index, tableServices)
	tx.fire(TopicServices, TopicNode(node))
}

func (tx *txn) deleteCheck(index uint64, node, id string) {
	key := key2(fold(node), fold(id))
	c, ok := tx.checks.get(key)
	if !ok {
		return
	}
	tx.unindexCheck(c)
	tx.checks.mut(tx.gen).Delete(key)
	tx.touchCheck(index, c)
	tx.endSessionsOfCheck(index, node, id)
}
