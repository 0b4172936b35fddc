package local

import (
	"fmt"
	"maps"
	"net"
	"reflect"
	"regexp"
	"time"

	"muster/check"
	"muster/model"
)

// A registration is a service in the form in which it is kept, with its checks.
type registration struct {
	ns        *model.NodeService
	checks    []*model.CheckDefinition // with IDs, names and ServiceID
	token     string
	source    Source
	sidecarOf string
	record    []byte // for the disk; nil when it is not kept there
}

// AddService registers a service or replaces it, with the checks and the
// sidecar of its definition, and returns when that would outlive a crash. An
// identical registration changes nothing. The states of checks that were there
// before are kept. Other checks of the service stay, unless replaceChecks.
//
// The definition becomes the agent's. Errors are BadRequest with the texts of
// the API, or Internal where scripts are disabled or the disk fails; then the
// service is registered, but perhaps only until the agent ends.
func (a *Agent) AddService(def *model.ServiceDefinition, source Source, replaceChecks bool) error {
	if _, err := a.addService(def, source, replaceChecks); err != nil {
		return err
	}
	return a.store.wait()
}

// addService is AddService without waiting for the disk.
func (a *Agent) addService(def *model.ServiceDefinition, source Source, replaceChecks bool) ([]*registration, error) {
	if err := def.Validate(); err != nil {
		return nil, err
	}
	main, err := a.newRegistration(def, source, "")
	if err != nil {
		return nil, err
	}
	regs := []*registration{main}
	var gone []*check.Check
	err = a.change(func() error {
		if def.Connect != nil && def.Connect.SidecarService != nil {
			sidecar, err := a.newSidecar(def, main)
			if err != nil {
				return err
			}
			regs = append(regs, sidecar)
		}
		gone, err = a.apply(regs, replaceChecks)
		return err
	})
	stopAll(gone)
	return regs, err
}

// change runs f under the lock, unless the agent is closed.
func (a *Agent) change(f func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errClosed
	}
	return f()
}

// RemoveService takes a service out, with its checks and the sidecar that came
// with it, and returns when that would outlive a crash. One that is not there
// is no error.
func (a *Agent) RemoveService(id string) error {
	if id == "" {
		return model.Errorf(model.Internal, "ServiceID missing")
	}
	var gone []*check.Check
	err := a.change(func() error {
		for _, s := range a.services {
			if s.sidecarOf == id {
				gone = append(gone, a.dropService(s)...)
			}
		}
		if s := a.services[id]; s != nil {
			gone = append(gone, a.dropService(s)...)
			a.logger.Debug("removed service", "service", id)
		}
		a.refreshAliases()
		return nil
	})
	stopAll(gone)
	if err != nil {
		return err
	}
	return a.store.wait()
}

// dropService forgets a service and returns what to stop once the lock is free.
func (a *Agent) dropService(s *service) (gone []*check.Check) {
	id := s.ns.ID
	for check, e := range s.checks {
		gone = append(gone, a.dropCheck(e)...)
		delete(a.dirty.goneChecks, check) // the catalog removes them itself
	}
	delete(a.services, id)
	a.dirty.removeService(id, s.token)
	a.store.remove(serviceFile(id))
	a.serviceChanged()
	a.wake()
	return gone
}

var dnsName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$`)

const dnsNameMax = 63

// newRegistration fills in the defaults of a valid definition.
func (a *Agent) newRegistration(def *model.ServiceDefinition, source Source, sidecarOf string) (*registration, error) {
	ns := def.NodeService()
	ns.Connect.SidecarService = nil
	defaultAddresses(ns)
	defaultProxy(ns)
	r := &registration{ns: ns, token: def.Token, source: source, sidecarOf: sidecarOf}
	if !dnsName.MatchString(ns.Service) || len(ns.Service) > dnsNameMax {
		a.logger.Warn("Service name will not be discoverable via DNS due to invalid characters or its length. "+
			"Valid characters include all alpha-numerics and dashes, and at most 63 of them.", "service", ns.Service)
	}
	all := def.AllChecks()
	for i, c := range all {
		c := *c
		c.CheckID = checkID(&c)
		if c.CheckID == "" {
			c.CheckID = "service:" + ns.ID
			if len(all) > 1 {
				c.CheckID = fmt.Sprintf("service:%s:%d", ns.ID, i+1)
			}
		}
		c.ID, c.ServiceID = c.CheckID, ns.ID
		if c.Name == "" {
			c.Name = fmt.Sprintf("Service '%s' check", ns.Service)
		}
		if c.Token == "" {
			c.Token = def.Token
		}
		if err := a.mayRun(&c, source); err != nil {
			return nil, err
		}
		r.checks = append(r.checks, &c)
	}
	if source != SourceAPI {
		return r, nil
	}
	var err error
	r.record, err = encodeService(r)
	return r, err
}

// checkID is the ID that a definition gives itself.
func checkID(c *model.CheckDefinition) string {
	if c.CheckID != "" {
		return c.CheckID
	}
	return c.ID
}

// mayRun tells whether a check that runs programs is allowed.
func (a *Agent) mayRun(c *model.CheckDefinition, source Source) error {
	if len(c.Command()) == 0 || a.cfg.ScriptsRemote || (source == SourceConfig && a.cfg.ScriptsLocal) {
		return nil
	}
	if source == SourceConfig {
		return model.Errorf(model.Internal, "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or 'enable_local_script_checks' to true")
	}
	return model.Errorf(model.Internal, "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true")
}

// defaultAddresses tags the address of a service that has one of its own.
func defaultAddresses(ns *model.NodeService) {
	ip := net.ParseIP(ns.Address)
	if ip == nil {
		return
	}
	keys := [2]string{model.AddressLANIPv6, model.AddressWANIPv6}
	if ip.To4() != nil {
		keys = [2]string{model.AddressLANIPv4, model.AddressWANIPv4}
	}
	tagged := maps.Clone(ns.TaggedAddresses)
	if tagged == nil {
		tagged = make(map[string]model.ServiceAddress, len(keys))
	}
	for _, k := range keys {
		if _, set := tagged[k]; !set {
			tagged[k] = model.ServiceAddress{Address: ns.Address, Port: ns.Port}
		}
	}
	ns.TaggedAddresses = tagged
}

// defaultProxy says what upstreams are when nobody did.
func defaultProxy(ns *model.NodeService) {
	if len(ns.Proxy.Upstreams) == 0 {
		return
	}
	ups := make([]model.Upstream, len(ns.Proxy.Upstreams))
	copy(ups, ns.Proxy.Upstreams)
	for i := range ups {
		if ups[i].DestinationType == "" {
			ups[i].DestinationType = "service"
		}
	}
	ns.Proxy.Upstreams = ups
}

// apply puts registrations in place, all or none, and returns what to stop
// once the lock is free.
func (a *Agent) apply(regs []*registration, replaceChecks bool) (gone []*check.Check, err error) {
	fresh := make([][]*entry, len(regs))
	for i, r := range regs {
		for _, def := range r.checks {
			e, err := a.newEntry(def, r.ns, r.source, true)
			if err != nil {
				return nil, err
			}
			fresh[i] = append(fresh[i], e)
		}
	}
	for i, r := range regs {
		s := a.applyService(r)
		keep := make(map[string]bool, len(fresh[i]))
		for _, e := range fresh[i] {
			keep[e.hc.CheckID] = true
			gone = append(gone, a.applyCheck(e)...)
		}
		for id, e := range s.checks {
			if replaceChecks && !keep[id] && e.hc.Type != model.CheckMaint {
				gone = append(gone, a.dropCheck(e)...)
			}
		}
	}
	a.refreshAliases()
	return gone, nil
}

// applyService puts a service in place, without its checks.
func (a *Agent) applyService(r *registration) *service {
	id := r.ns.ID
	s := a.services[id]
	if s == nil {
		s = &service{checks: map[string]*entry{}}
		a.services[id] = s
	}
	same := s.registered != nil && s.registered.Same(r.ns) && s.token == r.token
	s.source, s.sidecarOf, s.token = r.source, r.sidecarOf, r.token
	a.keep(serviceFile(id), r.record)
	if same {
		return s
	}
	s.ns, s.registered = r.ns, r.ns
	a.dirty.addService(id)
	a.serviceChanged()
	a.wake()
	// The checks repeat the name and the tags of their service.
	for _, e := range s.checks {
		hc := *e.hc
		hc.ServiceName, hc.ServiceTags = r.ns.Service, r.ns.Tags
		if !e.hc.Same(&hc) {
			e.hc = &hc
			a.dirty.addCheck(hc.CheckID)
			a.checkChanged()
		}
	}
	return s
}

// keep has a record on disk, or not if it is nil.
func (a *Agent) keep(file string, record []byte) {
	if record == nil {
		a.store.remove(file)
	} else {
		a.store.put(file, record)
	}
}

// newEntry makes a check that does not run yet, of a service if ns is given.
func (a *Agent) newEntry(def *model.CheckDefinition, ns *model.NodeService, source Source, typed bool) (*entry, error) {
	hc := def.HealthCheck(a.cfg.NodeName)
	if ns != nil {
		hc.ServiceID, hc.ServiceName, hc.ServiceTags = ns.ID, ns.Service, ns.Tags
	}
	if !typed {
		hc.Type = ""
	}
	e := &entry{hc: hc, def: def, token: def.Token, source: source, outputMax: a.cfg.OutputMaxSize}
	if def.OutputMaxSize > 0 {
		e.outputMax = min(e.outputMax, def.OutputMaxSize)
	}
	if e.mirrorsHere(a.cfg.NodeName) {
		return e, nil
	}
	var err error
	e.run, err = a.runner.New(check.Spec{
		ID: hc.CheckID, Def: def, OutputMaxSize: e.outputMax,
		Report: func(r check.Result) { a.report(e, r) },
	})
	return e, err
}

// applyCheck puts a check in place. One that is there and defined alike goes
// on as it is; one defined otherwise hands over its state.
func (a *Agent) applyCheck(e *entry) (gone []*check.Check) {
	id := e.hc.CheckID
	old := a.checks[id]
	if old != nil && old.hc.ServiceID == e.hc.ServiceID && reflect.DeepEqual(old.def, e.def) {
		moved := old.source != e.source
		old.source = e.source
		if moved {
			a.keepCheck(old)
		}
		if e.run != nil {
			e.run.Stop() // it never ran: this only lets go of its context
		}
		return nil
	}
	if old != nil {
		if old.hc.ServiceID == e.hc.ServiceID {
			e.hc.Status, e.hc.Output, e.critical = old.hc.Status, old.hc.Output, old.critical
		}
		gone = a.forgetCheck(old)
	}
	a.placeCheck(e)
	a.keepCheck(e)
	return gone
}

// placeCheck adds a check whose ID is free, and starts it.
func (a *Agent) placeCheck(e *entry) {
	id := e.hc.CheckID
	a.checks[id] = e
	a.checksOf(e.hc.ServiceID)[id] = e
	if e.mirrorsHere(a.cfg.NodeName) {
		a.aliases[id] = e
	}
	if e.hc.Status == model.HealthCritical && e.critical.IsZero() {
		e.critical = time.Now()
	}
	a.dirty.addCheck(id)
	a.checkChanged()
	a.wake()
	if e.run != nil {
		e.run.Start()
	}
}

// checksOf are the checks of a service, or those of the node for "".
func (a *Agent) checksOf(service string) map[string]*entry {
	if s := a.services[service]; s != nil {
		return s.checks
	}
	return a.nodeChecks
}
