package httpd

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"muster/model"
)

// sessionRequest is a session as clients send it: the lock-delay is a duration
// as text, a number of seconds below 1,000, or a number of nanoseconds.
type sessionRequest struct {
	Name          string
	Node          string
	LockDelay     lockDelay
	Behavior      string
	TTL           string
	NodeChecks    *[]string
	ServiceChecks []model.ServiceCheck
	Checks        *[]string
}

// lockDelay is set when it was given, even as 0.
type lockDelay struct {
	set bool
	d   time.Duration
}

// UnmarshalJSON reads all the forms.
func (l *lockDelay) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var d model.Duration
	if err := d.UnmarshalJSON(b); err != nil {
		return err
	}
	l.set, l.d = true, time.Duration(d)
	if b[0] != '"' && l.d < 1000 {
		l.d *= time.Duration(time.Second)
	}
	return nil
}

func (c *call) sessionCreate() error {
	in := sessionRequest{}
	b, err := c.body(maxJSONBody, "")
	if err != nil {
		return err
	}
	// As everywhere, what follows the object is let be.
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&in); err != nil && err != io.EOF {
		return undecodable(err)
	}
	s := model.Session{Name: in.Name, Node: in.Node, LockDelay: model.LockDelayDefault, Behavior: in.Behavior,
		TTL: in.TTL, ServiceChecks: in.ServiceChecks, NodeChecks: []string{model.SerfHealthID}}
	if in.LockDelay.set {
		s.LockDelay = in.LockDelay.d
	}
	if s.Node == "" {
		s.Node = c.node()
	}
	switch {
	case in.NodeChecks != nil:
		s.NodeChecks = *in.NodeChecks
		if in.Checks != nil {
			s.Checks = *in.Checks
		}
	case in.Checks != nil:
		s.NodeChecks = *in.Checks
	}
	id, err := c.door.cfg.Ops.SessionCreate(c.context(), c.q.Token, &s)
	if err != nil {
		return err
	}
	return c.json(struct{ ID string }{id})
}

// required refuses a path that ends before the name.
func (c *call) required(what string) error {
	if c.name == "" {
		return model.Errorf(model.BadRequest, "Missing %s", what)
	}
	return nil
}

func (c *call) sessionDestroy() error {
	if err := c.required("session"); err != nil {
		return err
	}
	if err := c.door.cfg.Ops.SessionDestroy(c.context(), c.q.Token, c.name); err != nil {
		return err
	}
	return c.json(true)
}

func (c *call) sessionRenew() error {
	if err := c.required("session"); err != nil {
		return err
	}
	s, err := c.door.cfg.Ops.SessionRenew(c.context(), c.q.Token, c.name)
	if err != nil {
		return err
	}
	if s == nil {
		return c.text(http.StatusNotFound, "Session id '"+c.name+"' not found")
	}
	return c.json([]*model.Session{s})
}

func (c *call) sessionInfo() error {
	if err := c.required("session"); err != nil {
		return err
	}
	return ask(c, c.door.cfg.Ops.SessionInfo(c.name))
}

func (c *call) sessionNode() error {
	if err := c.required("node name"); err != nil {
		return err
	}
	return askList(c, c.door.cfg.Ops.Sessions(c.name))
}

func (c *call) sessionList() error { return askList(c, c.door.cfg.Ops.Sessions("")) }
