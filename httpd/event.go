package httpd

import (
	"context"
	"strconv"
	"time"

	"muster/model"
	"muster/ops"
)

// maxEventBody bounds the payload that is read; gossip allows far less.
const maxEventBody = 64 << 10

func (c *call) eventFire() error {
	if err := c.required("name"); err != nil {
		return err
	}
	payload, err := c.body(maxEventBody, "")
	if err != nil {
		return err
	}
	ev := &model.UserEvent{Name: c.name, NodeFilter: c.param("node"), ServiceFilter: c.param("service"), TagFilter: c.param("tag")}
	if len(payload) > 0 {
		ev.Payload = payload
	}
	if err := c.door.cfg.Events.Fire(c.q.Token, ev); err != nil {
		return err
	}
	return c.json(ev)
}

func (c *call) eventList() error {
	ctx := c.context()
	if c.q.MinIndex > 0 {
		wait := c.q.Wait
		if wait <= 0 {
			wait = 5 * time.Minute
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, min(wait, 10*time.Minute))
		defer cancel()
	}
	f := ops.EventFilter{Name: c.param("name"), Node: c.param("node"), Service: c.param("service"), Tag: c.param("tag")}
	list, index, err := c.door.cfg.Events.List(ctx, c.q.Token, f, c.q.MinIndex)
	if err != nil {
		return err
	}
	c.w.Header()["X-Consul-Index"] = []string{strconv.FormatUint(index, 10)}
	return c.json(list)
}
