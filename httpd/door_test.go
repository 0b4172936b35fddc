package httpd

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/acl"
	"muster/model"
	"muster/relay"
)

func TestUnknownPaths(t *testing.T) {
	r := newRig(t)
	for _, url := range []string{"/v1/", "/v1/nonesuch", "/v2/kv/foo", "/V1/kv/p", "/v1/catalog", "/v1/catalog/nodes/", "/v1/kv", "/nonesuch"} {
		if w := r.want(404, "", "GET", url, ""); w.Header().Get("Allow") != "" {
			t.Errorf("%s: Allow %q", url, w.Header().Get("Allow"))
		}
	}
	r.want(404, "", "OPTIONS", "/v1/nonesuch", "")
}

func TestMethods(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ method, url, allow string }{
		{"POST", "/v1/kv/a", "OPTIONS,GET,PUT,DELETE"},
		{"PUT", "/v1/agent/self", "OPTIONS,GET"},
		{"DELETE", "/v1/catalog/nodes", "OPTIONS,GET"},
		{"GET", "/v1/session/create", "OPTIONS,PUT"},
		{"HEAD", "/v1/catalog/nodes", "OPTIONS,GET"},
		{"PATCH", "/v1/operator/keyring", "OPTIONS,GET,POST,PUT,DELETE"},
	} {
		w := r.want(405, "method "+c.method+" not allowed", c.method, c.url, "")
		if got := w.Header().Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.url, got, c.allow)
		}
		w = r.want(200, "", "OPTIONS", c.url, "")
		if got := w.Header().Get("Allow"); got != c.allow {
			t.Errorf("OPTIONS %s: Allow %q, want %q", c.url, got, c.allow)
		}
	}
}

// What can be asked of a query can only be asked, and its methods are told as
// they always were.
func TestQueryMethods(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ method, url, allow string }{
		{"POST", "/v1/query/x", "GET,PUT,DELETE"},
		{"PUT", "/v1/query/x/execute", "GET"},
		{"DELETE", "/v1/query/x/explain", "GET"},
		{"POST", "/v1/query/" + queryID + "/execute", "GET"},
	} {
		w := r.want(405, "method "+c.method+" not allowed", c.method, c.url, "")
		if got := w.Header().Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.url, got, c.allow)
		}
		w = r.want(200, "{}", "OPTIONS", c.url, "")
		if got := w.Header().Get("Allow"); got != "OPTIONS,"+c.allow {
			t.Errorf("OPTIONS %s: Allow %q", c.url, got)
		}
	}
	w := r.want(405, "method DELETE not allowed", "DELETE", "/v1/query", "")
	if got := w.Header().Get("Allow"); got != "OPTIONS,GET,POST" {
		t.Errorf("/v1/query: Allow %q", got)
	}
}

// The root, the page and the profiles are not below /v1.
func TestOtherPaths(t *testing.T) {
	r := newRig(t)
	r.want(200, "Consul Agent", "GET", "/", "")
	r.want(401, model.TextACLDisabled, "GET", "/debug/pprof/goroutine", "")

	r = newRig(t, func(c *Config) {
		c.UI = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
		c.UIPath = "/ui/"
		c.EnableDebug = true
		c.ResponseHeaders = map[string]string{"X-Test": "yes"}
	})
	if w := r.do("GET", "/", ""); w.Code != 301 || w.Header().Get("Location") != "/ui/" || w.Header().Get("X-Test") != "yes" {
		t.Errorf("/: %d %v", w.Code, w.Header())
	}
	r.want(200, "page", "GET", "/ui/", "")
	r.want(200, "page", "GET", "/ui", "")
	for _, profile := range []string{"", "goroutine", "cmdline", "symbol"} {
		if w := r.do("GET", "/debug/pprof/"+profile, ""); w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("profile %q: %d", profile, w.Code)
		}
	}
}

func TestRedirects(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ url, to string }{
		{"/v1/kv//lead", "/v1/kv/lead"},
		{"/v1/kv/a//b?raw&dc=dc1", "/v1/kv/a/b?raw&dc=dc1"},
		{"/v1/kv/a%2F%2Fb", "/v1/kv/a/b"},
		{"/v1/kv/a/../b/", "/v1/kv/b/"},
		{"/v1/kv/a/.", "/v1/kv/a"},
		{"/v1//../..//evil.example", "/evil.example"},
		{"/v1/kv/a b//c", "/v1/kv/a%20b/c"},
	} {
		for _, method := range []string{"GET", "PUT"} {
			w := r.do(method, strings.ReplaceAll(c.url, " ", "%20"), "")
			if w.Code != 301 || w.Header().Get("Location") != c.to {
				t.Errorf("%s %s: %d to %q, want 301 to %q", method, c.url, w.Code, w.Header().Get("Location"), c.to)
			}
		}
	}
	for _, url := range []string{"/v1/kv/.hidden", "/v1/kv/a/..b", "/v1/kv/a."} {
		r.want(404, "", "GET", url, "")
	}
	if n := r.log.Store.Current().Applied(); n != 0 {
		t.Errorf("a redirected PUT wrote: index %d", n)
	}
}

// Names in paths are decoded once.
func TestNamesInPaths(t *testing.T) {
	r := newRig(t)
	r.want(200, "true", "PUT", "/v1/kv/a%2Fb%2520c%3F", "v")
	if _, p := r.log.Store.Current().KVGet("a/b%20c?"); p == nil {
		t.Error("the key is not there")
	}
	r.want(200, "v", "GET", "/v1/kv/a/b%2520c%3F?raw", "")
}

func TestNoCoordinates(t *testing.T) {
	r := newRig(t, func(c *Config) { c.NoCoordinates = true })
	for _, path := range []string{"datacenters", "nodes", "node/n1", "nodes?dc=dc2"} {
		r.want(401, "Coordinate support disabled", "GET", "/v1/coordinate/"+path, "")
	}
	r.want(401, "Coordinate support disabled", "PUT", "/v1/coordinate/update", "{}")
	r.want(200, "[]", "GET", "/v1/catalog/nodes?near=_agent", "")
}

func TestUnprintablePaths(t *testing.T) {
	const url = "/v1/kv/a%0Ab"
	newRig(t).want(400, "invalid character in path", "GET", url, "")
	newRig(t, func(c *Config) { c.UnprintablePaths = true }).want(404, "", "GET", url, "")
}

func TestBlockedEndpointsAndWrites(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.BlockEndpoints = []string{"/v1/kv", "/v1/agent/self"}
		c.WriteFrom = []Network{func(ip string) bool { return ip == "10.0.0.5" }, func(ip string) bool { return ip == "::1" }}
		c.ResponseHeaders = map[string]string{"X-Test-Header": "yes"}
	})
	for _, c := range []struct {
		method, url, from string
		status            int
		text              string
	}{
		{"GET", "/v1/kv/x", "10.0.0.5:1", 403, "Endpoint is blocked by agent configuration"},
		{"GET", "/v1/k%76/x", "10.0.0.5:1", 403, "Endpoint is blocked by agent configuration"},
		{"GET", "/v1/status/leader", "192.0.2.1:1", 200, `"10.0.0.1:8300"`},
		{"PUT", "/v1/session/renew/x", "192.0.2.1:1", 403, "Access is restricted"},
		{"PUT", "/v1/catalog/deregister", "10.0.0.5:1", 400, "Request decode failed: EOF"},
		{"PUT", "/v1/catalog/deregister", "[::1]:1", 400, "Request decode failed: EOF"},
		{"OPTIONS", "/v1/catalog/deregister", "192.0.2.1:1", 200, ""},
	} {
		req := request(c.method, c.url, "")
		req.RemoteAddr = c.from
		w := httptest.NewRecorder()
		r.door.ServeHTTP(w, req)
		if w.Code != c.status || w.Body.String() != c.text || w.Header().Get("X-Test-Header") != "yes" {
			t.Errorf("%s %s from %s: %d %q %v, want %d %q", c.method, c.url, c.from, w.Code, w.Body, w.Header(), c.status, c.text)
		}
	}
}

// What another agent hands on was screened there; its address says nothing of
// who asked, and this agent's own restrictions are for its own door.
func TestForwardedRequestsAreNotScreened(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.BlockEndpoints = []string{"/v1/kv"}
		c.WriteFrom = []Network{func(string) bool { return false }}
	})
	w := httptest.NewRecorder()
	r.door.Forwarded().ServeHTTP(w, request("PUT", "/v1/kv/a", "v"))
	if w.Code != 200 || w.Body.String() != "true" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	r.want(403, "Endpoint is blocked by agent configuration", "PUT", "/v1/kv/a", "v")
}

// Only agents may use the headers that agents tell each other of a request.
func TestClientsAreNoAgents(t *testing.T) {
	r := newRig(t)
	r.cluster.lead(false)
	for _, name := range []string{relay.HeaderNode, relay.HeaderError, "X-Muster-Final", HeaderTranslate, headerPool} {
		req := request("GET", "/v1/status/leader", "", name+": 1")
		r.door.ServeHTTP(httptest.NewRecorder(), req)
		if req.Header.Get(name) != "" {
			t.Errorf("%s was let in", name)
		}
	}
	req := request("PUT", "/v1/session/create", `{"NodeChecks":[]}`, relay.HeaderNode+": n1")
	r.cluster.lead(true)
	r.register("n1", "", "")
	w := httptest.NewRecorder()
	if r.door.ServeHTTP(w, req); w.Body.String() != "Missing node registration" {
		t.Errorf("a client spoke for n1: %d %s", w.Code, w.Body)
	}
	req = request("PUT", "/v1/session/create", `{"NodeChecks":[]}`, relay.HeaderNode+": n1")
	w = httptest.NewRecorder()
	if r.door.Forwarded().ServeHTTP(w, req); w.Code != 200 {
		t.Errorf("the agent of n1 could not: %d %s", w.Code, w.Body)
	}
}

// A handler that panics does not end the agent.
func TestForwardedSurvivesPanics(t *testing.T) {
	var logged bytes.Buffer
	r := newRig(t, func(c *Config) {
		c.Logger = hclog.New(&hclog.LoggerOptions{Output: &logged})
		c.Agent = nil
	})
	w := httptest.NewRecorder()
	r.door.Forwarded().ServeHTTP(w, request("GET", "/v1/agent/self", ""))
	if w.Code != 500 || !strings.Contains(logged.String(), "Handler panicked") {
		t.Errorf("%d, log %s", w.Code, logged.String())
	}
}

// tokenSpy takes note of the token that is resolved.
type tokenSpy struct {
	acl.Open
	token string
}

func (s *tokenSpy) Resolve(token string) (acl.Authorizer, error) {
	s.token = token
	return s.Open.Resolve(token)
}

func TestTokenPrecedence(t *testing.T) {
	spy := &tokenSpy{}
	r := newRig(t, func(c *Config) {
		c.ACL = spy
		c.DefaultToken = func() string { return "default" }
	})
	header, bearer := "X-Consul-Token: header", "Authorization: Bearer bearer"
	for _, c := range []struct {
		query, want string
		headers     []string
	}{
		{"?token=query", "query", []string{header, bearer}},
		{"?token=", "header", []string{header, bearer}},
		{"", "header", []string{header, bearer}},
		{"", "bearer", []string{bearer}},
		{"", "bearer", []string{"Authorization: bEARER   bearer "}},
		{"", "default", []string{"Authorization: Basic bearer"}},
		{"", "default", []string{"Authorization: Bearer"}},
		{"", "default", nil},
	} {
		r.do("GET", "/v1/session/list"+c.query, "", c.headers...)
		if spy.token != c.want {
			t.Errorf("%q %q: token %q, want %q", c.query, c.headers, spy.token, c.want)
		}
	}
}

func TestBadQueries(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		query  string
		status int
		text   string
	}{
		{"a=%zz", 500, `invalid URL escape "%zz"`},
		{"a;b", 500, "invalid semicolon separator in query"},
		{"index=x", 400, "Invalid index"},
		{"index=-1", 400, "Invalid index"},
		{"index=18446744073709551616", 400, "Invalid index"},
		{"wait=1", 400, "Invalid wait time"},
		{"index=1&wait=soon", 400, "Invalid wait time"},
		{"max_stale=abc", 400, `Invalid max_stale value "abc"`},
		{"stale&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."},
		{"stale&leader", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."},
		{"max_stale=1s&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."},
		{"cached&consistent", 400, "Cannot specify ?cached with ?consistent, conflicting semantics."},
		{"dc=DC1", 500, "No path to datacenter"},
		{"dc=other", 500, "No path to datacenter"},
		{"filter=Bogus==1", 500, `Failed to create boolean expression evaluator: Selector "Bogus" is not valid`},
		{"ns=other", 400, `Bad request: Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature`},
		{"partition=other", 400, `Bad request: Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature`},
		{"ns=default&partition=default", 200, "[]"},
		{"ns=&nonsense=1&dc=dc1&index=&wait=&near=", 200, "[]"},
		{"leader&cached", 200, "[]"},
	} {
		w := r.want(c.status, c.text, "GET", "/v1/catalog/nodes?"+c.query, "")
		h := w.Header()
		if c.status != 200 && (h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("X-Consul-Index") != "1" ||
			h.Get("X-Consul-Knownleader") != "false" || h.Get("X-Consul-Lastcontact") != "0") {
			t.Errorf("%s: %v", c.query, h)
		}
	}
	r.want(400, `Bad request: Invalid header: "X-Consul-Namespace" - Namespaces are a Consul Enterprise feature`,
		"GET", "/v1/catalog/nodes", "", "X-Consul-Namespace: other")
	r.want(400, `Bad request: Invalid header: "X-Consul-Partition" - Partitions are a Consul Enterprise feature`,
		"GET", "/v1/catalog/nodes", "", "X-Consul-Partition: other")
	r.want(400, "Invalid Cache-Control header.", "GET", "/v1/catalog/nodes?cached", "", "Cache-Control: max-age=x")
}

func TestHeaders(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.ResponseHeaders = map[string]string{"Access-Control-Allow-Origin": "*"}
	})
	r.register("n1", "web", "web1")
	r.put("k", "v")
	r.log.SetLeader("10.0.0.9:8300", 1500*time.Millisecond)
	header := func(url string) http.Header { return r.do("GET", url, "").Header() }

	for _, c := range []struct{ url, name, want string }{
		{"/v1/catalog/nodes", "Content-Type", "application/json"},
		{"/v1/catalog/nodes", "X-Consul-Index", "1"},
		{"/v1/catalog/nodes", "X-Consul-Knownleader", "true"},
		{"/v1/catalog/nodes", "X-Consul-Lastcontact", "0"},
		{"/v1/catalog/nodes?consistent", "X-Consul-Lastcontact", "0"},
		{"/v1/catalog/nodes?stale", "X-Consul-Lastcontact", "1500"},
		{"/v1/catalog/nodes?max_stale=1h", "X-Consul-Lastcontact", "1500"},
		{"/v1/catalog/nodes?max_stale=1s", "X-Consul-Lastcontact", "0"},
		{"/v1/catalog/nodes?max_stale=1s", "X-Consul-Effective-Consistency", "leader"},
		{"/v1/catalog/nodes", "X-Consul-Effective-Consistency", "leader"},
		{"/v1/catalog/nodes?stale", "X-Consul-Effective-Consistency", "stale"},
		{"/v1/catalog/nodes?max_stale=1h", "X-Consul-Effective-Consistency", "stale"},
		{"/v1/catalog/nodes?consistent", "X-Consul-Effective-Consistency", "consistent"},
		{"/v1/catalog/nodes", "X-Consul-Default-Acl-Policy", "allow"},
		{"/v1/catalog/nodes", "Access-Control-Allow-Origin", "*"},
		{"/v1/catalog/nodes", "Vary", "Accept-Encoding"},
		{"/v1/kv/k", "X-Consul-Index", "2"},
		{"/v1/kv/k", "X-Consul-Effective-Consistency", ""},
		{"/v1/kv/none", "X-Consul-Index", "2"},
		{"/v1/kv/k?raw", "Content-Type", "text/plain; charset=utf-8"},
		{"/v1/kv/k?raw", "X-Content-Type-Options", "nosniff"},
		{"/v1/kv/k?raw", "Content-Security-Policy", "sandbox"},
		{"/v1/kv/k?raw", "X-Consul-Index", "2"},
		{"/v1/session/list", "X-Consul-Index", "1"},
		{"/v1/status/leader", "X-Consul-Index", ""},
		{"/v1/agent/services", "X-Consul-Index", ""},
		{"/v1/nonesuch", "Vary", "Accept-Encoding"},
	} {
		if got := header(c.url).Get(c.name); got != c.want {
			t.Errorf("%s: %s %q, want %q", c.url, c.name, got, c.want)
		}
	}
	txn := r.do("PUT", "/v1/txn?stale", `[{"KV":{"Verb":"get","Key":"k"}}]`).Body.String()
	if !strings.Contains(txn, `"LastContact":1500000000,"KnownLeader":true,"ConsistencyLevel":"stale"`) {
		t.Errorf("a stale transaction: %s", txn)
	}
	r.log.SetLeader("", 0)
	if got := header("/v1/catalog/nodes?stale").Get("X-Consul-Knownleader"); got != "false" {
		t.Errorf("without a leader: X-Consul-Knownleader %q", got)
	}
}

// Where the configuration says so, reads of the catalog are stale by default.
func TestDiscoveryMaxStale(t *testing.T) {
	r := newRig(t, func(c *Config) { c.DiscoveryMaxStale = time.Minute })
	for url, want := range map[string]string{
		"/v1/catalog/nodes": "stale", "/v1/catalog/nodes?leader": "leader", "/v1/health/state/any": "stale",
		"/v1/catalog/nodes?consistent": "consistent",
	} {
		if got := r.do("GET", url, "").Header().Get("X-Consul-Effective-Consistency"); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestPretty(t *testing.T) {
	r := newRig(t)
	r.put("p", "v")
	const want = `[
    {
        "LockIndex": 0,
        "Key": "p",
        "Flags": 0,
        "Value": "dg==",
        "CreateIndex": 1,
        "ModifyIndex": 1
    }
]
`
	r.want(200, want, "GET", "/v1/kv/p?pretty", "")
	r.want(200, want, "GET", "/v1/kv/p?pretty=false", "")
	r.want(200, `[{"LockIndex":0,"Key":"p","Flags":0,"Value":"dg==","CreateIndex":1,"ModifyIndex":1}]`, "GET", "/v1/kv/p", "")
	r.want(200, "v", "GET", "/v1/kv/p?raw&pretty", "")
	r.want(200, "[]\n", "GET", "/v1/session/list?pretty", "")
	newRig(t, func(c *Config) { c.Pretty = true }).want(200, "\"10.0.0.1:8300\"\n", "GET", "/v1/status/leader", "")
}

func TestGzip(t *testing.T) {
	r := newRig(t)
	r.put("small", "v")
	r.put("large", strings.Repeat("v", 4*gzipMin))
	// The shortest value whose answer is compressed, and one a bit shorter (a
	// value takes 4 bytes for each 3; names and indexes differ too).
	edge := ""
	for r.do("GET", "/v1/kv/edge", "").Body.Len() < gzipMin {
		edge += "v"
		r.put("edge", edge)
	}
	r.put("below", edge[9:])
	for _, c := range []struct {
		url, accept string
		compressed  bool
	}{
		{"/v1/kv/large", "gzip", true},
		{"/v1/kv/large", "deflate, gzip;q=0.5", true},
		{"/v1/kv/large", "GZIP", true},
		{"/v1/kv/large", "*", true},
		{"/v1/kv/large", "", false},
		{"/v1/kv/large", "identity", false},
		{"/v1/kv/large", "gzip;q=0", false},
		{"/v1/kv/large", "gzip; q=0.0, *", false},
		{"/v1/kv/large", "x-notgzip", false},
		{"/v1/kv/edge", "gzip", true},
		{"/v1/kv/below", "gzip", false},
		{"/v1/kv/small", "gzip", false},
		{"/v1/kv/large?raw", "gzip", false},
		{"/v1/kv/large?pretty", "gzip", true},
		{"/v1/kv/large?pretty", "identity", false},
		{"/v1/kv/small?pretty", "gzip", false},
	} {
		plain := r.do("GET", c.url, "")
		var headers []string
		if c.accept != "" {
			headers = []string{"Accept-Encoding: " + c.accept}
		}
		w := r.do("GET", c.url, "", headers...)
		body := w.Body.Bytes()
		if compressed := w.Header().Get("Content-Encoding") == "gzip"; compressed != c.compressed {
			t.Errorf("%s for %q: compressed %t", c.url, c.accept, compressed)
			continue
		}
		if c.compressed {
			body = gunzip(t, body)
		}
		if !bytes.Equal(body, plain.Body.Bytes()) {
			t.Errorf("%s for %q: another body", c.url, c.accept)
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s for %q: Vary %q", c.url, c.accept, w.Header().Get("Vary"))
		}
	}
}

func gunzip(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An answer that many get is compressed once.
func TestGzipIsShared(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		r.register("node-"+id, "web", id)
	}
	body := func() *body {
		c := &call{door: r.door, route: &route{}, w: httptest.NewRecorder(), r: request("GET", "/", "", "Accept-Encoding: gzip")}
		var got *body
		err := askWith(c, r.door.cfg.Ops.Health("web", nil, false, &c.q), func(v []*model.CheckServiceNode) (*body, error) {
			b, err := marshal(v)
			got = &body{json: b}
			return got, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := body()
	if first == nil || first.gz == nil {
		t.Fatal("the first answer was not rendered or not compressed")
	}
	if body() != nil {
		t.Error("the second answer was rendered again")
	}
}

func TestBodyLimits(t *testing.T) {
	r := newRig(t)
	limit := r.door.cfg.Ops.Limits().KVValue
	largest := strings.Repeat("v", int(limit))
	r.want(200, "true", "PUT", "/v1/kv/k", largest)
	const tooLarge = "Request body(524289 bytes) too large, max size: 524288 bytes. " +
		"See https://www.consul.io/docs/agent/options.html#kv_max_value_size."
	r.want(413, tooLarge, "PUT", "/v1/kv/k", largest+"v")

	chunked := func(method, url, body string) *httptest.ResponseRecorder {
		req := request(method, url, body)
		req.ContentLength = -1
		w := httptest.NewRecorder()
		r.door.ServeHTTP(w, req)
		return w
	}
	if w := chunked("PUT", "/v1/kv/chunked", "v"); w.Code != 200 {
		t.Errorf("chunked: %d %s", w.Code, w.Body)
	}
	if w := chunked("PUT", "/v1/kv/chunked", largest+"vv"); w.Code != 413 || w.Body.String() != tooLarge {
		t.Errorf("chunked: %d %s", w.Code, w.Body)
	}
	// A length that lies.
	short := request("PUT", "/v1/kv/short", "v")
	short.ContentLength = 2
	w := httptest.NewRecorder()
	if r.door.ServeHTTP(w, short); w.Code != 400 || w.Body.String() != "Failed to read request body: unexpected EOF" {
		t.Errorf("short: %d %s", w.Code, w.Body)
	}

	operations := func(n int) string { return "[" + strings.Repeat(`{},`, n-1) + "{}]" }
	if w := r.do("PUT", "/v1/txn", operations(128)); w.Code != 200 {
		t.Errorf("128 operations: %d %s", w.Code, w.Body)
	}
	r.want(413, "Transaction contains too many operations (129 > 128)", "PUT", "/v1/txn", operations(129))
	r.want(413, "Request body(524289 bytes) too large, max size: 524288 bytes. "+
		"See https://www.consul.io/docs/agent/options.html#txn_max_req_len.", "PUT", "/v1/txn", largest+"v")
	for _, url := range []string{"/v1/catalog/register", "/v1/catalog/deregister", "/v1/session/create", "/v1/agent/service/register",
		"/v1/agent/check/register", "/v1/coordinate/update", "/v1/agent/check/update/x"} {
		if w := r.do("PUT", url, strings.Repeat(" ", maxJSONBody+1)); w.Code != 413 {
			t.Errorf("%s: %d %s", url, w.Code, w.Body)
		}
	}
	if w := r.do("PUT", "/v1/event/fire/x", strings.Repeat("x", maxEventBody+1)); w.Code != 413 {
		t.Errorf("event: %d %s", w.Code, w.Body)
	}
}

// Errors of each kind have their status, and their text is the whole body.
func TestErrorsBecomeStatus(t *testing.T) {
	r := newRig(t)
	for kind, want := range statusOf {
		r.log.SetPropose(func() error { return model.Errorf(model.Kind(kind), "text of %d", kind) })
		w := r.do("PUT", "/v1/kv/a", "v")
		if w.Code != want || !strings.HasPrefix(w.Body.String(), "text of") || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("kind %d: %d %q, want %d", kind, w.Code, w.Body, want)
		}
		if want == 0 {
			t.Errorf("kind %d has no status", kind)
		}
	}
	r.log.SetPropose(func() error { return io.ErrUnexpectedEOF })
	r.want(500, "unexpected EOF", "PUT", "/v1/kv/a", "v")
}

func TestCached(t *testing.T) {
	r := newRig(t)
	for i, want := range []string{"MISS", "HIT", "HIT"} {
		w := r.do("GET", "/v1/health/service/web?cached", "")
		if got := w.Header().Get("X-Cache"); got != want || (want == "HIT") != (w.Header().Get("Age") == "0") {
			t.Errorf("request %d: %v, want %s", i, w.Header(), want)
		}
	}
	if w := r.do("GET", "/v1/health/service/web?cached&tag=a", ""); w.Header().Get("X-Cache") != "MISS" {
		t.Error("another question counts as the same")
	}
	for _, url := range []string{"/v1/health/service/web", "/v1/kv/a?cached"} {
		if w := r.do("GET", url, ""); w.Header().Get("X-Cache") != "" {
			t.Errorf("%s: X-Cache", url)
		}
	}
}

// Any server gives a stale snapshot, also when nobody leads.
func TestStaleSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.put("k", "v")
		r.log.SetLeader("", time.Minute)
		r.cluster.leading = false
		w := r.do("GET", "/v1/snapshot?stale", "")
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), "\x1f\x8b") || w.Header().Get("X-Consul-Lastcontact") != "60000" {
			t.Errorf("%d, %v", w.Code, w.Header())
		}
		if w := r.do("GET", "/v1/snapshot", ""); w.Code != 500 || w.Body.String() != "No cluster leader" {
			t.Errorf("one that is not stale: %d %q", w.Code, w.Body)
		}
	})
}
