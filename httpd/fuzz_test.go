package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"muster/model"
)

// send answers a request as it is, without the checks of a client. Who sent it
// does not wait for the answer.
func (r *rig) send(method, path, rawQuery string, body []byte) *httptest.ResponseRecorder {
	gone, cancel := context.WithCancel(r.t.Context())
	cancel()
	req := (&http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: rawQuery}, Host: "agent", RemoteAddr: "10.0.0.2:1", Proto: "HTTP/1.1",
		ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}).WithContext(gone)
	w := httptest.NewRecorder()
	r.door.ServeHTTP(w, req)
	return w
}

// fuzzBody sends bodies to a route: no panic, and what is not JSON is the
// caller's fault.
func fuzzBody(f *testing.F, path string, seeds ...string) { fuzzBodyOf(f, "PUT", path, seeds...) }

func fuzzBodyOf(f *testing.F, method, path string, seeds ...string) {
	for _, s := range append(seeds, "", "null", "[]", "{}", `{"x":1}`, "{", `"`, "\xff", `{"Node":{"Node":{}}}`, strings.Repeat("[", 20000)) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newRig(t)
		r.register("n1", "web", "web1")
		w := r.send(method, path, "", body)
		var v any
		malformed := json.NewDecoder(bytes.NewReader(body)).Decode(&v) != nil
		if malformed && len(body) > 0 && w.Code != http.StatusBadRequest {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w.Code >= 400 && w.Code != http.StatusConflict && (w.Body.Len() == 0 || w.Header().Get("Content-Type") != "text/plain; charset=utf-8") {
			t.Errorf("%d without a reason: %q", w.Code, w.Body)
		}
		if w.Code == http.StatusOK && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("answered %s", w.Body)
		}
		// Whatever was let in can be listed.
		for _, list := range []string{"/v1/catalog/nodes", "/v1/internal/ui/nodes", "/v1/agent/services", "/v1/agent/checks", "/v1/session/list", "/v1/query"} {
			if got := r.send("GET", list, "", nil); got.Code != http.StatusOK || !json.Valid(got.Body.Bytes()) {
				t.Errorf("%s: %d %s", list, got.Code, got.Body)
			}
		}
	})
}

func FuzzCatalogRegister(f *testing.F) {
	fuzzBody(f, "/v1/catalog/register",
		`{"Node":"n1","Address":"10.0.0.1","NodeMeta":{"a":"b"},"Service":{"ID":"web1","Service":"web","Tags":["v1"],"Port":80},"Check":{"CheckID":"c1","Status":"passing","ServiceID":"web1"}}`,
		`{"Datacenter":"dc1","ID":"40e4a748-2192-161a-0510-9bf59fe950b5","Node":"n2","Address":"x","TaggedAddresses":{"lan":"x"},"SkipNodeUpdate":true}`,
		`{"Node":"n1","Address":"x","Check":null,"Service":null,"Checks":[null,{"Name":"x"},null]}`,
		`{"Node":"n1","Address":"x","Checks":[{"Name":"c","Definition":{"HTTP":"http://x","Interval":"10s","IntervalDuration":10000000000,"TTL":""}}]}`,
		`{"node":"n1","ADDRESS":"x","Service":{"Service":"p","Kind":"connect-proxy","Proxy":{"Config":{"a":[1,{"b":null}]},"Upstreams":[{"DestinationName":"x"}]},"Weights":{"Passing":1,"Warning":0}}}`)
}

func FuzzCatalogDeregister(f *testing.F) {
	fuzzBody(f, "/v1/catalog/deregister", `{"Node":"n1"}`, `{"Datacenter":"dc1","Node":"n1","ServiceID":"web1","CheckID":"c","Address":"x"}`)
}

func FuzzTxn(f *testing.F) {
	fuzzBody(f, "/v1/txn",
		`[{"KV":{"Verb":"set","Key":"a","Value":"MQ==","Flags":7}},{"KV":{"Verb":"get","Key":"a"}},{"KV":{"Verb":"cas","Key":"a","Index":1}}]`,
		`[{"Node":{"Verb":"set","Node":{"Node":"x","Address":"1.1.1.1","Meta":{"a":"b"}}}},{"Service":{"Verb":"set","Node":"n1","Service":{"Service":"web"}}}]`,
		`[{"Check":{"Verb":"cas","Check":{"Node":"n1","CheckID":"c","Status":"passing","Definition":{"Interval":"1s"}}}}]`,
		`[{"Session":{"Verb":"delete","Session":{"ID":"40e4a748-2192-161a-0510-9bf59fe950b5"}}},{"KV":{"Verb":"lock","Key":"k","Session":"x"}}]`,
		`[{"KV":{"Verb":"get-tree","Key":""}},{"KV":{"Verb":"check-not-exists","Key":"z"}},{"KV":{"Verb":"delete-tree","Key":""}},{}]`)
}

func FuzzSessionCreate(f *testing.F) {
	fuzzBody(f, "/v1/session/create",
		`{"LockDelay":"15s","Name":"n","Node":"n1","NodeChecks":[],"Behavior":"delete","TTL":"30s"}`,
		`{"Node":"n1","LockDelay":15,"Checks":["web1-check"],"ServiceChecks":[{"ID":"web1-check","Namespace":""}]}`,
		`{"Node":"n1","LockDelay":1e300}`, `{"Node":"n1","LockDelay":-1}`, `{"LockDelay":null}`, `{"LockDelay":true}`)
}

func FuzzQueryCreate(f *testing.F) {
	fuzzBodyOf(f, "POST", "/v1/query",
		`{"Name":"q","Service":{"Service":"web","Tags":["!a"],"Near":"_ip","Failover":{"NearestN":2,"Datacenters":["dc2"]}},"DNS":{"TTL":"10s"}}`,
		`{"Name":"geo-","Template":{"Type":"name_prefix_match","Regexp":"^geo-(.*)$","RemoveEmptyTags":true},"Service":{"Service":"${match(1)}"}}`,
		`{"Service":{"Service":"web","Failover":{"Targets":[{"Datacenter":"dc2","Peer":""}]}},"Session":"`+sessionID+`"}`)
}

func FuzzCoordinateUpdate(f *testing.F) {
	fuzzBody(f, "/v1/coordinate/update", `{"Node":"n1","Coord":{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":0.00001}}`,
		`{"Node":"n1","Coord":{"Vec":[1e308,1e308,1e308,1e308,0,0,0,0]}}`, `{"Node":"n1","Coord":null}`)
}

func FuzzAgentServiceRegister(f *testing.F) {
	fuzzBody(f, "/v1/agent/service/register",
		`{"Name":"web","Tags":["a"],"Port":80,"Meta":{"a_b":"c"},"Check":{"TTL":"10s","Status":"passing"},"Weights":{"Passing":1,"Warning":1}}`,
		`{"name":"web","enable_tag_override":true,"tagged_addresses":{"lan_ipv4":{"address":"x","port":1}},"checks":[{"http":"http://127.0.0.1:1","interval":"10s","tls_skip_verify":true,"header":{"X_Y":["z"]}}]}`,
		`{"Name":"p","Kind":"connect-proxy","Port":1,"Proxy":{"destination_service_name":"web","upstreams":[{"destination_name":"db","local_bind_port":1,"config":{"a_b":1}}],"expose":{"paths":[{"listener_port":1,"path":"/","local_path_port":2}]}}}`,
		`{"Name":"web","Port":1,"Connect":{"SidecarService":{"Port":2,"Connect":{"SidecarService":{}}}}}`,
		`{"Name":"web","Check":null,"Checks":[null]}`, `{"Name":"web","a_b":{"c_d":[1e999]}}`)
}

func FuzzAgentCheckRegister(f *testing.F) {
	fuzzBody(f, "/v1/agent/check/register",
		`{"Name":"mem","Notes":"n","TTL":"15s","Status":"warning","OutputMaxSize":100}`,
		`{"ID":"c","Name":"c","ServiceID":"x","HTTP":"http://127.0.0.1:1","Method":"POST","Header":{"a":["b"]},"Body":"x","Interval":"10s","Timeout":"1s","DeregisterCriticalServiceAfter":"90m"}`,
		`{"name":"c","tcp":"127.0.0.1:1","interval":10000000000,"success_before_passing":3,"failures_before_critical":2,"docker_container_id":"x"}`,
		`{"Name":"c","AliasService":"x","AliasNode":"n"}`, `{"Name":"c","Args":["/bin/true"],"Interval":"10s"}`, `{"Name":"c","TTL":1e300}`)
}

// FuzzKV asks for keys with all kinds of names and parameters. A value that was
// written under a name is read under the same.
func FuzzKV(f *testing.F) {
	for _, seed := range []struct{ key, query, value string }{
		{"a", "flags=7", "v"}, {"a/b", "recurse", ""}, {"", "keys&separator=/", ""}, {"a", "cas=0", "v"}, {"a", "acquire=x", "v"}, {"a", "release=", "v"},
		{"a", "raw&pretty", ""}, {"a", "index=1&wait=1s", ""}, {"a", "stale&max_stale=1h", ""}, {"a", "dc=dc2&token=x&ns=default", ""}, {"a", "%zz", ""},
		{"a//b", "", ""}, {"a/../b", "", ""}, {"\x00\xff", "separator=%00", "\x00"}, {" a ", "flags=18446744073709551616", ""}, {"a", "cas=1&recurse", ""},
		{"..", "", ""}, {"a/.", "near=x&filter=x&node-meta=a:b", ""},
	} {
		f.Add(seed.key, seed.query, []byte(seed.value))
	}
	f.Fuzz(func(t *testing.T, key, query string, value []byte) {
		r := newRig(t)
		path := "/v1/kv/" + key
		for _, method := range []string{"PUT", "GET", "DELETE", "PATCH"} {
			w := r.send(method, path, query, value)
			switch w.Code {
			case 200, 301, 400, 403, 404, 405, 413, 500:
			default:
				t.Errorf("%s: %d %s", method, w.Code, w.Body)
			}
		}
		printable := !strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) })
		if key == "" || !printable || cleanPath(path) != path {
			return
		}
		if w := r.send("PUT", path, "", value); w.Code != 200 || w.Body.String() != "true" {
			t.Fatalf("put: %d %s", w.Code, w.Body)
		}
		if w := r.send("GET", path, "raw", nil); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), value) {
			t.Errorf("get: %d %q", w.Code, w.Body)
		}
		var list []*model.KVPair
		if w := r.send("GET", path, "recurse", nil); json.Unmarshal(w.Body.Bytes(), &list) != nil || len(list) != 1 || !bytes.Equal(list[0].Value, value) {
			t.Errorf("recurse: %d %s", w.Code, w.Body)
		} else if list[0].Key != string([]rune(key)) { // JSON has no bytes
			t.Errorf("the key %q became %q", key, list[0].Key)
		}
	})
}
