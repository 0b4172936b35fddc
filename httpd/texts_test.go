package httpd

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"muster/model"
)

// The words that clients compare with, for requests that cannot be answered.
func TestTexts(t *testing.T) {
	const sid = "33333333-3333-3333-3333-333333333333"
	r := newRig(t)
	r.register("n1", "web", "web1")
	r.want(200, "", "PUT", "/v1/agent/service/register", `{"Name":"api","Check":{"TTL":"1h"}}`)
	for _, c := range []struct {
		method, url, body string
		status            int
		text              string
	}{
		{"GET", "/v1/kv/", "", 400, "Missing key name"},
		{"PUT", "/v1/kv/", "v", 400, "Missing key name"},
		{"DELETE", "/v1/kv/", "", 400, "Missing key name"},
		{"GET", "/v1/kv/none", "", 404, ""},
		{"GET", "/v1/kv/none?raw", "", 404, ""},
		{"GET", "/v1/kv/none?recurse", "", 404, ""},
		{"GET", "/v1/kv/none?keys", "", 404, ""},
		{"GET", "/v1/kv/?keys", "", 200, "[]"},
		{"PUT", "/v1/kv/a?acquire=1&cas=0", "v", 400, "Conflicting flags: acquire=1&cas=0"},
		{"PUT", "/v1/kv/a?release=&acquire=", "v", 400, "Conflicting flags: release=&acquire="},
		{"DELETE", "/v1/kv/a?recurse=true&cas=0", "", 400, "Conflicting flags: recurse=true&cas=0"},
		{"PUT", "/v1/kv/a?cas=abc", "v", 500, `strconv.ParseUint: parsing "abc": invalid syntax`},
		{"PUT", "/v1/kv/a?flags=-1", "v", 500, `strconv.ParseUint: parsing "-1": invalid syntax`},
		{"DELETE", "/v1/kv/a?cas=x", "", 500, `strconv.ParseUint: parsing "x": invalid syntax`},
		{"PUT", "/v1/kv/a?acquire=", "v", 500, "missing session"},
		{"PUT", "/v1/kv/a?acquire=" + sid, "v", 500, `invalid session "` + sid + `"`},
		{"PUT", "/v1/kv/a?acquire=x", "v", 500, "failed session lookup: index error: UUID must be 36 characters"},
		{"PUT", "/v1/kv/a?cas=0&flags=18446744073709551615", "<&>", 200, "true"},
		{"PUT", "/v1/kv/a?cas=0", "v", 200, "false"},
		{"GET", "/v1/kv/a", "", 200, `[{"LockIndex":0,"Key":"a","Flags":18446744073709551615,"Value":"PCY+","CreateIndex":4,"ModifyIndex":4}]`},
		{"DELETE", "/v1/kv/none?cas=7", "", 200, "true"},
		{"PUT", "/v1/kv/%3C%22%C3%A9", "", 200, "true"},
		{"GET", "/v1/kv/%3C%22%C3%A9", "", 200, `[{"LockIndex":0,"Key":"\u003c\"é","Flags":0,"Value":null,"CreateIndex":7,"ModifyIndex":7}]`},

		{"PUT", "/v1/kv/a?release=x", "v", 200, "false"},

		{"PUT", "/v1/session/destroy/", "", 400, "Missing session"},
		{"PUT", "/v1/session/renew/", "", 400, "Missing session"},
		{"GET", "/v1/session/info/", "", 400, "Missing session"},
		{"GET", "/v1/session/node/", "", 400, "Missing node name"},
		{"PUT", "/v1/session/renew/" + sid, "", 404, "Session id '" + sid + "' not found"},
		{"PUT", "/v1/session/create", "{", 400, "Request decode failed: unexpected EOF"},
		{"PUT", "/v1/session/create", `{"Node":"n1","NodeChecks":["none"]} and more`, 500, "Missing check 'none' registration"},
		{"PUT", "/v1/session/create", `{"Node":"n1","NodeChecks":[],"LockDelay":"x"}`, 400, `Request decode failed: time: invalid duration "x"`},
		{"PUT", "/v1/session/create", `{"Node":"n1","Unknown":1}`, 500, "Missing check 'serfHealth' registration"},

		{"PUT", "/v1/catalog/register", "", 400, "Request decode failed: EOF"},
		{"PUT", "/v1/catalog/register", `{"Bogus":1}`, 400, `Request decode failed: json: unknown field "Bogus"`},
		{"PUT", "/v1/catalog/deregister", `{}`, 500, "Must provide node"},
		{"PUT", "/v1/catalog/register", `{"Node":"n","Address":"a","Service":{"Service":"s","Address":"[::]"}}`, 500, "Invalid service address"},
		{"PUT", "/v1/catalog/register", `{"Node":"n","Address":"a","Service":{"Service":"s","Weights":{"Passing":-1,"Warning":1}}}`, 500,
			"Invalid Weights: DNS Weight must be between 0 and 65535"},
		{"PUT", "/v1/catalog/register", `{"Node":"n","Address":"a","Service":{"Service":"s","Weights":{"Passing":1,"Warning":65536}}}`, 500,
			"Invalid Weights: DNS Weight must be between 0 and 65535"},
		{"PUT", "/v1/catalog/register", `{"Node":"n","Address":"a","Check":{}}`, 500, "Must provide CheckID or Name of a check"},
		{"GET", "/v1/catalog/service/web?peer=other", "", 501, "peer: clusters do not peer yet"},
		{"GET", "/v1/health/service/web?peer=other", "", 501, "peer: clusters do not peer yet"},
		{"GET", "/v1/acl/list", "", 401, "ACL support disabled"},
		{"PUT", "/v1/acl/destroy/x", "", 401, "ACL support disabled"},
		{"GET", "/v1/catalog/service/", "", 400, "Missing service name"},
		{"GET", "/v1/catalog/node/", "", 400, "Missing node name"},
		{"GET", "/v1/catalog/node-services/", "", 400, "Missing node name"},
		{"GET", "/v1/catalog/service/none", "", 200, "[]"},
		{"GET", "/v1/catalog/node/none", "", 200, "null"},
		{"GET", "/v1/catalog/node-services/none", "", 200, `{"Node":null,"Services":null}`},
		{"GET", "/v1/health/node/", "", 400, "Missing node name"},
		{"GET", "/v1/health/checks/", "", 400, "Missing service name"},
		{"GET", "/v1/health/state/", "", 400, "Missing check state"},
		{"GET", "/v1/health/service/", "", 400, "Missing service name"},
		{"GET", "/v1/health/service/web?passing=x", "", 400, "Invalid value for ?passing"},
		{"GET", "/v1/health/service/none?passing=false", "", 200, "[]"},
		{"GET", "/v1/health/state/odd", "", 200, "[]"},
		{"GET", "/v1/coordinate/node/", "", 400, "Missing node name"},
		{"GET", "/v1/coordinate/node/n1", "", 404, ""},
		{"PUT", "/v1/coordinate/update", `{"Node":"n1"}`, 400, "Must provide Coord"},
		{"GET", "/v1/internal/ui/node/", "", 400, "Missing node name"},
		{"GET", "/v1/internal/ui/node/none", "", 404, ""},
		{"PUT", "/v1/event/fire/", "", 400, "Missing name"},

		{"PUT", "/v1/txn", "x", 400, "Failed to parse body: invalid character 'x' looking for beginning of value"},
		{"PUT", "/v1/txn", `[{"Intention":{}}]`, 501, "Intention operations in transactions are not implemented"},
		{"PUT", "/v1/txn", `[{"KV":{"Verb":"bogus","Key":"a"}}]`, 409, `{"Results":null,"Errors":[{"OpIndex":0,"What":"unknown KV verb \"bogus\""}],` +
			`"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":"","NotModified":false}`},
		{"DELETE", "/v1/operator/raft/peer", "", 400,
			"Bad request: Must specify either ?id with the server's ID or ?address with IP:port of peer to remove"},
		{"DELETE", "/v1/operator/raft/peer?id=a&address=b", "", 400, "Bad request: Must specify only one of ?id or ?address"},
		{"DELETE", "/v1/operator/raft/peer?address=1.2.3.4:1", "", 500, `address "1.2.3.4:1" was not found in the Raft configuration`},
		{"PUT", "/v1/snapshot", "x", 500, "failed to decompress snapshot: unexpected EOF"},
		{"GET", "/v1/acl/tokens", "", 401, "ACL support disabled"},
		{"GET", "/v1/config/x", "", 501, "muster does not implement /v1/config/ yet; see docs/COMPATIBILITY.md"},

		{"PUT", "/v1/agent/maintenance", "", 400, "Missing value for enable"},
		{"PUT", "/v1/agent/maintenance?enable=abc", "", 400, `Invalid value for enable: "abc"`},
		{"PUT", "/v1/agent/service/maintenance/?enable=true", "", 400, "Missing service ID"},
		{"PUT", "/v1/agent/service/maintenance/zz?enable=true", "", 404, `No service registered with ID "zz"`},
		{"PUT", "/v1/agent/service/deregister/", "", 500, "ServiceID missing"},
		{"PUT", "/v1/agent/service/register", `{"ID":"x"}`, 400, "Missing service name"},
		{"PUT", "/v1/agent/service/register", `{"Name":"x","Check":{"Interval":"1s","TTL":"1s"}}`, 400,
			"Invalid check: Interval and TTL cannot both be specified"},
		{"PUT", "/v1/agent/service/register", `{"Name":"a\u0000b"}`, 400, "Name must not contain a NUL byte"},
		{"PUT", "/v1/agent/check/register", `{"Name":"a\u0000b","TTL":"1s"}`, 400, "Invalid check: Name must not contain a NUL byte"},
		{"PUT", "/v1/agent/check/register", `{"TTL":"1s"}`, 400, "Missing check name"},
		{"PUT", "/v1/agent/check/register", `{"Name":"x","TTL":"1s","Status":"odd"}`, 400, "Bad check status"},
		{"PUT", "/v1/agent/check/register", `{"Name":"x","TTL":"1s","ServiceID":"none"}`, 500, `ServiceID "none" does not exist`},
		{"PUT", "/v1/agent/check/register", `{"Name":"x","Args":["true"],"Interval":"1s"}`, 500,
			"Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"},
		{"PUT", "/v1/agent/check/deregister/", "", 500, "CheckID missing"},
		{"PUT", "/v1/agent/check/pass/zz", "", 500, `CheckID "zz" does not have associated TTL`},
		{"PUT", "/v1/agent/check/update/service:api", `{"Status":"bogus"}`, 400, "Invalid check status: 'bogus'"},
		{"GET", "/v1/agent/service/zz", "", 404, "unknown service ID: zz"},
		{"GET", "/v1/agent/health/service/id/", "", 500, "Bad request: Missing serviceID"},
		{"GET", "/v1/agent/health/service/id/zz", "", 404, `{"AggregatedStatus":"critical","Service":null,"Checks":null}`},
		{"GET", "/v1/agent/health/service/id/zz?format=text", "", 404, `"ServiceId zz not found"`},
		{"GET", "/v1/agent/health/service/name/zz", "", 404, "[]"},
		{"GET", "/v1/agent/health/service/name/zz?format=text", "", 404, "ServiceName zz Not Found"},
		{"GET", "/v1/agent/health/service/name/api?format=text", "", 503, "critical"},
		{"GET", "/v1/agent/health/service/id/api", "", 503, `{"AggregatedStatus":"critical",` +
			`"Service":{"ID":"api","Service":"api","Tags":[],"Meta":{},"Port":0,"Address":"","Weights":{"Passing":1,"Warning":1},` +
			`"EnableTagOverride":false,"Datacenter":"dc1"},` +
			`"Checks":[{"Node":"s1","CheckID":"service:api","Name":"Service 'api' check","Status":"critical","Notes":"","Output":"",` +
			`"ServiceID":"api","ServiceName":"api","ServiceTags":null,"Type":"ttl","ExposedPort":0,` +
			`"Definition":{"Interval":"0s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","HTTP":"","Header":null,"Method":"",` +
			`"Body":"","TLSServerName":"","TLSSkipVerify":false,"TCP":"","TCPUseTLS":false,"UDP":"","GRPC":"","OSService":"",` +
			`"GRPCUseTLS":false},"CreateIndex":0,"ModifyIndex":0}]}`},
		{"PUT", "/v1/agent/check/pass/service:api", "", 200, ""},
		{"GET", "/v1/agent/health/service/name/api?format=text", "", 200, "passing"},
		{"PUT", "/v1/agent/check/warn/service:api?note=slow", "", 200, ""},
		{"GET", "/v1/agent/health/service/id/api?format=text", "", 429, "warning"},
		{"PUT", "/v1/agent/service/maintenance/api?enable=true", "", 200, ""},
		{"GET", "/v1/agent/health/service/id/api?format=text", "", 503, "maintenance"},
		{"PUT", "/v1/agent/service/maintenance/api?enable=false", "", 200, ""},
		{"GET", "/v1/agent/health/service/id/api?format=text", "", 429, "warning"},
		{"GET", "/v1/agent/members?wan=1&segment=x", "", 400, "Cannot provide a segment with wan=true"},
		{"GET", "/v1/agent/members?segment=x", "", 500, "Network segments are not supported in this version of Consul"},
		{"PUT", "/v1/agent/join/x?wan=1", "", 500, "Must be a server to join WAN cluster"},
	} {
		r.want(c.status, c.text, c.method, c.url, c.body)
	}
}

// A lock-delay is a text, seconds if the number is small, else nanoseconds.
func TestLockDelayForms(t *testing.T) {
	r := newRig(t)
	r.register("n1", "", "")
	for given, want := range map[string]time.Duration{
		``: 15 * time.Second, `null`: 15 * time.Second, `"5s"`: 5 * time.Second, `""`: 0, `0`: 0, `7`: 7 * time.Second, `999`: time.Minute,
		`1000`: 1000, `10000000000`: 10 * time.Second, `"2h"`: time.Minute,
	} {
		body := `{"Node":"n1","NodeChecks":[]}`
		if given != "" {
			body = `{"Node":"n1","NodeChecks":[],"LockDelay":` + given + `}`
		}
		w := r.do("PUT", "/v1/session/create", body)
		id, _ := strings.CutPrefix(strings.TrimSuffix(w.Body.String(), `"}`), `{"ID":"`)
		if _, s := r.log.Store.Current().Session(id); s == nil || s.LockDelay != want {
			t.Errorf("%s: %d %s, %+v, want %s", given, w.Code, w.Body, s, want)
		}
	}
}

// An agent of another datacenter may ask for the addresses that are seen from
// there; that is an answer of its own.
func TestTranslatedAddresses(t *testing.T) {
	r := newRig(t)
	wan := func(a string) map[string]string { return map[string]string{model.AddressWAN: a} }
	r.log.Apply(t, model.CmdRegister, &model.RegisterRequest{Node: "n1", Address: "lan-node", TaggedAddresses: wan("wan-node"),
		Service: &model.NodeService{ID: "web", Service: "web", Address: "lan-service", Port: 1,
			TaggedAddresses: map[string]model.ServiceAddress{model.AddressWAN: {Address: "wan-service", Port: 2}}}})
	r.log.Apply(t, model.CmdRegister, &model.RegisterRequest{Node: "n2", Address: "plain-node", Service: &model.NodeService{ID: "web", Service: "web", Address: "plain-service"}})
	for _, url := range []string{"/v1/catalog/nodes", "/v1/catalog/service/web", "/v1/health/service/web", "/v1/catalog/node/n1", "/v1/catalog/node-services/n1"} {
		for range 2 { // the second time they are kept
			near := r.do("GET", url, "", HeaderTranslate+": 1").Body.String() // a client may not ask for it
			w := httptest.NewRecorder()
			r.door.Forwarded().ServeHTTP(w, request("GET", url, "", HeaderTranslate+": 1"))
			far := w.Body.String()
			if !strings.Contains(near, "lan-") || strings.Contains(far, "lan-") || strings.Contains(near, "plain-") != strings.Contains(far, "plain-") {
				t.Errorf("%s:\nnear %s\nfar  %s", url, near, far)
			}
		}
	}
}

// Log lines are streamed to whoever watches, until he leaves.
func TestMonitor(t *testing.T) {
	r := newRig(t, full(t))
	r.want(400, "Bad request: Unknown log level: x", "GET", "/v1/agent/monitor?loglevel=x", "")
	r.want(400, `strconv.ParseBool: parsing "x": invalid syntax`, "GET", "/v1/agent/monitor?logjson=x", "")
	server := httptest.NewServer(r.door)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/v1/agent/monitor?loglevel=debug", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	// The head is sent once the watch is set up.
	r.door.cfg.Log.Debug("a line", "to", "watch")
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), "a line: to=watch") {
			return
		}
	}
	t.Error("the line did not come")
}
