package config

func dnsOptions() []Option {
	return []Option{
		{Key: "domain", Flag: "domain", Type: String, Default: "consul.", Name: "DNSDomain", Doc: "Domain that DNS questions are answered in."},
		{Key: "alt_domain", Flag: "alt-domain", Type: String, Mark: Modern, Name: "DNSAltDomain", Doc: "A second domain that DNS questions are answered in."},
		{Key: "dns_config.allow_stale", Type: Bool, Default: "true", Reload: true, Name: "DNSAllowStale", Doc: "Any server may answer, not only the leader."},
		{Key: "dns_config.max_stale", Type: Duration, Default: "87600h", Reload: true, Name: "DNSMaxStale", Doc: "Answers older than this come from the leader."},
		{Key: "dns_config.node_ttl", Type: Duration, Reload: true, Name: "DNSNodeTTL", Doc: "TTL of answers about nodes."},
		{Key: "dns_config.service_ttl", Type: Map, Reload: true, Name: "DNSServiceTTL", Doc: "TTL of answers about services by name, prefix* or *."},
		{Key: "dns_config.enable_truncate", Type: Bool, Reload: true, Name: "DNSEnableTruncate", Doc: "Mark shortened answers as truncated."},
		{Key: "dns_config.only_passing", Type: Bool, Reload: true, Name: "DNSOnlyPassing", Doc: "Leave out instances in warning."},
		{Key: "dns_config.recursor_timeout", Type: Duration, Default: "2s", Reload: true, Name: "DNSRecursorTimeout", Doc: "Time to wait for a recursor."},
		{Key: "dns_config.recursor_strategy", Type: String, Default: "sequential", Reload: true, Mark: Newer, Name: "DNSRecursorStrategy", Doc: "Order in which recursors are asked: sequential or random."},
		{Key: "dns_config.disable_compression", Type: Bool, Reload: true, Name: "DNSDisableCompression", Doc: "Do not compress names in answers."},
		{Key: "dns_config.udp_answer_limit", Type: Int, Default: "3", Reload: true, Name: "DNSUDPAnswerLimit", Doc: "Instances in an answer over UDP."},
		{Key: "dns_config.a_record_limit", Type: Int, Reload: true, Name: "DNSARecordLimit", Doc: "Addresses in an answer; 0 for no limit."},
		{Key: "dns_config.enable_additional_node_meta_txt", Type: Bool, Default: "true", Reload: true, Mark: Modern, Name: "DNSNodeMetaTXT", Doc: "Add the node's metadata to answers as TXT."},
		{Key: "dns_config.soa.refresh", Type: Int, Default: "3600", Reload: true, Mark: Modern, Name: "DNSSOA.Refresh", Doc: "Seconds, of SOA records."},
		{Key: "dns_config.soa.retry", Type: Int, Default: "600", Reload: true, Mark: Modern, Name: "DNSSOA.Retry", Doc: "Seconds, of SOA records."},
		{Key: "dns_config.soa.expire", Type: Int, Default: "86400", Reload: true, Mark: Modern, Name: "DNSSOA.Expire", Doc: "Seconds, of SOA records."},
		{Key: "dns_config.soa.min_ttl", Type: Int, Default: "0", Reload: true, Mark: Modern, Name: "DNSSOA.Minttl", Doc: "Seconds, of SOA records."},
		{Key: "dns_config.use_cache", Type: Bool, Reload: true, Mark: Modern, Moot: mootDNS, Name: "DNSUseCache", Doc: "Answer from the agent's cache."},
		{Key: "dns_config.cache_max_age", Type: Duration, Reload: true, Mark: Modern, Moot: mootDNS, Name: "DNSCacheMaxAge", Doc: "Oldest answer taken from the cache; 0 for no limit."},
		{Key: "recursors", Flag: "recursor", Type: Strings, Reload: true, Name: "DNSRecursors", Doc: "DNS servers for all other domains; port 53 by default."},
	}
}

func httpOptions() []Option {
	return []Option{
		{Key: "http_config.response_headers", Type: Map, Name: "HTTPResponseHeaders", Doc: "Headers added to every answer."},
		{Key: "http_config.block_endpoints", Type: Strings, Name: "HTTPBlockEndpoints", Doc: "Prefixes of paths that answer 403."},
		{Key: "http_config.allow_write_http_from", Flag: "allow-write-http-from", Type: Strings, Name: "AllowWriteHTTPFrom", Doc: "Networks that may write through this agent; all by default."},
		{Key: "http_config.use_cache", Type: Bool, Default: "true", Mark: Modern, Name: "HTTPUseCache", Doc: "?cached may be answered from the agent's cache."},
		{Key: "http_config.max_header_bytes", Type: Int, Default: "1048576", Mark: Modern, Name: "HTTPMaxHeaderBytes", Doc: "Largest header of a request."},
		{Key: "disable_http_unprintable_char_filter", Type: Bool, Name: "DisableHTTPUnprintableCharFilter", Doc: "Let paths with unprintable characters pass."},
		{Key: "discovery_max_stale", Type: Duration, Mark: Modern, Doc: "Above 0: catalog and health reads without a mode are stale, but not older than this."},
		{Key: "default_query_time", Flag: "default-query-time", Type: Duration, Default: "300s", Mark: Modern, Doc: "Wait of a blocking query that names none."},
		{Key: "max_query_time", Flag: "max-query-time", Type: Duration, Default: "600s", Mark: Modern, Doc: "Longest wait of a blocking query."},
		{Key: "cache.entry_fetch_max_burst", Type: Int, Default: "2", Reload: true, Mark: Modern, Doc: "Background fetches of one cached answer in a row."},
		{Key: "cache.entry_fetch_rate", Type: Float, Default: "+Inf", Reload: true, Mark: Modern, Doc: "Background fetches of one cached answer per second."},
	}
}

func uiOptions() []Option {
	return []Option{
		{Key: "ui_config.enabled", Flag: "ui", Type: Bool, Dev: "true", Mark: Modern, Name: "UIConfig.Enabled", Doc: "Serve the web page."},
		{Key: "ui_config.dir", Flag: "ui-dir", Type: String, Mark: Modern, Name: "UIConfig.Dir", Doc: "Folder with the page's files, instead of the built-in ones."},
		{Key: "ui_config.content_path", Flag: "ui-content-path", Type: String, Default: "/ui/", Mark: Modern, Name: "UIConfig.ContentPath", Doc: "Path of the page."},
		{Key: "ui_config.metrics_provider", Type: String, Reload: true, Mark: Mesh, Idle: noMesh, Name: "UIConfig.MetricsProvider", Doc: "Where the page gets metrics: prometheus or the name of one's own provider."},
		{Key: "ui_config.metrics_provider_files", Type: Strings, Reload: true, Mark: Mesh, Idle: noMesh, Name: "UIConfig.MetricsProviderFiles", Doc: "Scripts the page loads."},
		{Key: "ui_config.metrics_provider_options_json", Type: String, Reload: true, Mark: Mesh, Idle: noMesh, Name: "UIConfig.MetricsProviderOptionsJSON", Doc: "JSON object handed to the provider."},
		{Key: "ui_config.metrics_proxy.base_url", Type: String, Reload: true, Mark: Mesh, Idle: noMesh, Name: "UIConfig.MetricsProxy.BaseURL", Doc: "Server that the agent fetches metrics from for the page."},
		{Key: "ui_config.metrics_proxy.add_headers", Type: Objects, Reload: true, Mark: Mesh, Secret: true, Idle: noMesh, Name: "UIConfig.MetricsProxy.AddHeaders", Doc: "Headers added to requests for metrics.", Fields: func() []Option {
			return []Option{{Key: "name", Type: String, Doc: "Name of the header."}, {Key: "value", Type: String, Doc: "Its value."}}
		}},
		{Key: "ui_config.metrics_proxy.path_allowlist", Type: Strings, Reload: true, Mark: Mesh, Idle: noMesh, Name: "UIConfig.MetricsProxy.PathAllowlist", Doc: "Paths that may be asked for; the queries of Prometheus by default when the provider is prometheus."},
		{Key: "ui_config.dashboard_url_templates", Type: Map, Reload: true, Mark: Mesh, Idle: noMesh, Name: "UIConfig.DashboardURLTemplates", Doc: "Links to dashboards by name."},
		{Key: "ui", Type: Bool, For: "ui_config.enabled", Deprecated: true, Doc: "Serve the web page."},
		{Key: "ui_dir", Type: String, For: "ui_config.dir", Deprecated: true, Doc: "Folder with the page's files."},
		{Key: "ui_content_path", Type: String, For: "ui_config.content_path", Deprecated: true, Doc: "Path of the page."},
	}
}

func limitOptions() []Option {
	return []Option{
		{Key: "limits.http_max_conns_per_client", Type: Int, Default: "200", Reload: true, Mark: Modern, Name: "HTTPMaxConnsPerClient", Doc: "HTTP connections from one address; 0 or less for no limit."},
		{Key: "limits.https_handshake_timeout", Type: Duration, Default: "5s", Mark: Modern, Name: "HTTPSHandshakeTimeout", Doc: "Time for the TLS handshake of HTTPS."},
		{Key: "limits.rpc_handshake_timeout", Type: Duration, Default: "5s", Mark: Modern, Name: "RPCHandshakeTimeout", Doc: "Time for the handshake between agents."},
		{Key: "limits.rpc_client_timeout", Type: Duration, Default: "60s", Reload: true, Mark: Newer, Name: "RPCClientTimeout", Doc: "Time a client waits for a server's answer that does not block."},
		{Key: "limits.rpc_rate", Type: Float, Default: "-1", Reload: true, Mark: Modern, Name: "RPCRateLimit", Doc: "Requests per second that this agent sends to servers; -1 for no limit."},
		{Key: "limits.rpc_max_burst", Type: Int, Default: "1000", Reload: true, Mark: Modern, Name: "RPCMaxBurst", Doc: "Requests above limits.rpc_rate in a row."},
		{Key: "limits.rpc_max_conns_per_client", Type: Int, Default: "100", Reload: true, Mark: Modern, Name: "RPCMaxConnsPerClient", Doc: "Connections of one agent to this server."},
		{Key: "limits.kv_max_value_size", Type: Int, Default: "524288", Mark: Modern, Name: "KVMaxValueSize", Doc: "Largest value of a key, in bytes."},
		{Key: "limits.txn_max_req_len", Type: Int, Default: "524288", Mark: Modern, Name: "TxnMaxReqLen", Doc: "Largest body of a transaction, in bytes."},
		{Key: "limits.request_limits.mode", Type: String, Default: "permissive", Reload: true, Mark: Newer, Name: "RequestLimitsMode", Doc: "What happens above the rates: disabled, permissive (logged) or enforcing."},
		{Key: "limits.request_limits.read_rate", Type: Float, Default: "-1", Reload: true, Mark: Newer, Name: "RequestLimitsReadRate", Doc: "Reads per second that this server takes; -1 for no limit."},
		{Key: "limits.request_limits.write_rate", Type: Float, Default: "-1", Reload: true, Mark: Newer, Name: "RequestLimitsWriteRate", Doc: "Writes per second that this server takes; -1 for no limit."},
		{Key: "disable_kv_key_validation", Type: Bool, Mark: Newer, Moot: "keys may hold any printable characters", Doc: "Let unusual keys pass."},
	}
}
