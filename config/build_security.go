package config

import (
	"crypto/tls"
	"net/netip"
	"strings"
)

func (b *builder) security(c *Config) {
	c.ACL = ACL{
		Enabled: b.flag("acl.enabled"), DefaultPolicy: b.text("acl.default_policy"), DownPolicy: b.text("acl.down_policy"),
		PolicyTTL: b.span("acl.policy_ttl"), RoleTTL: b.span("acl.role_ttl"), TokenTTL: b.span("acl.token_ttl"),
		EnableKeyListPolicy:    b.flag("acl.enable_key_list_policy"),
		EnableTokenReplication: b.flag("acl.enable_token_replication"),
		EnableTokenPersistence: b.flag("acl.enable_token_persistence"),
		Tokens: Tokens{
			Agent: b.text("acl.tokens.agent"), AgentRecovery: b.text("acl.tokens.agent_recovery"),
			Default: b.text("acl.tokens.default"), Replication: b.text("acl.tokens.replication"),
			DNS: b.text("acl.tokens.dns"), ConfigFileRegistration: b.text("acl.tokens.config_file_service_registration"),
		},
	}
	if c.Server {
		c.ACL.Tokens.InitialManagement = b.text("acl.tokens.initial_management")
	}
	c.Connect.Enabled = b.flag("connect.enabled") || b.flag("auto_encrypt.allow_tls") || b.flag("auto_config.enabled")
	c.Connect.CAProvider = b.text("connect.ca_provider")
	c.Connect.CAConfig = b.object("connect.ca_config")
	c.Connect.WANFederation = b.flag("connect.enable_mesh_gateway_wan_federation")
	c.ConfigEntries = get[[]map[string]any](b.values, "config_entries.bootstrap")
	c.TLS = TLS{
		ServerName:           b.textOr("server_name", c.Node.Name),
		VerifyServerHostname: b.flag("tls.internal_rpc.verify_server_hostname"),
		AutoEncrypt:          b.flag("auto_encrypt.tls"),
		AutoEncryptNames:     b.list("auto_encrypt.dns_san"),
		AutoEncryptAddresses: b.addresses("auto_encrypt.ip_san"),
		AllowAutoEncrypt:     b.flag("auto_encrypt.allow_tls"),
		InternalRPC:          b.door("tls.internal_rpc", true),
		HTTPS:                b.door("tls.https", true),
		GRPC:                 b.door("tls.grpc", false),
	}
	if c.TLS.VerifyServerHostname {
		c.TLS.InternalRPC.VerifyOutgoing = true
	}
}

// addresses is a list of IP addresses.
func (b *builder) addresses(key string) (all []netip.Addr) {
	for _, text := range b.list(key) {
		ip, ok := parseIP(text)
		if !ok {
			b.values.fail("%s: invalid ip address: %s", key, text)
		}
		all = append(all, ip)
	}
	return all
}

// door is one door's rules: what is not said for it counts as in tls.defaults.
func (b *builder) door(key string, outgoing bool) TLSDoor {
	text := func(name string) string { return b.textOr(key+"."+name, b.text("tls.defaults."+name)) }
	flag := func(name string) bool { return b.flagOr(key+"."+name, b.flag("tls.defaults."+name)) }
	d := TLSDoor{
		CAFile: text("ca_file"), CAPath: text("ca_path"), CertFile: text("cert_file"), KeyFile: text("key_file"),
		MinVersion:     b.tlsVersion(key, text("tls_min_version")),
		CipherSuites:   b.cipherSuites(key, text("tls_cipher_suites")),
		VerifyIncoming: flag("verify_incoming"),
	}
	if outgoing {
		d.VerifyOutgoing = flag("verify_outgoing")
	}
	return d
}

// tlsVersion reads the names of the newer and of the older keys.
func (b *builder) tlsVersion(key, s string) uint16 {
	switch strings.ToLower(s) {
	case "", "tls_auto", "tlsv1_2", "tls12":
		return tls.VersionTLS12
	case "tlsv1_0", "tls10":
		return tls.VersionTLS10
	case "tlsv1_1", "tls11":
		return tls.VersionTLS11
	case "tlsv1_3", "tls13":
		return tls.VersionTLS13
	}
	b.values.fail("%s.tls_min_version: invalid TLS version: %q", key, s)
	return tls.VersionTLS12
}

func (b *builder) cipherSuites(key, s string) []uint16 {
	known := map[string]uint16{}
	for _, c := range tls.CipherSuites() {
		known[c.Name] = c.ID
	}
	var all []uint16
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		id, ok := known[name]
		if !ok {
			b.values.fail("%s.tls_cipher_suites: unsupported cipher suite: %q", key, name)
			continue
		}
		all = append(all, id)
	}
	return all
}
