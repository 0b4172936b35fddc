package config

func clusterOptions() []Option {
	return []Option{
		{Key: "start_join", Flag: "join", Type: Strings, Name: "StartJoinAddrsLAN", Doc: "Agents to join at start; the agent ends when none can be joined."},
		{Key: "start_join_wan", Flag: "join-wan", Type: Strings, Name: "StartJoinAddrsWAN", Doc: "Servers of other datacenters to join at start; the agent ends when none can be joined."},
		{Key: "retry_join", Flag: "retry-join", Type: Strings, Name: "RetryJoinLAN", Doc: "Agents to join, tried again until one answers; also cloud discovery (provider=...)."},
		{Key: "retry_join_wan", Flag: "retry-join-wan", Type: Strings, Name: "RetryJoinWAN", Doc: "Servers of other datacenters to join, tried again until one answers."},
		{Key: "retry_interval", Flag: "retry-interval", Type: Duration, Default: "30s", Name: "RetryJoinIntervalLAN", Doc: "Time between attempts to join."},
		{Key: "retry_interval_wan", Flag: "retry-interval-wan", Type: Duration, Default: "30s", Name: "RetryJoinIntervalWAN", Doc: "Time between attempts to join other datacenters."},
		{Key: "retry_max", Flag: "retry-max", Type: Int, Name: "RetryJoinMaxAttemptsLAN", Doc: "Attempts to join before the agent ends; 0 for no end."},
		{Key: "retry_max_wan", Flag: "retry-max-wan", Type: Int, Name: "RetryJoinMaxAttemptsWAN", Doc: "Attempts to join other datacenters before the agent ends; 0 for no end."},
		{Key: "rejoin_after_leave", Flag: "rejoin", Type: Bool, Doc: "Join the members known before, even after a leave."},
		{Key: "leave_on_terminate", Type: Bool, Name: "LeaveOnTerm", Doc: "SIGTERM leaves the cluster; true on clients, false on servers."},
		{Key: "skip_leave_on_interrupt", Type: Bool, Name: "SkipLeaveOnInt", Doc: "SIGINT does not leave the cluster; true on servers, false on clients."},
		{Key: "reconnect_timeout", Type: Duration, Default: "72h", Name: "ReconnectTimeoutLAN", Doc: "Failed members are forgotten after this; at least 8h."},
		{Key: "reconnect_timeout_wan", Type: Duration, Default: "72h", Name: "ReconnectTimeoutWAN", Doc: "Failed servers of other datacenters are forgotten after this; at least 8h."},
		{Key: "advertise_reconnect_timeout", Type: Duration, Mark: Modern, Doc: "How soon others may forget this client when it fails; 0: as they are configured."},
		{Key: "server_rejoin_age_max", Type: Duration, Default: "168h", Mark: Newer, Doc: "A server away longer than this does not start with its old data; at least 6h."},
		{Key: "performance.raft_multiplier", Type: Int, Default: "5", Dev: "1", Name: "RaftMultiplier", Doc: "Multiplies the timeouts of elections (1 s heartbeat and election, 0.5 s lease); 1 to 10."},
		{Key: "performance.leave_drain_time", Type: Duration, Default: "5s", Name: "LeaveDrainTime", Doc: "How long a leaving server goes on answering."},
		{Key: "performance.rpc_hold_timeout", Type: Duration, Default: "7s", Name: "RPCHoldTimeout", Doc: "How long a request waits for a leader."},
		{Key: "performance.grpc_keepalive_interval", Type: Duration, Default: "30s", Mark: Newer, Idle: noFixed, Doc: "Time between signs of life on a quiet connection."},
		{Key: "performance.grpc_keepalive_timeout", Type: Duration, Default: "20s", Mark: Newer, Idle: noFixed, Doc: "How long an answer to a sign of life may take."},
		{Key: "performance.enable_xds_load_balancing", Type: Bool, Default: "true", Mark: Newer, Idle: noMesh, Doc: "Spread proxies evenly over the servers."},
		{Key: "raft_protocol", Flag: "raft-protocol", Type: Int, Default: "3", Doc: "Version of the consensus protocol; only 3."},
		{Key: "raft_snapshot_threshold", Type: Int, Default: "16384", Reload: true, Mark: Modern, Doc: "Log entries before a snapshot is made."},
		{Key: "raft_snapshot_interval", Type: Duration, Default: "30s", Reload: true, Mark: Modern, Doc: "Time between looks at whether a snapshot is due."},
		{Key: "raft_trailing_logs", Type: Int, Default: "10240", Reload: true, Mark: Modern, Doc: "Log entries kept after a snapshot."},
		{Key: "raft_logstore.backend", Type: String, Default: "wal", Mark: Newer, Idle: mootLog, Doc: "Kind of the log on disk; only wal."},
		{Key: "raft_logstore.disable_log_cache", Type: Bool, Mark: Newer, Doc: "Keep no recent log entries in memory."},
		{Key: "raft_logstore.verification.enabled", Type: Bool, Mark: Newer, Idle: "every entry on disk has a checksum already", Doc: "Compare the logs of the servers."},
		{Key: "raft_logstore.verification.interval", Type: Duration, Default: "60s", Mark: Newer, Idle: "every entry on disk has a checksum already", Doc: "Time between comparisons of the logs."},
		{Key: "raft_logstore.boltdb.no_freelist_sync", Type: Bool, Mark: Newer, Moot: mootLog, Doc: "Belongs to another kind of log."},
		{Key: "raft_logstore.wal.segment_size_mb", Type: Int, Default: "16", Mark: Newer, Doc: "Size of one file of the log, in MiB."},
		{Key: "rpc.enable_streaming", Type: Bool, Default: "true", Mark: Modern, Moot: mootStream, Name: "RPCConfig.EnableStreaming", Doc: "Servers push changes of health to clients."},
		{Key: "use_streaming_backend", Type: Bool, Default: "true", Mark: Modern, Moot: mootStream, Doc: "Clients let servers push changes of health."},
		{Key: "protocol", Flag: "protocol", Type: Int, Default: "2", Name: "RPCProtocol", Doc: "Version of the protocol between agents: 2 or 3."},
		{Key: "read_replica", Flag: "read-replica", Type: Bool, Mark: Modern, Doc: "This server follows and answers reads, and never votes."},
		{Key: "non_voting_server", Flag: "non-voting-server", Type: Bool, Mark: Modern, For: "read_replica", Doc: "Old spelling of read_replica."},
		{Key: "autopilot.cleanup_dead_servers", Type: Bool, Default: "true", Mark: Modern, Doc: "Take dead servers out of Raft, if a majority stays; for a cluster without a configuration of autopilot yet."},
		{Key: "autopilot.last_contact_threshold", Type: Duration, Default: "200ms", Mark: Modern, Doc: "A server that has not heard the leader for longer is unhealthy."},
		{Key: "autopilot.max_trailing_logs", Type: Int, Default: "250", Mark: Modern, Doc: "A server that is further behind is unhealthy."},
		{Key: "autopilot.min_quorum", Type: Int, Mark: Modern, Doc: "Fewer servers than this are never left by clean-up."},
		{Key: "autopilot.server_stabilization_time", Type: Duration, Default: "10s", Mark: Modern, Doc: "How long a new server must be healthy before it votes."},
	}
}

// gossipOptions are the same keys for both pools.
func gossipOptions() []Option {
	type pool struct{ key, name, interval, probe, timeout, suspicion string }
	var all []Option
	for _, p := range []pool{
		{"gossip_lan", "GossipLAN", "200ms", "1s", "500ms", "4"},
		{"gossip_wan", "GossipWAN", "500ms", "5s", "3s", "6"},
	} {
		all = append(all, []Option{
			{Key: p.key + ".gossip_nodes", Type: Int, Default: "3", Name: p.name + "GossipNodes", Doc: "Members that each round of gossip goes to."},
			{Key: p.key + ".gossip_interval", Type: Duration, Default: p.interval, Dev: "100ms", Name: p.name + "GossipInterval", Doc: "Time between rounds of gossip."},
			{Key: p.key + ".probe_interval", Type: Duration, Default: p.probe, Dev: "100ms", Name: p.name + "ProbeInterval", Doc: "Time between probes of a member."},
			{Key: p.key + ".probe_timeout", Type: Duration, Default: p.timeout, Dev: "100ms", Name: p.name + "ProbeTimeout", Doc: "Time to wait for the answer to a probe."},
			{Key: p.key + ".suspicion_mult", Type: Int, Default: p.suspicion, Dev: "3", Name: p.name + "SuspicionMult", Doc: "Multiplies the time after which a suspected member is failed."},
			{Key: p.key + ".retransmit_mult", Type: Int, Default: "4", Name: p.name + "RetransmitMult", Doc: "Multiplies how often a message is sent on."},
		}...)
	}
	return all
}
