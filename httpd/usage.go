package httpd

import (
	"encoding/json"
	"net/http"
	"net/url"

	"muster/model"
	"muster/ops"
	"muster/relay"
	"muster/wire"
)

// usageAnswer is how much there is in the catalogs of datacenters.
type usageAnswer struct {
	Usage                 map[string]*ops.Usage
	Index                 uint64
	LastContact           int64 // nanoseconds
	KnownLeader           bool
	ConsistencyLevel      string
	NotModified           bool
	Backend               int
	ResultsFilteredByACLs bool
}

// usage counts what is in the catalog; with ?global in those of all
// datacenters. One that cannot be asked is an error: a sum without it would be
// taken for the whole.
func (c *call) usage() error {
	question, err := c.door.cfg.Ops.Usage(c.q.Token)
	if err != nil {
		return err
	}
	here, meta, err := ops.Ask(c.context(), c.door.cfg.Ops, nil, &c.q, question,
		func(u *ops.Usage) (ops.Rendered[*ops.Usage], error) { return ops.Rendered[*ops.Usage]{Value: u}, nil })
	if err != nil {
		return err
	}
	c.setMeta(meta)
	out := usageAnswer{Usage: map[string]*ops.Usage{c.door.cfg.Datacenter: here}, Index: meta.Index,
		LastContact: int64(meta.LastContact), KnownLeader: meta.KnownLeader, ConsistencyLevel: hModes[meta.Mode][0]}
	if c.has("global") && c.param("global") != "false" {
		for _, dc := range c.door.cfg.Agent.Datacenters() {
			if dc == c.door.cfg.Datacenter {
				continue
			}
			if out.Usage[dc], err = c.usageOf(dc); err != nil {
				return model.Errorf(model.KindOf(err), "usage of datacenter %q: %w", dc, err)
			}
		}
	}
	return c.json(&out)
}

// usageOf asks another datacenter.
func (c *call) usageOf(dc string) (*ops.Usage, error) {
	resp, err := c.door.cfg.Relay.Call(c.context(), relay.Need{Place: relay.Server, Datacenter: dc},
		&wire.Request{Method: http.MethodGet, URI: "/v1/operator/usage?" + url.Values{"dc": {dc}}.Encode(),
			Header: http.Header{"X-Consul-Token": {c.q.Token}}})
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, model.Errorf(model.Internal, "%s", resp.Body)
	}
	var theirs usageAnswer
	if err := json.Unmarshal(resp.Body, &theirs); err != nil {
		return nil, err
	}
	if theirs.Usage[dc] == nil {
		return nil, model.Errorf(model.Internal, "the answer does not name it")
	}
	return theirs.Usage[dc], nil
}
