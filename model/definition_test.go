package model

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestCheckDefinitionKinds(t *testing.T) {
	for _, tt := range []struct {
		def  string
		kind string
		want string // of Validate
	}{
		{`{}`, "", "TTL must be > 0 for TTL checks"},
		{`{"TTL": "10s"}`, CheckTTL, ""},
		{`{"TTL": "-1s"}`, CheckTTL, "TTL must be > 0 for TTL checks"},
		{`{"TTL": "10s", "Interval": "1s"}`, CheckTTL, "Interval and TTL cannot both be specified"},
		{`{"HTTP": "http://x", "Interval": "1s"}`, CheckHTTP, ""},
		{`{"HTTP": "http://x"}`, CheckHTTP, "Interval must be > 0 for Script, HTTP, or TCP checks"},
		{`{"HTTP": "http://x", "Interval": "-1s"}`, CheckHTTP, "Interval must be > 0 for Script, HTTP, or TCP checks"},
		{`{"TCP": "x:1", "Interval": 1000000000}`, CheckTCP, ""},
		{`{"UDP": "x:1", "Interval": "1s"}`, CheckUDP, ""},
		{`{"GRPC": "x:1", "Interval": "1s"}`, CheckGRPC, ""},
		{`{"H2PING": "x:1", "Interval": "1s"}`, CheckH2Ping, ""},
		{`{"OSService": "x", "Interval": "1s"}`, CheckOSService, ""},
		{`{"ScriptArgs": ["x"], "Interval": "1s"}`, CheckScript, ""},
		{`{"Args": ["x"], "Interval": "1s"}`, CheckScript, ""},
		{`{"Script": "x", "Interval": "1s"}`, CheckScript, ""},
		{`{"DockerContainerID": "c", "ScriptArgs": ["x"], "Interval": "1s"}`, CheckDocker, ""},
		{`{"AliasNode": "n"}`, CheckAlias, ""},
		{`{"AliasService": "s", "Interval": "1s"}`, CheckAlias, "Interval cannot be set for Alias checks"},
		{`{"AliasService": "s", "TTL": "1s"}`, CheckAlias, "TTL must be not be set for Alias checks"},
		{`{"TTL": "10s", "OutputMaxSize": -1}`, CheckTTL, "MaxOutputMaxSize must be positive"},
	} {
		var d CheckDefinition
		if err := json.Unmarshal([]byte(tt.def), &d); err != nil {
			t.Errorf("%s: %v", tt.def, err)
			continue
		}
		if got := d.Kind(); got != tt.kind {
			t.Errorf("%s: kind %q, want %q", tt.def, got, tt.kind)
		}
		checkText(t, d.Validate(), tt.want)
		if d.Empty() != (tt.def == `{}`) {
			t.Errorf("%s: empty is %v", tt.def, d.Empty())
		}
	}
	if got := (&CheckDefinition{Script: "a | b"}).Command(); !reflect.DeepEqual(got, []string{"/bin/sh", "-c", "a | b"}) {
		t.Errorf("got %q", got)
	}
}

func TestCheckDefinitionInTheCatalog(t *testing.T) {
	d := CheckDefinition{Name: "web", HTTP: "http://x", Interval: Duration(10 * time.Second), Timeout: Duration(time.Second), ServiceID: "web1", Notes: "n"}
	want := &HealthCheck{Node: "n1", CheckID: "web", Name: "web", Status: HealthCritical, Notes: "n", ServiceID: "web1", Type: "http", Interval: "10s", Timeout: "1s"}
	if got := d.HealthCheck("n1"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	d.ID, d.Status = "by-id", HealthPassing
	if got := d.HealthCheck("n1"); got.CheckID != "by-id" || got.Status != HealthPassing {
		t.Errorf("got %+v", got)
	}
	d.CheckID = "by-check-id"
	if got := d.HealthCheck("n1"); got.CheckID != "by-check-id" {
		t.Errorf("got %+v", got)
	}
}

func TestServiceDefinitionInTheCatalog(t *testing.T) {
	d := ServiceDefinition{Name: "web", Port: 80, Check: &CheckDefinition{TTL: 1}, Checks: []*CheckDefinition{{TTL: 2}}}
	s := d.NodeService()
	if s.ID != "web" || s.Service != "web" || *s.Weights != (Weights{1, 1}) {
		t.Errorf("got %+v", s)
	}
	if all := d.AllChecks(); len(all) != 2 || all[0].TTL != 1 || len(d.Checks) != 1 {
		t.Errorf("got %+v", all)
	}
	d = ServiceDefinition{ID: "web1", Name: "web", Weights: &Weights{Passing: 5}, Check: &CheckDefinition{}, Proxy: &ProxyConfig{Mode: "direct"}, Connect: &ServiceConnect{Native: true}}
	s = d.NodeService()
	s.Weights.Passing = 7
	if s.ID != "web1" || d.Weights.Passing != 5 || s.Proxy.Mode != "direct" || !s.Connect.Native {
		t.Errorf("got %+v", s)
	}
	if all := d.AllChecks(); len(all) != 0 {
		t.Errorf("an empty check counts: %+v", all)
	}
}

// The forms in which instances are shown are those of the original.
func TestServiceJSON(t *testing.T) {
	n := &Node{Node: "n1", Address: "10.0.0.1", Datacenter: "dc1"}
	s := &NodeService{ID: "web1", Service: "web", Port: 80, Weights: &Weights{1, 1}, RaftIndex: RaftIndex{CreateIndex: 5, ModifyIndex: 6}}
	for want, v := range map[string]any{
		`{"ID":"web1","Service":"web","Tags":null,"Address":"","Meta":null,"Port":80,"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,` +
			`"Proxy":{"MeshGateway":{},"Expose":{}},"Connect":{},"CreateIndex":5,"ModifyIndex":6}`: s,
		`{"ID":"","Node":"n1","Address":"10.0.0.1","Datacenter":"dc1","TaggedAddresses":null,"NodeMeta":null,"ServiceKind":"","ServiceID":"web1",` +
			`"ServiceName":"web","ServiceTags":null,"ServiceAddress":"","ServiceWeights":{"Passing":1,"Warning":1},"ServiceMeta":{},"ServicePort":80,` +
			`"ServiceEnableTagOverride":false,"ServiceProxy":{"MeshGateway":{},"Expose":{}},"ServiceConnect":{},"CreateIndex":5,"ModifyIndex":6}`: NewServiceNode(n, s),
		`{"ID":"","Node":"n1","Address":"10.0.0.1","Datacenter":"dc1","TaggedAddresses":null,"Meta":null,"CreateIndex":0,"ModifyIndex":0}`: n,
		`{"Node":"n1","CheckID":"c","Name":"","Status":"passing","Notes":"","Output":"","ServiceID":"","ServiceName":"","ServiceTags":null,"Type":"",` +
			`"Definition":{},"CreateIndex":0,"ModifyIndex":0}`: &HealthCheck{Node: "n1", CheckID: "c", Status: HealthPassing},
		`{"LockIndex":0,"Key":"k","Flags":7,"Value":"dg==","CreateIndex":0,"ModifyIndex":0}`:             &KVPair{Key: "k", Flags: 7, Value: []byte("v")},
		`{"LockIndex":1,"Key":"k","Flags":0,"Value":null,"Session":"x","CreateIndex":0,"ModifyIndex":0}`: &KVPair{Key: "k", Session: "x", LockIndex: 1},
		`{"ID":"x","Name":"","Node":"n1","LockDelay":15000000000,"Behavior":"release","TTL":"","NodeChecks":["serfHealth"],"ServiceChecks":null,` +
			`"CreateIndex":0,"ModifyIndex":0}`: &Session{ID: "x", Node: "n1", LockDelay: LockDelayDefault, Behavior: SessionsRelease, NodeChecks: []string{SerfHealthID}},
	} {
		got, err := json.Marshal(v)
		if err != nil || string(got) != want {
			t.Errorf("%T: got\n%s, %v, want\n%s", v, got, err, want)
		}
	}
	if !(&ProxyConfig{}).IsZero() || (&ProxyConfig{Mode: "x"}).IsZero() {
		t.Error("an empty proxy is not told from another")
	}
}
