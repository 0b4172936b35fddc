package httpd

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/acl"
	"muster/model"
	"muster/ops/opstest"
	"muster/relay"
)

// Every row of the table is complete, and there is one for each question.
func TestRoutesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, rt := range routes() {
		name := rt.method + " " + rt.path
		if seen[name] {
			t.Errorf("%s: more than one row", name)
		}
		seen[name] = true
		if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE"}, rt.method) {
			t.Errorf("%s: unknown method", name)
		}
		if !strings.HasPrefix(rt.path, "/v1/") || cleanPath(rt.path) != rt.path || rt.path != strings.ToLower(rt.path) {
			t.Errorf("%s: not a clean path below /v1", name)
		}
		if rt.handle == nil {
			t.Errorf("%s: no handler", name)
		}
		if rt.place > relay.Leader {
			t.Errorf("%s: runs nowhere", name)
		}
		switch rt.rule.kind {
		case needs, filters:
			if rt.rule.resource == "" || rt.rule.access == "" {
				t.Errorf("%s: a rule about nothing", name)
			}
		case everybody, itself:
		case undecided:
			t.Errorf("%s: nobody decided who may ask", name)
		default:
			t.Errorf("%s: a rule of an unknown kind", name)
		}
		if rt.method != "GET" && (rt.blocking || rt.cached) {
			t.Errorf("%s: only GET waits or is cached", name)
		}
		if rt.place == relay.Agent && rt.discovery {
			t.Errorf("%s: what is asked of this agent has no consistency", name)
		}
	}
}

// The header Allow names the methods of a path in the same order each time.
func TestRoutesHaveAnOrder(t *testing.T) {
	first := newTable(routes())
	for range 20 {
		again := newTable(routes())
		for _, rt := range routes() {
			_, _, want := first.find("NONE", rt.path)
			if _, _, got := again.find("NONE", rt.path); !slices.Equal(got, want) {
				t.Fatalf("%s: %q, and %q the next time", rt.path, want, got)
			}
		}
	}
}

// The tokens of the walk.
const (
	root    = "root"    // may do everything
	nobody  = "nobody"  // may do nothing
	lacking = "lacking" // may do everything but what the rule of the route names
	unknown = "unknown" // is no token
)

// An example is a request for a route, and how far it may get.
type example struct {
	route string // "GET /v1/kv/"
	url   string // the path of the route if empty
	body  string
	// asks is the permission without which the request is refused; where things
	// are left out instead, one that is asked for.
	asks string
	// status and shows are what somebody gets who may do everything: 200 if 0,
	// and a part of the body.
	status int
	shows  string
	// bare and hides are what somebody gets who may do nothing, where he is not
	// refused: 200 if 0, and the whole body.
	bare  int
	hides string
	left  bool // he gets bare and hides
	// alone: the caller does not stay, so that no answer goes on for ever.
	alone bool
}

func refused(route, url, body, asks, shows string) example {
	return example{route: route, url: url, body: body, asks: asks, shows: shows}
}

func hidden(route, url, asks, shows, hides string) example {
	return example{route: route, url: url, asks: asks, shows: shows, hides: hides, left: true}
}

// badKey is a request to do something with a gossip key that is none.
func badKey(method string) example {
	return example{route: method + " /v1/operator/keyring", body: `{"Key":"x"}`, asks: "keyring:write", status: 500, shows: "LAN"}
}

const (
	sessionID = "33333333-3333-3333-3333-333333333333"
	queryID   = "44444444-4444-4444-4444-444444444444"
	vector    = `{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":0.00001}`
)

var examples = slices.Concat([]example{
	refused("GET /v1/kv/", "/v1/kv/app/a", "", "key:read app/a", `"Key":"app/a"`),
	refused("GET /v1/kv/", "/v1/kv/app/a?raw", "", "key:read app/a", "secret"),
	{route: "GET /v1/kv/", url: "/v1/kv/app/none", asks: "key:read app/none", status: 404},
	{route: "GET /v1/kv/", url: "/v1/kv/app?recurse", asks: "key:read app/a", shows: `"Key":"app/a"`, left: true, bare: 404},
	{route: "GET /v1/kv/", url: "/v1/kv/app?keys", asks: "key:read app/a", shows: `["app/a"]`, left: true, bare: 404},
	hidden("GET /v1/kv/", "/v1/kv/?keys&separator=/", "key:read app/", `["app/"]`, "[]"),
	refused("PUT /v1/kv/", "/v1/kv/app/b", "v", "key:write app/b", "true"),
	refused("PUT /v1/kv/", "/v1/kv/app/b?cas=0", "v", "key:write app/b", "true"),
	refused("PUT /v1/kv/", "/v1/kv/app/b?acquire="+sessionID, "v", "key:write app/b", "true"),
	refused("PUT /v1/kv/", "/v1/kv/app/b?release="+sessionID, "v", "key:write app/b", "false"),
	refused("DELETE /v1/kv/", "/v1/kv/app/a", "", "key:write app/a", "true"),
	refused("DELETE /v1/kv/", "/v1/kv/app/a?cas=1", "", "key:write app/a", "false"),
	refused("DELETE /v1/kv/", "/v1/kv/app?recurse", "", "key:write app", "true"),

	refused("PUT /v1/session/create", "", `{"Node":"n1","NodeChecks":[]}`, "session:write n1", `"ID"`),
	refused("PUT /v1/session/destroy/", "/v1/session/destroy/"+sessionID, "", "session:write n1", "true"),
	refused("PUT /v1/session/renew/", "/v1/session/renew/"+sessionID, "", "session:write n1", sessionID),
	hidden("GET /v1/session/info/", "/v1/session/info/"+sessionID, "session:read n1", sessionID, "[]"),
	hidden("GET /v1/session/node/", "/v1/session/node/n1", "session:read n1", sessionID, "[]"),
	hidden("GET /v1/session/list", "", "session:read n1", sessionID, "[]"),

	refused("PUT /v1/catalog/register", "", `{"Node":"n2","Address":"10.0.0.8"}`, "node:write n2", "true"),
	refused("PUT /v1/catalog/deregister", "", `{"Node":"n1"}`, "node:write n1", "true"),
	{route: "GET /v1/catalog/datacenters", shows: `["dc1"]`},
	hidden("GET /v1/catalog/nodes", "", "node:read n1", `"n1"`, "[]"),
	hidden("GET /v1/catalog/services", "", "service:read web", `"web"`, "{}"),
	hidden("GET /v1/catalog/service/", "/v1/catalog/service/web", "node:read n1", `"web"`, "[]"),
	hidden("GET /v1/catalog/node/", "/v1/catalog/node/n1", "node:read n1", `"web"`, "null"),
	hidden("GET /v1/catalog/node-services/", "/v1/catalog/node-services/n1", "node:read n1", `"web"`, `{"Node":null,"Services":null}`),
	hidden("GET /v1/health/node/", "/v1/health/node/n1", "node:read n1", "web1-check", "[]"),
	hidden("GET /v1/health/checks/", "/v1/health/checks/web", "node:read n1", "web1-check", "[]"),
	hidden("GET /v1/health/state/", "/v1/health/state/any", "node:read n1", "web1-check", "[]"),
	hidden("GET /v1/health/service/", "/v1/health/service/web", "node:read n1", "web1-check", "[]"),
	hidden("GET /v1/health/service/", "/v1/health/service/web?passing", "node:read n1", "web1-check", "[]"),

	hidden("GET /v1/query", "", "query:read find-web", `"find-web"`, "[]"),
	refused("POST /v1/query", "", `{"Name":"new","Service":{"Service":"web"}}`, "query:write new", `"ID"`),
	refused("GET /v1/query/", "/v1/query/"+queryID, "", "query:read find-web", `"find-web"`),
	refused("GET /v1/query/", "/v1/query/find-web/explain", "", "query:read find-web", `"find-web"`),
	refused("PUT /v1/query/", "/v1/query/"+queryID, `{"Name":"find-web","Service":{"Service":"db"}}`, "query:write find-web", ""),
	refused("DELETE /v1/query/", "/v1/query/"+queryID, "", "query:write find-web", ""),

	{route: "GET /v1/coordinate/datacenters", shows: "[]"},
	hidden("GET /v1/coordinate/nodes", "", "node:read n1", `"n1"`, "[]"),
	{route: "GET /v1/coordinate/node/", url: "/v1/coordinate/node/n1", asks: "node:read n1", shows: `"n1"`, left: true, bare: 404},
	refused("PUT /v1/coordinate/update", "", `{"Node":"n1","Coord":`+vector+`}`, "node:write n1", ""),

	refused("PUT /v1/event/fire/", "/v1/event/fire/deploy", "", "event:write deploy", `"Name":"deploy"`),
	hidden("GET /v1/event/list", "", "event:read upgrade", `"upgrade"`, "[]"),
	{route: "GET /v1/status/leader", shows: opstest.ServerAddress},
	{route: "GET /v1/status/peers", shows: opstest.ServerAddress},

	refused("GET /v1/operator/raft/configuration", "", "", "operator:read", opstest.ServerAddress),
	refused("DELETE /v1/operator/raft/peer", "/v1/operator/raft/peer?id="+opstest.ServerID, "", "operator:write", ""),
	refused("POST /v1/operator/raft/transfer-leader", "", "", "operator:write", "true"),
	{route: "GET /v1/operator/autopilot/configuration", asks: "operator:read", shows: `"LastContactThreshold":"200ms"`},
	refused("PUT /v1/operator/autopilot/configuration", "", `{"MinQuorum":3}`, "operator:write", "true"),
	{route: "GET /v1/operator/autopilot/health", asks: "operator:read", status: 429, shows: `{"Healthy":false,"FailureTolerance":0,"Servers":[]}`},
	refused("GET /v1/operator/autopilot/state", "", "", "operator:read", `"Servers":{}`),
	refused("GET /v1/operator/usage", "", "", "operator:read", `"dc1":{"Nodes":1,"Services":1,`),
	refused("GET /v1/operator/keyring", "", "", "keyring:read", gossipKey),
	badKey("POST"), badKey("PUT"), badKey("DELETE"),
	refused("GET /v1/snapshot", "", "", "acl:write", "\x1f\x8b"),
	refused("PUT /v1/snapshot", "", "{snapshot}", "acl:write", ""),

	{route: "GET /v1/connect/ca/roots", shows: `"TrustDomain":"cluster.consul"`},
	{route: "GET /v1/agent/connect/ca/roots", shows: `"TrustDomain":"cluster.consul"`},
	refused("PUT /v1/internal/agent/sign", "", "{request}", "node:write n1", "BEGIN CERTIFICATE"),

	hidden("GET /v1/internal/ui/nodes", "", "node:read n1", `"n1"`, "[]"),
	{route: "GET /v1/internal/ui/node/", url: "/v1/internal/ui/node/n1", asks: "node:read n1", shows: `"web"`, left: true, bare: 404},
	hidden("GET /v1/internal/ui/services", "", "service:read web", `"web"`, "[]"),
}, agentExamples, txnExamples)

var agentExamples = []example{
	refused("GET /v1/agent/self", "", "", "agent:read s1", "s1"),
	{route: "GET /v1/agent/version", shows: "HumanVersion"},
	refused("GET /v1/agent/host", "", "", "operator:read", "CollectionTime"),
	refused("GET /v1/agent/metrics", "", "", "agent:read s1", "Gauges"),
	refused("GET /v1/agent/metrics", "/v1/agent/metrics?format=prometheus", "", "agent:read s1", "go_goroutines"),
	{route: "GET /v1/agent/metrics/stream", asks: "agent:read s1", alone: true},
	{route: "GET /v1/agent/monitor", asks: "agent:read s1", alone: true},
	hidden("GET /v1/agent/members", "", "node:read s1", `"s1"`, "[]"),
	refused("PUT /v1/agent/join/", "/v1/agent/join/10.0.0.1:8301", "", "agent:write s1", ""),
	refused("PUT /v1/agent/leave", "", "", "agent:write s1", ""),
	{route: "PUT /v1/agent/force-leave/", url: "/v1/agent/force-leave/zz", asks: "operator:write", status: 500,
		shows: "agent: No node found with name 'zz'"},
	refused("PUT /v1/agent/reload", "", "", "agent:write s1", ""),
	refused("PUT /v1/agent/maintenance", "/v1/agent/maintenance?enable=true", "", "node:write s1", ""),

	hidden("GET /v1/agent/services", "", "service:read api", `"api"`, "{}"),
	refused("GET /v1/agent/service/", "/v1/agent/service/api1", "", "service:read api", `"api"`),
	refused("PUT /v1/agent/service/register", "", `{"Name":"new"}`, "service:write new", ""),
	refused("PUT /v1/agent/service/deregister/", "/v1/agent/service/deregister/api1", "", "service:write api", ""),
	refused("PUT /v1/agent/service/maintenance/", "/v1/agent/service/maintenance/api1?enable=true", "", "service:write api", ""),
	{route: "GET /v1/agent/health/service/name/", url: "/v1/agent/health/service/name/api", asks: "service:read api", status: 503, shows: `"api1"`},
	{route: "GET /v1/agent/health/service/name/", url: "/v1/agent/health/service/name/api?format=text", asks: "service:read api", status: 503, shows: "critical"},
	{route: "GET /v1/agent/health/service/id/", url: "/v1/agent/health/service/id/api1", asks: "service:read api", status: 503, shows: `"api1"`},
	{route: "GET /v1/agent/health/service/id/", url: "/v1/agent/health/service/id/api1?format=text", asks: "service:read api", status: 503, shows: "critical"},

	hidden("GET /v1/agent/checks", "", "node:read s1", `"disk"`, "{}"),
	refused("PUT /v1/agent/check/register", "", `{"Name":"mem","TTL":"10s"}`, "node:write s1", ""),
	refused("PUT /v1/agent/check/register", "", `{"Name":"mem","TTL":"10s","ServiceID":"api1"}`, "service:write api", ""),
	refused("PUT /v1/agent/check/deregister/", "/v1/agent/check/deregister/disk", "", "node:write s1", ""),
	refused("PUT /v1/agent/check/deregister/", "/v1/agent/check/deregister/service:api1", "", "service:write api", ""),
	refused("PUT /v1/agent/check/update/", "/v1/agent/check/update/disk", `{"Status":"passing"}`, "node:write s1", ""),
	refused("PUT /v1/agent/check/pass/", "/v1/agent/check/pass/disk", "", "node:write s1", ""),
	refused("PUT /v1/agent/check/warn/", "/v1/agent/check/warn/disk", "", "node:write s1", ""),
	refused("PUT /v1/agent/check/fail/", "/v1/agent/check/fail/disk?note=full", "", "node:write s1", ""),
	refused("PUT /v1/agent/check/pass/", "/v1/agent/check/pass/service:api1", "", "service:write api", ""),
}

func txnExample(op, asks string) example {
	what := "Permission denied: token lacks permission '"
	perm, name, _ := strings.Cut(asks, " ")
	what += perm + `' on \"` + name + `\"`
	return example{route: "PUT /v1/txn", body: "[" + op + "]", asks: asks, shows: `"Errors":null`, left: true, bare: http.StatusConflict,
		hides: `{"Results":null,"Errors":[{"OpIndex":0,"What":"` + what + `"}]}`}
}

// read gives a refused transaction the form of those that only read.
func (e example) read() example {
	e.hides = strings.TrimSuffix(e.hides, "}") + `,"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":"","NotModified":false}`
	return e
}

var txnExamples = []example{
	txnExample(`{"KV":{"Verb":"get","Key":"app/a"}}`, "key:read app/a").read(),
	txnExample(`{"KV":{"Verb":"get-tree","Key":"app"}}`, "key:read app").read(),
	txnExample(`{"KV":{"Verb":"check-not-exists","Key":"app/x"}}`, "key:read app/x").read(),
	txnExample(`{"KV":{"Verb":"set","Key":"app/a","Value":"eA=="}}`, "key:write app/a"),
	txnExample(`{"KV":{"Verb":"lock","Key":"app/a","Session":"`+sessionID+`"}}`, "key:write app/a"),
	txnExample(`{"KV":{"Verb":"delete-tree","Key":"app"}}`, "key:write app"),
	txnExample(`{"Node":{"Verb":"get","Node":{"Node":"n1"}}}`, "node:read n1").read(),
	txnExample(`{"Node":{"Verb":"set","Node":{"Node":"n2","Address":"10.0.0.8"}}}`, "node:write n2"),
	txnExample(`{"Service":{"Verb":"set","Node":"n1","Service":{"Service":"db"}}}`, "service:write db"),
	txnExample(`{"Check":{"Verb":"set","Check":{"Node":"n1","CheckID":"c2","Name":"c2"}}}`, "node:write n1"),
	txnExample(`{"Session":{"Verb":"delete","Session":{"ID":"`+sessionID+`"}}}`, "session:write n1"),
}

// A walk is an agent that knows a bit of everything.
type walk struct {
	*rig
	asked   *opstest.Recorder // what was asked about nobody
	archive string            // an older snapshot
	request string            // of an agent for a certificate
}

func newWalk(t *testing.T, rt route) *walk {
	k := &walk{asked: &opstest.Recorder{Authorizer: opstest.DenyAll}}
	more := func(*Config) {}
	if strings.HasPrefix(rt.path, "/v1/agent/") || rt.path == "/v1/operator/keyring" {
		more = full(t)
	}
	k.rig = newRig(t, more, withACL(opstest.Tokens{root: acl.AllowAll{}, nobody: k.asked,
		lacking: opstest.Rule(func(r acl.Resource, _ string, a acl.Access) bool {
			return r != rt.rule.resource || a != rt.rule.access
		})}))
	k.register("n1", "web", "web1")
	k.put("app/a", "secret")
	k.log.Apply(t, model.CmdAutopilot, &model.AutopilotCommand{Config: model.AutopilotConfig{LastContactThreshold: 200 * time.Millisecond}})
	k.beginAuthority()
	k.request = agentRequest(t)
	k.log.Apply(t, model.CmdSession, &model.SessionCommand{Op: model.SessionCreate,
		Session: model.Session{ID: sessionID, Node: "n1", Behavior: model.SessionsRelease}})
	k.log.Apply(t, model.CmdQuery, &model.QueryCommand{Op: model.QueryCreate,
		Query: model.PreparedQuery{ID: queryID, Name: "find-web", Service: model.QueryService{Service: "web"}}})
	k.archive = k.as(root, example{route: "GET /v1/snapshot"}).Body.String()
	for _, e := range []example{
		{route: "PUT /v1/coordinate/update", body: `{"Node":"n1","Coord":` + vector + `}`},
		{route: "PUT /v1/event/fire/upgrade"},
		{route: "PUT /v1/agent/service/register", body: `{"Name":"api","ID":"api1","Check":{"TTL":"1h"}}`},
		{route: "PUT /v1/agent/check/register", body: `{"Name":"disk","TTL":"1h"}`},
	} {
		if w := k.as(root, e); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", e.route, w.Code, w.Body)
		}
	}
	return k
}

// as answers the example for a token.
func (k *walk) as(token string, e example) *httptest.ResponseRecorder {
	method, url, _ := strings.Cut(e.route, " ")
	if e.url != "" {
		url = e.url
	}
	req := request(method, url, strings.NewReplacer("{snapshot}", k.archive, "{request}", k.request).Replace(e.body), "X-Consul-Token: "+token)
	if e.alone {
		gone, cancel := context.WithCancel(k.t.Context())
		cancel()
		req = req.WithContext(gone)
	}
	w := httptest.NewRecorder()
	if rt, _, _ := k.door.table.find(method, req.URL.Path); rt != nil && rt.agents {
		k.door.Forwarded().ServeHTTP(w, req)
	} else {
		k.door.ServeHTTP(w, req)
	}
	return w
}

// Every route is asked by somebody who may do nothing: he must be refused, or
// told nothing, and must change nothing. Then, with the same words, by somebody
// who may do everything. A route without an example fails, so does one that
// asks for another permission than its rule says.
func TestRoutesAuthorize(t *testing.T) {
	byRoute := map[string][]example{}
	for _, e := range examples {
		byRoute[e.route] = append(byRoute[e.route], e)
	}
	idle := newWalk(t, route{})
	for _, rt := range routes() {
		name := rt.method + " " + rt.path
		list := byRoute[name]
		delete(byRoute, name)
		if len(list) == 0 {
			t.Run(name, func(t *testing.T) { testUnbuilt(t, idle, rt) })
			continue
		}
		guarded := rt.rule.kind == everybody
		for _, e := range list {
			t.Run(name+" "+e.url, func(t *testing.T) {
				testExample(t, rt, e)
				guarded = guarded || guards(t, rt, e)
			})
		}
		if !guarded {
			t.Errorf("%s: who lacks %s:%s gets it all the same", name, rt.rule.resource, rt.rule.access)
		}
	}
	for name := range byRoute {
		t.Errorf("%s: an example for a route that does not exist", name)
	}
}

// testUnbuilt is for routes without an example: those that do nothing, whoever
// asks.
func testUnbuilt(t *testing.T, k *walk, rt route) {
	before := k.trace()
	for _, token := range []string{nobody, root, unknown} {
		w := k.as(token, example{route: rt.method + " " + rt.path})
		off := w.Code == http.StatusUnauthorized && w.Body.String() == model.TextACLDisabled
		if !off && (w.Code != http.StatusNotImplemented || !strings.Contains(w.Body.String(), "does not implement "+rt.path)) {
			t.Fatalf("as %s: %d %q; a route that does something needs an example", token, w.Code, w.Body)
		}
	}
	if after := k.trace(); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
}

// guards tells whether the permission that the rule of the route names is
// needed for the example, as the only one that is lacking.
func guards(t *testing.T, rt route, e example) bool {
	w := newWalk(t, rt).as(lacking, e)
	if rt.rule.kind == needs {
		return w.Code == http.StatusForbidden
	}
	return e.shows != "" && !strings.Contains(w.Body.String(), e.shows)
}

func testExample(t *testing.T, rt route, e example) {
	k := newWalk(t, rt)
	before := k.trace()

	if w := k.as(unknown, e); rt.rule.kind != everybody && (w.Code != http.StatusForbidden || w.Body.String() != model.TextNoToken) {
		t.Errorf("an unknown token: %d %q, want 403 %q", w.Code, w.Body, model.TextNoToken)
	}
	k.asked.Asked()
	w := k.as(nobody, e)
	asked := k.asked.Asked()
	switch {
	case rt.rule.kind == everybody:
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), e.shows) {
			t.Errorf("nobody got %d %q, want 200 and %q", w.Code, w.Body, e.shows)
		}
	case e.left:
		want := e.bare
		if want == 0 {
			want = http.StatusOK
		}
		if w.Code != want || w.Body.String() != e.hides {
			t.Errorf("nobody got %d %q, want %d %q", w.Code, w.Body, want, e.hides)
		}
	default:
		if w.Code != http.StatusForbidden || !strings.HasPrefix(w.Body.String(), model.TextDenied) {
			t.Errorf("nobody got %d %q, want 403 %s", w.Code, w.Body, model.TextDenied)
		}
		if len(asked) != 1 {
			t.Errorf("asked for %q", asked)
		}
	}
	if rt.rule.kind != everybody && !slices.Contains(asked, e.asks) {
		t.Errorf("asked for %q, want %q", asked, e.asks)
	}
	if after := k.trace(); after != before {
		t.Errorf("nobody changed something\nbefore %s\nafter  %s", before, after)
	}

	want := e.status
	if want == 0 {
		want = http.StatusOK
	}
	if w := k.as(root, e); w.Code != want || !strings.Contains(w.Body.String(), e.shows) {
		t.Errorf("root got %d %q, want %d and %q", w.Code, w.Body, want, e.shows)
	}
	if rt.method != "GET" && e.status == 0 && !e.idempotent() && k.trace() == before {
		t.Errorf("root changed nothing: the example proves nothing")
	}
}

// idempotent tells of the few writes that do well without changing anything
// that trace sees.
func (e *example) idempotent() bool {
	return strings.HasPrefix(e.route, "PUT /v1/agent/join/") || strings.HasPrefix(e.route, "PUT /v1/session/renew/") ||
		strings.HasSuffix(e.hides, `"NotModified":false}`)
}

// A path that ends before the name changes nothing and tells nothing.
func TestRoutesWithoutName(t *testing.T) {
	k := newWalk(t, route{path: "/v1/agent/"})
	before := k.trace()
	for _, rt := range routes() {
		if !strings.HasSuffix(rt.path, "/") || rt.rule.kind != needs {
			continue
		}
		w := k.do(rt.method, rt.path+"?enable=true", `{"Status":"passing"}`, "X-Consul-Token: "+nobody)
		switch w.Code {
		case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusUnauthorized, http.StatusInternalServerError:
		default:
			t.Errorf("%s %s: %d %q", rt.method, rt.path, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "api") {
			t.Errorf("%s %s tells %q", rt.method, rt.path, w.Body)
		}
	}
	if after := k.trace(); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
}
