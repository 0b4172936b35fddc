package config

func meshOptions() []Option {
	return []Option{
		{Key: "connect.enabled", Type: Bool, Dev: "true", Mark: Mesh, Idle: noMesh, Doc: "Take part in the service mesh."},
		{Key: "connect.enable_mesh_gateway_wan_federation", Type: Bool, Mark: Mesh, Idle: noMesh, Name: "ConnectMeshGatewayWANFederationEnabled", Doc: "Join datacenters through mesh gateways."},
		{Key: "connect.ca_provider", Type: String, Default: "consul", Mark: Mesh, Idle: noMesh, Doc: "Who signs certificates: consul, vault or aws-pca. Only at the first start."},
		{Key: "connect.ca_config", Type: Any, Mark: Mesh, Secret: true, Idle: noMesh, Name: "ConnectCAConfig", Doc: "Settings of the authority."},
		{Key: "config_entries.bootstrap", Type: Objects, Reload: true, Mark: Modern, Idle: noEntries, Name: "ConfigEntryBootstrap", Doc: "Configuration entries that the leader writes if they are absent."},
		{Key: "enable_central_service_config", Type: Bool, Mark: Modern, Idle: noCentral, Doc: "Complete definitions from configuration entries."},
		{Key: "primary_gateways", Flag: "primary-gateway", Type: Strings, Mark: Mesh, Idle: noMesh, Doc: "Mesh gateways of the primary datacenter."},
		{Key: "primary_gateways_interval", Type: Duration, Default: "30s", Mark: Mesh, Idle: noMesh, Doc: "Time between attempts to reach them."},
		{Key: "default_intention_policy", Type: String, Mark: Newer, Idle: noMesh, Doc: "What is allowed where no intention says anything: allow or deny; as acl.default_policy by default."},
		{Key: "peering.enabled", Type: Bool, Mark: Newer, Idle: noPeering, Doc: "Peer with other clusters."},
		{Key: "xds.update_max_per_second", Type: Float, Default: "250", Reload: true, Mark: Newer, Idle: noMesh, Name: "XDSUpdateRateLimit", Doc: "Updates sent to proxies."},
	}
}

// enterpriseOptions are accepted with a warning.
func enterpriseOptions() []Option {
	rows := []Option{
		{Key: "segment", Flag: "segment", Type: String, Name: "SegmentName", Doc: "Network segment of this client."},
		{Key: "segments", Type: Objects, Doc: "Network segments of this server.", Fields: func() []Option {
			return []Option{
				{Key: "name", Type: String, Doc: "Name of the segment."}, {Key: "advertise", Type: String, Doc: "Address told to others."},
				{Key: "bind", Type: String, Doc: "Address to listen on."}, {Key: "port", Type: Int, Doc: "Port of gossip."},
				{Key: "rpc_listener", Type: Bool, Name: "RPCListener", Doc: "Listen for requests on this address too."},
			}
		}},
		{Key: "snapshot_agent", Type: Any, Doc: "Regular snapshots."},
		{Key: "audit.enabled", Type: Bool, Doc: "Keep an audit log."},
		{Key: "audit.sink", Type: Named, Doc: "Where the audit log goes, by name.", Fields: auditFields},
		{Key: "dns_config.prefer_namespace", Type: Bool, Name: "DNSPreferNamespace", Doc: "One label before the service is a namespace."},
		{Key: "acl.msp_disable_bootstrap", Type: Bool, Name: "ACLMSPDisableBootstrap", Doc: "For managed service providers."},
		{Key: "acl.tokens.managed_service_provider", Type: Objects, Secret: true, Name: "ACLTokens.ManagedServiceProvider", Doc: "For managed service providers."},
		{Key: "autopilot.disable_upgrade_migration", Type: Bool, Doc: "Do not replace old servers by new ones automatically."},
		{Key: "autopilot.redundancy_zone_tag", Type: String, Doc: "Metadata key that names a server's zone."},
		{Key: "autopilot.upgrade_version_tag", Type: String, Doc: "Metadata key that names a server's version."},
		{Key: "license_path", Type: String, Doc: "Licence file."},
		{Key: "partition", Type: String, Doc: "Admin partition of this agent."},
		{Key: "reporting.license.enabled", Type: Bool, Default: "true", Doc: "Report usage."},
		{Key: "auto_config.authorization.static.allow_reuse", Type: Bool, Doc: "Tokens may be shown more than once."},
	}
	for _, k := range []string{"resource_id", "client_id", "client_secret", "hostname", "auth_url", "scada_address", "node_id", "node_name"} {
		rows = append(rows, Option{Key: "cloud." + k, Type: String, Secret: k == "client_secret", Doc: "For a hosted service."})
	}
	for i := range rows {
		rows[i].Mark = Enterprise
	}
	return rows
}

func auditFields() []Option {
	return []Option{
		{Key: "type", Type: String, Doc: "Kind of the sink."}, {Key: "name", Type: String, Doc: "Its name."},
		{Key: "format", Type: String, Doc: "Form of the entries."}, {Key: "path", Type: String, Doc: "Its file."},
		{Key: "delivery_guarantee", Type: String, Doc: "What a failure to write means."},
		{Key: "mode", Type: String, Doc: "Mode of its file."},
		{Key: "rotate_bytes", Type: Int, Doc: "Size of a file."}, {Key: "rotate_duration", Type: String, Doc: "Time of a file."},
		{Key: "rotate_max_files", Type: Int, Doc: "Old files kept."},
	}
}

// internalOptions are accepted and have no effect: only muster itself sets them.
func internalOptions() []Option {
	rows := []Option{
		{Key: "acl.disabled_ttl", Type: Duration, Default: "120s", Name: "ACLResolverSettings.ACLDisabledTTL"},
		{Key: "ae_interval", Type: Duration, Default: "1m", Name: "AEInterval"},
		{Key: "check_deregister_interval_min", Type: Duration, Default: "1m"},
		{Key: "check_reap_interval", Type: Duration, Default: "30s"},
		{Key: "segment_limit", Type: Int, Default: "64"},
		{Key: "segment_name_limit", Type: Int, Default: "64"},
		{Key: "sync_coordinate_interval_min", Type: Duration, Default: "15s"},
		{Key: "sync_coordinate_rate_target", Type: Float, Default: "64"},
		{Key: "revision", Type: String},
		{Key: "version", Type: String},
		{Key: "version_prerelease", Type: String},
		{Key: "consul.coordinate.update_batch_size", Type: Int, Default: "128"},
		{Key: "consul.coordinate.update_max_batches", Type: Int, Default: "5"},
		{Key: "consul.coordinate.update_period", Type: Duration, Default: "5s"},
		{Key: "consul.raft.election_timeout", Type: Duration, Default: "1s", Dev: "100ms"},
		{Key: "consul.raft.heartbeat_timeout", Type: Duration, Default: "1s", Dev: "100ms"},
		{Key: "consul.raft.leader_lease_timeout", Type: Duration, Default: "500ms", Dev: "50ms"},
		{Key: "consul.server.health_interval", Type: Duration, Default: "2s"},
		{Key: "acl_disabled_ttl", Type: Duration, For: "acl.disabled_ttl"},
	}
	for i := range rows {
		rows[i].Mark = Internal
		rows[i].Doc = "Set by muster itself."
	}
	return rows
}
