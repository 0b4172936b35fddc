package local

import (
	"fmt"
	"strings"
	"time"

	"muster/check"
	"muster/model"
)

// AddCheck registers a check that does not come with a service, or replaces
// it, and returns when that would outlive a crash. The definition may name a
// service of this agent. Otherwise as AddService.
func (a *Agent) AddCheck(def *model.CheckDefinition, source Source) error {
	if _, err := a.addCheck(def, source); err != nil {
		return err
	}
	return a.store.wait()
}

// addCheck is AddCheck without waiting for the disk. It returns the ID.
func (a *Agent) addCheck(def *model.CheckDefinition, source Source) (string, error) {
	if err := def.ValidateAlone(); err != nil {
		return "", err
	}
	c := *def
	if c.CheckID = checkID(&c); c.CheckID == "" {
		c.CheckID = c.Name
	}
	c.ID = c.CheckID
	var gone []*check.Check
	err := a.change(func() error {
		var ns *model.NodeService
		if c.ServiceID != "" {
			s := a.services[c.ServiceID]
			if s == nil {
				return model.Errorf(model.Internal, "ServiceID %q does not exist", c.ServiceID)
			}
			ns = s.ns
			if c.Token == "" {
				c.Token = s.token
			}
		}
		if err := a.mayRun(&c, source); err != nil {
			return err
		}
		// Checks from files say no type unless they come with a service: so
		// it always was, and what is in the catalog is to stay the same.
		e, err := a.newEntry(&c, ns, source, source != SourceConfig)
		if err != nil {
			return err
		}
		gone = a.applyCheck(e)
		a.refreshAliases()
		return nil
	})
	stopAll(gone)
	return c.CheckID, err
}

// RemoveCheck takes a check out, and returns when that would outlive a crash.
// One that is not there is no error.
func (a *Agent) RemoveCheck(id string) error {
	if id == "" {
		return model.Errorf(model.Internal, "CheckID missing")
	}
	var gone []*check.Check
	err := a.change(func() error {
		if e := a.checks[id]; e != nil {
			gone = a.dropCheck(e)
			a.refreshAliases()
			a.logger.Debug("removed check", "check", id)
		}
		return nil
	})
	stopAll(gone)
	if err != nil {
		return err
	}
	return a.store.wait()
}

// dropCheck forgets a check here and on disk, has the catalog forget it, and
// returns what to stop once the lock is free.
func (a *Agent) dropCheck(e *entry) []*check.Check {
	id := e.hc.CheckID
	a.store.remove(checkFile(id))
	a.dirty.removeCheck(id, e.token)
	a.wake()
	return a.forgetCheck(e)
}

// forgetCheck takes a check out of memory and its state from the disk.
func (a *Agent) forgetCheck(e *entry) []*check.Check {
	id := e.hc.CheckID
	delete(a.checks, id)
	delete(a.aliases, id)
	a.deferred.drop(id)
	delete(a.checksOf(e.hc.ServiceID), id)
	a.store.remove(stateFile(id))
	a.checkChanged()
	if e.run == nil {
		return nil
	}
	return []*check.Check{e.run}
}

// keepCheck has a check on disk exactly when it came over the API.
func (a *Agent) keepCheck(e *entry) {
	if e.source != SourceAPI {
		a.store.remove(checkFile(e.hc.CheckID))
		return
	}
	record, err := encodeCheck(e)
	if err != nil {
		a.logger.Error("check can't be written to disk", "check", e.hc.CheckID, "error", err)
		return
	}
	a.store.put(checkFile(e.hc.CheckID), record)
}

// UpdateTTL sets the state of a TTL check and lets its time begin anew. Errors:
// BadRequest for a state that is none, Internal for a check that is not there
// or has no TTL.
func (a *Agent) UpdateTTL(id, status, output string) error {
	if !model.ValidStatus(status) {
		return model.Errorf(model.BadRequest, "Invalid check status: '%s'", status)
	}
	return a.change(func() error {
		e := a.checks[id]
		if e == nil || e.def == nil || e.def.TTL == 0 {
			return model.Errorf(model.Internal, "CheckID %q does not have associated TTL", id)
		}
		if n := len(output); n > e.outputMax {
			output = fmt.Sprintf("%s ... (captured %d of %d bytes)", output[:e.outputMax], e.outputMax, n)
		}
		e.run.Renew(output)
		changed := a.setStatus(e, status, output)
		a.keepState(e, changed)
		a.refreshAliases()
		return nil
	})
}

// keepState writes the state of a TTL check, which is to be the same after a
// restart if its time is not over by then. A heartbeat that changes nothing is
// written only when a quarter of that time is gone, or the wall clock was set.
func (a *Agent) keepState(e *entry, changed bool) {
	now, ttl := time.Now(), time.Duration(e.def.TTL)
	if left := e.expires.Sub(now); !changed && left > ttl-ttl/4 && left <= ttl {
		return
	}
	e.expires = now.Add(ttl).Round(0)
	record, err := encodeState(e)
	if err != nil {
		a.logger.Error("state of check can't be written to disk", "check", e.hc.CheckID, "error", err)
		return
	}
	a.store.put(stateFile(e.hc.CheckID), record)
}

// report takes a result from the goroutine of a check.
func (a *Agent) report(e *entry, r check.Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.checks[r.CheckID] != e || a.closed {
		return // it was replaced or removed meanwhile
	}
	if !e.reported && e.hc.Status == r.Status {
		a.logFlip(e.hc.CheckID, r.Status) // what was assumed is now known
	}
	e.reported = true
	if a.setStatus(e, r.Status, r.Output) {
		a.refreshAliases()
	}
}

// setStatus gives a check a state and tells whether anything changed. Changes
// of the output alone reach the catalog later.
func (a *Agent) setStatus(e *entry, status, output string) bool {
	if a.discard {
		output = ""
	}
	// On its way to the catalog it is JSON, and must come back the same.
	output = strings.ToValidUTF8(output, "\uFFFD")
	if e.hc.Status == status && e.hc.Output == output {
		return false
	}
	id := e.hc.CheckID
	hc := *e.hc
	flipped := hc.Status != status
	hc.Status, hc.Output = status, output
	e.hc = &hc
	a.checkChanged()
	switch {
	case flipped:
		a.logFlip(id, status)
		e.critical = time.Time{}
		if status == model.HealthCritical {
			e.critical = time.Now()
		}
		a.dirty.addCheck(id)
		a.wake()
	case a.cfg.CheckUpdateInterval <= 0:
		a.dirty.addCheck(id)
		a.wake()
	case !a.dirty.hasCheck(id):
		wait := a.cfg.CheckUpdateInterval/2 + time.Duration(a.cfg.Rand()*float64(a.cfg.CheckUpdateInterval))
		if a.deferred.add(id, time.Now().Add(wait)) {
			a.wake()
		}
	}
	return true
}

func (a *Agent) logFlip(id, status string) {
	switch status {
	case model.HealthCritical:
		a.logger.Warn("Check is now critical", "check", id)
	case model.HealthWarning:
		a.logger.Warn("Check is now warning", "check", id)
	default:
		a.logger.Debug("Check status updated", "check", id, "status", status)
	}
}
