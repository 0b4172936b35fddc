package httpd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	fastjson "github.com/segmentio/encoding/json"

	"muster/httpd/conns"
	"muster/internal/accept"
	"muster/model"
	"muster/ops"
	"muster/relay"
)

// call is one request on its way through a handler.
type call struct {
	door  *Door
	route *route
	w     http.ResponseWriter
	r     *http.Request
	// name is what the path holds behind the route's prefix, decoded once.
	name  string
	query url.Values
	q     ops.Query
	wrote bool
	// forwarded requests come from another agent.
	forwarded bool
	control   cacheControl
	// staleByConfig: the request itself does not say that it may be stale.
	staleByConfig bool
	// raw is the body as decode read it.
	raw []byte
}

// node is the name of the node that the request was made at first.
func (c *call) node() string {
	if c.forwarded {
		if n := c.r.Header.Get(relay.HeaderNode); n != "" {
			return n
		}
	}
	return c.door.cfg.NodeName
}

// has tells whether a parameter was given, with whatever value.
func (c *call) has(param string) bool {
	_, ok := c.query[param]
	return ok
}

func (c *call) param(name string) string { return c.query.Get(name) }

// token is what the caller identifies himself with: ?token, X-Consul-Token or
// a bearer, in this order; else the agent's default token.
func (c *call) token() string {
	if t := c.param("token"); t != "" {
		return t
	}
	if t := c.r.Header.Get("X-Consul-Token"); t != "" {
		return t
	}
	if a := c.r.Header.Get("Authorization"); len(a) > 7 && strings.EqualFold(a[:7], "bearer ") {
		return strings.TrimSpace(a[7:])
	}
	return c.door.cfg.DefaultToken()
}

// parseQuery reads the parameters that all questions have in common.
func (c *call) parseQuery() error {
	c.q.Token = c.token()
	if err := c.checkCacheControl(); err != nil {
		return err
	}
	if len(c.query) == 0 {
		return c.parseMode() // the configuration may set another than the default
	}
	if v := c.param("index"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return model.Errorf(model.BadRequest, "Invalid index")
		}
		c.q.MinIndex = n
	}
	if v := c.param("wait"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			return model.Errorf(model.BadRequest, "Invalid wait time")
		}
		c.q.Wait = d
	}
	if err := c.parseMode(); err != nil {
		return err
	}
	c.q.Filter = c.param("filter")
	c.parseNear()
	for _, pair := range c.query["node-meta"] {
		if c.q.NodeMeta == nil {
			c.q.NodeMeta = map[string]string{}
		}
		k, v, _ := strings.Cut(pair, ":")
		c.q.NodeMeta[k] = v
	}
	return nil
}

// parseNear reads from where lists are to be sorted. A node of another
// datacenter, which may be called as one here, is nowhere near.
func (c *call) parseNear() {
	c.q.Near = c.param("near")
	if c.q.Near != model.NearAgent && c.q.Near != model.NearIP {
		return
	}
	if dc := c.r.Header.Get(relay.HeaderDatacenter); c.forwarded && dc != "" && dc != c.door.cfg.Datacenter {
		c.q.Near = ""
		return
	}
	if c.q.Near == model.NearAgent {
		c.q.Near = c.node()
		return
	}
	c.q.NearIP = c.callerIP()
}

// HeaderCaller is the address of who asked the agent that hands a request on.
const HeaderCaller = "X-Muster-Caller"

// callerIP is the address of who asks: as a proxy in front of the agent says, or
// the one that the request came from.
func (c *call) callerIP() string {
	if ip := c.r.Header.Get(HeaderCaller); c.forwarded && ip != "" {
		return ip
	}
	if first, _, _ := strings.Cut(c.r.Header.Get("X-Forwarded-For"), ","); strings.TrimSpace(first) != "" {
		return strings.TrimSpace(first)
	}
	return c.remote()
}

func (c *call) parseMode() error {
	stale, consistent := c.has("stale"), c.has("consistent")
	if v := c.param("max_stale"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			return model.Errorf(model.BadRequest, "Invalid max_stale value %q", v)
		}
		c.q.MaxStale, stale = d, true
	}
	switch {
	case stale && (consistent || c.has("leader")):
		return model.Errorf(model.BadRequest, "Cannot specify ?stale with ?consistent, conflicting semantics.")
	case c.has("cached") && consistent:
		return model.Errorf(model.BadRequest, "Cannot specify ?cached with ?consistent, conflicting semantics.")
	case stale:
		c.q.Mode = ops.Stale
	case consistent:
		c.q.Mode = ops.Consistent
	case c.route.discovery && c.door.cfg.DiscoveryMaxStale > 0 && !c.has("leader"):
		c.q.Mode, c.q.MaxStale = ops.Stale, c.door.cfg.DiscoveryMaxStale
		c.staleByConfig = true
	}
	return nil
}

// body reads the whole body, at most limit bytes. setting is the name of the
// option that sets the limit, "" where none does.
func (c *call) body(limit int64, setting string) ([]byte, error) {
	tooLarge := func(n int64) error {
		text := fmt.Sprintf("Request body(%d bytes) too large, max size: %d bytes.", n, limit)
		if setting != "" {
			text += " See " + limitsPage + setting + "."
		}
		return model.Errorf(model.TooLarge, "%s", text)
	}
	if c.r.ContentLength > limit {
		return nil, tooLarge(c.r.ContentLength)
	}
	if n := c.r.ContentLength; n >= 0 {
		buf := make([]byte, n)
		if _, err := io.ReadFull(c.r.Body, buf); err != nil {
			return nil, model.Errorf(model.BadRequest, "Failed to read request body: %w", err)
		}
		return buf, nil
	}
	buf, err := io.ReadAll(io.LimitReader(c.r.Body, limit+1))
	if err != nil {
		return nil, model.Errorf(model.BadRequest, "Failed to read request body: %w", err)
	}
	if int64(len(buf)) > limit {
		return nil, tooLarge(int64(len(buf)))
	}
	return buf, nil
}

// maxJSONBody bounds the bodies of registrations and the like, in bytes.
const maxJSONBody = 4 << 20

// decode reads the body as JSON and refuses fields that v does not have.
func (c *call) decode(v any) error {
	b, err := c.body(maxJSONBody, "")
	if err != nil {
		return err
	}
	c.raw = b
	if err := unmarshal(b, v); err != nil {
		return undecodable(err)
	}
	return nil
}

// undecodable is the error of a body that cannot be read.
func undecodable(err error) error {
	for _, tenancy := range []string{"Namespace", "Partition"} {
		if strings.HasSuffix(err.Error(), "unknown field \""+tenancy+"\"") {
			err = fmt.Errorf("%w - %ss are a Consul Enterprise feature", err, tenancy)
		}
	}
	return model.Errorf(model.BadRequest, "Request decode failed: %w", err)
}

// unmarshal reads JSON and refuses fields that v does not have. What is right is
// read by a parser that takes a tenth of the time of the standard library's;
// what is not is read once more by the standard library, whose errors are those
// that clients know.
func unmarshal(b []byte, v any) error {
	if _, err := fastjson.Parse(b, v, fastjson.DisallowUnknownFields); err == nil {
		return nil
	}
	reflect.ValueOf(v).Elem().SetZero()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// remote is the address that the request came from.
func (c *call) remote() string {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		return c.r.RemoteAddr
	}
	return host
}

// Canned header values, so that no request makes them anew.
var (
	hJSON  = []string{"application/json"}
	hText  = []string{"text/plain; charset=utf-8"}
	hTrue  = []string{"true"}
	hFalse = []string{"false"}
	hZero  = []string{"0"}
	hVary  = []string{"Accept-Encoding"}
	hGzip  = []string{"gzip"}
	hModes = map[ops.Mode][]string{ops.Default: {"leader"}, ops.Consistent: {"consistent"}, ops.Stale: {"stale"}}
)

// setMeta writes the headers of an answer's meta data.
func (c *call) setMeta(m ops.Meta) {
	c.w.Header()["X-Consul-Index"] = []string{strconv.FormatUint(max(m.Index, 1), 10)}
	c.setContact(m)
}

// setContact writes the headers that tell how current an answer is.
func (c *call) setContact(m ops.Meta) {
	h := c.w.Header()
	h["X-Consul-Knownleader"] = hFalse
	if m.KnownLeader {
		h["X-Consul-Knownleader"] = hTrue
	}
	h["X-Consul-Lastcontact"] = hZero
	if m.LastContact > 0 {
		h["X-Consul-Lastcontact"] = []string{strconv.FormatInt(m.LastContact.Milliseconds(), 10)}
	}
	if c.route.discovery {
		h["X-Consul-Effective-Consistency"] = hModes[m.Mode]
	}
}

// pretty tells whether JSON is to be written for people.
func (c *call) pretty() bool { return c.door.cfg.Pretty || c.has("pretty") }

// json answers with a value.
func (c *call) json(v any) error { return c.jsonStatus(http.StatusOK, v) }

func (c *call) jsonStatus(status int, v any) error {
	b, err := marshal(v)
	if err != nil {
		return err
	}
	return c.sendJSON(status, &body{json: b})
}

// marshal writes JSON as the original does: without a newline, and with <, >
// and & as they are in Go's default.
func marshal(v any) ([]byte, error) {
	switch x := v.(type) {
	case bool:
		if x {
			return []byte("true"), nil
		}
		return []byte("false"), nil
	}
	return json.Marshal(v)
}

// sendJSON answers with JSON that may be shared with other requests.
func (c *call) sendJSON(status int, b *body) error {
	h := c.w.Header()
	h["Content-Type"] = hJSON
	data, gzipped := b.json, b.gzipped
	if c.pretty() {
		var buf bytes.Buffer
		if err := json.Indent(&buf, data, "", "    "); err != nil {
			return err
		}
		buf.WriteByte('\n')
		data = buf.Bytes()
		gzipped = func() []byte { return compressed(data) }
	}
	if len(data) >= gzipMin && accept.Gzip(c.r.Header["Accept-Encoding"]) {
		h["Content-Encoding"] = hGzip
		data = gzipped()
	}
	return c.send(status, data)
}

// send writes status and body. The Content-Type must be set.
func (c *call) send(status int, data []byte) error {
	c.wrote = true
	c.w.Header()["Content-Length"] = []string{strconv.Itoa(len(data))}
	c.w.WriteHeader(status)
	_, err := c.w.Write(data)
	if err != nil { // the caller is gone: there is nobody to tell
		return nil
	}
	return nil
}

// text answers with plain text.
func (c *call) text(status int, s string) error {
	c.w.Header()["Content-Type"] = hText
	return c.send(status, []byte(s))
}

// empty answers with a status and nothing else.
func (c *call) empty(status int) error {
	if status != http.StatusOK {
		c.wrote = true
		c.w.Header()["Content-Length"] = hZero
		c.w.WriteHeader(status)
	}
	return nil
}

// fail answers with an error, by its kind.
func (c *call) fail(err error) {
	if c.wrote {
		return
	}
	var e *model.Error
	status := http.StatusInternalServerError
	if errors.As(err, &e) {
		status = statusOf[e.Kind]
	}
	switch k := model.KindOf(err); {
	case k == model.TooMany || k == model.Overloaded:
		c.w.Header().Set("Retry-After", conns.RetryAfter)
	case c.forwarded && k == model.NotLeader:
		c.w.Header()[relay.HeaderError] = hNotLeader
	}
	c.text(status, err.Error())
}

var hNotLeader = []string{relay.NotLeader}
