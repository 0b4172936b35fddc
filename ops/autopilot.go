package ops

import (
	"context"
	"time"

	"muster/acl"
	"muster/model"
)

// Autopilot is what the leader knows of the servers: leader.Autopilot.
type Autopilot interface {
	// Health is what was found out last; Servers is empty on a server that does
	// not lead.
	Health() AutopilotHealth
}

// AutopilotHealth is how the servers are.
type AutopilotHealth struct {
	Healthy bool // all of them are
	// FailureTolerance is how many voters may fail before writes stop;
	// Optimistic counts those that could vote in their place.
	FailureTolerance, OptimisticFailureTolerance int
	Leader                                       string   // ID
	Voters, ReadReplicas                         []string // IDs, the leader first
	Servers                                      []AutopilotServer
}

// AutopilotServer is how one server is.
type AutopilotServer struct {
	ID, Name, Address, Version string
	NodeStatus                 string // of gossip: "alive", "failed", "left"
	NodeType                   string // "voter" or "read-replica": what it is meant to be
	Status                     string // "leader", "voter", "non-voter": what it is
	Meta                       map[string]string
	LastContact                time.Duration // since it heard of the leader; below 0 if it never did
	LastTerm, LastIndex        uint64
	Healthy, ReadReplica       bool
	StableSince                time.Time // when Healthy last changed
}

// Leads tells whether the server leads.
func (s *AutopilotServer) Leads() bool { return s.Status == "leader" }

// Voter tells whether the server has a vote.
func (s *AutopilotServer) Voter() bool { return s.Status == "leader" || s.Status == "voter" }

// AutopilotConfig is the configuration of autopilot as it was agreed on.
func (o *Ops) AutopilotConfig(ctx context.Context, q *Query) (*model.AutopilotConfig, error) {
	if err := o.allow(q.Token, acl.Operator, "", acl.Read); err != nil {
		return nil, err
	}
	if q.Mode != Stale {
		if err := o.log.ConfirmRead(ctx, q.Mode == Consistent); err != nil {
			return nil, err
		}
	}
	c := o.store.Current().Autopilot()
	if c == nil {
		return nil, model.Errorf(model.NotReady, "autopilot has no configuration yet: the leader has just begun to set it")
	}
	return c, nil
}

// SetAutopilotConfig replaces the configuration of autopilot. With cas it does
// so only if c.ModifyIndex is still that of the present one, and tells whether.
func (o *Ops) SetAutopilotConfig(ctx context.Context, token string, c *model.AutopilotConfig, cas bool) (bool, error) {
	if err := o.allow(token, acl.Operator, "", acl.Write); err != nil {
		return false, err
	}
	if err := c.Validate(); err != nil {
		return false, err
	}
	result, err := o.propose(ctx, model.CmdAutopilot, &model.AutopilotCommand{Datacenter: o.datacenter, Config: *c, CAS: cas})
	if err != nil {
		return false, err
	}
	done, _ := result.(bool)
	return done, nil
}

// AutopilotHealth is how the servers are, as far as this one knows.
func (o *Ops) AutopilotHealth(token string) (AutopilotHealth, error) {
	if err := o.allow(token, acl.Operator, "", acl.Read); err != nil {
		return AutopilotHealth{}, err
	}
	return o.autopilot.Health(), nil
}
