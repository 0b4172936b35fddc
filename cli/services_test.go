package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/cli/clitest"
)

func TestServicesFlags(t *testing.T) {
	registered := map[string]string{"PUT /v1/agent/service/register": ""}
	runSteps(t, []step{
		{
			args: "services register -name=web -port=77 -tag=t1 -tag=t2 -meta=a=b -address=10.7.7.7", answers: registered,
			out: "Registered service: web\n",
			asked: []string{`PUT /v1/agent/service/register {"Name":"web","Tags":["t1","t2"],"Port":77,"Address":"10.7.7.7",` +
				`"Meta":{"a":"b"},"Check":null,"Checks":null}`},
		},
		{
			args: "services register -name=web -port=77 -tagged-address=lan=10.0.0.1:99 -tagged-address=wan=1.2.3.4", answers: registered,
			out: "Registered service: web\n",
			asked: []string{`PUT /v1/agent/service/register {"Name":"web","Port":77,` +
				`"TaggedAddresses":{"lan":{"Address":"10.0.0.1","Port":99},"wan":{"Address":"1.2.3.4","Port":77}},"Check":null,"Checks":null}`},
		},
		{
			args: "services register -name=web", answers: map[string]string{"PUT /v1/agent/service/register": "400 no"}, code: 1,
			err: "Error registering service \"web\": Unexpected response code: 400 (no)\n",
		},
		{
			args: "services deregister -id=web", answers: map[string]string{"PUT /v1/agent/service/deregister/web": ""},
			out: "Deregistered service: web\n",
		},
		{
			args: "services deregister -id=web", answers: map[string]string{"PUT /v1/agent/service/deregister/web": "404 no"}, code: 1,
			err: "Error deregistering service \"web\": Unexpected response code: 404 (no)\n",
		},
		{args: "services register absent.hcl", code: 1, err: "Error parsing services: open absent.hcl: no such file or directory\n"},
	})
	wantUsage(t, "Service registration requires at least one argument or flags.", "services", "register")
	wantUsage(t, "Service registration takes either flags or files, not both.", "services", "register", "-name=x", "y")
	wantUsage(t, "Service deregistration requires at least one argument or -id.", "services", "deregister")
	wantUsage(t, "Service deregistration takes either -id or files, not both.", "services", "deregister", "-id=x", "y")
}

func TestServicesFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one := write("one.hcl", `
		data_dir = "elsewhere"
		service {
			id = "web1"
			name = "web"
			tags = ["a", "b"]
			port = 80
			enable_tag_override = true
			token = "secret"
			meta { version = "1" }
			tagged_addresses { lan { address = "10.0.0.1" port = 81 } }
			weights { passing = 10 warning = 1 }
			check {
				id = "web-up"
				http = "http://localhost"
				interval = "10s"
				header { accept = ["x"] }
				deregister_critical_service_after = "1m"
			}
		}`)
	many := write("many.json", `{"services": [
		{"name": "db", "checks": [{"args": ["true"], "interval": "1s"}, {"ttl": "5s", "name": "pulse"},
			{"ID": "os", "os_service": "w32time", "interval": "1s", "output_max_size": 10, "disable_redirects": true}]},
		{"Name": "cache", "EnableTagOverride": false, "connect": {"sidecar_service": {"proxy": {"upstreams": [
			{"destination_name": "db", "local_bind_port": 1234}], "config": {"some_key": 1}}}}}]}`)
	a := clitest.Start(t)
	a.Reply("PUT /v1/agent/service/register", 200, "")
	a.Reply("PUT /v1/agent/service/deregister/web1", 200, "")
	a.Reply("PUT /v1/agent/service/deregister/db", 200, "")
	a.Reply("PUT /v1/agent/service/deregister/cache", 200, "")
	runCLI(a, "", "services", "register", one, many).Want(t, 0,
		"Registered service: web\nRegistered service: db\nRegistered service: cache\n", "")
	runCLI(a, "", "services", "deregister", one, many).Want(t, 0,
		"Deregistered service: web1\nDeregistered service: db\nDeregistered service: cache\n", "")
	want := []string{
		`PUT /v1/agent/service/register {"ID":"web1","Name":"web","Tags":["a","b"],"Port":80,` +
			`"TaggedAddresses":{"lan":{"Address":"10.0.0.1","Port":81}},"EnableTagOverride":true,"Meta":{"version":"1"},` +
			`"Weights":{"Passing":10,"Warning":1},"Check":{"CheckID":"web-up","Interval":"10s","HTTP":"http://localhost",` +
			`"Header":{"accept":["x"]},"DeregisterCriticalServiceAfter":"1m"},"Checks":null}`,
		`PUT /v1/agent/service/register {"Name":"db","Check":null,"Checks":[{"ScriptArgs":["true"],"Interval":"1s"},` +
			`{"Name":"pulse","TTL":"5s"},` +
			`{"CheckID":"os","Interval":"1s","DisableRedirects":true,"OSService":"w32time","OutputMaxSize":10}]}`,
		`PUT /v1/agent/service/register {"Name":"cache","Connect":{"SidecarService":` +
			`{"Check":null,"Checks":null,"Proxy":{"Config":{"some_key":1},"Upstreams":[{"DestinationName":"db",` +
			`"LocalBindPort":1234,"MeshGateway":{}}],"MeshGateway":{},"Expose":{}}}},"Check":null,"Checks":null}`,
	}
	for i, request := range a.Requests()[:3] {
		if request != want[i] {
			t.Errorf("asked %s\nwant  %s", request, want[i])
		}
	}
}

func TestServicesBadFiles(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`service { port = 80 }`, "a service has no name"},
		{`service { name = "x" nonsense = 1 }`, "'service' has invalid keys: nonsense"},
		{`service {`, "object expected closing RBRACE"},
		{`service { name = "x" port = "many" }`, "Port"},
		{`service { name = "x" check { nonsense = 1 } }`, "'service.Check' has invalid keys: nonsense"},
	} {
		if _, err := parseServices([]byte(test.text), false); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.text, err, test.want)
		}
	}
	if _, err := parseServices([]byte(`{"service": `), true); err == nil {
		t.Error("broken JSON was read")
	}
}

func FuzzParseServices(f *testing.F) {
	f.Add([]byte(`service { name = "x" check { id = "c" ttl = "1s" } }`), false)
	f.Add([]byte(`{"services": [{"name": "x", "checks": [{"id": 1}]}], "service": {"name": []}}`), true)
	f.Fuzz(func(t *testing.T, data []byte, isJSON bool) {
		services, err := parseServices(data, isJSON)
		for _, s := range services {
			if err == nil && s.id() == "" {
				t.Errorf("a service without a name was read")
			}
		}
	})
}
