package httpd

import (
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"unicode"

	"muster/model"
)

// screen refuses requests that the agent's configuration forbids at its own
// door. What another agent hands on was screened there.
func (c *call) screen() error {
	if c.forwarded {
		return nil
	}
	cfg := &c.door.cfg
	if !cfg.UnprintablePaths && strings.ContainsFunc(c.r.URL.Path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return model.Errorf(model.BadRequest, "invalid character in path")
	}
	for _, p := range cfg.BlockEndpoints {
		if strings.HasPrefix(c.r.URL.Path, p) {
			return model.Errorf(model.Denied, "Endpoint is blocked by agent configuration")
		}
	}
	if cfg.NoCoordinates && strings.HasPrefix(c.r.URL.Path, "/v1/coordinate/") {
		return model.Errorf(model.Disabled, "Coordinate support disabled")
	}
	if len(cfg.WriteFrom) > 0 && c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		ip := c.remote()
		if !slices.ContainsFunc(cfg.WriteFrom, func(n Network) bool { return n(ip) }) {
			return model.Errorf(model.Denied, "Access is restricted")
		}
	}
	return nil
}

// refuseTenancy refuses namespaces and partitions other than "default", which
// is where everything is.
func (c *call) refuseTenancy() error {
	for _, t := range []struct{ param, header, feature string }{
		{"ns", "X-Consul-Namespace", "Namespaces are"},
		{"partition", "X-Consul-Partition", "Partitions are"},
	} {
		if v := c.param(t.param); v != "" && v != "default" {
			return model.Errorf(model.BadRequest, "Bad request: Invalid query parameter: %q - %s a Consul Enterprise feature", t.param, t.feature)
		}
		if v := c.r.Header.Get(t.header); v != "" && v != "default" {
			return model.Errorf(model.BadRequest, "Bad request: Invalid header: %q - %s a Consul Enterprise feature", t.header, t.feature)
		}
	}
	// What is here would be taken for what the peer has.
	if c.route.discovery && c.param("peer") != "" {
		return model.Errorf(model.Unimplemented, "peer: clusters do not peer yet")
	}
	return nil
}

// inDefault refuses a definition for another namespace or partition than
// "default", rather than to put it there all the same.
func inDefault(namespace, partition string) error {
	switch {
	case namespace != "" && namespace != "default":
		return unknownField("Namespace")
	case partition != "" && partition != "default":
		return unknownField("Partition")
	}
	return nil
}

// serveProfile serves Go's profiles when the agent is told to.
func (d *Door) serveProfile(w http.ResponseWriter, r *http.Request) {
	if !d.cfg.EnableDebug {
		w.Header()["Content-Type"] = hText
		w.WriteHeader(statusOf[model.ACLDisabled])
		w.Write([]byte(model.TextACLDisabled))
		return
	}
	switch strings.TrimPrefix(r.URL.Path, "/debug/pprof/") {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
}
