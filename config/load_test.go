package config

import (
	"errors"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/config/syntax"
)

// testHost is a machine named host with one private address and an empty environment.
func testHost() Host {
	h := SystemHost()
	h.Hostname = func() (string, error) { return "host", nil }
	h.Addrs = func() ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3")}, nil
	}
	h.Template = func(s string) (string, error) {
		switch s {
		case "{{ two }}":
			return "10.0.0.1 10.0.0.2", nil
		case "{{ one }}":
			return "10.0.0.1", nil
		case "{{ none }}":
			return "", nil
		}
		return "", errors.New("no such template")
	}
	h.Getenv = func(string) string { return "" }
	return h
}

func load(t *testing.T, f Flags) *Config {
	t.Helper()
	c, _, err := Load(LoadOptions{Flags: &f, Host: testHost()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write makes files in a folder and returns their paths.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func parseFlags(t *testing.T, args ...string) *Flags {
	t.Helper()
	fs := flag.NewFlagSet("agent", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	f := AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDevDefaults(t *testing.T) {
	c, warnings, err := Load(LoadOptions{Flags: &Flags{Dev: true}, Host: testHost()})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %q", err, warnings)
	}
	got := []any{c.Server, c.Bootstrap, c.DataDir, c.RPC.Bind.String(), c.Log.Level, c.UI.Enabled, c.GRPC.Port, c.HTTP.TLSPort,
		c.EnableDebug, c.Gossip.DisableKeyringFile, c.Gossip.LAN.ProbeInterval, c.Raft.Multiplier, c.Node.Name, c.Leave.OnTerminate, c.Leave.SkipOnInterrupt}
	want := []any{true, false, "", "127.0.0.1:8300", "DEBUG", true, 8502, -1, true, true, 100 * time.Millisecond, 1, "host", false, true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if c := load(t, Flags{Dev: true, HCL: []string{`data_dir = "x" server = false log_level = "err"`}}); c.DataDir != "" || c.Server || c.Log.Level != "ERROR" {
		t.Errorf("configuration does not go over -dev: %+v", c)
	}
}

func TestDefaults(t *testing.T) {
	c := load(t, Flags{HCL: []string{`data_dir = "x"`}})
	got := []any{c.Server, c.Datacenter, c.PrimaryDatacenter, c.RPC.Bind.String(), c.RPC.Advertise.String(), c.DNS.Domain, c.DNS.Addrs,
		c.HTTP.Addrs, c.Leave, c.Raft.HeartbeatTimeout, c.Raft.LeaderLeaseTimeout, c.Gossip.WAN.ProbeInterval, c.TLS.ServerName, c.Node.TaggedAddresses}
	want := []any{false, "dc1", "dc1", "0.0.0.0:8300", "10.1.2.3:8300", "consul.", []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8600")},
		[]Endpoint{{"tcp", "127.0.0.1:8500"}}, Leave{OnTerminate: true, DrainTime: 5 * time.Second, ServerRejoinAgeMax: 168 * time.Hour},
		5 * time.Second, 2500 * time.Millisecond, 5 * time.Second, "host",
		map[string]string{"lan": "10.1.2.3", "lan_ipv4": "10.1.2.3", "wan": "10.1.2.3", "wan_ipv4": "10.1.2.3"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// Defaults, -dev, lists of flags, files in order, other flags, -hcl.
func TestMergeOrder(t *testing.T) {
	dir := write(t, map[string]string{
		"a.json": `{"retry_join": ["a"], "node_meta": {"x": "a", "y": "a"}, "datacenter": "a", "node_name": "a", "pid_file": "a", "log_file": "a",
			"service": {"name": "a"}, "services": [{"name": "a0"}]}`,
		"d/b.hcl":   `retry_join = ["b"] node_meta { y = "b" z = "b" } node_name = "b" pid_file = "b" log_file = "b" service { name = "b" }`,
		"d/c.json":  `{"pid_file": "c", "log_file": "c", "check": {"name": "c", "ttl": "1s"}}`,
		"d/sub/x":   "not read",
		"d/skip.md": "not read",
		"last.hcl":  `data_dir = "x" pid_file = "last" log_file = "last"`,
	})
	f := parseFlags(t, "-config-file="+dir+"/a.json", "-node=flag", "-retry-join", "flag1", "-config-dir", dir+"/d", "-retry-join=flag2", "-log-file", "flag",
		"-node-meta", "z:flag", "-node-meta=w:1:2", "-config-file", dir+"/last.hcl",
		`-hcl=log_file = "fragment" retry_join = ["fragment"]`, "-hcl", `retry_join = "fragment2" log_file = "end"`)
	c, warnings, err := Load(LoadOptions{Flags: f, Host: testHost()})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"skipping file " + dir + "/d/skip.md, extension must be .hcl or .json, or config format must be set"}; !slices.Equal(warnings, want) {
		t.Errorf("warnings %q", warnings)
	}
	var services []string
	for _, s := range c.Services {
		services = append(services, s.Name)
	}
	got := []any{c.Join.LAN.Retry, c.Node.Meta, c.Datacenter, c.Node.Name, c.PidFile, c.Log.File, services, c.Checks[0].Name}
	want := []any{[]string{"flag1", "flag2", "a", "b", "fragment", "fragment2"}, map[string]string{"x": "a", "y": "b", "z": "flag", "w": "1:2"},
		"a", "flag", "last", "end", []string{"a0", "a", "b"}, "c"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestFormat(t *testing.T) {
	dir := write(t, map[string]string{"plain": `{"data_dir": "x"}`, "empty.json": " \n", "data.hcl": `data_dir = "x"`})
	if warnings, _, err := Validate([]string{dir + "/plain"}, "json"); err != nil || len(warnings) > 0 {
		t.Errorf("%v, %q", err, warnings)
	}
	if warnings, _, err := Validate([]string{dir + "/empty.json", dir + "/data.hcl", dir + "/plain"}, ""); err != nil || len(warnings) != 1 {
		t.Errorf("%v, %q", err, warnings)
	}
	if _, _, err := Validate([]string{dir}, "xml"); err == nil || err.Error() != "config: -config-format must be either 'hcl' or 'json'" {
		t.Errorf("got %v", err)
	}
	if _, _, err := Validate([]string{"/no/such"}, ""); err == nil || err.Error() != "config: Open failed on /no/such. open /no/such: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

// The folder that Kubernetes mounts holds links; a broken one is an error.
func TestLinks(t *testing.T) {
	dir := write(t, map[string]string{"real/x": `data_dir = "x"`, "conf/keep.json": "{}"})
	if err := os.Symlink(dir+"/real/x", dir+"/conf/x.hcl"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Validate([]string{dir + "/conf"}, ""); err != nil {
		t.Error(err)
	}
	if err := os.Symlink(dir+"/gone", dir+"/conf/y.hcl"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Validate([]string{dir + "/conf"}, ""); err == nil || !strings.HasPrefix(err.Error(), "config: Open failed on "+dir+"/conf/y.hcl") {
		t.Errorf("got %v", err)
	}
}

func TestUnreadable(t *testing.T) {
	h := testHost()
	dir := write(t, map[string]string{"a.hcl": ""})
	h.ReadFile = func(string) ([]byte, error) { return nil, errors.New("refused") }
	_, _, err := Load(LoadOptions{Flags: &Flags{Files: []string{dir}}, Host: h})
	if err == nil || err.Error() != "config: ReadFile failed on "+dir+"/a.hcl: refused" {
		t.Errorf("got %v", err)
	}
	h.ReadDir = func(string) ([]os.DirEntry, error) { return nil, errors.New("refused") }
	_, _, err = Load(LoadOptions{Flags: &Flags{Files: []string{dir}}, Host: h})
	if err == nil || err.Error() != "config: Readdir failed on "+dir+". refused" {
		t.Errorf("got %v", err)
	}
}

// What is wrong in one source is reported together, with its name.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a.hcl", "data_dir = \"x\"\nno_such_key = 1", "1 error occurred:\n\t* invalid config key no_such_key\n\n"},
		{"a.json", `{"b": 1, "a": 2, "ports": {"smtp": 25}, "service": {"name": "x", "color": "red", "checks": [{"foo": 1}, {"bar": {}}]}}`,
			"6 errors occurred:\n\t* invalid config key a\n\t* invalid config key b\n\t* invalid config key ports.smtp\n" +
				"\t* invalid config key service[0].checks[0].foo\n\t* invalid config key service[0].checks[1].bar\n\t* invalid config key service[0].color\n\n"},
		{"b.json", `{"ports": {"http": "many"}}`, "1 error occurred:\n\t* cannot parse 'ports.http' as int: strconv.ParseInt: parsing \"many\": invalid syntax\n\n"},
		{"c.json", `{"ports": 5, "service": "x", "checks": [1], "services": [{"tagged_addresses": {"lan": 1}}, {"tagged_addresses": 2}, {"connect": {"sidecar_service": true}}, {"proxy": 1}]}`, "7 errors occurred:\n" +
			"\t* 'checks[0]' expected a map, got 'int'\n\t* 'ports' expected a map, got 'int'\n\t* 'service' expected a map, got 'string'\n" +
			"\t* 'services[0].tagged_addresses.lan' expected a map, got 'int'\n\t* 'services[1].tagged_addresses' expected a map, got 'int'\n" +
			"\t* 'services[2].connect.sidecar_service' expected a map, got 'bool'\n\t* 'services[3].proxy' expected a map, got 'int'\n\n"},
		{"d.hcl", "ports { http = 1 }\nports { dns = 2 }", "1 error occurred:\n\t* 'ports' expected a map, got 'slice'\n\n"},
		{"e.hcl", "data_dir = {", "At 1:14: object expected closing RBRACE got: EOF"},
		{"f.json", "{\n  \"a\": }", "line 2, column 8: invalid character '}' looking for beginning of value"},
		{"g.json", `{"service": {"name":`, "unexpected EOF"},
		{"h.json", `{} {}`, "line 1, column 4: text after the end of the object"},
		{"i.json", `[]`, "json: cannot unmarshal array into Go value of type map[string]interface {}"},
		{"j.json", strings.Repeat("[", 2000), "more than 1000 brackets are open at a time"},
		{"k.hcl", strings.Repeat("{", 2000), "more than 1000 brackets are open at a time"},
	} {
		dir := write(t, map[string]string{c.name: c.text})
		_, _, err := Validate([]string{filepath.Join(dir, c.name)}, "")
		if want := "failed to parse " + filepath.Join(dir, c.name) + ": " + c.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if _, _, err := Load(LoadOptions{Flags: &Flags{HCL: []string{"", "x = 1"}}, Host: testHost()}); err == nil ||
		err.Error() != "failed to parse flags-1.hcl: 1 error occurred:\n\t* invalid config key x\n\n" {
		t.Errorf("got %v", err)
	}
	if _, err := syntax.Parse(make([]byte, syntax.MaxSize+1), "hcl"); err == nil {
		t.Error("no bound")
	}
}

// The same settings in both formats, with keys in any case and weak types.
func TestFormatsAgree(t *testing.T) {
	hcl := `
		data_dir = "x"
		Server = "true"
		ports { http = "8501", DNS = -1 }
		node_meta { a = 1, b = true, C = "c" }
		recursors = "1.1.1.1"
		limits { rpc_rate = 5 }
		service { name = "w", port = "80", proxy { config { a { b = 1 } list = [1, {c = 2}] } upstreams { destination_name = "u" } } }
		services { id = "x", name = "x", check { args = ["a", 1], interval = "10s" } checks { ttl = "5s" } }
		check { id = "c", serviceid = "w", http = "u", interval = "1s", header { A = ["b", "c"], D = "e" } tls_skip_verify = 1 }
		watches { type = "key", key = "k", args = ["x"] }
		telemetry { disable_compat_1.9 = true }`
	js := `{"data_dir": "x", "server": true, "ports": {"http": 8501, "dns": -1}, "node_meta": {"a": "1", "b": "1", "C": "c"},
		"recursors": ["1.1.1.1"], "limits": {"rpc_rate": 5.0},
		"service": {"name": "w", "port": 80, "proxy": {"config": {"a": {"b": 1}, "list": [1, {"c": 2}]}, "upstreams": [{"destination_name": "u"}]}},
		"services": [{"id": "x", "name": "x", "check": {"args": ["a", "1"], "interval": "10s"}, "checks": [{"ttl": "5s"}]}],
		"check": {"id": "c", "service_id": "w", "http": "u", "interval": 1e9, "header": {"A": ["b", "c"], "D": ["e"]}, "tlsskipverify": true},
		"watches": [{"type": "key", "key": "k", "args": ["x"]}], "autopilot": null,
		"telemetry": {"disable_compat_1.9": true}}`
	dir := write(t, map[string]string{"a.hcl": hcl, "b.json": js, "c.hcl": js})
	var all []*Config
	for _, name := range []string{"a.hcl", "b.json", "c.hcl"} {
		c := load(t, Flags{Files: []string{filepath.Join(dir, name)}})
		all = append(all, c)
	}
	for i, c := range all {
		if d := Diff(all[0], c); len(d) > 0 {
			t.Errorf("%d differs in %v", i, d)
		}
	}
	for _, c := range all {
		c.values, c.Sources = nil, nil
	}
	for i, c := range all {
		if !reflect.DeepEqual(all[0], c) {
			t.Errorf("%d differs:\n%+v\n%+v", i, all[0], c)
		}
	}
	if c := all[0]; !c.Server || c.Services[1].Proxy.Upstreams[0].DestinationName != "u" || c.Checks[0].ServiceID != "w" || c.HTTP.Port != 8501 {
		t.Errorf("got %+v", c)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{`connect { enabled = true }`, []string{`"connect.enabled" is valid but has no effect: ` + noMesh}},
		{`connect { enabled = false } disable_update_check = true autopilot { server_stabilization_time = "10000ms" } ports { grpc = "-1" }`, nil},
		{`segment = "a" audit { enabled = true sink "s" { type = "file" } } cloud { client_id = "a" client_secret = "b" }`, []string{
			`"audit" is a Consul Enterprise configuration and will have no effect`,
			`"cloud" is a Consul Enterprise configuration and will have no effect`,
			`"segment" is a Consul Enterprise configuration and will have no effect`}},
		{`server = true non_voting_server = true`, nil},
		{`service { name = "a" namespace = "n" }`, []string{`"service[0].namespace" is a Consul Enterprise configuration and will have no effect`}},
		{`acl_enforce_version_8 = true`, []string{`config key "acl_enforce_version_8" is deprecated and should be removed`}},
		{`check_reap_interval = "1s"`, []string{`"check_reap_interval" cannot be configured and will have no effect`}},
		{`ui = true acl_datacenter = "dc1"`, []string{
			`The 'acl_datacenter' field is deprecated. Use the 'primary_datacenter' field instead.`,
			`The 'ui' field is deprecated. Use the 'ui_config.enabled' field instead.`}},
		{`check { name = "ping" script = "ping" interval = "30s" } service { name = "web" check { script = "curl" interval = "10s" } }`, []string{
			`check "service:web" has the 'script' field, which has been deprecated and replaced with the 'args' field.`,
			`check "ping" has the 'script' field, which has been deprecated and replaced with the 'args' field.`}},
		{`server = true bootstrap_expect = 1`, []string{"BootstrapExpect is set to 1; this is the same as Bootstrap mode.", "bootstrap = true: do not enable unless necessary"}},
		{`server = true bootstrap = true`, []string{"bootstrap = true: do not enable unless necessary"}},
		{`server = true bootstrap_expect = 3`, []string{"bootstrap_expect > 0: expecting 3 servers"}},
		{`server = true bootstrap_expect = 2`, []string{"bootstrap_expect = 2: A cluster with 2 servers will provide no failure tolerance.", "bootstrap_expect > 0: expecting 2 servers"}},
		{`server = true bootstrap_expect = 4`, []string{"bootstrap_expect is even number: A cluster with an even number of servers does not achieve optimum fault tolerance.", "bootstrap_expect > 0: expecting 4 servers"}},
		{`node_name = "a.b"`, []string{`Node name "a.b" will not be discoverable via DNS due to invalid characters. Valid characters include all alpha-numerics and dashes.`}},
		{`node_name = "` + strings.Repeat("a", 64) + `"`, []string{`Node name "` + strings.Repeat("a", 64) + `" will not be discoverable via DNS due to it being too long. Valid lengths are between 1 and 63 bytes.`}},
		{`enable_script_checks = true client_addr = "0.0.0.0"`, []string{"using enable-script-checks without ACLs and without allow_write_http_from is DANGEROUS, use enable-local-script-checks instead"}},
		{`enable_script_checks = true client_addr = "0.0.0.0" http_config { allow_write_http_from = ["127.0.0.0/8"] }`, nil},
		{`enable_script_checks = true`, nil},
		{`telemetry { prefix_filter = ["", "x"] filter_default = true }`, []string{"Cannot have empty filter rule in prefix_filter", `Filter rule must begin with either '+' or '-': "x"`}},
	} {
		_, warnings, err := Load(LoadOptions{Flags: &Flags{HCL: []string{`data_dir = "x"`, c.text}}, Host: testHost()})
		if err != nil || !slices.Equal(warnings, c.want) {
			t.Errorf("%s\ngot  %q, %v\nwant %q", c.text, warnings, err, c.want)
		}
	}
}

func TestOldSpellings(t *testing.T) {
	c := load(t, Flags{HCL: []string{`data_dir = "x" server = true
		ca_file = "ca" cert_file = "c" key_file = "k" verify_incoming_rpc = true verify_server_hostname = true tls_min_version = "tls13"
		acl { tokens { master = "m" agent_master = "r" } } acl_token = "d" acl_ttl = "7s" acl_datacenter = "DC0"
		ui_content_path = "x" ui = true`}})
	got := []any{c.TLS.InternalRPC, c.TLS.HTTPS.CAFile, c.TLS.HTTPS.VerifyIncoming, c.TLS.VerifyServerHostname, c.ACL.Tokens, c.ACL.TokenTTL,
		c.PrimaryDatacenter, c.UI.Enabled, c.UI.ContentPath}
	want := []any{TLSDoor{CAFile: "ca", CertFile: "c", KeyFile: "k", MinVersion: 0x304, VerifyIncoming: true, VerifyOutgoing: true}, "ca", false, true,
		Tokens{InitialManagement: "m", AgentRecovery: "r", Default: "d"}, 7 * time.Second, "dc0", true, "/x/"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	// The newer spelling wins in one source; across sources the later source does.
	c = load(t, Flags{HCL: []string{`data_dir = "x" ui_config { dir = "new" } ui_dir = "old"`}})
	if c.UI.Dir != "new" {
		t.Errorf("got %s", c.UI.Dir)
	}
	c = load(t, Flags{HCL: []string{`data_dir = "x" ui_config { dir = "new" }`, `ui_dir = "old"`}})
	if c.UI.Dir != "old" {
		t.Errorf("got %s", c.UI.Dir)
	}
}

func TestTLSDoors(t *testing.T) {
	c := load(t, Flags{HCL: []string{`data_dir = "x" server_name = "n" tls {
		defaults { ca_path = "p" verify_incoming = true verify_outgoing = true tls_min_version = "TLSv1_1" tls_cipher_suites = "TLS_AES_128_GCM_SHA256" }
		https { verify_incoming = false ca_path = "q" } internal_rpc { tls_min_version = "TLSv1_0" } grpc { use_auto_cert = true } }`}})
	want := TLS{ServerName: "n",
		InternalRPC: TLSDoor{CAPath: "p", MinVersion: 0x301, CipherSuites: []uint16{0x1301}, VerifyIncoming: true, VerifyOutgoing: true},
		HTTPS:       TLSDoor{CAPath: "q", MinVersion: 0x302, CipherSuites: []uint16{0x1301}, VerifyOutgoing: true},
		GRPC:        TLSDoor{CAPath: "p", MinVersion: 0x302, CipherSuites: []uint16{0x1301}, VerifyIncoming: true}}
	if !reflect.DeepEqual(c.TLS, want) {
		t.Errorf("got %+v\nwant %+v", c.TLS, want)
	}
}

func TestIntroToken(t *testing.T) {
	h := testHost()
	h.Getenv = func(name string) string { return map[string]string{"CONSUL_INTRO_TOKEN": "t"}[name] }
	c, _, err := Load(LoadOptions{Flags: &Flags{Dev: true}, Host: h})
	if err != nil || c.values.said["auto_config.intro_token"] != "t" {
		t.Errorf("%v", err)
	}
}

func TestFlags(t *testing.T) {
	f := parseFlags(t, "-server", "-bootstrap-expect=3", "-data-dir", "/d", "-node", "n", "-bind=10.0.0.1", "-client=127.0.0.1",
		"-http-port=1", "-dns-port=2", "-server-port=3", "-serf-lan-port=4", "-serf-wan-port=5", "-log-level=warn", "-disable-host-node-id",
		"-retry-join=127.0.0.1:1", "-retry-join=127.0.0.1:2", "-retry-interval=1s", "-ui=false", "-node-id", "590309A6-71f6-6145-fe40-d2c5e203687f",
		"-check_output_max_size=7", "-recursor=9.9.9.9", "-hcl=performance { raft_multiplier = 1 }", "-syslog", "-rejoin", "-encrypt", "")
	c, _, err := Load(LoadOptions{Flags: f, Host: testHost()})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Server, c.BootstrapExpect, c.DataDir, c.Node.Name, c.Node.ID, c.RPC.Bind.String(), c.HTTP.Port, c.DNS.Port, c.Gossip.LAN.Bind.String(),
		c.Gossip.WAN.Bind.String(), c.Log.Level, c.Join.LAN.Retry, c.Join.LAN.Interval, c.Check.OutputMaxSize, c.DNS.Recursors, c.Raft.Multiplier, c.Log.Syslog, c.Leave.RejoinAfterLeave}
	want := []any{true, 3, "/d", "n", "590309a6-71f6-6145-fe40-d2c5e203687f", "10.0.0.1:3", 1, 2, "10.0.0.1:4", "10.0.0.1:5", "WARN",
		[]string{"127.0.0.1:1", "127.0.0.1:2"}, time.Second, 7, []string{"9.9.9.9:53"}, 1, true, true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestBadFlags(t *testing.T) {
	for arg, want := range map[string]string{
		"-server=maybe":        `invalid boolean value "maybe" for -server: parse error`,
		"-http-port=x":         `invalid value "x" for flag -http-port: parse error`,
		"-retry-interval=5":    `invalid value "5" for flag -retry-interval: parse error`,
		"-node-meta=k":         `invalid value "k" for flag -node-meta: want key:value`,
		"-no-such=1":           "flag provided but not defined: -no-such",
		"-bootstrap-expect=1x": `invalid value "1x" for flag -bootstrap-expect: parse error`,
	} {
		fs := flag.NewFlagSet("agent", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		AddFlags(fs)
		if err := fs.Parse([]string{arg}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v", arg, err)
		}
	}
	fs := flag.NewFlagSet("agent", flag.ContinueOnError)
	var usage strings.Builder
	fs.SetOutput(&usage)
	AddFlags(fs)
	fs.PrintDefaults() // asks zero values for their text
	n := 0
	fs.VisitAll(func(*flag.Flag) { n++ })
	if n != 68 || !strings.Contains(usage.String(), "-check_output_max_size") {
		t.Errorf("%d flags\n%s", n, usage.String())
	}
}

func TestPlaces(t *testing.T) {
	dir := write(t, map[string]string{
		"a.hcl":  "data_dir = \"x\"\nretry_interval = \"1s\"\nbootstrap_expect = 1\n",
		"b.json": "{\n  \"retry_interval\": \"3x\"\n}",
		"c.hcl":  "server = true\nnode_nme = \"x\"\nports {\n  htp = 9\n}\n",
		"d.hcl":  "data_dir = \"x\"\nserver = true\n\nbootstrap_expect = -2\n",
	})
	for _, c := range []struct {
		files string
		want  []string
	}{
		{"a.hcl b.json", []string{"b.json:2: retry_interval"}},
		{"a.hcl c.hcl", []string{"c.hcl:2: node_nme", "c.hcl:4: ports.htp"}},
		{"a.hcl d.hcl", []string{"d.hcl:4: bootstrap_expect"}},
		{"none.hcl", nil},
	} {
		var paths, want []string
		for _, f := range strings.Fields(c.files) {
			paths = append(paths, filepath.Join(dir, f))
		}
		for _, w := range c.want {
			want = append(want, filepath.Join(dir, w))
		}
		_, places, err := Validate(paths, "")
		if err == nil || !slices.Equal(places, want) {
			t.Errorf("%s: %q, %v; want %q", c.files, places, err, want)
		}
	}
}
