package config

func serviceOptions() []Option {
	return []Option{
		{Key: "services", Type: Objects, Reload: true, Doc: "Services of this agent.", Fields: serviceFields},
		{Key: "service", Type: Objects, Reload: true, For: "services", Doc: "One service of this agent.", Fields: serviceFields},
		{Key: "checks", Type: Objects, Reload: true, Doc: "Checks of this node, or of the service that service_id names.", Fields: checkFields},
		{Key: "check", Type: Objects, Reload: true, For: "checks", Doc: "One check of this node.", Fields: checkFields},
		{Key: "check_update_interval", Type: Duration, Default: "5m", Doc: "How long a change of only a check's output may wait to be synced."},
		{Key: "check_output_max_size", Flag: "check_output_max_size", Type: Int, Default: "4096", Mark: Modern, Doc: "Bytes of a check's output that are kept."},
		{Key: "discard_check_output", Type: Bool, Reload: true, Doc: "Keep no output of checks."},
		{Key: "enable_script_checks", Flag: "enable-script-checks", Type: Bool, Name: "EnableRemoteScriptChecks", Doc: "Checks may run programs, those registered over the API too."},
		{Key: "enable_local_script_checks", Flag: "enable-local-script-checks", Type: Bool, Doc: "Checks in files may run programs."},
		{Key: "enable_agent_tls_for_checks", Type: Bool, Mark: Modern, Doc: "HTTP and gRPC checks show the agent's certificate."},
	}
}

func serviceFields() []Option {
	return []Option{
		{Key: "kind", Type: String, Mark: Mesh, Doc: "Nothing for an ordinary service; connect-proxy, mesh-gateway, terminating-gateway or ingress-gateway."},
		{Key: "id", Type: String, Doc: "Unique on this node; the name by default."},
		{Key: "name", Type: String, Doc: "What callers look up."},
		{Key: "tags", Type: Strings, Doc: "Words that callers can choose by."},
		{Key: "address", Type: String, Doc: "Where the service is, when not at the node's address."},
		{Key: "socket_path", Type: String, Mark: Newer, Doc: "Unix socket of the service."},
		{Key: "port", Type: Int, Doc: "Port of the service."},
		{Key: "ports", Type: Objects, Mark: Newer, Doc: "Several named ports.", Fields: func() []Option {
			return []Option{
				{Key: "name", Type: String, Doc: "Name of the port."}, {Key: "port", Type: Int, Doc: "Its number."},
				{Key: "default", Type: Bool, Doc: "The one that counts when none is named."},
			}
		}},
		{Key: "tagged_addresses", Type: Named, Mark: Modern, Doc: "Further addresses by tag (lan, wan, ...).", Fields: func() []Option {
			return []Option{{Key: "address", Type: String, Doc: "The address."}, {Key: "port", Type: Int, Doc: "Its port."}}
		}},
		{Key: "meta", Type: Map, Doc: "Key/value pairs of this instance."},
		{Key: "token", Type: String, Secret: true, Doc: "Token for registering it."},
		{Key: "enable_tag_override", Type: Bool, Doc: "Tags changed in the catalog stay."},
		{Key: "weights.passing", Type: Int, Mark: Modern, Doc: "Weight in SRV records while passing; 1 by default, at most 65535."},
		{Key: "weights.warning", Type: Int, Mark: Modern, Doc: "Weight in SRV records while in warning; 1 by default, at most 65535."},
		{Key: "check", Type: Object, Doc: "One check of it.", Fields: checkFields},
		{Key: "checks", Type: Objects, Doc: "Checks of it.", Fields: checkFields},
		{Key: "locality.region", Type: String, Mark: Newer, Doc: "Region where it runs."},
		{Key: "locality.zone", Type: String, Mark: Newer, Doc: "Zone of the region where it runs."},
		{Key: "connect.native", Type: Bool, Mark: Mesh, Doc: "It takes part in the mesh without a proxy."},
		{Key: "connect.sidecar_service", Type: Object, Mark: Mesh, Doc: "Definition of its proxy; an empty block takes all defaults.", Fields: serviceFields},
		{Key: "proxy", Type: Object, Mark: Mesh, Doc: "For proxies: what they stand for.", Fields: proxyFields},
		{Key: "namespace", Type: String, Mark: Enterprise, Doc: "Namespace of the service."},
		{Key: "partition", Type: String, Mark: Enterprise, Doc: "Admin partition of the service."},
	}
}

func proxyFields() []Option {
	return []Option{
		{Key: "destination_service_name", Type: String, Mark: Mesh, Doc: "The service the proxy stands for."},
		{Key: "destination_service_id", Type: String, Mark: Mesh, Doc: "The instance the proxy stands for."},
		{Key: "local_service_address", Type: String, Mark: Mesh, Doc: "Where the proxy finds it."},
		{Key: "local_service_port", Type: Int, Mark: Mesh, Doc: "Where the proxy finds it."},
		{Key: "local_service_socket_path", Type: String, Mark: Newer, Doc: "Where the proxy finds it."},
		{Key: "mode", Type: String, Mark: Newer, Doc: "direct or transparent."},
		{Key: "config", Type: Any, Mark: Mesh, Doc: "Handed to the proxy."},
		{Key: "upstreams", Type: Objects, Mark: Mesh, Doc: "Services that the proxy makes reachable.", Fields: upstreamFields},
		{Key: "mesh_gateway.mode", Type: String, Mark: Mesh, Doc: "How traffic leaves the datacenter: none, local or remote."},
		{Key: "expose.checks", Type: Bool, Mark: Mesh, Doc: "Checks are reachable past the proxy."},
		{Key: "expose.port", Type: Int, Mark: Mesh, Moot: "the ports are those of the paths", Name: "-", Doc: "Unused."},
		{Key: "expose.paths", Type: Objects, Mark: Mesh, Doc: "Paths that are reachable past the proxy.", Fields: func() []Option {
			return []Option{
				{Key: "listener_port", Type: Int, Mark: Mesh, Doc: "Port the proxy listens on."},
				{Key: "path", Type: String, Mark: Mesh, Doc: "The path."},
				{Key: "local_path_port", Type: Int, Mark: Mesh, Doc: "Port of the service."},
				{Key: "protocol", Type: String, Mark: Mesh, Doc: "http or http2."},
			}
		}},
		{Key: "transparent_proxy.outbound_listener_port", Type: Int, Mark: Newer, Doc: "Port that outgoing traffic is redirected to."},
		{Key: "transparent_proxy.dialed_directly", Type: Bool, Mark: Newer, Doc: "The instance may be dialled by its own address."},
		{Key: "mutual_tls_mode", Type: String, Mark: Newer, Doc: "strict or permissive."},
		{Key: "envoy_extensions", Type: Objects, Mark: Newer, Doc: "Handed to the proxy."},
		{Key: "access_logs", Type: Any, Mark: Newer, Doc: "Handed to the proxy."},
	}
}

func upstreamFields() []Option {
	return []Option{
		{Key: "destination_type", Type: String, Mark: Mesh, Doc: "service or prepared_query."},
		{Key: "destination_namespace", Type: String, Mark: Enterprise, Doc: "Namespace of the service."},
		{Key: "destination_partition", Type: String, Mark: Enterprise, Doc: "Admin partition of the service."},
		{Key: "destination_peer", Type: String, Mark: Newer, Doc: "Cluster of the service."},
		{Key: "destination_name", Type: String, Mark: Mesh, Doc: "Name of the service."},
		{Key: "datacenter", Type: String, Mark: Mesh, Doc: "Datacenter of the service."},
		{Key: "local_bind_address", Type: String, Mark: Mesh, Doc: "Address the proxy listens on."},
		{Key: "local_bind_port", Type: Int, Mark: Mesh, Doc: "Port the proxy listens on."},
		{Key: "local_bind_socket_path", Type: String, Mark: Newer, Doc: "Unix socket the proxy listens on."},
		{Key: "local_bind_socket_mode", Type: String, Mark: Newer, Doc: "Mode of that socket."},
		{Key: "config", Type: Any, Mark: Mesh, Doc: "Handed to the proxy."},
		{Key: "mesh_gateway.mode", Type: String, Mark: Mesh, Doc: "How traffic leaves the datacenter."},
	}
}

func checkFields() []Option {
	return []Option{
		{Key: "id", Type: String, Doc: "Unique on this node; made from the service or the name by default."},
		{Key: "name", Type: String, Doc: "For people."},
		{Key: "notes", Type: String, Doc: "For people."},
		{Key: "service_id", Type: String, Doc: "Service the check belongs to."},
		{Key: "token", Type: String, Secret: true, Doc: "Token for registering it."},
		{Key: "status", Type: String, Doc: "The first state: passing, warning or critical (the default)."},
		{Key: "args", Type: Strings, Doc: "Program and arguments: exit code 0 is passing, 1 warning, others critical."},
		{Key: "script_args", Type: Strings, For: "args", Doc: "Old spelling of args."},
		{Key: "script", Type: String, Doc: "Deprecated: a command for the shell; use args."},
		{Key: "http", Type: String, Doc: "URL: 2xx is passing, 429 warning, others critical."},
		{Key: "header", Type: Lists, Doc: "Headers of the HTTP request."},
		{Key: "method", Type: String, Doc: "Method of the HTTP request; GET by default."},
		{Key: "body", Type: String, Doc: "Body of the HTTP request."},
		{Key: "disable_redirects", Type: Bool, Mark: Newer, Doc: "Redirects are not followed."},
		{Key: "tcp", Type: String, Doc: "host:port to connect to."},
		{Key: "tcp_use_tls", Type: Bool, Mark: Newer, Doc: "Connect with TLS."},
		{Key: "udp", Type: String, Mark: Newer, Doc: "host:port to send to."},
		{Key: "grpc", Type: String, Mark: Modern, Doc: "host:port[/service] to ask by the gRPC health protocol."},
		{Key: "grpc_use_tls", Type: Bool, Mark: Modern, Doc: "Ask with TLS."},
		{Key: "h2ping", Type: String, Mark: Newer, Name: "H2PING", Doc: "host:port to ping by HTTP/2."},
		{Key: "h2ping_use_tls", Type: Bool, Mark: Newer, Doc: "Ping with TLS."},
		{Key: "os_service", Type: String, Mark: Newer, Doc: "Name of a service of the operating system."},
		{Key: "docker_container_id", Type: String, Doc: "Container that args run in."},
		{Key: "shell", Type: String, Doc: "Shell in the container."},
		{Key: "alias_node", Type: String, Mark: Modern, Doc: "Node whose health is copied."},
		{Key: "alias_service", Type: String, Mark: Modern, Doc: "Service whose health is copied."},
		{Key: "ttl", Type: Span, Doc: "The state has to be reported at least this often."},
		{Key: "tls_server_name", Type: String, Mark: Newer, Doc: "Name the certificate must have."},
		{Key: "tls_skip_verify", Type: Bool, Doc: "Any certificate is good."},
		{Key: "interval", Type: Span, Doc: "Time between runs."},
		{Key: "timeout", Type: Span, Doc: "Time for a run."},
		{Key: "success_before_passing", Type: Int, Mark: Modern, Doc: "Successes in a row before the check passes."},
		{Key: "failures_before_warning", Type: Int, Mark: Newer, Doc: "Failures in a row before the check warns."},
		{Key: "failures_before_critical", Type: Int, Mark: Modern, Doc: "Failures in a row before the check is critical."},
		{Key: "deregister_critical_service_after", Type: Span, Doc: "A service critical for so long is taken out; at least a minute."},
		{Key: "output_max_size", Type: Int, Mark: Modern, Doc: "Bytes of output that are kept."},
		{Key: "namespace", Type: String, Mark: Enterprise, Doc: "Namespace of the check."},
		{Key: "partition", Type: String, Mark: Enterprise, Doc: "Admin partition of the check."},
	}
}
