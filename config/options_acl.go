package config

func aclOptions() []Option {
	all := []Option{
		{Key: "acl.enabled", Type: Bool, Mark: Modern, Idle: noACL, Name: "ACLsEnabled", Doc: "Enforce access control."},
		{Key: "acl.default_policy", Type: String, Default: "allow", Mark: Modern, Idle: noACL, Name: "ACLResolverSettings.ACLDefaultPolicy", Doc: "What is allowed where no rule says anything: allow or deny."},
		{Key: "acl.down_policy", Type: String, Default: "extend-cache", Mark: Modern, Idle: noACL, Name: "ACLResolverSettings.ACLDownPolicy", Doc: "What counts while tokens cannot be looked up: allow, deny, extend-cache or async-cache."},
		{Key: "acl.policy_ttl", Type: Duration, Default: "30s", Mark: Modern, Idle: noACL, Name: "ACLResolverSettings.ACLPolicyTTL", Doc: "How long a policy is cached."},
		{Key: "acl.role_ttl", Type: Duration, Default: "30s", Mark: Modern, Idle: noACL, Name: "ACLResolverSettings.ACLRoleTTL", Doc: "How long a role is cached."},
		{Key: "acl.token_ttl", Type: Duration, Default: "30s", Mark: Modern, Idle: noACL, Name: "ACLResolverSettings.ACLTokenTTL", Doc: "How long a token is cached."},
		{Key: "acl.enable_key_list_policy", Type: Bool, Mark: Modern, Idle: noACL, Name: "ACLEnableKeyListPolicy", Doc: "Reading keys by prefix needs the list permission."},
		{Key: "acl.enable_token_replication", Type: Bool, Mark: Modern, Idle: noACL, Name: "ACLTokenReplication", Doc: "Copy tokens from the primary datacenter."},
		{Key: "acl.enable_token_persistence", Type: Bool, Mark: Modern, Idle: noACL, Name: "ACLTokens.EnablePersistence", Doc: "Keep tokens set over the API on disk."},
		{Key: "acl.tokens.initial_management", Type: String, Mark: Newer, Secret: true, Idle: noACL, Name: "ACLInitialManagementToken", Doc: "Token with all permissions, made at the first start of the first server."},
		{Key: "acl.tokens.agent", Type: String, Reload: true, Mark: Modern, Secret: true, Idle: noACL, Name: "ACLTokens.ACLAgentToken", Doc: "Token for what the agent does by itself."},
		{Key: "acl.tokens.agent_recovery", Type: String, Reload: true, Mark: Newer, Secret: true, Idle: noACL, Name: "ACLTokens.ACLAgentRecoveryToken", Doc: "Token that is good at this agent even while no server can be reached."},
		{Key: "acl.tokens.default", Type: String, Reload: true, Mark: Modern, Secret: true, Idle: noACL, Name: "ACLTokens.ACLDefaultToken", Doc: "Token of requests that bring none."},
		{Key: "acl.tokens.replication", Type: String, Reload: true, Mark: Modern, Secret: true, Idle: noACL, Name: "ACLTokens.ACLReplicationToken", Doc: "Token for copying from the primary datacenter."},
		{Key: "acl.tokens.dns", Type: String, Reload: true, Mark: Newer, Secret: true, Idle: noACL, Name: "ACLTokens.DNSToken", Doc: "Token of DNS questions."},
		{Key: "acl.tokens.config_file_service_registration", Type: String, Reload: true, Mark: Newer, Secret: true, Idle: noACL, Name: "ACLTokens.ACLConfigFileRegistrationToken", Doc: "Token for definitions in files that name none."},
	}
	all = append(all, deprecated(map[string]string{
		"acl.tokens.master": "acl.tokens.initial_management", "acl.tokens.agent_master": "acl.tokens.agent_recovery",
		"acl_datacenter": "primary_datacenter", "acl_default_policy": "acl.default_policy", "acl_down_policy": "acl.down_policy",
		"acl_token": "acl.tokens.default", "acl_agent_token": "acl.tokens.agent", "acl_agent_master_token": "acl.tokens.agent_recovery",
		"acl_master_token": "acl.tokens.initial_management", "acl_replication_token": "acl.tokens.replication",
	}, String)...)
	all = append(all, deprecated(map[string]string{"acl_ttl": "acl.token_ttl"}, Duration)...)
	return append(all, deprecated(map[string]string{
		"acl_enable_key_list_policy": "acl.enable_key_list_policy", "enable_acl_replication": "acl.enable_token_replication",
	}, Bool)...)
}
