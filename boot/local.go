package boot

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"muster/check"
	"muster/internal/version"
	"muster/local"
	"muster/model"
	"muster/ops"
	"muster/relay"
	"muster/wire"
)

// startLocal registers this agent's own services and checks.
func (a *Agent) startLocal() error {
	c := a.cfg
	l, err := local.New(local.Config{
		NodeID: a.id, NodeName: c.Node.Name, Datacenter: c.Datacenter, Address: c.RPC.Advertise.Addr().String(),
		TaggedAddresses: c.Node.TaggedAddresses, Meta: nodeMeta(c.Node.Meta), Locality: c.Node.Locality, DataDir: c.DataDir,
		Catalog:     catalog{a},
		Checks:      check.Options{TLS: a.checkTLS(), Mirror: mirror{a}},
		Logger:      a.log.Named("agent"),
		ClusterSize: a.lan.NumMembers,

		CheckUpdateInterval: c.Check.UpdateInterval, OutputMaxSize: c.Check.OutputMaxSize, DiscardOutput: c.Check.DiscardOutput,
		ScriptsLocal: c.Check.ScriptsFromFiles(), ScriptsRemote: c.Check.EnableScripts,
		SidecarMinPort: c.Connect.SidecarPorts.Min, SidecarMaxPort: c.Connect.SidecarPorts.Max,
	})
	if err != nil {
		return err
	}
	a.local = l
	a.onStop(func() {
		if err := l.Close(); err != nil {
			a.log.Error("could not close the registrations", "error", err)
		}
	})
	if err := l.Load(c.Services, c.Checks); err != nil {
		return err
	}
	l.Start(context.Background())
	return nil
}

// Metadata that every agent of the original gives its node; tools count on it.
const (
	segmentMeta = "consul-network-segment"
	versionMeta = "consul-version"
)

func nodeMeta(configured map[string]string) map[string]string {
	meta := map[string]string{segmentMeta: "", versionMeta: version.Full()}
	for k, v := range configured {
		meta[k] = v
	}
	return meta
}

// catalog is how the local registrations reach the catalog: as any request
// does, by way of relay.
type catalog struct{ a *Agent }

// write is what the agent's own changes need.
var write = relay.Need{Place: relay.Leader, Write: true}

func (c catalog) Register(ctx context.Context, token string, r *model.RegisterRequest) error {
	token = cmp.Or(token, c.token())
	if !c.a.relay.Here(write) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return c.a.call(ctx, write, http.MethodPut, "/v1/catalog/register", token, r, nil)
	}
	own := *r // ops fills in what is left out
	if r.Service != nil {
		own.Service = r.Service.Clone()
	}
	own.Checks = make([]*model.HealthCheck, len(r.Checks))
	for i, check := range r.Checks {
		own.Checks[i] = check.Clone()
	}
	return c.a.ops.Register(ctx, token, &own)
}

func (c catalog) Deregister(ctx context.Context, token string, r *model.DeregisterRequest) error {
	token = cmp.Or(token, c.token())
	if !c.a.relay.Here(write) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return c.a.call(ctx, write, http.MethodPut, "/v1/catalog/deregister", token, r, nil)
	}
	return c.a.ops.Deregister(ctx, token, r)
}

// token is the one that the agent uses for itself.
func (c catalog) token() string {
	if t := c.a.cfg.ACL.Tokens.Agent; t != "" {
		return t
	}
	return c.a.cfg.ACL.Tokens.Default
}

// answer asks a question as it is, without rendering.
func answer[T any](ctx context.Context, a *Agent, q *ops.Query, qu ops.Question[T]) (T, uint64, error) {
	v, meta, err := ops.Ask(ctx, a.ops, nil, q, qu, func(v T) (ops.Rendered[T], error) { return ops.Rendered[T]{Value: v}, nil })
	return v, meta.Index, err
}

func (c catalog) NodeServices(ctx context.Context, node string) (*model.NodeServices, error) {
	list := new(model.NodeServiceList)
	err := c.read(ctx, "/v1/catalog/node-services/"+url.PathEscape(node), list, func(q *ops.Query) (err error) {
		list, _, err = answer(ctx, c.a, q, c.a.ops.NodeServices(node, q))
		return err
	})
	if err != nil || list == nil || list.Node == nil {
		return nil, err
	}
	out := &model.NodeServices{Node: list.Node, Services: map[string]*model.NodeService{}}
	for _, s := range list.Services {
		out.Services[s.ID] = s
	}
	return out, nil
}

func (c catalog) NodeChecks(ctx context.Context, node string) ([]*model.HealthCheck, error) {
	var list []*model.HealthCheck
	err := c.read(ctx, "/v1/health/node/"+url.PathEscape(node), &list, func(q *ops.Query) (err error) {
		list, _, err = answer(ctx, c.a, q, c.a.ops.NodeChecks(node, q))
		return err
	})
	return list, err
}

// read asks on this server, or else another one over the API.
func (c catalog) read(ctx context.Context, uri string, out any, here func(*ops.Query) error) error {
	need := relay.Need{Place: relay.Server}
	if c.a.relay.Here(need) {
		return here(&ops.Query{Token: c.token()})
	}
	return c.a.call(ctx, need, http.MethodGet, uri, c.token(), nil, out)
}

// mirror tells alias checks of the health of other nodes.
type mirror struct{ a *Agent }

func (m mirror) HealthOf(ctx context.Context, node, service string, index uint64) (check.Health, error) {
	need := relay.Need{Place: relay.Server}
	var dumps []*ops.NodeDump
	next := index
	if m.a.relay.Here(need) {
		q := &ops.Query{Token: catalog(m).token(), MinIndex: index}
		var err error
		if dumps, next, err = answer(ctx, m.a, q, m.a.ops.NodeDumps(node, q)); err != nil {
			return check.Health{}, err
		}
	} else {
		var one ops.NodeDump
		uri := "/v1/internal/ui/node/" + url.PathEscape(node)
		if index > 0 {
			uri += "?index=" + strconv.FormatUint(index, 10)
		}
		req := &wire.Request{Method: http.MethodGet, URI: uri, Header: http.Header{"X-Consul-Token": {catalog(m).token()}}}
		resp, err := m.a.relay.Call(ctx, need, req)
		if err != nil {
			return check.Health{}, err
		}
		next, _ = strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64)
		if resp.Status == http.StatusOK {
			if err := json.Unmarshal(resp.Body, &one); err != nil {
				return check.Health{}, err
			}
			dumps = append(dumps, &one)
		} else if resp.Status != http.StatusNotFound {
			return check.Health{}, remoteError(resp)
		}
	}
	h := check.Health{Index: next, Found: service == ""}
	for _, d := range dumps {
		for _, s := range d.Services {
			h.Found = h.Found || s.ID == service
		}
		for _, c := range d.Checks {
			if c.ServiceID == "" || c.ServiceID == service {
				h.Checks = append(h.Checks, c)
			}
		}
	}
	return h, nil
}
