package local

import (
	"context"
	"time"

	"muster/model"
)

// reapInterval is how often services are looked for that a critical check is
// to take out.
const reapInterval = 30 * time.Second

func (a *Agent) reapLoop(ctx context.Context) {
	ticker := time.NewTicker(reapInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			a.reap(time.Now())
		}
	}
}

// reap deregisters services with a check that has been critical for longer
// than its definition allows, a minute at least.
func (a *Agent) reap(now time.Time) {
	for _, id := range a.overdue(now) {
		if err := a.RemoveService(id); err != nil {
			a.logger.Error("Failed to deregister critical service", "service", id, "error", err)
			continue
		}
		a.logger.Info("Check for service has been critical for too long; deregistered service", "service", id)
	}
}

func (a *Agent) overdue(now time.Time) (services []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, s := range a.services {
		for _, e := range s.checks {
			if e.def == nil || e.def.DeregisterCriticalServiceAfter <= 0 || e.hc.Status != model.HealthCritical {
				continue
			}
			limit := max(time.Duration(e.def.DeregisterCriticalServiceAfter), model.DeregisterCriticalMin)
			if now.Sub(e.critical) > limit {
				services = append(services, id)
				break
			}
		}
	}
	return services
}
