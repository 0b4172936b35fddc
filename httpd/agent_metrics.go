package httpd

import (
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"muster/acl"
	"muster/internal/host"
	"muster/model"
)

func (c *call) agentMetrics() error {
	if err := c.may(acl.Agent, c.door.cfg.NodeName, acl.Read); err != nil {
		return err
	}
	m := c.door.cfg.Meter
	if c.param("format") == "prometheus" {
		if !m.Prometheus() {
			return c.text(415, "Prometheus is not enabled since its retention time is not positive")
		}
		c.wrote = true
		promhttp.HandlerFor(m.Gatherer(), promhttp.HandlerOpts{}).ServeHTTP(c.w, c.r)
		return nil
	}
	summary, err := m.Summary()
	if err != nil {
		return err
	}
	return c.json(summary)
}

func (c *call) agentHost() error {
	if err := c.may(acl.Operator, "", acl.Read); err != nil {
		return err
	}
	info, err := host.Read(c.context())
	if err != nil {
		return model.Errorf(model.Internal, "read host: %w", err)
	}
	return c.json(info)
}
