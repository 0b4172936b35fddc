package httpd

import (
	"muster/acl"
	"muster/relay"
)

// routes is the one table of the API, built by resource.
func routes() []route {
	var rows []route
	for _, part := range [][]route{
		kvRoutes(), sessionRoutes(), catalogRoutes(), healthRoutes(), coordinateRoutes(), eventRoutes(),
		queryRoutes(), statusRoutes(), operatorRoutes(), caRoutes(), keyringRoutes(), uiRoutes(), agentRoutes(), aclRoutes(), unbuiltRoutes(),
	} {
		rows = append(rows, part...)
	}
	return rows
}

func kvRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/kv/", place: relay.Server, rule: must(acl.Key, acl.Read), handle: (*call).kvGet, blocking: true},
		{method: "PUT", path: "/v1/kv/", place: relay.Leader, rule: must(acl.Key, acl.Write), handle: (*call).kvPut},
		{method: "DELETE", path: "/v1/kv/", place: relay.Leader, rule: must(acl.Key, acl.Write), handle: (*call).kvDelete},
		{method: "PUT", path: "/v1/txn", place: relay.Leader, rule: filtered(acl.Key), handle: (*call).txn},
	}
}

func sessionRoutes() []route {
	return []route{
		{method: "PUT", path: "/v1/session/create", place: relay.Leader, rule: must(acl.Session, acl.Write), handle: (*call).sessionCreate},
		{method: "PUT", path: "/v1/session/destroy/", place: relay.Leader, rule: must(acl.Session, acl.Write), handle: (*call).sessionDestroy},
		{method: "PUT", path: "/v1/session/renew/", place: relay.Leader, rule: must(acl.Session, acl.Write), handle: (*call).sessionRenew},
		{method: "GET", path: "/v1/session/info/", place: relay.Server, rule: filtered(acl.Session), handle: (*call).sessionInfo, blocking: true},
		{method: "GET", path: "/v1/session/node/", place: relay.Server, rule: filtered(acl.Session), handle: (*call).sessionNode, blocking: true},
		{method: "GET", path: "/v1/session/list", place: relay.Server, rule: filtered(acl.Session), handle: (*call).sessionList, blocking: true},
	}
}

func catalogRoutes() []route {
	read := func(path string, about acl.Resource, handle func(*call) error) route {
		return route{method: "GET", path: path, place: relay.Server, rule: filtered(about), handle: handle, blocking: true, discovery: true, cached: true}
	}
	service := read("/v1/catalog/service/", acl.Service, (*call).catalogService)
	service.spare = true
	return []route{
		{method: "PUT", path: "/v1/catalog/register", place: relay.Leader, rule: must(acl.Node, acl.Write), handle: (*call).catalogRegister},
		{method: "PUT", path: "/v1/catalog/deregister", place: relay.Leader, rule: must(acl.Node, acl.Write), handle: (*call).catalogDeregister},
		{method: "GET", path: "/v1/catalog/datacenters", place: relay.Server, rule: public, handle: (*call).catalogDatacenters},
		read("/v1/catalog/nodes", acl.Node, (*call).catalogNodes),
		read("/v1/catalog/services", acl.Service, (*call).catalogServices),
		service,
		read("/v1/catalog/node/", acl.Service, (*call).catalogNode),
		read("/v1/catalog/node-services/", acl.Service, (*call).catalogNodeServices),
	}
}

func healthRoutes() []route {
	read := func(path string, handle func(*call) error) route {
		return route{method: "GET", path: path, place: relay.Server, rule: filtered(acl.Service), handle: handle, blocking: true, discovery: true, cached: true}
	}
	service := read("/v1/health/service/", (*call).healthService)
	service.spare = true
	return []route{
		read("/v1/health/node/", (*call).healthNode),
		read("/v1/health/checks/", (*call).healthChecks),
		read("/v1/health/state/", (*call).healthState),
		service,
	}
}

func coordinateRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/coordinate/datacenters", place: relay.Server, rule: public, handle: (*call).coordinateDatacenters},
		{method: "GET", path: "/v1/coordinate/nodes", place: relay.Server, rule: filtered(acl.Node), handle: (*call).coordinateNodes, blocking: true},
		{method: "GET", path: "/v1/coordinate/node/", place: relay.Server, rule: filtered(acl.Node), handle: (*call).coordinateNode, blocking: true},
		{method: "PUT", path: "/v1/coordinate/update", place: relay.Leader, rule: must(acl.Node, acl.Write), handle: (*call).coordinateUpdate},
	}
}

func eventRoutes() []route {
	return []route{
		{method: "PUT", path: "/v1/event/fire/", place: relay.Agent, rule: must(acl.Event, acl.Write), handle: (*call).eventFire, dc: true},
		{method: "GET", path: "/v1/event/list", place: relay.Agent, rule: filtered(acl.Event), handle: (*call).eventList},
	}
}

func queryRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/query", place: relay.Server, rule: filtered(acl.Query), handle: (*call).queryList, blocking: true, discovery: true},
		{method: "POST", path: "/v1/query", place: relay.Leader, rule: must(acl.Query, acl.Write), handle: (*call).queryCreate},
		{method: "GET", path: "/v1/query/", place: relay.Server, rule: must(acl.Query, acl.Read), handle: (*call).queryGet, blocking: true, discovery: true, cached: true, runsQueries: true},
		{method: "PUT", path: "/v1/query/", place: relay.Leader, rule: must(acl.Query, acl.Write), handle: (*call).queryUpdate, takes: isQueryID},
		{method: "DELETE", path: "/v1/query/", place: relay.Leader, rule: must(acl.Query, acl.Write), handle: (*call).queryDelete, takes: isQueryID},
	}
}

func statusRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/status/leader", place: relay.Server, rule: public, handle: (*call).statusLeader},
		{method: "GET", path: "/v1/status/peers", place: relay.Server, rule: public, handle: (*call).statusPeers},
	}
}
