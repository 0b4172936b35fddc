package shape

import (
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"

	"muster/model"
)

// HealthChecks is checks in the form of /v1/agent/health/service, which is the
// one that the Go client writes: every field of the definition is there, if with
// nothing in it. They are in the order of their IDs.
func HealthChecks(byID map[string]*model.HealthCheck) []*api.HealthCheck {
	out := make([]*api.HealthCheck, 0, len(byID))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		out = append(out, healthCheck(byID[id]))
	}
	return out
}

func healthCheck(c *model.HealthCheck) *api.HealthCheck {
	d := &c.Definition
	return &api.HealthCheck{
		Node: c.Node, CheckID: c.CheckID, Name: c.Name, Status: c.Status, Notes: c.Notes, Output: c.Output,
		ServiceID: c.ServiceID, ServiceName: c.ServiceName, ServiceTags: c.ServiceTags, Type: c.Type,
		ExposedPort: c.ExposedPort, PeerName: c.PeerName, CreateIndex: c.CreateIndex, ModifyIndex: c.ModifyIndex,
		Definition: api.HealthCheckDefinition{
			HTTP: d.HTTP, Header: d.Header, Method: d.Method, Body: d.Body, TLSServerName: d.TLSServerName,
			TLSSkipVerify: d.TLSSkipVerify, TCP: d.TCP, TCPUseTLS: d.TCPUseTLS, UDP: d.UDP, GRPC: d.GRPC,
			OSService: d.OSService, GRPCUseTLS: d.GRPCUseTLS, SessionName: d.SessionName,
			IntervalDuration: time.Duration(d.Interval), TimeoutDuration: time.Duration(d.Timeout),
			DeregisterCriticalServiceAfterDuration: time.Duration(d.DeregisterCriticalServiceAfter),
		},
	}
}
