package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/model"
)

// The exact texts, and that the first failure is the one reported.
func TestContradictions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("v", 513)
	for _, c := range []struct{ hcl, want string }{
		{`data_dir = "" server = true bootstrap_expect = 1`, "data_dir cannot be empty"},
		{`data_dir = "` + file + `"`, `data_dir "` + file + `" is not a directory`},
		{`datacenter = ""`, "datacenter cannot be empty"},
		{`datacenter = "dc one" bootstrap_expect = 1`, `datacenter can only contain lowercase alphanumeric, - or _ characters. received: "dc one"`},
		{`primary_datacenter = "dc!"`, `primary_datacenter can only contain lowercase alphanumeric, - or _ characters. received: "dc!"`},
		{`acl_datacenter = "dc!"`, `primary_datacenter can only contain lowercase alphanumeric, - or _ characters. received: "dc!"`},
		{`node_name = ""`, "node_name cannot be empty"},
		{`node_name = " "`, "node_name cannot be empty"},
		{`node_meta { consul-x = "y" }`, "node_meta invalid: Couldn't load metadata pair ('consul-x', 'y'): Key prefix 'consul-' is reserved for internal use"},
		{`node_meta { k = "` + long + `" }`, "node_meta invalid: Couldn't load metadata pair ('k', '" + long + "'): Value is too long (limit: 512 characters)"},
		{`node_id = "x"`, `node_id "x" is not a UUID`},
		{`encrypt = "short"`, "encrypt has invalid key: illegal base64 data at input byte 4"},
		{`encrypt = "YWJj"`, "encrypt has invalid key: key size must be 16, 24 or 32 bytes"},
		{`alt_domain = "service.x"`, "alt_domain cannot start with {service,connect,node,query,addr,dc1}"},
		{`alt_domain = "dc1."`, "alt_domain cannot start with {service,connect,node,query,addr,dc1}"},

		{`advertise_addr = "0.0.0.0"`, "Advertise address cannot be 0.0.0.0, :: or [::]"},
		{`advertise_addr = "[::]"`, "Advertise address cannot be 0.0.0.0, :: or [::]"},
		{`advertise_addr_wan = "::"`, "Advertise WAN address cannot be 0.0.0.0, :: or [::]"},
		{`ports { dns = 5 http = 5 }`, "HTTP address 127.0.0.1:5 already configured for DNS"},
		{`ports { https = 8500 }`, "HTTPS address 127.0.0.1:8500 already configured for HTTP"},
		{`addresses { http = "127.0.0.1 127.0.0.1" }`, "HTTP address 127.0.0.1:8500 already configured for HTTP"},
		{`ports { server = 8301 }`, "Serf Advertise LAN address 10.1.2.3:8301 already configured for RPC Advertise"},
		{`server = true ports { serf_wan = 8301 }`, "Serf Advertise WAN address 10.1.2.3:8301 already configured for Serf Advertise LAN"},
		{`unix_sockets { mode = "rwx" }`, `unix_sockets.mode must be octal digits, was: "rwx"`},

		{`bootstrap = true`, "'bootstrap = true' requires 'server = true'"},
		{`bootstrap_expect = 3`, "'bootstrap_expect > 0' requires 'server = true'"},
		{`server = true bootstrap = true bootstrap_expect = 3`, "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive"},
		{`server = true bootstrap_expect = -1`, "bootstrap_expect cannot be -1. Must be greater than or equal to zero"},

		{`raft_protocol = 2`, "raft_protocol version 2 is not supported by this version of Consul"},
		{`performance { raft_multiplier = 0 }`, "performance.raft_multiplier cannot be 0. Must be between 1 and 10"},
		{`performance { raft_multiplier = 11 }`, "performance.raft_multiplier cannot be 11. Must be between 1 and 10"},
		{`read_replica = true`, "'read_replica = true' requires 'server = true' and excludes 'bootstrap = true': a server without a vote cannot begin a cluster"},
		{`server = true bootstrap_expect = 1 read_replica = true`, "'read_replica = true' requires 'server = true' and excludes 'bootstrap = true': a server without a vote cannot begin a cluster"},
		{`autopilot { max_trailing_logs = -1 }`, "autopilot.max_trailing_logs cannot be -1. Must be greater than or equal to zero"},
		{`raft_trailing_logs = -1`, "raft_trailing_logs cannot be -1. Must be greater than or equal to zero"},
		{`raft_logstore { wal { segment_size_mb = 0 } }`, "raft_logstore.wal.segment_size_mb cannot be 0. Must be between 1 and 1024"},
		{`protocol = 1`, "protocol cannot be 1. Must be between 2 and 3"},
		{`dns_config { udp_answer_limit = -1 }`, "dns_config.udp_answer_limit cannot be -1. Must be greater than or equal to zero"},
		{`dns_config { a_record_limit = -1 }`, "dns_config.a_record_limit cannot be -1. Must be greater than or equal to zero"},
		{`dns_config { recursor_strategy = "best" }`, `dns_config.recursor_strategy must be one of: sequential, random; was: "best"`},
		{`check_output_max_size = 0`, "check_output_max_size must be positive, to discard check output use the discard_check_output flag"},
		{`cache { entry_fetch_max_burst = 0 }`, "cache.entry_fetch_max_burst must be strictly positive, was: 0"},
		{`cache { entry_fetch_rate = -1.5 }`, "cache.entry_fetch_rate must be strictly positive, was: -1.5"},

		{`ui_config { content_path = "/a b/" }`, `ui-content-path can only contain alphanumeric, -, _, or /. received: "/a b/"`},
		{`ui_config { content_path = "/v1/" }`, `ui-content-path cannot have 'v[0-9]'. received: "/v1/"`},
		{`ui_config { metrics_provider = "A" }`, `ui_config.metrics_provider can only contain lowercase alphanumeric, - or _ characters. received: "A"`},
		{`ui_config { metrics_provider_options_json = "[]" }`, "ui_config.metrics_provider_options_json must be empty or a string containing a valid JSON object."},
		{`ui_config { metrics_proxy { base_url = "ftp://x" } }`, "ui_config.metrics_proxy.base_url must be a valid http or https URL."},
		{`ui_config { metrics_proxy { path_allowlist = ["x"] } }`, `ui_config.metrics_proxy.path_allowlist: path "x" is not an absolute path`},
		{`ui_config { dashboard_url_templates { "A b" = "http://x" } }`, `ui_config.dashboard_url_templates key names can only contain lowercase alphanumeric, - or _ characters. received: "A b"`},
		{`ui_config { dashboard_url_templates { a = "x" } }`, "ui_config.dashboard_url_templates values must be a valid http or https URL."},

		{`reconnect_timeout = "1h"`, "reconnect_timeout must be >= 8h0m0s, was: 1h0m0s"},
		{`server_rejoin_age_max = "1h"`, "server_rejoin_age_max must be >= 6h0m0s, was: 1h0m0s"},
		{`server = true advertise_reconnect_timeout = "1h"`, "advertise_reconnect_timeout can only be used on a client"},
		{`connect { ca_provider = "me" }`, "me is not a valid CA provider"},
		{`connect { enable_mesh_gateway_wan_federation = true }`, "'connect.enable_mesh_gateway_wan_federation=true' requires 'server = true'"},
		{`server = true connect { enable_mesh_gateway_wan_federation = true }`, "'connect.enable_mesh_gateway_wan_federation=true' requires 'connect.enabled=true'"},
		{`server = true connect { enabled = true enable_mesh_gateway_wan_federation = true } start_join_wan = ["a"]`, "'start_join_wan' is incompatible with 'connect.enable_mesh_gateway_wan_federation=true'"},
		{`server = true connect { enabled = true enable_mesh_gateway_wan_federation = true } retry_join_wan = ["a"]`, "'retry_join_wan' is incompatible with 'connect.enable_mesh_gateway_wan_federation=true'"},
		{`primary_gateways = ["a"]`, "'primary_gateways' requires 'server = true'"},
		{`server = true primary_gateways = ["a"]`, "'primary_gateways' should only be configured in a secondary datacenter"},
		{`config_entries { bootstrap = [{ kind = "a" }, { name = "b" }] }`, "config_entries.bootstrap[1]: Payload does not contain a kind/Kind"},
		{`server = true auto_encrypt { tls = true }`, "auto_encrypt.tls can only be used on a client."},
		{`auto_encrypt { allow_tls = true }`, "auto_encrypt.allow_tls can only be used on a server."},
		{`auto_encrypt { tls = true } auto_config { enabled = true }`, "both auto_encrypt.tls and auto_config.enabled cannot be set to true."},
		{`server = true auto_config { enabled = true }`, "auto_config.enabled cannot be set to true for server agents."},
		{`auto_config { enabled = true }`, "auto_config.enabled cannot be set without configuring TLS for server communications"},
		{`verify_outgoing = true auto_config { enabled = true }`, "auto_config.enabled is set without providing a list of addresses"},
		{`verify_outgoing = true auto_config { enabled = true server_addresses = ["a"] }`, "One of auto_config.intro_token, auto_config.intro_token_file or the CONSUL_INTRO_TOKEN environment variable must be set to enable auto_config"},

		{`service { name = "web" check { name = "c" http = "u" } }`, `service "web": Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks`},
		{`service { name = "p" kind = "connect-proxy" port = 1 }`, "service \"p\": 1 error occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\n"},
		{`check { name = "c" interval = "1s" ttl = "1s" }`, `check "c": Interval and TTL cannot both be specified`},
		{`log_level = "loud"`, "Invalid log level: loud. Valid log levels are: [TRACE DEBUG INFO WARN ERR]"},
		{`acl { default_policy = "maybe" }`, `acl.default_policy must be one of: allow, deny; was: "maybe"`},
		{`acl { down_policy = "maybe" }`, `acl.down_policy must be one of: allow, deny, extend-cache, async-cache; was: "maybe"`},
		{`limits { kv_max_value_size = -1 }`, "limits.kv_max_value_size and limits.txn_max_req_len cannot be negative"},
	} {
		_, _, err := Load(LoadOptions{Flags: &Flags{HCL: []string{`data_dir = "x"`, c.hcl}}, Host: testHost()})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.hcl, err, c.want)
		}
	}
	_, _, err := Load(LoadOptions{Flags: &Flags{Dev: true, HCL: []string{`bootstrap_expect = 3`}}, Host: testHost()})
	if err == nil || err.Error() != "'bootstrap_expect > 0' not allowed in dev mode" {
		t.Errorf("got %v", err)
	}
}

// Values that cannot be understood are reported together, each once.
func TestBadValues(t *testing.T) {
	for _, c := range []struct {
		hcl  string
		want []string
	}{
		{`bind_addr = ""`, []string{"bind_addr cannot be empty"}},
		{`bind_addr = "{{ none }}"`, []string{`bind_addr: "{{ none }}" yields no address: is there such an interface, and has it one?`, "bind_addr cannot be empty"}},
		{`client_addr = "{{ none }}"`, []string{`client_addr: "{{ none }}" yields no address: is there such an interface, and has it one?`}},
		{`retry_join = ["10.0.0.1", "{{ none }}"]`, []string{`retry_join: "{{ none }}" yields no address: is there such an interface, and has it one?`}},
		{`bind_addr = "{{ two }}"`, []string{"bind_addr cannot contain multiple addresses. Use 'addresses.{dns,http,https}' instead."}},
		{`bind_addr = "unix:///x"`, []string{"bind_addr cannot be a unix socket"}},
		{`bind_addr = "localhost"`, []string{"bind_addr must be an ip address"}},
		{`bind_addr = "{{ bad }}"`, []string{`bind_addr: error parsing "{{ bad }}": no such template`, "bind_addr cannot be empty"}},
		{`advertise_addr = "{{ two }}"`, []string{"advertise_addr: multiple addresses found: 10.0.0.1 10.0.0.2"}},
		{`advertise_addr_ipv4 = "x"`, []string{"advertise_addr_ipv4: invalid ip address: x"}},
		{`serf_lan = "x" serf_wan = "{{ bad }}"`, []string{"serf_lan: invalid ip address: x", `serf_wan: error parsing "{{ bad }}": no such template`}},
		{`client_addr = "localhost"`, []string{"client_addr: invalid ip address: localhost"}},
		{`addresses { dns = "unix://x" }`, []string{"DNS address cannot be a unix socket"}},
		{`addresses { http = "x" }`, []string{"addresses.http: invalid ip address: x"}},
		{`ports { dns = 65536 server = 0 serf_lan = -1 }`, []string{"ports.server: invalid port: 0", "ports.serf_lan: invalid port: -1", "ports.dns: invalid port: 65536"}},
		{`recursors = ["0.0.0.0"]`, []string{"DNS recursor address cannot be 0.0.0.0, :: or [::]"}},
		{`recursors = ["unix:///x", "1.1.1.1:x"]`, []string{"DNS Recursors cannot be unix sockets: unix:///x", "recursors: invalid port: x"}},
		{`serf_lan_allowed_cidrs = ["10.0.0.0/8", "x"] http_config { allow_write_http_from = ["y"] }`,
			[]string{"serf_lan_allowed_cidrs: invalid cidr: x", "http_config.allow_write_http_from: invalid cidr: y"}},
		{`retry_interval = "soon" max_query_time = 5`, []string{`retry_interval: invalid duration: "soon": time: invalid duration "soon"`,
			`max_query_time: invalid duration: "5": time: missing unit in duration "5"`}},
		{`dns_config { service_ttl { a = "b" } }`, []string{`dns_config.service_ttl[a]: invalid duration: "b": time: invalid duration "b"`}},
		{`dns_config { soa { retry = -1 } }`, []string{"dns_config.soa.retry cannot be -1. Must be from 0 to 2147483647"}},
		{`service { name = "w" meta { "!" = "a" } }`, []string{"invalid meta for service w: Couldn't load metadata pair ('!', 'a'): Key contains invalid characters"}},
		{`service { name = "w" weights { passing = 0 } }`, []string{"Invalid weight definition for service w: Passing must be greater than 0"}},
		{`service { name = "w" weights { warning = -1 } }`, []string{"Invalid weight definition for service w: Warning must be greater or equal than 0"}},
		{`service { name = "w" connect { sidecar_service { id = "x" connect { sidecar_service {} } } } }`,
			[]string{"sidecar_service can't specify an ID", "sidecar_service can't have a nested sidecar_service"}},
		{`tls { defaults { tls_min_version = "SSL" tls_cipher_suites = "x" } }`, []string{
			`tls.internal_rpc.tls_min_version: invalid TLS version: "SSL"`, `tls.internal_rpc.tls_cipher_suites: unsupported cipher suite: "x"`,
			`tls.https.tls_min_version: invalid TLS version: "SSL"`, `tls.https.tls_cipher_suites: unsupported cipher suite: "x"`,
			`tls.grpc.tls_min_version: invalid TLS version: "SSL"`, `tls.grpc.tls_cipher_suites: unsupported cipher suite: "x"`}},
		{`watches = [{ type = "key" }]`, []string{"watches[0]: Must define a watch handler"}},
		{`watches = [{ type = "key" args = ["a"] handler = "b" }]`, []string{"watches[0]: Only one watch handler allowed"}},
		{`watches = [{ args = ["a"] }]`, []string{"watches[0]: Watch type must be specified"}},
		{`watches = [{ type = "key" handler_type = "mail" }]`, []string{"watches[0]: Handler type 'mail' not recognized"}},
		{`watches = [{ type = "key" handler_type = "http" }]`, []string{"watches[0]: Handler type 'http' requires 'http_handler_config' to be set"}},
		{`watches = [{ type = "key" handler_type = "http" http_handler_config { method = "GET" } }]`, []string{"watches[0]: Requires 'path' to be set"}},
		{`watches = [{ type = "key" handler_type = "http" http_handler_config { pfad = "GET" } }]`, []string{"watches[0]: invalid config key http_handler_config.pfad"}},
		{`watches = [{ type = "key" handler_type = "http" http_handler_config = 5 }]`, []string{"watches[0]: 'http_handler_config' expected a map, got 'float'"}},
		{`watches = [{ type = "key" handler_type = "http" http_handler_config { timeout = "x" } }]`, []string{`watches[0]: timeout: invalid duration: "x": time: invalid duration "x"`}},
	} {
		_, _, err := Load(LoadOptions{Flags: &Flags{HCL: []string{`data_dir = "x"`, c.hcl}}, Host: testHost()})
		errs := make([]error, len(c.want))
		for i, w := range c.want {
			errs[i] = errors.New(w)
		}
		if want := all(errs); err == nil || err.Error() != want.Error() {
			t.Errorf("%s\ngot  %v\nwant %s", c.hcl, err, want)
		}
	}
}

func TestDetection(t *testing.T) {
	for _, c := range []struct{ bind, addrs, want string }{
		{"0.0.0.0", "127.0.0.1 10.0.0.1 8.8.8.8 fe80::1 10.0.0.1", "10.0.0.1"},
		{"0.0.0.0", "100.64.0.5", "100.64.0.5"},
		{"0.0.0.0", "127.0.0.1 8.8.8.8 169.254.1.1", "No private IPv4 address found"},
		{"0.0.0.0", "10.0.0.1 192.168.0.1", "Multiple private IPv4 addresses found. Please configure one with 'bind' and/or 'advertise'."},
		{"::", "10.0.0.1 fe80::1 fd00::1 2001:4860::1", "2001:4860::1"},
		{"[::]", "10.0.0.1", "No public IPv6 address found"},
		{"0.0.0.0", "", "Error detecting private IPv4 address: broken"},
	} {
		h := testHost()
		h.Addrs = func() (all []netip.Addr, err error) {
			for s := range strings.FieldsSeq(c.addrs) {
				all = append(all, netip.MustParseAddr(s))
			}
			if all == nil {
				err = errors.New("broken")
			}
			return all, err
		}
		f := &Flags{HCL: []string{`data_dir = "x" bind_addr = "` + c.bind + `"`}}
		got, _, err := Load(LoadOptions{Flags: f, Host: h})
		switch {
		case err != nil:
			if !strings.Contains(err.Error(), c.want+"\n") {
				t.Errorf("%s of %s: got %v, want %s", c.bind, c.addrs, err, c.want)
			}
		case got.RPC.Advertise.Addr().String() != c.want:
			t.Errorf("%s of %s: got %s, want %s", c.bind, c.addrs, got.RPC.Advertise, c.want)
		}
		if _, _, err := Load(LoadOptions{Flags: f, Host: h, Offline: true}); err != nil {
			t.Errorf("offline: %v", err)
		}
	}
}

func TestAddresses(t *testing.T) {
	c := load(t, Flags{HCL: []string{`data_dir = "x" bind_addr = "{{ one }}" client_addr = "127.0.0.1 [::1] unix:///run/c.sock"
		addresses { https = "{{ two }}" } ports { https = 8501 serf_wan = -1 grpc = -5 }
		advertise_addr_ipv6 = "2001:db8::1" advertise_addr_wan = "198.51.100.1" serf_lan = "10.0.0.9"
		tagged_addresses { extra = "1.2.3.4" wan_ipv4 = "5.6.7.8" } recursors = ["::1", "dns.example:5353", "{{ one }}"]`}})
	got := []any{c.RPC.Bind.String(), c.ClientAddrs, c.HTTP.Addrs, c.HTTP.TLSAddrs, c.DNS.Addrs, c.GRPC.Port, c.Gossip.LAN.Bind.String(), c.Gossip.LAN.Advertise.String(),
		c.Gossip.WAN.Bind.IsValid(), c.RPC.AdvertiseWAN.String(), c.Node.TaggedAddresses, c.DNS.Recursors}
	want := []any{"10.0.0.1:8300", []string{"127.0.0.1", "[::1]", "unix:///run/c.sock"},
		[]Endpoint{{"tcp", "127.0.0.1:8500"}, {"tcp", "[::1]:8500"}, {"unix", "/run/c.sock"}},
		[]Endpoint{{"tcp", "10.0.0.1:8501"}, {"tcp", "10.0.0.2:8501"}},
		[]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8600"), netip.MustParseAddrPort("[::1]:8600")}, -1, "10.0.0.9:8301", "[2001:db8::1]:8301",
		false, "198.51.100.1:8300",
		map[string]string{"lan": "2001:db8::1", "lan_ipv6": "2001:db8::1", "wan": "198.51.100.1", "wan_ipv4": "5.6.7.8", "extra": "1.2.3.4"},
		[]string{"[::1]:53", "dns.example:5353", "10.0.0.1:53"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if c.HTTP.Addrs[2].Network() != "unix" || c.HTTP.Addrs[2].String() != "/run/c.sock" {
		t.Error("an endpoint is no net.Addr")
	}
}

func TestSystemHost(t *testing.T) {
	h := SystemHost()
	all, err := h.Addrs()
	if err != nil || !slices.ContainsFunc(all, netip.Addr.IsLoopback) {
		t.Errorf("%v, %v", all, err)
	}
	if s, err := h.Template(`{{ GetAllInterfaces | include "flags" "loopback" | include "type" "IPv4" | limit 1 | attr "address" }}`); err != nil || s != "127.0.0.1" {
		t.Errorf("%q, %v", s, err)
	}
}

func TestDefinitions(t *testing.T) {
	c := load(t, Flags{HCL: []string{`data_dir = "x" service {
		id = "w1" name = "web" port = 80 tags = ["a"] enabletagoverride = true meta { k = "v" } weights { passing = 5 }
		tagged_addresses { lan { address = "1.2.3.4" port = 5 } }
		checks = [ { id = "a", ttl = "60s", status = "passing" }, { args = "x", interval = "10s", scriptargs = ["y"] }, { h2ping = "h:1", interval = "1s", h2ping_use_tls = true } ]
		connect { sidecar_service {} } }
		watches = [{ type = "event", name = "deploy", Handler_Type = "http", http_handler_config { path = "http://x", timeout = "1s", header { A = ["b"] }, tls_skip_verify = true, method = "PUT" } }]`}})
	s := c.Services[0]
	got := []any{s.ID, s.Port, s.EnableTagOverride, *s.Weights, s.TaggedAddresses["lan"].Port, len(s.Checks), time.Duration(s.Checks[0].TTL), s.Checks[1].Args,
		s.Checks[2].H2PING, s.Checks[2].H2PingUseTLS, s.Connect.SidecarService != nil}
	want := []any{"w1", 80, true, model.Weights{Passing: 5, Warning: 1}, 5, 3, time.Minute, []string{"x"}, "h:1", true, true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	w := Watch{Params: map[string]any{"type": "event", "name": "deploy"}, HandlerType: "http",
		HTTP: &WatchHTTP{Path: "http://x", Method: "PUT", Timeout: time.Second, Header: map[string][]string{"A": {"b"}}, TLSSkipVerify: true}}
	if !reflect.DeepEqual(c.Watches, []Watch{w}) {
		t.Errorf("got %+v", c.Watches)
	}
}

// The script of the tutorial is run by a shell, as it was.
func TestTutorialFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"ping.json": `{"check": {"name": "ping", "script": "ping -c1 google.com >/dev/null", "interval": "30s"}}`,
		"web.json":  `{"service": {"name": "web", "tags": ["rails"], "port": 80, "check": {"script": "curl localhost >/dev/null 2>&1", "interval": "10s"}}}`,
	})
	f := parseFlags(t, "-server", "-bootstrap-expect=1", "-data-dir=/tmp/none", "-node=agent-one", "-bind=192.168.100.101", "-enable-script-checks=true", "-config-dir="+dir)
	c, warnings, err := Load(LoadOptions{Flags: f, Host: testHost()})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Checks[0].Command(), []string{"/bin/sh", "-c", "ping -c1 google.com >/dev/null"}) || c.Services[0].Check.Script == "" ||
		!c.Bootstrap || c.BootstrapExpect != 0 || len(warnings) != 4 {
		t.Errorf("%+v, %q", c, warnings)
	}
}
