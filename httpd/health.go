package httpd

import (
	"strconv"

	"muster/model"
)

func (c *call) healthNode() error {
	if err := c.required("node name"); err != nil {
		return err
	}
	return askList(c, c.door.cfg.Ops.NodeChecks(c.name, &c.q))
}

func (c *call) healthChecks() error {
	if err := c.required("service name"); err != nil {
		return err
	}
	return askList(c, c.door.cfg.Ops.ServiceChecks(c.name, &c.q))
}

func (c *call) healthState() error {
	if err := c.required("check state"); err != nil {
		return err
	}
	return askList(c, c.door.cfg.Ops.ChecksInState(c.name, &c.q))
}

func (c *call) healthService() error {
	if err := c.required("service name"); err != nil {
		return err
	}
	passing := false
	if c.has(model.HealthPassing) {
		passing = true
		if v := c.param(model.HealthPassing); v != "" {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return model.Errorf(model.BadRequest, "Invalid value for ?passing")
			}
			passing = b
		}
	}
	return askList(c, c.door.cfg.Ops.Health(c.name, c.query["tag"], passing, &c.q))
}
