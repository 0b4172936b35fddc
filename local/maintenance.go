package local

import (
	"muster/check"
	"muster/model"
)

// SetNodeMaintenance switches the maintenance mode of the node: a critical
// check that keeps all its services out of use. A reason of "" is replaced by a
// default. Switching on what is on changes nothing, not even the reason. It
// returns when the change would outlive a crash.
func (a *Agent) SetNodeMaintenance(enable bool, reason, token string) error {
	if reason == "" {
		reason = model.DefaultNodeReason
	}
	return a.setMaintenance(enable, token, &model.HealthCheck{
		CheckID: model.NodeMaintID, Name: model.NodeMaintName, Notes: reason,
	})
}

// SetServiceMaintenance does the same for one service. A service that is not
// there is NotFound.
func (a *Agent) SetServiceMaintenance(id string, enable bool, reason, token string) error {
	if reason == "" {
		reason = model.DefaultServiceReason
	}
	return a.setMaintenance(enable, token, &model.HealthCheck{
		CheckID: model.ServiceMaintPrefix + id, Name: model.ServiceMaintName, Notes: reason, ServiceID: id,
	})
}

func (a *Agent) setMaintenance(enable bool, token string, hc *model.HealthCheck) error {
	hc.Node, hc.Status, hc.Type = a.cfg.NodeName, model.HealthCritical, model.CheckMaint
	var gone []*check.Check
	err := a.change(func() error {
		if hc.ServiceID != "" {
			s := a.services[hc.ServiceID]
			if s == nil {
				return model.Errorf(model.NotFound, "No service registered with ID %q", hc.ServiceID)
			}
			hc.ServiceName, hc.ServiceTags = s.ns.Service, s.ns.Tags
			if token == "" {
				token = s.token
			}
		}
		old := a.checks[hc.CheckID]
		switch {
		case enable && old == nil:
			e := &entry{hc: hc, token: token, source: SourceAPI}
			a.placeCheck(e)
			a.keepCheck(e)
			a.logMaintenance("entered", hc)
		case !enable && old != nil:
			gone = a.dropCheck(old)
			a.logMaintenance("left", hc)
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

func (a *Agent) logMaintenance(what string, hc *model.HealthCheck) {
	if hc.ServiceID == "" {
		a.logger.Info("Node " + what + " maintenance mode")
		return
	}
	a.logger.Info("Service "+what+" maintenance mode", "service", hc.ServiceID)
}
