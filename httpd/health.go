package httpd

import (
	"strconv"

	"muster/model"
	"muster/ops"
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
				return c.afterAsking(c.door.cfg.Ops.Health(c.name, nil, false, &c.q), "Invalid value for ?passing")
			}
			passing = b
		}
	}
	return askList(c, c.door.cfg.Ops.Health(c.name, c.query["tag"], passing, &c.q))
}

// afterAsking refuses a request, with the meta data of its answer in the
// headers all the same, as clients of the original see it.
func (c *call) afterAsking(qu ops.Question[[]*model.CheckServiceNode], text string) error {
	c.q.MinIndex = 0
	_, meta, err := ops.Ask(c.context(), c.door.cfg.Ops, nil, &c.q, qu, func([]*model.CheckServiceNode) (ops.Rendered[bool], error) {
		return ops.Rendered[bool]{}, nil
	})
	if err != nil {
		return err
	}
	c.setMeta(meta)
	return model.Errorf(model.BadRequest, "%s", text)
}
