package config

func tlsOptions() []Option {
	all := []Option{
		{Key: "server_name", Type: String, Doc: "Name that checks with the agent's certificate expect of who is checked; the node's name by default."},
		{Key: "tls.internal_rpc.verify_server_hostname", Type: Bool, Mark: Newer, Name: "TLS.InternalRPC.VerifyServerHostname", Doc: "Servers must prove to be server.DATACENTER.DOMAIN; implies verify_outgoing."},
		{Key: "tls.grpc.use_auto_cert", Type: Bool, Mark: Newer, Idle: noMesh, Name: "TLS.GRPC.UseAutoCert", Doc: "Use the certificate that the servers gave for gRPC."},
	}
	for _, s := range []struct{ key, name, of, idle string }{
		{"tls.defaults", "TLS.Defaults", "all doors", ""}, {"tls.internal_rpc", "TLS.InternalRPC", "the port between agents", ""},
		{"tls.https", "TLS.HTTPS", "HTTPS", ""}, {"tls.grpc", "TLS.GRPC", "gRPC", noMesh},
	} {
		all = append(all, []Option{
			{Key: s.key + ".ca_file", Type: String, Reload: true, Mark: Newer, Idle: s.idle, Name: s.name + ".CAFile", Doc: "Certificates of authorities, for " + s.of + "."},
			{Key: s.key + ".ca_path", Type: String, Reload: true, Mark: Newer, Idle: s.idle, Name: s.name + ".CAPath", Doc: "Folder with certificates of authorities, for " + s.of + "."},
			{Key: s.key + ".cert_file", Type: String, Reload: true, Mark: Newer, Idle: s.idle, Name: s.name + ".CertFile", Doc: "Certificate of this agent, for " + s.of + "."},
			{Key: s.key + ".key_file", Type: String, Reload: true, Mark: Newer, Secret: true, Idle: s.idle, Name: s.name + ".KeyFile", Doc: "Key of the certificate, for " + s.of + "."},
			{Key: s.key + ".tls_min_version", Type: String, Mark: Newer, Idle: s.idle, Name: s.name + ".TLSMinVersion", Doc: "Oldest version of TLS: TLSv1_0 to TLSv1_3, TLSv1_2 by default; for " + s.of + "."},
			{Key: s.key + ".tls_cipher_suites", Type: String, Mark: Newer, Idle: s.idle, Name: s.name + ".CipherSuites", Doc: "Cipher suites, with commas, for " + s.of + "."},
			{Key: s.key + ".verify_incoming", Type: Bool, Mark: Newer, Idle: s.idle, Name: s.name + ".VerifyIncoming", Doc: "Callers need a certificate of these authorities, for " + s.of + "."},
		}...)
		outgoing := Option{Key: s.key + ".verify_outgoing", Type: Bool, Mark: Newer, Name: s.name + ".VerifyOutgoing", Doc: "Connect only with TLS, to certificates of these authorities."}
		switch s.key {
		case "tls.https":
			outgoing.Moot = "agents call each other on the port between agents only"
			fallthrough
		case "tls.defaults", "tls.internal_rpc":
			all = append(all, outgoing)
		}
	}
	all = append(all, deprecated(map[string]string{
		"ca_file": "tls.defaults.ca_file", "ca_path": "tls.defaults.ca_path", "cert_file": "tls.defaults.cert_file",
		"key_file": "tls.defaults.key_file", "tls_min_version": "tls.defaults.tls_min_version",
		"tls_cipher_suites": "tls.defaults.tls_cipher_suites",
	}, String)...)
	all = append(all, deprecated(map[string]string{
		"verify_incoming": "tls.defaults.verify_incoming", "verify_incoming_rpc": "tls.internal_rpc.verify_incoming",
		"verify_incoming_https": "tls.https.verify_incoming", "verify_outgoing": "tls.defaults.verify_outgoing",
		"verify_server_hostname": "tls.internal_rpc.verify_server_hostname",
	}, Bool)...)
	return append(all, autoOptions()...)
}

// autoOptions are how clients get their configuration from the servers.
func autoOptions() []Option {
	const static = "auto_config.authorization.static."
	all := []Option{
		{Key: "tls_prefer_server_cipher_suites", Type: Bool, Mark: Modern, Moot: "the TLS library chooses the order itself", Doc: "The server's order of cipher suites counts."},
		{Key: "auto_encrypt.tls", Type: Bool, Mark: Modern, Name: "AutoEncryptTLS", Doc: "This client gets its certificate from the servers."},
		{Key: "auto_encrypt.allow_tls", Type: Bool, Mark: Modern, Name: "AutoEncryptAllowTLS", Doc: "This server gives certificates to clients."},
		{Key: "auto_encrypt.dns_san", Type: Strings, Mark: Modern, Name: "AutoEncryptDNSSAN", Doc: "Further names in the certificate."},
		{Key: "auto_encrypt.ip_san", Type: Strings, Mark: Modern, Name: "AutoEncryptIPSAN", Doc: "Further addresses in the certificate."},
		{Key: "auto_config.enabled", Type: Bool, Mark: Modern, Idle: noAuto, Name: "AutoConfig.Enabled", Doc: "This client gets its configuration from the servers."},
		{Key: "auto_config.intro_token", Type: String, Mark: Modern, Secret: true, Idle: noAuto, Name: "AutoConfig.IntroToken", Doc: "Token the client shows; also the environment's CONSUL_INTRO_TOKEN."},
		{Key: "auto_config.intro_token_file", Type: String, Mark: Modern, Idle: noAuto, Name: "AutoConfig.IntroTokenFile", Doc: "File with the token the client shows."},
		{Key: "auto_config.server_addresses", Type: Strings, Mark: Modern, Idle: noAuto, Name: "AutoConfig.ServerAddresses", Doc: "Servers to ask."},
		{Key: "auto_config.dns_sans", Type: Strings, Mark: Modern, Idle: noAuto, Name: "AutoConfig.DNSSANs", Doc: "Further names in the certificate."},
		{Key: "auto_config.ip_sans", Type: Strings, Mark: Modern, Idle: noAuto, Name: "AutoConfig.IPSANs", Doc: "Further addresses in the certificate."},
		{Key: "auto_config.authorization.enabled", Type: Bool, Mark: Modern, Idle: noAuto, Name: "AutoConfig.Authorizer.Enabled", Doc: "This server gives clients their configuration."},
	}
	for _, k := range []struct {
		key string
		typ Type
	}{
		{"claim_assertions", Strings}, {"bound_audiences", Strings}, {"bound_issuer", String}, {"claim_mappings", Map},
		{"list_claim_mappings", Map}, {"oidc_discovery_url", String}, {"oidc_discovery_ca_cert", String}, {"jwks_url", String},
		{"jwks_ca_cert", String}, {"jwt_validation_pub_keys", Strings}, {"jwt_supported_algs", Strings},
		{"clock_skew_leeway", Duration}, {"expiration_leeway", Duration}, {"not_before_leeway", Duration},
	} {
		all = append(all, Option{Key: static + k.key, Type: k.typ, Mark: Modern, Idle: noAuto,
			Name: "AutoConfig.Authorizer." + camel(k.key), Doc: "How this server checks the tokens clients show."})
	}
	return all
}

// deprecated makes rows for old spellings, in the order of their keys.
func deprecated(keys map[string]string, t Type) []Option {
	var all []Option
	for _, old := range sortedKeys(keys) {
		all = append(all, Option{Key: old, Type: t, For: keys[old], Deprecated: true, Doc: "Old spelling of " + keys[old] + "."})
	}
	return all
}
