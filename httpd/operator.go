package httpd

import (
	"net/http"

	"muster/acl"
	"muster/model"
	"muster/relay"
)

func operatorRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/operator/raft/configuration", place: relay.Leader, rule: must(acl.Operator, acl.Read), handle: (*call).raftConfiguration, stale: true},
		{method: "DELETE", path: "/v1/operator/raft/peer", place: relay.Leader, rule: must(acl.Operator, acl.Write), handle: (*call).raftRemove},
		{method: "POST", path: "/v1/operator/raft/transfer-leader", place: relay.Leader, rule: must(acl.Operator, acl.Write), handle: (*call).raftTransfer},
		{method: "GET", path: "/v1/operator/autopilot/configuration", place: relay.Leader, rule: must(acl.Operator, acl.Read), handle: (*call).autopilotConfig, stale: true},
		{method: "PUT", path: "/v1/operator/autopilot/configuration", place: relay.Leader, rule: must(acl.Operator, acl.Write), handle: (*call).autopilotSetConfig},
		{method: "GET", path: "/v1/operator/autopilot/health", place: relay.Leader, rule: must(acl.Operator, acl.Read), handle: (*call).autopilotHealth},
		{method: "GET", path: "/v1/operator/autopilot/state", place: relay.Leader, rule: must(acl.Operator, acl.Read), handle: (*call).autopilotState},
		{method: "GET", path: "/v1/operator/usage", place: relay.Server, rule: must(acl.Operator, acl.Read), handle: (*call).usage},
		{method: "GET", path: "/v1/snapshot", place: relay.Leader, stale: true, rule: must(acl.ACL, acl.Write), handle: (*call).snapshotSave, stream: true},
		{method: "PUT", path: "/v1/snapshot", place: relay.Leader, rule: must(acl.ACL, acl.Write), handle: (*call).snapshotRestore, stream: true},
	}
}

func (c *call) raftConfiguration() error {
	conf, err := c.door.cfg.Ops.RaftConfiguration(c.q.Token)
	if err != nil {
		return err
	}
	return c.json(conf)
}

func (c *call) raftRemove() error {
	id, address := c.param("id"), c.param("address")
	switch {
	case id == "" && address == "":
		return model.Errorf(model.BadRequest, "Bad request: Must specify either ?id with the server's ID or ?address with IP:port of peer to remove")
	case id != "" && address != "":
		return model.Errorf(model.BadRequest, "Bad request: Must specify only one of ?id or ?address")
	}
	if err := c.door.cfg.Ops.RaftRemove(c.q.Token, id, address); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) raftTransfer() error {
	if err := c.door.cfg.Ops.RaftTransfer(c.q.Token, c.param("id")); err != nil {
		return err
	}
	return c.json(struct{ Success bool }{true})
}
