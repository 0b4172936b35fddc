package ops_test

import (
	"fmt"
	"testing"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

// A summary counts the checks of each instance and, for each instance, those of
// its node; not those of others on the node. IDs are the same in any case.
func TestSummaryCounts(t *testing.T) {
	l := opstest.NewLog()
	register := func(node, id string, checks ...*model.HealthCheck) {
		t.Helper()
		for _, c := range checks {
			c.Node = node
		}
		l.Apply(t, model.CmdRegister, &model.RegisterRequest{Datacenter: "dc1", Node: node, Address: "10.0.0.1",
			Service: &model.NodeService{ID: id, Service: id[:3], Weights: &model.Weights{Passing: 1, Warning: 1}}, Checks: checks})
	}
	check := func(id, service, status string) *model.HealthCheck {
		return &model.HealthCheck{CheckID: id, Name: id, ServiceID: service, Status: status}
	}
	register("n1", "web1", check("node", "", model.HealthWarning), check("a", "WEB1", model.HealthPassing), check("b", "web1", model.HealthCritical))
	register("n1", "web2", check("c", "web2", model.HealthPassing))
	register("n1", "api1", check("d", "api1", model.HealthCritical))
	register("n2", "web1", check("node", "", model.HealthPassing))

	q := &ops.Query{}
	list, _, err := ops.Ask(t.Context(), l.Ops(acl.Open{}), nil, q, l.Ops(acl.Open{}).ServiceSummaries(q), plain)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, s := range list {
		got += fmt.Sprintf("%s %d %v: %d %d %d\n", s.Name, s.InstanceCount, s.Nodes, s.ChecksPassing, s.ChecksWarning, s.ChecksCritical)
	}
	// web1 on n1: node, a, b; web2 on n1: node, c; web1 on n2: node.
	if want := "api 1 [n1]: 0 1 1\nweb 3 [n1 n2]: 3 2 1\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
