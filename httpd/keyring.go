package httpd

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/hashicorp/go-multierror"

	"muster/acl"
	"muster/gossip"
	"muster/model"
	"muster/relay"
	"muster/wire"
)

// headerPool restricts a keyring request to the LAN pool of a datacenter.
const headerPool = "X-Muster-Keyring"

func keyringRoutes() []route {
	row := func(method string, access acl.Access) route {
		return route{method: method, path: "/v1/operator/keyring", place: relay.Server, rule: must(acl.Keyring, access), handle: (*call).keyring}
	}
	return []route{row("GET", acl.Read), row("POST", acl.Write), row("PUT", acl.Write), row("DELETE", acl.Write)}
}

// keyringAnswer is what one pool says to a question about keys.
type keyringAnswer struct {
	WAN         bool
	Datacenter  string
	Segment     string
	Messages    map[string]string `json:",omitempty"`
	Keys        map[string]int
	PrimaryKeys map[string]int
	NumNodes    int
	Error       string `json:",omitempty"`
}

// keyringOp is what is asked of every pool.
type keyringOp func(p *gossip.Pool) (gossip.KeyResult, error)

// keyring lists or changes the gossip keys of all pools: the WAN's, and the
// LAN's of every datacenter.
func (c *call) keyring() error {
	access := acl.Write
	if c.r.Method == http.MethodGet {
		access = acl.Read
	}
	if err := c.may(acl.Keyring, "", access); err != nil {
		return err
	}
	op, err := c.keyringOp()
	if err != nil {
		return err
	}
	local, lanOnly := c.has("local-only") && c.param("local-only") != "false", c.forwarded && c.r.Header.Get(headerPool) != ""
	if local && c.r.Method != http.MethodGet {
		return model.Errorf(model.BadRequest, "Bad request: Invalid use of local-only: local-only can only be set for list requests")
	}
	var answers []keyringAnswer
	if !local && !lanOnly && c.door.cfg.WAN != nil {
		answers = append(answers, c.askPool(c.door.cfg.WAN, true, op))
	}
	answers = append(answers, c.askPool(c.door.cfg.LAN, false, op))
	if !local && !lanOnly {
		answers = append(answers, c.keyringElsewhere()...)
	}
	if lanOnly {
		return c.json(answers)
	}
	if err := keyringErrors(answers); err != nil {
		return err
	}
	if c.r.Method == http.MethodGet {
		return c.json(answers)
	}
	return c.empty(http.StatusOK)
}

func (c *call) keyringOp() (keyringOp, error) {
	var factor uint8
	if v := c.param("relay-factor"); v != "" {
		n, err := strconv.ParseUint(v, 10, 8)
		if err == nil && n > gossip.MaxRelayFactor {
			err = fmt.Errorf("Relay factor must be in range: [0, %d]", gossip.MaxRelayFactor) //lint:ignore ST1005 text of the API
		}
		if err != nil {
			return nil, model.Errorf(model.BadRequest, "Bad request: Invalid relay-factor: %w", err)
		}
		factor = uint8(n)
	}
	if c.r.Method == http.MethodGet {
		return func(p *gossip.Pool) (gossip.KeyResult, error) { return p.ListKeys(factor) }, nil
	}
	var in struct{ Key string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return func(p *gossip.Pool) (gossip.KeyResult, error) {
		switch c.r.Method {
		case http.MethodPost:
			return p.InstallKey(in.Key, factor)
		case http.MethodPut:
			return p.UseKey(in.Key, factor)
		default:
			return p.RemoveKey(in.Key, factor)
		}
	}, nil
}

func (c *call) askPool(p *gossip.Pool, isWAN bool, op keyringOp) keyringAnswer {
	result, err := op(p)
	a := keyringAnswer{WAN: isWAN, Datacenter: c.door.cfg.Datacenter, Messages: result.Messages, Keys: result.Keys,
		PrimaryKeys: result.PrimaryKeys, NumNodes: result.NumNodes}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// keyringElsewhere has a server of each other datacenter ask its LAN pool.
func (c *call) keyringElsewhere() []keyringAnswer {
	var answers []keyringAnswer
	for _, dc := range c.door.cfg.Agent.Datacenters() {
		if dc == c.door.cfg.Datacenter {
			continue
		}
		query := c.r.URL.Query()
		query.Set("dc", dc)
		header := http.Header{headerPool: {"lan"}, "X-Consul-Token": {c.q.Token}}
		resp, err := c.door.cfg.Relay.Call(c.context(), relay.Need{Place: relay.Server, Datacenter: dc, Write: c.r.Method != http.MethodGet},
			&wire.Request{Method: c.r.Method, URI: "/v1/operator/keyring?" + url.Values(query).Encode(), Header: header, Body: c.raw})
		var theirs []keyringAnswer
		if err == nil && resp.Status != http.StatusOK {
			err = errors.New(string(resp.Body))
		}
		if err == nil {
			err = json.Unmarshal(resp.Body, &theirs)
		}
		if err != nil {
			theirs = []keyringAnswer{{Datacenter: dc, Error: err.Error()}}
		}
		answers = append(answers, theirs...)
	}
	return answers
}

// keyringErrors puts together what went wrong in all pools.
func keyringErrors(answers []keyringAnswer) error {
	var all *multierror.Error
	for _, a := range answers {
		if a.Error == "" {
			continue
		}
		pool := a.Datacenter + " (LAN)"
		if a.WAN {
			pool = "WAN"
		}
		all = multierror.Append(all, fmt.Errorf("%s error: %s", pool, a.Error))
		for _, node := range slices.Sorted(maps.Keys(a.Messages)) {
			all = multierror.Append(all, fmt.Errorf("%s: %s", node, a.Messages[node]))
		}
	}
	return all.ErrorOrNil()
}
