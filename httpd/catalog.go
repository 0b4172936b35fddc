package httpd

import (
	"bytes"
	"io"

	"muster/model"
	"muster/ops"
)

// askList is ask for lists, which are [] when there is nothing.
func askList[T any](c *call, qu ops.Question[[]T]) error {
	return askWith(c, qu, func(list []T) (*body, error) {
		if len(list) == 0 {
			return &body{json: []byte("[]")}, nil
		}
		b, err := marshal(list)
		return &body{json: b}, err
	})
}

func (c *call) catalogRegister() error {
	var r model.RegisterRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	if passed, err := c.elsewhere(r.Datacenter); passed || err != nil {
		return err
	}
	if err := c.door.cfg.Ops.Register(c.context(), c.q.Token, &r); err != nil {
		return err
	}
	return c.json(true)
}

func (c *call) catalogDeregister() error {
	var r model.DeregisterRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	if passed, err := c.elsewhere(r.Datacenter); passed || err != nil {
		return err
	}
	if err := c.door.cfg.Ops.Deregister(c.context(), c.q.Token, &r); err != nil {
		return err
	}
	return c.json(true)
}

// elsewhere hands a request on whose body names another datacenter.
func (c *call) elsewhere(dc string) (passed bool, err error) {
	if dc == "" || dc == c.door.cfg.Datacenter {
		return false, nil
	}
	r := c.r.Clone(c.context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(c.raw)), int64(len(c.raw))
	return c.pass(r, dc)
}

func (c *call) catalogDatacenters() error {
	return c.json(c.door.cfg.Agent.Datacenters())
}

func (c *call) catalogNodes() error { return askList(c, c.door.cfg.Ops.Nodes(&c.q)) }

func (c *call) catalogServices() error {
	return ask(c, c.door.cfg.Ops.Services(&c.q))
}

func (c *call) catalogService() error {
	if err := c.required("service name"); err != nil {
		return err
	}
	return askList(c, c.door.cfg.Ops.Instances(c.name, c.query["tag"], &c.q))
}

func (c *call) catalogNode() error {
	if err := c.required("node name"); err != nil {
		return err
	}
	return askWith(c, c.door.cfg.Ops.NodeServices(c.name, &c.q), func(l *model.NodeServiceList) (*body, error) {
		if l == nil {
			return &body{json: []byte("null")}, nil
		}
		byID := model.NodeServices{Node: l.Node, Services: map[string]*model.NodeService{}}
		for _, s := range l.Services {
			byID.Services[s.ID] = s
		}
		b, err := marshal(byID)
		return &body{json: b}, err
	})
}

func (c *call) catalogNodeServices() error {
	if err := c.required("node name"); err != nil {
		return err
	}
	return askWith(c, c.door.cfg.Ops.NodeServices(c.name, &c.q), func(l *model.NodeServiceList) (*body, error) {
		if l == nil {
			l = &model.NodeServiceList{}
		} else if l.Services == nil {
			l = &model.NodeServiceList{Node: l.Node, Services: []*model.NodeService{}}
		}
		b, err := marshal(l)
		return &body{json: b}, err
	})
}
