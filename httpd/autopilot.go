package httpd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"muster/httpd/shape"
	"muster/model"
)

func (c *call) autopilotConfig() error {
	conf, err := c.door.cfg.Ops.AutopilotConfig(c.context(), &c.q)
	if err != nil {
		return err
	}
	return c.json(shape.AutopilotConfigOf(conf))
}

func (c *call) autopilotSetConfig() error {
	b, err := c.body(maxJSONBody, "")
	if err != nil {
		return err
	}
	var in shape.AutopilotConfig
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return model.Errorf(model.BadRequest, "Bad request: Error parsing autopilot config: %w", err)
	}
	conf := in.Model()
	cas := c.has("cas")
	if cas {
		if conf.ModifyIndex, err = strconv.ParseUint(c.param("cas"), 10, 64); err != nil {
			return model.Errorf(model.BadRequest, "Bad request: Error parsing cas value: %w", err)
		}
	}
	done, err := c.door.cfg.Ops.SetAutopilotConfig(c.context(), c.q.Token, conf, cas)
	if err != nil {
		return err
	}
	return c.json(done)
}

// autopilotHealth answers with 429 when a server is not well, so that a check
// without a parser will do.
func (c *call) autopilotHealth() error {
	h, err := c.door.cfg.Ops.AutopilotHealth(c.q.Token)
	if err != nil {
		return err
	}
	out := shape.AutopilotHealthOf(&h)
	if !h.Healthy {
		return c.jsonStatus(http.StatusTooManyRequests, out)
	}
	return c.json(out)
}

func (c *call) autopilotState() error {
	h, err := c.door.cfg.Ops.AutopilotHealth(c.q.Token)
	if err != nil {
		return err
	}
	return c.json(shape.AutopilotStateOf(&h))
}
