package httpd

import (
	"muster/acl"
	"muster/model"
	"muster/relay"
)

// aclRoutes answer that access control is off, as it always is for now.
func aclRoutes() []route {
	off := func(*call) error { return model.ErrACLDisabled }
	var rows []route
	for path, methods := range map[string][]string{
		"/v1/acl/bootstrap":          {"PUT"},
		"/v1/acl/replication":        {"GET"},
		"/v1/acl/login":              {"POST"},
		"/v1/acl/logout":             {"POST"},
		"/v1/acl/tokens":             {"GET"},
		"/v1/acl/token":              {"PUT"},
		"/v1/acl/token/":             {"GET", "PUT", "DELETE"},
		"/v1/acl/policies":           {"GET"},
		"/v1/acl/policy":             {"PUT"},
		"/v1/acl/policy/":            {"GET", "PUT", "DELETE"},
		"/v1/acl/roles":              {"GET"},
		"/v1/acl/role":               {"PUT"},
		"/v1/acl/role/":              {"GET", "PUT", "DELETE"},
		"/v1/acl/binding-rules":      {"GET"},
		"/v1/acl/binding-rule":       {"PUT"},
		"/v1/acl/binding-rule/":      {"GET", "PUT", "DELETE"},
		"/v1/acl/auth-methods":       {"GET"},
		"/v1/acl/auth-method":        {"PUT"},
		"/v1/acl/auth-method/":       {"GET", "PUT", "DELETE"},
		"/v1/acl/templated-policies": {"GET"},
		"/v1/acl/templated-policy/":  {"GET", "POST"},
		"/v1/internal/acl/authorize": {"POST"},
		// those of the first system, which newer releases do not have
		"/v1/acl/create":           {"PUT"},
		"/v1/acl/update":           {"PUT"},
		"/v1/acl/destroy/":         {"PUT"},
		"/v1/acl/clone/":           {"PUT"},
		"/v1/acl/info/":            {"GET"},
		"/v1/acl/list":             {"GET"},
		"/v1/acl/rules/translate":  {"POST"},
		"/v1/acl/rules/translate/": {"GET"},
		"/v1/agent/token/":         {"PUT"},
	} {
		for _, m := range methods {
			rows = append(rows, route{method: m, path: path, place: relay.Agent, rule: must(acl.ACL, acl.Read), handle: off})
		}
	}
	return rows
}

// unbuiltRoutes say aloud what is not there yet.
func unbuiltRoutes() []route {
	var rows []route
	for path, methods := range map[string][]string{
		"/v1/config":                              {"PUT"},
		"/v1/config/":                             {"GET", "DELETE"},
		"/v1/catalog/connect/":                    {"GET"},
		"/v1/catalog/gateway-services/":           {"GET"},
		"/v1/health/connect/":                     {"GET"},
		"/v1/health/ingress/":                     {"GET"},
		"/v1/connect/ca/configuration":            {"GET", "PUT"},
		"/v1/connect/intentions":                  {"GET", "POST"},
		"/v1/connect/intentions/":                 {"GET", "PUT", "DELETE"},
		"/v1/discovery-chain/":                    {"GET", "POST"},
		"/v1/agent/connect/authorize":             {"POST"},
		"/v1/agent/connect/ca/leaf/":              {"GET"},
		"/v1/internal/federation-states":          {"GET"},
		"/v1/internal/federation-states/":         {"GET"},
		"/v1/internal/federation-state/":          {"GET"},
		"/v1/internal/ui/gateway-services-nodes/": {"GET"},
		"/v1/internal/ui/gateway-intentions/":     {"GET"},
		"/v1/internal/ui/service-topology/":       {"GET"},
		"/v1/internal/ui/metrics-proxy/":          {"GET"},
		"/v1/internal/service-virtual-ip":         {"PUT"},
		"/v1/peering/":                            {"GET", "DELETE"},
		"/v1/peering/token":                       {"POST"},
		"/v1/peering/establish":                   {"POST"},
		"/v1/peerings":                            {"GET"},
		"/v1/exported-services":                   {"GET"},
		"/v1/imported-services":                   {"GET"},
	} {
		for _, m := range methods {
			rows = append(rows, route{method: m, path: path, place: relay.Agent, rule: public, handle: (*call).notBuilt})
		}
	}
	return rows
}
