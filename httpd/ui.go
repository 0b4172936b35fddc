package httpd

import (
	"net/http"

	"muster/acl"
	"muster/ops"
	"muster/relay"
)

// uiRoutes are what web pages read.
func uiRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/internal/ui/nodes", place: relay.Server, rule: filtered(acl.Node), handle: (*call).uiNodes, blocking: true},
		{method: "GET", path: "/v1/internal/ui/node/", place: relay.Server, rule: filtered(acl.Node), handle: (*call).uiNode, blocking: true},
		{method: "GET", path: "/v1/internal/ui/services", place: relay.Server, rule: filtered(acl.Service), handle: (*call).uiServices, blocking: true},
	}
}

func (c *call) uiNodes() error { return askList(c, c.door.cfg.Ops.NodeDumps("", &c.q)) }

func (c *call) uiNode() error {
	if err := c.required("node name"); err != nil {
		return err
	}
	return askWith(c, c.door.cfg.Ops.NodeDumps(c.name, &c.q), func(list []*ops.NodeDump) (*body, error) {
		if len(list) == 0 {
			return &body{missing: true}, nil
		}
		b, err := marshal(list[0])
		return &body{json: b}, err
	})
}

func (c *call) uiServices() error { return askList(c, c.door.cfg.Ops.ServiceSummaries(&c.q)) }

// notBuilt answers for what muster knows of and does not do.
func (c *call) notBuilt() error {
	return c.text(http.StatusNotImplemented, "muster does not implement "+c.route.path+" yet; see docs/COMPATIBILITY.md")
}
