package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"muster/model"
)

// checker looks for contradictions in a resolved Config. The first one found
// is the error, so the order of the calls in check is part of the interface.
type checker struct {
	*Config
	values   *values
	host     Host
	warnings []string
}

func check(c *Config, v *values, host Host) (warnings []string, err error) {
	k := &checker{Config: c, values: v, host: host}
	for _, step := range []func() error{
		k.identity, k.addresses, k.bootstrap, k.raft, k.dns, k.checks, k.cache, k.page, k.join, k.mesh, k.auto, k.services, k.rest,
	} {
		if err := step(); err != nil {
			return k.warnings, err
		}
	}
	return k.warnings, nil
}

func (k *checker) warn(format string, args ...any) {
	k.warnings = append(k.warnings, fmt.Sprintf(format, args...))
}

// The limits of names; a name is a word of DNS when it has no other characters.
var (
	reDatacenter = regexp.MustCompile(`^[a-z0-9_-]+$`)
	reNotDNS     = regexp.MustCompile(`[^A-Za-z0-9-]+`)
	reUUID       = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	rePath       = regexp.MustCompile(`^[A-Za-z0-9/_-]+$`)
	rePathBadV   = regexp.MustCompile(`v[0-9]`)
	reWord       = regexp.MustCompile(`^[a-z0-9_-]+$`)
	reOctal      = regexp.MustCompile(`^[0-7]{1,4}$`)
)

const (
	maxDNSLabel  = 63
	reconnectMin = 8 * time.Hour
	rejoinAgeMin = 6 * time.Hour
)

func (k *checker) identity() error {
	if k.DataDir == "" && !k.Dev {
		return errors.New("data_dir cannot be empty")
	}
	if k.DataDir != "" {
		if info, err := k.host.Stat(k.DataDir); err == nil && !info.IsDir() {
			return fmt.Errorf("data_dir %q is not a directory", k.DataDir)
		}
	}
	if k.Datacenter == "" {
		return errors.New("datacenter cannot be empty")
	}
	for _, dc := range []struct{ key, value string }{
		{"datacenter", k.Datacenter}, {"primary_datacenter", k.PrimaryDatacenter},
	} {
		if !reDatacenter.MatchString(dc.value) {
			return fmt.Errorf("%s can only contain lowercase alphanumeric, - or _ characters. received: %q", dc.key, dc.value)
		}
	}
	switch name := k.Node.Name; {
	case strings.TrimSpace(name) == "":
		return errors.New("node_name cannot be empty")
	case reNotDNS.MatchString(name):
		k.warn("Node name %q will not be discoverable via DNS due to invalid characters. Valid characters include all alpha-numerics and dashes.", name)
	case len(name) > maxDNSLabel:
		k.warn("Node name %q will not be discoverable via DNS due to it being too long. Valid lengths are between 1 and 63 bytes.", name)
	}
	if err := model.ValidateMeta(k.Node.Meta, false); err != nil {
		return fmt.Errorf("node_meta invalid: %w", err)
	}
	if k.Node.ID != "" && !reUUID.MatchString(k.Node.ID) {
		return fmt.Errorf("node_id %q is not a UUID", k.Node.ID)
	}
	if err := k.altDomain(); err != nil {
		return err
	}
	return k.encrypt()
}

// altDomain refuses a second domain whose names could be meant for the first.
func (k *checker) altDomain() error {
	label, _, _ := strings.Cut(k.DNS.AltDomain, ".")
	switch strings.ToLower(label) {
	case "service", "connect", "node", "query", "addr", k.Datacenter:
		return fmt.Errorf("alt_domain cannot start with {service,connect,node,query,addr,%s}", k.Datacenter)
	}
	return nil
}

func (k *checker) encrypt() error {
	key, err := gossipKey(get[string](k.values, "encrypt"))
	if err != nil {
		return fmt.Errorf("encrypt has invalid key: %w", err)
	}
	switch len(key) {
	case 0, 16, 24, 32:
	default:
		return errors.New("encrypt has invalid key: key size must be 16, 24 or 32 bytes")
	}
	k.Gossip.Key = key
	return nil
}

func (k *checker) addresses() error {
	if k.RPC.Advertise.Addr().IsUnspecified() {
		return errors.New("Advertise address cannot be 0.0.0.0, :: or [::]")
	}
	if k.RPC.AdvertiseWAN.Addr().IsUnspecified() {
		return errors.New("Advertise WAN address cannot be 0.0.0.0, :: or [::]")
	}
	used := map[string]string{}
	claim := func(name, addr string) error {
		if other, taken := used[addr]; taken {
			return fmt.Errorf("%s address %s already configured for %s", name, addr, other)
		}
		used[addr] = name
		return nil
	}
	for _, a := range k.DNS.Addrs {
		if err := claim("DNS", a.String()); err != nil {
			return err
		}
	}
	for _, door := range []struct {
		name string
		all  []Endpoint
	}{{"HTTP", k.HTTP.Addrs}, {"HTTPS", k.HTTP.TLSAddrs}, {"gRPC", k.GRPC.Addrs}, {"gRPC TLS", k.GRPC.TLSAddrs}} {
		for _, e := range door.all {
			if err := claim(door.name, e.Addr); err != nil {
				return err
			}
		}
	}
	for _, a := range []struct {
		name string
		addr netip.AddrPort
	}{
		{"RPC Advertise", k.RPC.Advertise}, {"Serf Advertise LAN", k.Gossip.LAN.Advertise},
		{"Serf Advertise WAN", k.Gossip.WAN.Advertise},
	} {
		if !a.addr.IsValid() || a.name == "Serf Advertise WAN" && !k.Server {
			continue
		}
		if err := claim(a.name, a.addr.String()); err != nil {
			return err
		}
	}
	if mode := k.HTTP.Socket.Mode; mode != "" && !reOctal.MatchString(mode) {
		return fmt.Errorf("unix_sockets.mode must be octal digits, was: %q", mode)
	}
	return nil
}

func (k *checker) bootstrap() error {
	switch n := k.BootstrapExpect; {
	case n < 0:
		return fmt.Errorf("bootstrap_expect cannot be %d. Must be greater than or equal to zero", n)
	case n > 0 && k.Dev:
		return errors.New("'bootstrap_expect > 0' not allowed in dev mode")
	case n > 0 && !k.Server:
		return errors.New("'bootstrap_expect > 0' requires 'server = true'")
	case n > 0 && k.Bootstrap:
		return errors.New("'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive")
	case k.Bootstrap && !k.Server:
		return errors.New("'bootstrap = true' requires 'server = true'")
	case k.ReadReplica && (!k.Server || k.Bootstrap || n == 1):
		return errors.New("'read_replica = true' requires 'server = true' and excludes 'bootstrap = true': a server without a vote cannot begin a cluster")
	case n == 1:
		k.warn("BootstrapExpect is set to 1; this is the same as Bootstrap mode.")
		k.Bootstrap, k.BootstrapExpect = true, 0
	case n == 2:
		k.warn("bootstrap_expect = 2: A cluster with 2 servers will provide no failure tolerance.")
	case n > 2 && n%2 == 0:
		k.warn("bootstrap_expect is even number: A cluster with an even number of servers does not achieve optimum fault tolerance.")
	}
	if k.Bootstrap {
		k.warn("bootstrap = true: do not enable unless necessary")
	}
	if k.BootstrapExpect > 1 {
		k.warn("bootstrap_expect > 0: expecting %d servers", k.BootstrapExpect)
	}
	return nil
}

func (k *checker) raft() error {
	if v := k.Raft.Protocol; v != 3 {
		return fmt.Errorf("raft_protocol version %d is not supported by this version of Consul", v)
	}
	if m := k.Raft.Multiplier; m < 1 || m > 10 {
		return fmt.Errorf("performance.raft_multiplier cannot be %d. Must be between 1 and 10", m)
	}
	for _, key := range []string{"autopilot.max_trailing_logs", "autopilot.min_quorum", "raft_snapshot_threshold", "raft_trailing_logs"} {
		if n := get[int64](k.values, key); n < 0 {
			return fmt.Errorf("%s cannot be %d. Must be greater than or equal to zero", key, n)
		}
	}
	if n := get[int64](k.values, "raft_logstore.wal.segment_size_mb"); n < 1 || n > 1024 {
		return fmt.Errorf("raft_logstore.wal.segment_size_mb cannot be %d. Must be between 1 and 1024", n)
	}
	if v := k.RPC.Protocol; v < 2 || v > 3 {
		return fmt.Errorf("protocol cannot be %d. Must be between 2 and 3", v)
	}
	return nil
}

func (k *checker) dns() error {
	for _, key := range []string{"dns_config.udp_answer_limit", "dns_config.a_record_limit"} {
		if n := get[int64](k.values, key); n < 0 {
			return fmt.Errorf("%s cannot be %d. Must be greater than or equal to zero", key, n)
		}
	}
	if s := get[string](k.values, "dns_config.recursor_strategy"); s != "sequential" && s != "random" {
		return fmt.Errorf("dns_config.recursor_strategy must be one of: sequential, random; was: %q", s)
	}
	return nil
}

func (k *checker) checks() error {
	if k.Check.OutputMaxSize < 1 {
		return errors.New("check_output_max_size must be positive, to discard check output use the discard_check_output flag")
	}
	if k.Check.EnableScripts && !k.ACL.Enabled && len(k.HTTP.AllowWriteFrom) == 0 && k.reachable() {
		k.warn("using enable-script-checks without ACLs and without allow_write_http_from is DANGEROUS, use enable-local-script-checks instead")
	}
	return nil
}

// reachable tells whether other machines can reach the HTTP API.
func (k *checker) reachable() bool {
	for _, all := range [][]Endpoint{k.HTTP.Addrs, k.HTTP.TLSAddrs} {
		for _, e := range all {
			if a, err := netip.ParseAddrPort(e.Addr); e.Net == "tcp" && err == nil && !a.Addr().IsLoopback() {
				return true
			}
		}
	}
	return false
}

// services looks at the definitions. One without a name is left to the agent,
// as in the original.
func (k *checker) services() error {
	for _, s := range k.Services {
		if s.Name == "" {
			continue
		}
		if err := s.Validate(); err != nil {
			return fmt.Errorf("service %q: %w", s.Name, err)
		}
	}
	for _, d := range k.Checks {
		if err := d.Validate(); err != nil {
			return fmt.Errorf("check %q: %w", d.Name, err)
		}
	}
	return nil
}

func (k *checker) cache() error {
	if n := get[int64](k.values, "cache.entry_fetch_max_burst"); n <= 0 {
		return fmt.Errorf("cache.entry_fetch_max_burst must be strictly positive, was: %d", n)
	}
	if r := get[float64](k.values, "cache.entry_fetch_rate"); !(r > 0) {
		return fmt.Errorf("cache.entry_fetch_rate must be strictly positive, was: %v", r)
	}
	return nil
}

func (k *checker) page() error {
	path := get[string](k.values, "ui_config.content_path")
	if path != "" && !rePath.MatchString(path) {
		return fmt.Errorf("ui-content-path can only contain alphanumeric, -, _, or /. received: %q", path)
	}
	if rePathBadV.MatchString(path) {
		return fmt.Errorf("ui-content-path cannot have 'v[0-9]'. received: %q", path)
	}
	if p := k.UI.MetricsProvider; p != "" && !reWord.MatchString(p) {
		return fmt.Errorf("ui_config.metrics_provider can only contain lowercase alphanumeric, - or _ characters. received: %q", p)
	}
	if o := k.UI.MetricsProviderOpts; o != "" {
		var m map[string]any
		if err := json.Unmarshal([]byte(o), &m); err != nil {
			return errors.New("ui_config.metrics_provider_options_json must be empty or a string containing a valid JSON object.")
		}
	}
	if u := k.UI.MetricsProxyURL; u != "" && !httpURL(u) {
		return errors.New("ui_config.metrics_proxy.base_url must be a valid http or https URL.")
	}
	for _, p := range k.UI.MetricsProxyPaths {
		if !strings.HasPrefix(p, "/") {
			return fmt.Errorf("ui_config.metrics_proxy.path_allowlist: path %q is not an absolute path", p)
		}
	}
	for _, name := range sortedKeys(k.UI.DashboardURLTemplates) {
		if !reWord.MatchString(name) {
			return fmt.Errorf("ui_config.dashboard_url_templates key names can only contain lowercase alphanumeric, - or _ characters. received: %q", name)
		}
		if !httpURL(k.UI.DashboardURLTemplates[name]) {
			return errors.New("ui_config.dashboard_url_templates values must be a valid http or https URL.")
		}
	}
	return nil
}

func httpURL(s string) bool {
	u, err := url.Parse(strings.NewReplacer("{{", "", "}}", "").Replace(s))
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (k *checker) join() error {
	for _, t := range []struct {
		key string
		d   time.Duration
		min time.Duration
	}{
		{"reconnect_timeout", k.Gossip.LAN.ReconnectTimeout, reconnectMin},
		{"reconnect_timeout_wan", k.Gossip.WAN.ReconnectTimeout, reconnectMin},
		{"server_rejoin_age_max", k.Leave.ServerRejoinAgeMax, rejoinAgeMin},
	} {
		if t.d < t.min {
			return fmt.Errorf("%s must be >= %s, was: %s", t.key, t.min, t.d)
		}
	}
	if k.Server && k.Gossip.AdvertisedReconnectTimeout != 0 {
		return errors.New("advertise_reconnect_timeout can only be used on a client")
	}
	return nil
}

func (k *checker) mesh() error {
	switch p := k.Connect.CAProvider; p {
	case "", "consul", "vault", "aws-pca":
	default:
		return fmt.Errorf("%s is not a valid CA provider", p)
	}
	if k.Connect.WANFederation {
		const key = "'connect.enable_mesh_gateway_wan_federation=true'"
		switch {
		case !k.Server:
			return errors.New(key + " requires 'server = true'")
		case !k.Connect.Enabled:
			return errors.New(key + " requires 'connect.enabled=true'")
		case len(k.Join.WAN.Start) > 0:
			return errors.New("'start_join_wan' is incompatible with " + key)
		case len(k.Join.WAN.Retry) > 0:
			return errors.New("'retry_join_wan' is incompatible with " + key)
		}
	}
	if len(get[[]string](k.values, "primary_gateways")) > 0 {
		switch {
		case !k.Server:
			return errors.New("'primary_gateways' requires 'server = true'")
		case k.PrimaryDatacenter == k.Datacenter:
			return errors.New("'primary_gateways' should only be configured in a secondary datacenter")
		}
	}
	for i, e := range k.ConfigEntries {
		kind, _ := e["kind"].(string)
		if kind == "" {
			kind, _ = e["Kind"].(string)
		}
		if kind == "" {
			return fmt.Errorf("config_entries.bootstrap[%d]: Payload does not contain a kind/Kind", i)
		}
	}
	return nil
}

// auto checks how clients and servers pass on configuration.
func (k *checker) auto() error {
	flag := func(key string) bool { return get[bool](k.values, key) }
	enabled := flag("auto_config.enabled")
	switch {
	case flag("auto_encrypt.tls") && k.Server:
		return errors.New("auto_encrypt.tls can only be used on a client.")
	case flag("auto_encrypt.allow_tls") && !k.Server:
		return errors.New("auto_encrypt.allow_tls can only be used on a server.")
	case flag("auto_encrypt.tls") && enabled:
		return errors.New("both auto_encrypt.tls and auto_config.enabled cannot be set to true.")
	case !enabled:
		return nil
	case k.Server:
		return errors.New("auto_config.enabled cannot be set to true for server agents.")
	case !k.TLS.InternalRPC.VerifyOutgoing:
		return errors.New("auto_config.enabled cannot be set without configuring TLS for server communications")
	case len(get[[]string](k.values, "auto_config.server_addresses")) == 0:
		return errors.New("auto_config.enabled is set without providing a list of addresses")
	case get[string](k.values, "auto_config.intro_token") == "" && get[string](k.values, "auto_config.intro_token_file") == "":
		return errors.New("One of auto_config.intro_token, auto_config.intro_token_file or the CONSUL_INTRO_TOKEN environment variable must be set to enable auto_config")
	}
	return nil
}

// rest is what the original only finds out later, or never.
func (k *checker) rest() error {
	switch k.Log.Level {
	case "TRACE", "DEBUG", "INFO", "WARN", "ERROR":
	default:
		return fmt.Errorf("Invalid log level: %s. Valid log levels are: [TRACE DEBUG INFO WARN ERR]", k.Log.Level)
	}
	for _, e := range []struct {
		key, value string
		allowed    []string
	}{
		{"acl.default_policy", k.ACL.DefaultPolicy, []string{"allow", "deny"}},
		{"acl.down_policy", k.ACL.DownPolicy, []string{"allow", "deny", "extend-cache", "async-cache"}},
		{"limits.request_limits.mode", k.Limits.RequestMode, []string{"disabled", "permissive", "enforcing"}},
		{"default_intention_policy", get[string](k.values, "default_intention_policy"), []string{"", "allow", "deny"}},
	} {
		if !slices.Contains(e.allowed, e.value) {
			return fmt.Errorf("%s must be one of: %s; was: %q", e.key, strings.Join(e.allowed, ", "), e.value)
		}
	}
	if k.Limits.KVMaxValueSize < 0 || k.Limits.TxnMaxReqLen < 0 {
		return errors.New("limits.kv_max_value_size and limits.txn_max_req_len cannot be negative")
	}
	return nil
}
