package model

import (
	"strings"
	"testing"
)

func TestValidateMeta(t *testing.T) {
	many := map[string]string{}
	for i := range 65 {
		many["k"+strings.Repeat("x", i)] = ""
	}
	for _, tt := range []struct {
		meta     map[string]string
		reserved bool
		want     string
	}{
		{nil, false, ""},
		{map[string]string{"a_B-9": strings.Repeat("v", 512)}, false, ""},
		{map[string]string{"consul-x": "v"}, true, ""},
		{map[string]string{"consul-x": "v"}, false, "Couldn't load metadata pair ('consul-x', 'v'): Key prefix 'consul-' is reserved for internal use"},
		{map[string]string{"": "v"}, false, "Couldn't load metadata pair ('', 'v'): Key cannot be blank"},
		{map[string]string{"bad key!": "v"}, false, "Couldn't load metadata pair ('bad key!', 'v'): Key contains invalid characters"},
		{map[string]string{"é": "v"}, false, "Couldn't load metadata pair ('é', 'v'): Key contains invalid characters"},
		{map[string]string{strings.Repeat("k", 129): ""}, false, "Couldn't load metadata pair ('" + strings.Repeat("k", 129) + "', ''): Key is too long (limit: 128 characters)"},
		{map[string]string{"k": strings.Repeat("v", 513)}, false, "Couldn't load metadata pair ('k', '" + strings.Repeat("v", 513) + "'): Value is too long (limit: 512 characters)"},
		{many, false, "Node metadata cannot contain more than 64 key/value pairs"},
	} {
		checkText(t, ValidateMeta(tt.meta, tt.reserved), tt.want)
	}
}

func TestValidateService(t *testing.T) {
	proxy := func(p ProxyConfig) ServiceDefinition {
		return ServiceDefinition{Name: "p", Kind: KindConnectProxy, Port: 1, Proxy: &p}
	}
	for _, tt := range []struct {
		def  ServiceDefinition
		want string
	}{
		{ServiceDefinition{Name: "web"}, ""},
		{ServiceDefinition{}, "Missing service name"},
		{ServiceDefinition{Name: "a\x00b"}, "Name must not contain a NUL byte"},
		{ServiceDefinition{Name: "web", ID: "a\x00b"}, "ID must not contain a NUL byte"},
		{ServiceDefinition{Name: strings.Repeat("w", NameMax-nameSpare)}, ""},
		{ServiceDefinition{Name: "web", ID: strings.Repeat("w", NameMax)}, "ID is 4096 bytes long, at most 4032 are allowed"},
		{ServiceDefinition{Name: "web", Check: &CheckDefinition{TTL: 1, CheckID: "\x00"}}, "Invalid check: ID must not contain a NUL byte"},
		{ServiceDefinition{Name: "web", Address: "0.0.0.0"}, "Invalid service address"},
		{ServiceDefinition{Name: "web", Address: "[::]"}, "Invalid service address"},
		{ServiceDefinition{Name: "web", Address: "example.org"}, ""},
		{ServiceDefinition{Name: "web", Weights: &Weights{Passing: 0, Warning: 1}}, "Invalid Weights: Passing must be greater than 0"},
		{ServiceDefinition{Name: "web", Weights: &Weights{Passing: 1, Warning: -1}}, "Invalid Weights: Warning must be greater or equal than 0"},
		{ServiceDefinition{Name: "web", Weights: &Weights{Passing: 65536}}, "Invalid Weights: DNS Weight must be between 0 and 65535"},
		{ServiceDefinition{Name: "web", Meta: map[string]string{"!": ""}}, "Invalid Service Meta: Couldn't load metadata pair ('!', ''): Key contains invalid characters"},
		{ServiceDefinition{Name: "web", Check: &CheckDefinition{Name: "x"}}, "Invalid check: TTL must be > 0 for TTL checks"},
		{ServiceDefinition{Name: "web", Check: &CheckDefinition{TTL: 1, Status: "x"}}, "Status for checks must 'passing', 'warning', 'critical'"},
		{ServiceDefinition{Name: "x", Kind: KindConnectProxy, Port: 1},
			"1 error occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\n"},
		{ServiceDefinition{Name: "x", Kind: KindConnectProxy},
			"2 errors occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\t* Port must be set for a Connect proxy\n\n"},
		{proxy(ProxyConfig{DestinationServiceName: "web", Upstreams: []Upstream{{DestinationName: "db", LocalBindPort: 1}, {DestinationName: "db", LocalBindPort: 2}}}),
			"1 error occurred:\n\t* upstreams cannot contain duplicates of db\n\n"},
		{proxy(ProxyConfig{DestinationServiceName: "web", Upstreams: []Upstream{{DestinationName: "a", LocalBindPort: 1}, {DestinationName: "b", LocalBindPort: 1}}}),
			"1 error occurred:\n\t* upstreams cannot contain duplicates by local bind address and port; \"127.0.0.1:1\" is specified twice\n\n"},
		{proxy(ProxyConfig{DestinationServiceName: "web", Expose: ExposeConfig{Paths: []ExposePath{{Path: "/a", ListenerPort: 70000}}}}),
			"1 error occurred:\n\t* expose.paths: invalid listener port: 70000\n\n"},
		{ServiceDefinition{Name: "gw", Kind: KindMeshGateway}, "1 error occurred:\n\t* Port must be non-zero for a mesh-gateway\n\n"},
		{ServiceDefinition{Name: "web", Connect: &ServiceConnect{SidecarService: &ServiceDefinition{ID: "x"}}},
			"1 error occurred:\n\t* A SidecarService cannot specify an ID as this is managed by the agent\n\n"},
		{ServiceDefinition{Name: "web", Connect: &ServiceConnect{SidecarService: &ServiceDefinition{
			Connect: &ServiceConnect{SidecarService: &ServiceDefinition{}}}}},
			"1 error occurred:\n\t* A SidecarService cannot have a nested SidecarService\n\n"},
	} {
		checkText(t, tt.def.Validate(), tt.want)
	}
}

func TestValidateCheckAlone(t *testing.T) {
	for _, tt := range []struct {
		def  CheckDefinition
		want string
	}{
		{CheckDefinition{Name: "x", TTL: 1}, ""},
		{CheckDefinition{}, "Missing check name"},
		{CheckDefinition{Name: "x", TTL: 1, Status: "bogus"}, "Bad check status"},
		{CheckDefinition{Name: "x", TCP: "a:1"}, "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks"},
	} {
		checkText(t, tt.def.ValidateAlone(), tt.want)
	}
}

func checkText(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
		if KindOf(err) != BadRequest {
			t.Errorf("%q: kind %d", got, KindOf(err))
		}
	}
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
