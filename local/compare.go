package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"muster/model"
)

// compare reads what the catalog says about this node and notes everything
// that differs as dirty, and nothing else. The one thing taken over from the
// catalog are the tags of services that allow it.
func (a *Agent) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	known, err := a.cfg.Catalog.NodeServices(ctx, a.cfg.NodeName)
	if err != nil {
		return fmt.Errorf("read services of the node: %w", err)
	}
	checks, err := a.cfg.Catalog.NodeChecks(ctx, a.cfg.NodeName)
	if err != nil {
		return fmt.Errorf("read checks of the node: %w", err)
	}
	if known == nil {
		known = &model.NodeServices{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	gone := a.dirty // for the tokens
	a.dirty = newDirty()
	a.dirty.node = known.Node == nil || !a.sameNode(known.Node)
	a.compareServices(known.Services, gone.goneServices)
	a.compareChecks(checks, gone.goneChecks)
	return nil
}

func (a *Agent) sameNode(n *model.Node) bool {
	// The name is that of the question; only its case may differ.
	own := model.Node{
		ID: a.cfg.NodeID, Node: n.Node, Address: a.cfg.Address, Datacenter: a.cfg.Datacenter,
		TaggedAddresses: a.cfg.TaggedAddresses, Meta: a.meta, Locality: a.cfg.Locality,
	}
	return own.Same(n)
}

func (a *Agent) compareServices(known map[string]*model.NodeService, tokens map[string]string) {
	for id, theirs := range known {
		s := a.services[id]
		if s == nil {
			if id != model.ConsulService {
				a.dirty.removeService(id, tokens[id])
			}
			continue
		}
		if s.ns.EnableTagOverride && !slices.Equal(s.ns.Tags, theirs.Tags) {
			a.adoptTags(s, theirs.Tags)
		}
		if !sameService(s.ns, theirs) {
			a.dirty.addService(id)
		}
	}
	for id := range a.services {
		if known[id] == nil {
			a.dirty.addService(id)
		}
	}
}

func (a *Agent) adoptTags(s *service, tags []string) {
	ns := *s.ns
	ns.Tags = slices.Clone(tags)
	s.ns = &ns
	a.serviceChanged()
	for _, e := range s.checks {
		hc := *e.hc
		hc.ServiceTags = ns.Tags
		e.hc = &hc
		a.checkChanged()
	}
}

func (a *Agent) compareChecks(known []*model.HealthCheck, tokens map[string]string) {
	seen := make(map[string]bool, len(known))
	for _, theirs := range known {
		id := theirs.CheckID
		e := a.checks[id]
		if e == nil {
			// Checks of a service that goes are removed along with it.
			_, goes := a.dirty.goneServices[theirs.ServiceID]
			if id != model.SerfHealthID && theirs.ServiceID != model.ConsulService && !goes {
				a.dirty.removeCheck(id, tokens[id])
			}
			continue
		}
		seen[id] = true
		if !sameCheck(e.hc, theirs, a.deferred.has(id)) {
			a.dirty.addCheck(id)
		}
	}
	for id := range a.checks {
		if !seen[id] {
			a.dirty.addCheck(id)
		}
	}
}

// sameService compares an instance with what the catalog says. What was JSON
// on its way may have changed its Go types without saying anything else.
func sameService(ours, theirs *model.NodeService) bool {
	if ours.Same(theirs) {
		return true
	}
	if ours.Proxy.IsZero() && theirs.Proxy.IsZero() {
		return false
	}
	o, t := *ours, *theirs
	o.RaftIndex, t.RaftIndex = model.RaftIndex{}, model.RaftIndex{}
	o.Tags, t.Tags = append([]string{}, o.Tags...), append([]string{}, t.Tags...)
	if len(o.Meta) == 0 && len(t.Meta) == 0 {
		o.Meta, t.Meta = nil, nil
	}
	a, errA := json.Marshal(&o)
	b, errB := json.Marshal(&t)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// sameCheck compares a check with what the catalog says. Name and tags of the
// service are the catalog's to fill in. An output that is held back may differ.
func sameCheck(ours, theirs *model.HealthCheck, outputDiffers bool) bool {
	o := *ours
	o.Node, o.ServiceName, o.ServiceTags = theirs.Node, theirs.ServiceName, theirs.ServiceTags
	if outputDiffers {
		o.Output = theirs.Output
	}
	return o.Same(theirs)
}
