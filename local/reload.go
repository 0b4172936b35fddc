package local

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"muster/check"
	"muster/model"
)

// Load registers what the configuration files define, and then what is on disk
// of earlier registrations over the API, except where a file defines the same
// ID: then the file wins. It is called once, before Start. Definitions that
// can't be registered are errors; records on disk that can't be read are put
// aside, and those that are not allowed any more are dropped.
func (a *Agent) Load(services []*model.ServiceDefinition, checks []*model.CheckDefinition) error {
	a.reload.Lock()
	defer a.reload.Unlock()
	stored := [...]map[string][]byte{a.store.load(servicesDir), a.store.load(checksDir), a.store.load(statesDir)}
	if _, err := a.define(services, checks); err != nil {
		return err
	}
	err := a.change(func() error {
		for i, restore := range []func(string, []byte) error{a.restoreService, a.restoreCheck, a.restoreState} {
			for _, name := range slices.Sorted(maps.Keys(stored[i])) {
				if err := restore(name, stored[i][name]); err != nil {
					a.store.aside(name, err)
				}
			}
		}
		a.refreshAliases()
		return nil
	})
	if err != nil {
		return err
	}
	return a.store.wait()
}

// Reload replaces what configuration files define. What is defined as before
// goes on undisturbed, and so does what was registered over the API; without a
// data directory the latter is dropped, as a restart would. Maintenance modes
// stay. A definition that contradicts itself leaves everything as it was.
func (a *Agent) Reload(services []*model.ServiceDefinition, checks []*model.CheckDefinition) error {
	a.reload.Lock()
	defer a.reload.Unlock()
	defined, err := a.define(services, checks)
	if err != nil {
		return err
	}
	stale := func(source Source) bool { return source == SourceConfig || a.store == nil }
	var gone []*check.Check
	err = a.change(func() error {
		for id, s := range a.services {
			if !defined.services[id] && stale(s.source) {
				gone = append(gone, a.dropService(s)...)
			}
		}
		for id, e := range a.checks {
			if !defined.checks[id] && stale(e.source) && e.hc.Type != model.CheckMaint {
				gone = append(gone, a.dropCheck(e)...)
			}
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

// definedIDs are what configuration files define.
type definedIDs struct{ services, checks map[string]bool }

// define registers definitions of configuration files.
func (a *Agent) define(services []*model.ServiceDefinition, checks []*model.CheckDefinition) (definedIDs, error) {
	ids := definedIDs{services: map[string]bool{}, checks: map[string]bool{}}
	for _, def := range services {
		if err := def.Validate(); err != nil {
			return ids, fmt.Errorf("register service %q: %w", def.Name, err)
		}
	}
	for _, def := range checks {
		if err := def.ValidateAlone(); err != nil {
			return ids, fmt.Errorf("register check %q: %w", def.Name, err)
		}
	}
	for _, def := range services {
		regs, err := a.addService(def, SourceConfig, false)
		if err != nil {
			return ids, fmt.Errorf("register service %q: %w", def.Name, err)
		}
		for _, r := range regs {
			ids.services[r.ns.ID] = true
			for _, c := range r.checks {
				ids.checks[c.CheckID] = true
			}
		}
	}
	for _, def := range checks {
		id, err := a.addCheck(def, SourceConfig)
		if err != nil {
			return ids, fmt.Errorf("register check %q: %w", def.Name, err)
		}
		ids.checks[id] = true
	}
	return ids, nil
}

// restoreService registers a service from its file. The lock is held.
func (a *Agent) restoreService(name string, record []byte) error {
	r, err := decodeService(record)
	if err != nil {
		return err
	}
	id := r.ns.ID
	if a.services[id] != nil {
		a.store.remove(name)
		return nil
	}
	r.record = record
	a.applyService(r)
	a.renamed(name, serviceFile(id))
	a.logger.Debug("restored service definition from file", "service", id, "file", name)
	return nil
}

// restoreCheck registers a check from its file, as critical.
func (a *Agent) restoreCheck(name string, record []byte) error {
	rec, err := decodeCheck(record)
	if err != nil {
		return err
	}
	id := rec.Check.CheckID
	if a.checks[id] != nil {
		a.store.remove(name)
		return nil
	}
	e, err := a.restoredEntry(rec)
	if err != nil {
		a.logger.Warn("Failed to restore check", "check", id, "error", err)
		a.store.remove(name)
		return nil
	}
	e.token = rec.Token
	a.placeCheck(e)
	a.keepCheck(e)
	a.renamed(name, checkFile(id))
	return nil
}

func (a *Agent) restoredEntry(rec *checkRecord) (*entry, error) {
	var ns *model.NodeService
	if id := rec.Check.ServiceID; id != "" {
		s := a.services[id]
		if s == nil {
			return nil, fmt.Errorf("ServiceID %q does not exist", id)
		}
		ns = s.ns
	}
	if rec.ChkType == nil {
		hc := rec.Check
		hc.Node, hc.Type = a.cfg.NodeName, model.CheckMaint
		if ns != nil {
			hc.ServiceName, hc.ServiceTags = ns.Service, ns.Tags
		}
		return &entry{hc: hc, source: SourceAPI}, nil
	}
	if err := a.mayRun(rec.ChkType, SourceAPI); err != nil {
		return nil, err
	}
	e, err := a.newEntry(rec.ChkType, ns, SourceAPI, true)
	if err != nil {
		return nil, err
	}
	e.hc.Status = model.HealthCritical
	return e, nil
}

// restoreState gives a TTL check back what it said before the restart, and all
// of its time to be heard of again.
func (a *Agent) restoreState(name string, record []byte) error {
	rec, err := decodeState(record, time.Now())
	if err != nil {
		return err
	}
	var e *entry
	if rec != nil {
		e = a.checks[rec.CheckID]
	}
	if e == nil || e.def == nil || e.def.TTL == 0 {
		a.store.remove(name)
		return nil
	}
	a.setStatus(e, rec.Status, rec.Output)
	e.run.Renew(rec.Output)
	a.renamed(name, stateFile(rec.CheckID))
	if name != stateFile(rec.CheckID) {
		a.store.put(stateFile(rec.CheckID), record)
	}
	return nil
}

// renamed forgets a file that an older release called otherwise.
func (a *Agent) renamed(was, is string) {
	if was != is {
		a.store.remove(was)
	}
}
