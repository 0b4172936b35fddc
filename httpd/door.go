// Package httpd is the HTTP door of an agent: /v1. A handler decodes, calls
// the operations, and encodes. Who may ask is decided below, where a request
// runs is decided by relay.
package httpd

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/acl"
	"muster/cache"
	"muster/gossip"
	"muster/internal/log"
	"muster/internal/meter"
	"muster/local"
	"muster/model"
	"muster/ops"
	"muster/relay"
	"muster/view"
)

// Config is what the door opens to.
type Config struct {
	Ops    *ops.Ops // nil on an agent that is not a server
	Relay  *relay.Relay
	Events *ops.Events
	Agent  Agent
	Local  *local.Agent
	LAN    *gossip.Pool
	WAN    *gossip.Pool // nil on an agent that is not a server
	Log    *log.Log
	Meter  *meter.Meter
	ACL    acl.Resolver
	Logger hclog.Logger
	// Limits bounds how many requests run on this server; nil: nothing.
	Limits *relay.Limits

	NodeName   string
	Datacenter string
	// Pretty makes all JSON readable for people.
	Pretty bool
	// CacheBytes bounds the rendered answers that are kept.
	CacheBytes int
	// Cache keeps what servers answered; nil on an agent that is one.
	Cache *cache.Cache
	// UseCache lets ?cached be answered from what is kept.
	UseCache          bool
	DiscoveryMaxStale time.Duration
	ResponseHeaders   map[string]string
	BlockEndpoints    []string
	// WriteFrom are the networks that writes may come from; none: all.
	WriteFrom []Network
	// UnprintablePaths lets control characters in paths pass.
	UnprintablePaths bool
	EnableDebug      bool
	// NoCoordinates refuses what is asked about them of this agent.
	NoCoordinates bool
	TranslateWAN  bool
	// Connect tells that the cluster has a certificate authority of its own.
	Connect bool
	// IsServerName tells whether a name is that of the cluster's servers.
	IsServerName func(name string) bool
	// DefaultToken is used for requests without one.
	DefaultToken func() string
	// UI serves the page, below UIPath; nil when it is off.
	UI     http.Handler
	UIPath string
}

// Network tells whether it contains an address; *net.IPNet and
// netip.Prefix can be wrapped to it.
type Network func(ip string) bool

// Door serves HTTP.
type Door struct {
	cfg     Config
	answers *view.Cache[*body]
	table   *table
	asked   asked
	// constant headers of every answer under /v1
	policy []string
}

// New makes the door.
func New(cfg Config) *Door {
	answers := view.New[*body](cfg.CacheBytes)
	watchCache(cfg.Meter, answers)
	return &Door{cfg: cfg, answers: answers, table: newTable(decorated(cfg, routes())),
		policy: []string{cfg.ACL.DefaultPolicy()}}
}

// ServeHTTP answers one request of a client.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name := range r.Header {
		if strings.HasPrefix(name, relay.HeaderPrefix) { // only agents may say so
			delete(r.Header, name)
		}
	}
	d.serve(w, r, false)
}

// Forwarded answers the requests that other agents hand on. As the standard
// library's server does for those of clients, it survives a handler that
// panics.
func (d *Door) Forwarded() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				d.cfg.Logger.Error("Handler panicked", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		d.serve(w, r, true)
	})
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, forwarded bool) {
	p := r.URL.Path
	if !strings.HasPrefix(p, "/v1/") {
		d.serveOther(w, r)
		return
	}
	h := w.Header()
	h["Vary"] = hVary
	h["X-Consul-Default-Acl-Policy"] = d.policy
	if d.cfg.TranslateWAN {
		h["X-Consul-Translate-Addresses"] = hTrue
	}
	if !forwarded {
		for k, v := range d.cfg.ResponseHeaders {
			h.Set(k, v)
		}
	}
	if clean := cleanPath(p); clean != p {
		redirect(w, r, clean)
		return
	}
	c := &call{door: d, w: w, r: r, forwarded: forwarded}
	rt, name, allowed := d.table.find(r.Method, p)
	if !forwarded && d.table.onlyAgents(p) {
		rt, allowed = nil, nil
	}
	switch {
	case rt != nil:
		c.route, c.name = rt, name
		c.run()
	case len(allowed) == 0:
		w.WriteHeader(http.StatusNotFound)
	default:
		c.otherMethod(allowed)
	}
}

// otherMethod answers where the path is known and the method is not: OPTIONS
// asks for those that are. Below /v1/query/ both answers have always looked a
// little different.
func (c *call) otherMethod(allowed []string) {
	list, query := strings.Join(allowed, ","), strings.HasPrefix(c.r.URL.Path, "/v1/query/")
	h := c.w.Header()
	h["Allow"] = []string{"OPTIONS," + list}
	switch {
	case c.r.Method == http.MethodOptions && query:
		c.json(struct{}{})
	case c.r.Method == http.MethodOptions:
		c.w.WriteHeader(http.StatusOK)
	default:
		if query {
			h["Allow"] = []string{list}
		}
		c.text(http.StatusMethodNotAllowed, fmt.Sprintf("method %s not allowed", c.r.Method))
	}
}

// run checks what holds for all routes, and calls the handler.
func (c *call) run() {
	start := time.Now()
	err := c.serve()
	c.route.took.Since(start)
	if err != nil {
		if c.route.blocking && len(c.w.Header()["X-Consul-Index"]) == 0 {
			c.setMeta(ops.Meta{Index: 1})
		}
		c.fail(err)
		if c.door.cfg.Logger.IsDebug() {
			c.door.cfg.Logger.Debug("Request failed", "method", c.r.Method, "path", c.r.URL.Path, "from", c.r.RemoteAddr, "error", err)
		}
		return
	}
	if !c.wrote {
		c.w.WriteHeader(http.StatusOK)
	}
	if c.door.cfg.Logger.IsTrace() {
		c.door.cfg.Logger.Trace("Request served", "method", c.r.Method, "path", c.r.URL.Path, "from", c.r.RemoteAddr, "took", time.Since(start))
	}
}

func (c *call) serve() error {
	if err := c.screen(); err != nil {
		return err
	}
	if c.r.URL.RawQuery != "" {
		q, err := url.ParseQuery(c.r.URL.RawQuery)
		if err != nil {
			return err
		}
		c.query = q
	}
	if err := c.parseQuery(); err != nil {
		return err
	}
	if err := c.refuseTenancy(); err != nil {
		return err
	}
	if kept, err := c.fromCache(); kept || err != nil {
		return err
	}
	if passed, err := c.pass(c.r, c.datacenter()); passed || err != nil {
		return err
	}
	return c.route.handle(c)
}

// pass hands the request on, unless it is to be answered here.
func (c *call) pass(r *http.Request, datacenter string) (passed bool, err error) {
	need := relay.Need{Place: c.route.place, Datacenter: datacenter, Write: r.Method != http.MethodGet, Stream: c.route.stream}
	if c.route.stale && c.q.Mode == ops.Stale {
		need.Place = relay.Server
	}
	if c.door.cfg.Relay.Here(need) {
		return false, nil
	}
	c.askToTranslate(&need)
	c.passStale(r)
	w, remember := c.spare(&need)
	if c.q.Near == model.NearIP || c.route.runsQueries {
		r.Header.Set(HeaderCaller, c.callerIP())
	}
	if c.q.Token != "" && r.Header.Get("X-Consul-Token") == "" {
		r.Header.Set("X-Consul-Token", c.q.Token)
	}
	passed, err = c.door.cfg.Relay.Pass(w, r, need)
	if answered := remember(err); answered {
		return true, nil
	}
	c.wrote = c.wrote || (passed && err == nil)
	return passed, err
}

// datacenter is the one that the request is for. Routes of the agent itself
// know none.
func (c *call) datacenter() string {
	if c.route.place == relay.Agent && !c.route.dc {
		return ""
	}
	return c.param("dc")
}

// cleanPath is the path without doubled slashes and dots, as the standard
// library's mux would redirect to.
func cleanPath(p string) string {
	if !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p
	}
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

func redirect(w http.ResponseWriter, r *http.Request, to string) {
	u := *r.URL
	u.Path, u.RawPath = to, ""
	http.Redirect(w, r, u.String(), http.StatusMovedPermanently)
}

// serveOther answers what is not the API: the page, and the root.
func (d *Door) serveOther(w http.ResponseWriter, r *http.Request) {
	for k, v := range d.cfg.ResponseHeaders {
		w.Header().Set(k, v)
	}
	switch {
	case d.cfg.UI != nil && (strings.HasPrefix(r.URL.Path, d.cfg.UIPath) || r.URL.Path+"/" == d.cfg.UIPath):
		d.cfg.UI.ServeHTTP(w, r)
	case r.URL.Path == "/" && d.cfg.UI != nil:
		http.Redirect(w, r, d.cfg.UIPath, http.StatusMovedPermanently)
	case r.URL.Path == "/":
		w.Header()["Content-Type"] = hText
		w.Write([]byte("Consul Agent"))
	case strings.HasPrefix(r.URL.Path, "/debug/pprof/"):
		d.serveProfile(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
