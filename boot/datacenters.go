package boot

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"muster/httpd"
	"muster/model"
	"muster/ops"
	"muster/relay"
	"muster/wire"
)

// datacenters are the names of all that are known, this one first, then by the
// median of the estimated round trips to their servers; what is nowhere comes
// last. Equally far ones are in the order of their names.
func (a *Agent) datacenters() []string {
	own := a.cfg.Datacenter
	if a.wan == nil {
		return []string{own}
	}
	here, err := a.wan.Coordinate()
	trips := map[string][]time.Duration{}
	for _, m := range a.wan.Members() {
		dc := m.Datacenter()
		if dc == own {
			continue
		}
		trips[dc] = append(trips[dc], math.MaxInt64)
		if there, ok := a.wan.CachedCoordinate(m.Name); ok && err == nil && here.IsCompatibleWith(there) {
			trips[dc][len(trips[dc])-1] = here.DistanceTo(there)
		}
	}
	return append([]string{own}, byDistance(trips)...)
}

// byDistance orders names by the median of their round trips.
func byDistance(trips map[string][]time.Duration) []string {
	names := make([]string, 0, len(trips))
	for name, list := range trips {
		names = append(names, name)
		slices.Sort(list)
	}
	slices.SortFunc(names, func(x, y string) int {
		a, b := trips[x], trips[y]
		return cmp.Or(cmp.Compare(a[len(a)/2], b[len(b)/2]), cmp.Compare(x, y))
	})
	return names
}

// elsewhere is where the prepared queries of a server fail over to.
type elsewhere struct{ a *Agent }

func (e elsewhere) Datacenters() []string { return e.a.datacenters() }

// Health asks the servers of another datacenter over the API.
func (e elsewhere) Health(ctx context.Context, datacenter, service string, q *ops.Query) ([]*model.CheckServiceNode, error) {
	req := &wire.Request{Method: http.MethodGet, Header: http.Header{},
		URI: "/v1/health/service/" + url.PathEscape(service) + "?dc=" + url.QueryEscape(datacenter)}
	switch q.Mode {
	case ops.Stale:
		req.URI += "&stale"
	case ops.Consistent:
		req.URI += "&consistent"
	}
	if q.Token != "" {
		req.Header.Set("X-Consul-Token", q.Token)
	}
	if e.a.cfg.RPC.TranslateWANAddrs {
		req.Header.Set(httpd.HeaderTranslate, "1")
	}
	resp, err := e.a.relay.Call(ctx, relay.Need{Place: relay.Server, Datacenter: datacenter}, req)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, remoteError(resp)
	}
	var list []*model.CheckServiceNode
	return list, json.Unmarshal(resp.Body, &list)
}
