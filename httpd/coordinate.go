package httpd

import (
	"muster/model"
)

func (c *call) coordinateDatacenters() error {
	return c.json(c.door.cfg.Agent.WANCoordinates(c.context()))
}

func (c *call) coordinateNodes() error {
	return askList(c, c.door.cfg.Ops.Coordinates(c.param("segment")))
}

func (c *call) coordinateNode() error {
	if err := c.required("node name"); err != nil {
		return err
	}
	return askWith(c, c.door.cfg.Ops.NodeCoordinates(c.name), func(list []*model.Coordinate) (*body, error) {
		b, err := marshal(list)
		return &body{json: b, missing: len(list) == 0}, err
	})
}

func (c *call) coordinateUpdate() error {
	var in struct {
		Datacenter string
		model.Coordinate
	}
	if err := c.decode(&in); err != nil {
		return err
	}
	if passed, err := c.elsewhere(in.Datacenter); passed || err != nil {
		return err
	}
	if err := c.door.cfg.Ops.CoordinateUpdate(c.context(), c.q.Token, &in.Coordinate); err != nil {
		return err
	}
	return c.empty(200)
}
