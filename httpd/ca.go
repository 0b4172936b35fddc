package httpd

import (
	"net/http"
	"strings"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/relay"
)

func caRoutes() []route {
	roots := func(path string) route {
		return route{method: "GET", path: path, place: relay.Server, rule: public, handle: (*call).caRoots, blocking: true}
	}
	return []route{
		roots("/v1/connect/ca/roots"),
		roots("/v1/agent/connect/ca/roots"),
		{method: "PUT", path: "/v1/internal/agent/sign", place: relay.Leader, rule: must(acl.Node, acl.Write), handle: (*call).signAgent, agents: true},
	}
}

// maxRequest bounds a request for a certificate, in bytes.
const maxRequest = 64 << 10

// signAgent gives another agent a certificate. Only agents hand on such a
// request, which came to the port between them.
func (c *call) signAgent() error {
	request, err := c.body(maxRequest, "")
	if err != nil {
		return err
	}
	cert, err := c.door.cfg.Ops.SignAgent(c.context(), c.q.Token, string(request), c.door.cfg.IsServerName)
	if err != nil {
		return err
	}
	return c.json(cert)
}

// caRoots tells the roots of the cluster's certificate authority, as JSON or,
// with ?pem, as certificates.
func (c *call) caRoots() error {
	if !c.door.cfg.Connect {
		return model.Errorf(model.Internal, "Connect must be enabled in order to use this endpoint")
	}
	if !c.has("pem") {
		return ask(c, c.door.cfg.Ops.CARoots())
	}
	question := c.door.cfg.Ops.CARoots()
	question.Key = "" // that of the answer in JSON
	b, meta, err := ops.Ask(c.context(), c.door.cfg.Ops, c.door.answers, &c.q, question, func(r *ops.CARoots) (ops.Rendered[*body], error) {
		var text strings.Builder
		for _, root := range r.Roots {
			text.WriteString(strings.TrimSpace(root.RootCert) + "\n")
		}
		return ops.Rendered[*body]{Value: &body{json: []byte(text.String())}, Size: text.Len()}, nil
	})
	c.setMeta(meta)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/pem-certificate-chain")
	return c.send(http.StatusOK, b.json)
}
