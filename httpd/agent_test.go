package httpd

import (
	"net/http"
	"strings"
	"testing"

	"muster/acl"
	"muster/model"
	"muster/ops/opstest"
)

// Who registers something must be allowed to write all that it touches, not
// only what it is called.
func TestAgentRegistrationsCannotBeDodged(t *testing.T) {
	for _, c := range []struct{ name, url, body, without string }{
		{"a service", "/v1/agent/service/register", `{"Name":"web"}`, "web"},
		{"a service with the ID of another", "/v1/agent/service/register", `{"Name":"mine","ID":"api1"}`, "api"},
		{"a service named as the ID of another", "/v1/agent/service/register", `{"Name":"api1"}`, "api"},
		{"a service with a check of another", "/v1/agent/service/register", `{"Name":"mine","Check":{"CheckID":"service:api1","TTL":"1h"}}`, "api"},
		{"a service with a check of another in a list", "/v1/agent/service/register", `{"Name":"mine","Checks":[{"id":"service:api1","TTL":"1h"}]}`, "api"},
		{"a service with a check of the node", "/v1/agent/service/register", `{"Name":"mine","Check":{"CheckID":"disk","TTL":"1h"}}`, "s1"},
		{"a proxy for another service", "/v1/agent/service/register",
			`{"Name":"mine","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"web"}}`, "web"},
		{"a proxy in snake case", "/v1/agent/service/register",
			`{"Name":"mine","Kind":"connect-proxy","Port":1,"Proxy":{"destination_service_name":"web"}}`, "web"},
		{"a sidecar", "/v1/agent/service/register", `{"Name":"mine","Port":1,"Connect":{"SidecarService":{"Port":2}}}`, "mine-sidecar-proxy"},
		{"a sidecar with a name", "/v1/agent/service/register", `{"Name":"mine","Port":1,"Connect":{"SidecarService":{"Name":"web","Port":2}}}`, "web"},
		{"a sidecar for another service", "/v1/agent/service/register",
			`{"Name":"mine","Port":1,"Connect":{"SidecarService":{"Port":2,"Proxy":{"DestinationServiceName":"web"}}}}`, "web"},
		{"a check of the node", "/v1/agent/check/register", `{"Name":"mem","TTL":"1h"}`, "s1"},
		{"a check of a service", "/v1/agent/check/register", `{"Name":"mem","TTL":"1h","ServiceID":"api1"}`, "api"},
		{"a check with the ID of a service's", "/v1/agent/check/register", `{"Name":"mem","ID":"service:api1","TTL":"1h"}`, "api"},
		{"a check with the ID of the node's for a service", "/v1/agent/check/register", `{"Name":"disk","ServiceID":"api1","TTL":"1h"}`, "s1"},
	} {
		k := newWalk(t, route{})
		k.door.cfg.ACL.(opstest.Tokens)["some"] = opstest.Except(c.without)
		before := k.trace()
		w := k.do("PUT", c.url, c.body, "X-Consul-Token: some")
		if w.Code != http.StatusForbidden || !strings.HasPrefix(w.Body.String(), model.TextDenied) || !strings.Contains(w.Body.String(), `"`+c.without+`"`) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if k.trace() != before {
			t.Errorf("%s: something was registered", c.name)
		}
	}
}

// Definitions may be spelled in snake case; names that are data stay as they are.
func TestAgentDefinitionsInSnakeCase(t *testing.T) {
	r := newRig(t)
	r.want(200, "", "PUT", "/v1/agent/service/register", `{"name":"web","port":80,"enable_tag_override":true,"meta":{"a_b":"c_d"},
		"tagged_addresses":{"lan_ipv4":{"address":"10.0.0.1","port":81}},"checks":[{"check_id":"c","ttl":"10s","deregister_critical_service_after":"2m"}]}`)
	s := r.door.cfg.Local.Service("web")
	if s == nil || !s.EnableTagOverride || s.Meta["a_b"] != "c_d" || s.TaggedAddresses["lan_ipv4"].Port != 81 || r.door.cfg.Local.Check("c") == nil {
		t.Errorf("%+v", s)
	}
	for range 20 {
		r.want(200, "", "PUT", "/v1/agent/service/register", `{"name":"twice","p_ort":1,"po_rt":2}`)
		if s := r.door.cfg.Local.Service("twice"); s.Port != 2 {
			t.Fatalf("the port is %d", s.Port)
		}
	}
	r.want(400, `Request decode failed: json: unknown field "no_such"`, "PUT", "/v1/agent/service/register", `{"name":"web","no_such":1}`)
	r.want(400, `Request decode failed: json: unknown field "Bogus"`, "PUT", "/v1/agent/check/register", `{"Name":"web","Bogus":1}`)
	r.want(400, "Request decode failed: EOF", "PUT", "/v1/agent/check/register", "")
}

// Nothing is put where its owner did not mean it to be.
func TestRegistrationsInOtherNamespaces(t *testing.T) {
	r := newRig(t)
	for url, name := range map[string]string{"/v1/agent/service/register": "Name", "/v1/agent/check/register": "Name", "/v1/catalog/register": "Node"} {
		for _, tenancy := range []string{"Namespace", "Partition"} {
			r.want(400, `Request decode failed: json: unknown field "`+tenancy+`" - `+tenancy+`s are a Consul Enterprise feature`,
				"PUT", url, `{"`+name+`":"web","`+tenancy+`":"other"}`)
		}
	}
	r.want(200, "", "PUT", "/v1/agent/service/register", `{"Name":"web","Namespace":"default","Partition":"default"}`)
	r.want(200, "", "PUT", "/v1/agent/check/register", `{"Name":"mem","TTL":"10s","Namespace":"default"}`)
}

// A registration by somebody with just the permissions that it needs.
func TestAgentRegistrationsNeedNoMore(t *testing.T) {
	k := newWalk(t, route{})
	k.door.cfg.ACL.(opstest.Tokens)["some"] = opstest.Rule(func(r acl.Resource, name string, a acl.Access) bool {
		return r == acl.Service && (name == "mine" || name == "mine-sidecar-proxy") && a == acl.Write
	})
	k.want(200, "", "PUT", "/v1/agent/service/register",
		`{"Name":"mine","ID":"m1","Port":1,"Check":{"TTL":"1h"},"Connect":{"SidecarService":{"Port":2}}}`, "X-Consul-Token: some")
	k.want(200, "", "PUT", "/v1/agent/check/register", `{"Name":"mem","TTL":"1h","ServiceID":"m1"}`, "X-Consul-Token: some")
}
