package local

import (
	"maps"

	"muster/model"
)

// views are what readers are given: made on demand, kept until something
// changes. Under Agent.mu.
type views struct {
	services map[string]*model.NodeService
	checks   map[string]*model.HealthCheck
	// Closed at the next change; nil while nobody waits.
	servicesChanged chan struct{}
	checksChanged   chan struct{}
}

func (a *Agent) serviceChanged() {
	a.views.services = nil
	if a.views.servicesChanged != nil {
		close(a.views.servicesChanged)
		a.views.servicesChanged = nil
	}
}

func (a *Agent) checkChanged() {
	a.views.checks = nil
	if a.views.checksChanged != nil {
		close(a.views.checksChanged)
		a.views.checksChanged = nil
	}
}

// Services returns the services by ID. Nothing of the answer may be modified.
func (a *Agent) Services() map[string]*model.NodeService {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.views.services == nil {
		a.views.services = make(map[string]*model.NodeService, len(a.services))
		for id, s := range a.services {
			a.views.services[id] = s.ns
		}
	}
	return a.views.services
}

// Service returns a service, nil when there is none with that ID. It must not
// be modified.
func (a *Agent) Service(id string) *model.NodeService {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.services[id]; s != nil {
		return s.ns
	}
	return nil
}

// Checks returns the checks by ID. Nothing of the answer may be modified.
func (a *Agent) Checks() map[string]*model.HealthCheck {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.views.checks == nil {
		a.views.checks = make(map[string]*model.HealthCheck, len(a.checks))
		for id, e := range a.checks {
			a.views.checks[id] = e.hc
		}
	}
	return a.views.checks
}

// Check returns a check, nil when there is none with that ID. It must not be
// modified.
func (a *Agent) Check(id string) *model.HealthCheck {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.checks[id]; e != nil {
		return e.hc
	}
	return nil
}

// ServiceHealth returns a service with the checks that decide about it: its own
// and those of the node, by ID. Both are nil when there is no such service.
// Nothing of the answer may be modified.
func (a *Agent) ServiceHealth(id string) (*model.NodeService, map[string]*model.HealthCheck) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.services[id]
	if s == nil {
		return nil, nil
	}
	checks := make(map[string]*model.HealthCheck, len(s.checks)+len(a.nodeChecks))
	for _, of := range []map[string]*entry{a.nodeChecks, s.checks} {
		for id, e := range of {
			checks[id] = e.hc
		}
	}
	return s.ns, checks
}

// ServicesChanged returns a channel that is closed at the next change of any
// service. Take it before reading what is to be waited upon.
func (a *Agent) ServicesChanged() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.views.servicesChanged == nil {
		a.views.servicesChanged = make(chan struct{})
	}
	return a.views.servicesChanged
}

// ChecksChanged returns a channel that is closed at the next change of any
// check. Take it before reading what is to be waited upon.
func (a *Agent) ChecksChanged() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.views.checksChanged == nil {
		a.views.checksChanged = make(chan struct{})
	}
	return a.views.checksChanged
}

// Stats are the numbers of what is registered here.
type Stats struct {
	Services, Checks int
	// CheckMonitors are the checks that run a program on this machine,
	// CheckTTLs those that wait to be heard of.
	CheckMonitors, CheckTTLs int
}

// Stats counts.
func (a *Agent) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Stats{Services: len(a.services), Checks: len(a.checks)}
	for _, e := range a.checks {
		switch {
		case e.def == nil:
		case e.def.Kind() == model.CheckScript:
			s.CheckMonitors++
		case e.def.Kind() == model.CheckTTL:
			s.CheckTTLs++
		}
	}
	return s
}

// Meta returns the metadata of the node.
func (a *Agent) Meta() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.meta)
}
