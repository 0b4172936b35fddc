package httpd

import (
	"bytes"
	"net/http"

	"github.com/prometheus/common/expfmt"

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
			return c.text(http.StatusUnsupportedMediaType, "Prometheus is not enabled since its retention time is not positive")
		}
		return c.prometheus()
	}
	summary, err := m.Summary()
	if err != nil {
		return err
	}
	return c.json(summary)
}

// agentMetricsStream sends a line for each interval when it has ended.
func (c *call) agentMetricsStream() error {
	if err := c.may(acl.Agent, c.door.cfg.NodeName, acl.Read); err != nil {
		return err
	}
	flusher, ok := c.w.(http.Flusher)
	if !ok {
		return model.Errorf(model.Internal, "streaming not supported")
	}
	c.wrote = true
	c.w.Header()["Content-Type"] = hJSON
	c.w.WriteHeader(http.StatusOK)
	flusher.Flush()
	c.door.cfg.Meter.Stream(c.context(), c.w, flusher.Flush)
	return nil
}

// prometheus writes the text form of all metrics (version 0.0.4).
func (c *call) prometheus() error {
	families, err := c.door.cfg.Meter.Gather()
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	enc := expfmt.NewEncoder(&buf, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return err
		}
	}
	c.w.Header()["Content-Type"] = hPrometheus
	return c.send(http.StatusOK, buf.Bytes())
}

var hPrometheus = []string{"text/plain; version=0.0.4; charset=utf-8"}

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
