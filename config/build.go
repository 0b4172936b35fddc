package config

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"time"

	"muster/model"
)

// builder turns merged values into a Config. What it cannot understand is
// collected in values.problems.
type builder struct {
	values   *values
	host     Host
	offline  bool
	warnings []string
}

func (b *builder) text(key string) string             { return get[string](b.values, key) }
func (b *builder) flag(key string) bool               { return get[bool](b.values, key) }
func (b *builder) num(key string) int                 { return int(get[int64](b.values, key)) }
func (b *builder) rate(key string) float64            { return get[float64](b.values, key) }
func (b *builder) list(key string) []string           { return get[[]string](b.values, key) }
func (b *builder) pairs(key string) map[string]string { return get[map[string]string](b.values, key) }
func (b *builder) object(key string) map[string]any   { return get[map[string]any](b.values, key) }

func (b *builder) span(key string) time.Duration {
	d, err := toDuration(key, b.text(key))
	if err != nil {
		b.values.failed(err)
	}
	return d
}

// flagOr is a bool whose default depends on something else.
func (b *builder) flagOr(key string, preset bool) bool {
	if v := b.flag(key); b.values.isSet(key) {
		return v
	}
	return preset
}

// textOr is a text whose default depends on something else.
func (b *builder) textOr(key, preset string) string {
	if v := b.text(key); v != "" {
		return v
	}
	return preset
}

// build resolves everything. Its error lists all values that cannot be understood.
func (b *builder) build() (*Config, error) {
	c := &Config{Dev: b.values.dev, values: b.values}
	b.identity(c)
	b.network(c)
	b.cluster(c)
	b.doors(c)
	b.limits(c)
	b.log(c)
	b.security(c)
	b.definitions(c)
	return c, b.values.err()
}

func (b *builder) identity(c *Config) {
	c.Server = b.flag("server")
	c.Bootstrap = b.flag("bootstrap")
	c.ReadReplica = b.flag("read_replica")
	c.BootstrapExpect = b.num("bootstrap_expect")
	c.Datacenter = strings.ToLower(b.text("datacenter"))
	c.PrimaryDatacenter = strings.ToLower(b.textOr("primary_datacenter", c.Datacenter))
	c.DataDir = b.text("data_dir")
	if c.Dev {
		c.DataDir = ""
	}
	c.PidFile = b.text("pid_file")
	c.AutoReload = b.flag("auto_reload_config")
	c.Node = Node{
		Name: b.text("node_name"), ID: strings.ToLower(b.text("node_id")), Meta: b.pairs("node_meta"),
		DisableHostID: b.flag("disable_host_node_id"),
	}
	if c.Node.Name == "" && !b.values.isSet("node_name") {
		name, err := b.host.Hostname()
		if err != nil && !b.offline {
			b.values.fail("Error determining node name: %w", err)
		}
		c.Node.Name = name
	}
	if region, zone := b.text("locality.region"), b.text("locality.zone"); region != "" || zone != "" {
		c.Node.Locality = &model.Locality{Region: region, Zone: zone}
	}
	c.SessionTTLMin = b.span("session_ttl_min")
	c.EnableDebug = b.flag("enable_debug")
	c.DisableRemoteExec = b.flag("disable_remote_exec")
	c.DisableCoordinates = b.flag("disable_coordinates")
	c.Leave = Leave{
		OnTerminate:        b.flagOr("leave_on_terminate", !c.Server),
		SkipOnInterrupt:    b.flagOr("skip_leave_on_interrupt", c.Server),
		DrainTime:          b.span("performance.leave_drain_time"),
		RejoinAfterLeave:   b.flag("rejoin_after_leave"),
		ServerRejoinAgeMax: b.span("server_rejoin_age_max"),
	}
}

func (b *builder) cluster(c *Config) {
	b.pool(&c.Gossip.LAN, "gossip_lan", "serf_lan_allowed_cidrs", "reconnect_timeout")
	b.pool(&c.Gossip.WAN, "gossip_wan", "serf_wan_allowed_cidrs", "reconnect_timeout_wan")
	c.Gossip.VerifyIncoming = b.flag("encrypt_verify_incoming")
	c.Gossip.VerifyOutgoing = b.flag("encrypt_verify_outgoing")
	c.Gossip.DisableKeyringFile = b.flag("disable_keyring_file")
	c.Gossip.AdvertisedReconnectTimeout = b.span("advertise_reconnect_timeout")
	c.Join = Join{
		LAN: JoinTarget{Start: b.templates("start_join"), Retry: b.templates("retry_join"),
			Interval: b.span("retry_interval"), Max: b.num("retry_max")},
		WAN: JoinTarget{Start: b.templates("start_join_wan"), Retry: b.templates("retry_join_wan"),
			Interval: b.span("retry_interval_wan"), Max: b.num("retry_max_wan")},
	}
	mult := b.num("performance.raft_multiplier")
	times := func(key string) time.Duration {
		d, _ := preset(b.values.rows[key], c.Dev) // only muster sets these
		s, _ := d.(string)
		span, _ := toDuration(key, s)
		return span * time.Duration(mult)
	}
	c.Raft = Raft{
		Protocol: b.num("raft_protocol"), Multiplier: mult,
		HeartbeatTimeout:   times("consul.raft.heartbeat_timeout"),
		ElectionTimeout:    times("consul.raft.election_timeout"),
		LeaderLeaseTimeout: times("consul.raft.leader_lease_timeout"),
		SnapshotThreshold:  uint64(max(b.num("raft_snapshot_threshold"), 0)),
		SnapshotInterval:   b.span("raft_snapshot_interval"),
		TrailingLogs:       uint64(max(b.num("raft_trailing_logs"), 0)),
		SegmentSize:        b.num("raft_logstore.wal.segment_size_mb") << 20,
		DisableLogCache:    b.flag("raft_logstore.disable_log_cache"),
	}
	c.RPC.HandshakeTimeout = b.span("limits.rpc_handshake_timeout")
	c.RPC.HoldTimeout = b.span("performance.rpc_hold_timeout")
	c.RPC.MaxConnsPerClient = b.num("limits.rpc_max_conns_per_client")
	c.RPC.TranslateWANAddrs = b.flag("translate_wan_addrs")
	c.RPC.Protocol = b.num("protocol")
	c.Autopilot = Autopilot{
		CleanupDeadServers:      b.flag("autopilot.cleanup_dead_servers"),
		LastContactThreshold:    b.span("autopilot.last_contact_threshold"),
		MaxTrailingLogs:         uint64(max(b.num("autopilot.max_trailing_logs"), 0)),
		MinQuorum:               uint(max(b.num("autopilot.min_quorum"), 0)),
		ServerStabilizationTime: b.span("autopilot.server_stabilization_time"),
	}
}

// gossipKey decodes the key; check reports what is wrong with it in its place.
func gossipKey(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	return base64.StdEncoding.DecodeString(text)
}

func (b *builder) pool(p *Pool, key, cidrs, reconnect string) {
	p.AllowedCIDRs = b.networks(cidrs)
	p.Nodes = b.num(key + ".gossip_nodes")
	p.Interval = b.span(key + ".gossip_interval")
	p.ProbeInterval = b.span(key + ".probe_interval")
	p.ProbeTimeout = b.span(key + ".probe_timeout")
	p.SuspicionMult = b.num(key + ".suspicion_mult")
	p.RetransmitMult = b.num(key + ".retransmit_mult")
	p.ReconnectTimeout = b.span(reconnect)
}

func (b *builder) doors(c *Config) {
	d := &c.DNS
	d.Domain, d.AltDomain = dotted(b.text("domain")), dotted(b.text("alt_domain"))
	d.AllowStale = b.flag("dns_config.allow_stale")
	d.MaxStale = b.span("dns_config.max_stale")
	d.NodeTTL = b.span("dns_config.node_ttl")
	d.ServiceTTL = map[string]time.Duration{}
	ttls := b.pairs("dns_config.service_ttl")
	for _, name := range sortedKeys(ttls) {
		ttl, err := toDuration("dns_config.service_ttl["+name+"]", ttls[name])
		if err != nil {
			b.values.failed(err)
		}
		d.ServiceTTL[name] = ttl
	}
	d.EnableTruncate = b.flag("dns_config.enable_truncate")
	d.OnlyPassing = b.flag("dns_config.only_passing")
	d.DisableCompression = b.flag("dns_config.disable_compression")
	d.UDPAnswerLimit = b.num("dns_config.udp_answer_limit")
	d.ARecordLimit = b.num("dns_config.a_record_limit")
	d.NodeMetaTXT = b.flag("dns_config.enable_additional_node_meta_txt")
	d.SOA = SOA{Refresh: b.seconds("dns_config.soa.refresh"), Retry: b.seconds("dns_config.soa.retry"),
		Expire: b.seconds("dns_config.soa.expire"), MinTTL: b.seconds("dns_config.soa.min_ttl")}
	d.UseCache = b.flag("dns_config.use_cache")
	d.CacheMaxAge = b.span("dns_config.cache_max_age")
	d.Recursors = b.recursors()
	d.RecursorTimeout = b.span("dns_config.recursor_timeout")
	d.RecursorsRandomized = b.text("dns_config.recursor_strategy") == "random"

	h := &c.HTTP
	h.Socket = UnixSocket{User: b.text("unix_sockets.user"), Group: b.text("unix_sockets.group"), Mode: b.text("unix_sockets.mode")}
	h.ResponseHeaders = b.pairs("http_config.response_headers")
	h.BlockEndpoints = b.list("http_config.block_endpoints")
	h.AllowWriteFrom = b.networks("http_config.allow_write_http_from")
	h.UseCache = b.flag("http_config.use_cache")
	h.CacheFetchRate, h.CacheFetchBurst = b.rate("cache.entry_fetch_rate"), b.num("cache.entry_fetch_max_burst")
	h.MaxHeaderBytes = b.num("http_config.max_header_bytes")
	h.MaxConnsPerClient = b.num("limits.http_max_conns_per_client")
	h.TLSHandshakeTimeout = b.span("limits.https_handshake_timeout")
	h.DisableUnprintableFilter = b.flag("disable_http_unprintable_char_filter")
	h.DefaultQueryTime = b.span("default_query_time")
	h.MaxQueryTime = b.span("max_query_time")
	h.DiscoveryMaxStale = b.span("discovery_max_stale")
	b.page(c)
}

func (b *builder) page(c *Config) {
	c.UI = UI{
		Enabled: b.flag("ui_config.enabled"), Dir: b.text("ui_config.dir"), ContentPath: slashed(b.text("ui_config.content_path")),
		MetricsProvider:       b.text("ui_config.metrics_provider"),
		MetricsProviderFiles:  b.list("ui_config.metrics_provider_files"),
		MetricsProviderOpts:   b.text("ui_config.metrics_provider_options_json"),
		MetricsProxyURL:       b.text("ui_config.metrics_proxy.base_url"),
		MetricsProxyHeaders:   map[string]string{},
		MetricsProxyPaths:     b.list("ui_config.metrics_proxy.path_allowlist"),
		DashboardURLTemplates: b.pairs("ui_config.dashboard_url_templates"),
	}
	for _, h := range get[[]map[string]any](b.values, "ui_config.metrics_proxy.add_headers") {
		name, _ := h["Name"].(string)
		c.UI.MetricsProxyHeaders[name], _ = h["Value"].(string)
	}
	if len(c.UI.MetricsProxyPaths) == 0 && c.UI.MetricsProvider == "prometheus" && c.UI.MetricsProxyURL != "" {
		c.UI.MetricsProxyPaths = []string{"/api/v1/query", "/api/v1/query_range"}
	}
}

// dotted ends a domain in one dot; no domain stays none.
func dotted(domain string) string {
	if domain == "" {
		return ""
	}
	return strings.TrimSuffix(domain, ".") + "."
}

// slashed begins and ends a path with one slash.
func slashed(path string) string {
	path = strings.Trim(path, "/")
	if path == "" {
		return "/"
	}
	return "/" + path + "/"
}

// seconds is a number of seconds as DNS has them.
func (b *builder) seconds(key string) uint32 {
	n := b.num(key)
	if n < 0 || n > 1<<31-1 {
		b.values.fail("%s cannot be %d. Must be from 0 to %d", key, n, 1<<31-1)
		return 0
	}
	return uint32(n)
}

func (b *builder) limits(c *Config) {
	c.Limits = Limits{
		KVMaxValueSize: int64(b.num("limits.kv_max_value_size")), TxnMaxReqLen: int64(b.num("limits.txn_max_req_len")),
		RPCRate: b.rate("limits.rpc_rate"), RPCMaxBurst: b.num("limits.rpc_max_burst"),
		RPCClientTimeout:       b.span("limits.rpc_client_timeout"),
		RequestMode:            b.text("limits.request_limits.mode"),
		ReadRate:               b.rate("limits.request_limits.read_rate"),
		WriteRate:              b.rate("limits.request_limits.write_rate"),
		DisableKVKeyValidation: b.flag("disable_kv_key_validation"),
	}
	c.Check = CheckOptions{
		UpdateInterval: b.span("check_update_interval"), OutputMaxSize: b.num("check_output_max_size"),
		DiscardOutput: b.flag("discard_check_output"), EnableScripts: b.flag("enable_script_checks"),
		EnableLocalScripts: b.flag("enable_local_script_checks"), UseAgentTLS: b.flag("enable_agent_tls_for_checks"),
	}
}

func (b *builder) log(c *Config) {
	c.Log = Log{
		Level: logLevel(b.text("log_level")), JSON: b.flag("log_json"), File: b.text("log_file"),
		RotateDuration: b.span("log_rotate_duration"), RotateBytes: b.num("log_rotate_bytes"),
		RotateMaxFiles: b.num("log_rotate_max_files"), Syslog: b.flag("enable_syslog"),
		SyslogFacility: b.text("syslog_facility"),
	}
	t := &c.Telemetry
	t.Prefix = b.text("telemetry.metrics_prefix")
	t.DisableHostname = b.flag("telemetry.disable_hostname")
	t.PrometheusRetention = b.span("telemetry.prometheus_retention_time")
	t.FilterDefault = b.flag("telemetry.filter_default")
	t.StatsdAddr, t.StatsiteAddr = b.text("telemetry.statsd_address"), b.text("telemetry.statsite_address")
	t.DogstatsdAddr, t.DogstatsdTags = b.text("telemetry.dogstatsd_addr"), b.list("telemetry.dogstatsd_tags")
	t.RetryFailedConnection = b.flag("telemetry.retry_failed_connection")
	t.EnableHostMetrics = b.flag("telemetry.enable_host_metrics")
	for _, p := range b.list("telemetry.prefix_filter") {
		switch {
		case strings.HasPrefix(p, "+"):
			t.AllowedPrefixes = append(t.AllowedPrefixes, p[1:])
		case strings.HasPrefix(p, "-"):
			t.BlockedPrefixes = append(t.BlockedPrefixes, p[1:])
		case p == "":
			b.warnings = append(b.warnings, "Cannot have empty filter rule in prefix_filter")
		default:
			b.warnings = append(b.warnings, "Filter rule must begin with either '+' or '-': "+quote(p))
		}
	}
}

// logLevel is the level's usual name, or the text itself when there is no such level.
func logLevel(s string) string {
	switch up := strings.ToUpper(s); up {
	case "ERR":
		return "ERROR"
	case "TRACE", "DEBUG", "INFO", "WARN", "ERROR":
		return up
	}
	return s
}

func (b *builder) networks(key string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range b.list(key) {
		p, err := netip.ParsePrefix(strings.TrimSpace(s))
		if err != nil {
			b.values.fail("%s: invalid cidr: %s", key, s)
			continue
		}
		all = append(all, p.Masked())
	}
	return all
}
