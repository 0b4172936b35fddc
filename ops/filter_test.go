package ops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

// newFarm is the catalog of the recorded answers to filters.
func newFarm(t *testing.T) *ops.Ops {
	l := opstest.NewLog()
	for i, n := range []struct {
		name, rack, status, env string
		tags                    []string
	}{
		{"n1", "a", model.HealthPassing, "prod", []string{"v1", "blue"}},
		{"n2", "b", model.HealthCritical, "dev", []string{"v2"}},
	} {
		id := fmt.Sprintf("web%d", i+1)
		l.Apply(t, model.CmdRegister, &model.RegisterRequest{Datacenter: "dc1", Node: n.name, Address: fmt.Sprintf("10.0.0.%d", i+1),
			NodeMeta: map[string]string{"rack": n.rack},
			Service: &model.NodeService{ID: id, Service: "web", Tags: n.tags, Port: 80 + i, Meta: map[string]string{"env": n.env},
				Weights:         &model.Weights{Passing: 1, Warning: 1},
				TaggedAddresses: map[string]model.ServiceAddress{"lan": {Address: "10.1.0.1", Port: 8000 + i}}},
			Checks: []*model.HealthCheck{{Node: n.name, CheckID: fmt.Sprintf("c%d", i+1), Name: fmt.Sprintf("c%d", i+1), Status: n.status,
				ServiceID: id, Notes: "looks\nafter"}}})
	}
	return l.Ops(acl.Open{})
}

// ids are what an expression picks of a list, and the error.
func ids[T any](t *testing.T, o *ops.Ops, expr string, question func(*ops.Query) ops.Question[[]T], id func(T) string) string {
	q := &ops.Query{Filter: expr}
	list, _, err := ops.Ask(t.Context(), o, nil, q, question(q), plain)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, v := range list {
		out = append(out, id(v))
	}
	return strings.Join(out, " ")
}

const evaluator = "Failed to create boolean expression evaluator: "

func TestFilters(t *testing.T) {
	o := newFarm(t)
	ask := map[string]func(expr string) string{
		"nodes": func(expr string) string {
			return ids(t, o, expr, o.Nodes, func(n *model.Node) string { return n.Node })
		},
		"instances": func(expr string) string {
			return ids(t, o, expr, func(q *ops.Query) ops.Question[[]*model.ServiceNode] { return o.Instances("web", nil, q) },
				func(s *model.ServiceNode) string { return s.ServiceID })
		},
		"health": func(expr string) string {
			return ids(t, o, expr, func(q *ops.Query) ops.Question[[]*model.CheckServiceNode] { return o.Health("web", nil, false, q) },
				func(i *model.CheckServiceNode) string { return i.Service.ID })
		},
		"checks": func(expr string) string {
			return ids(t, o, expr, func(q *ops.Query) ops.Question[[]*model.HealthCheck] { return o.ChecksInState(model.HealthAny, q) },
				func(c *model.HealthCheck) string { return c.CheckID })
		},
		"node": func(expr string) string {
			q := &ops.Query{Filter: expr}
			l, _, err := ops.Ask(t.Context(), o, nil, q, o.NodeServices("n1", q), plain)
			if err != nil {
				return err.Error()
			}
			var out []string
			for _, s := range l.Services {
				out = append(out, s.ID)
			}
			return strings.Join(out, " ")
		},
		"dumps": func(expr string) string {
			return ids(t, o, expr, func(q *ops.Query) ops.Question[[]*ops.NodeDump] { return o.NodeDumps("", q) },
				func(d *ops.NodeDump) string { return d.Node })
		},
		"summaries": func(expr string) string {
			return ids(t, o, expr, o.ServiceSummaries, func(s *ops.ServiceSummary) string { return fmt.Sprint(s.Name, s.InstanceCount) })
		},
	}
	for _, c := range []struct{ list, expr, want string }{
		// As recorded.
		{"nodes", `Meta.rack==a`, "n1"},
		{"nodes", `Node matches "n.*" and not Meta.rack==a`, "n2"},
		{"instances", `ServiceMeta.env==prod`, "web1"},
		{"instances", `"blue" in ServiceTags`, "web1"},
		{"instances", `ServiceTags contains "v2" or ServicePort==80`, "web1 web2"},
		{"node", `Port==81`, ""},
		{"health", `Checks.Status!=passing`, "web2"},
		{"health", `Service.Meta.env is not empty`, evaluator + `Invalid match operator "Is Not Empty" for selector "Service.Meta.env"`},
		{"checks", `Status==critical`, "c2"},
		{"checks", `Name==c2`, "c2"},
		{"nodes", `Bogus==1`, evaluator + `Selector "Bogus" is not valid`},
		{"dumps", `Node==n1`, "n1"},

		// Operators.
		{"nodes", `Node != n1`, "n2"},
		{"nodes", `Node == "n1"`, "n1"},
		{"nodes", "Node == `n1`", "n1"},
		{"instances", `"v1" not in ServiceTags`, "web2"},
		{"instances", `ServiceTags not contains v1`, "web2"},
		{"instances", `ServiceTags is empty`, ""},
		{"instances", `ServiceTags is not empty`, "web1 web2"},
		{"instances", `ServiceMeta is not empty`, "web1 web2"},
		{"nodes", `TaggedAddresses is empty`, "n1 n2"},
		{"nodes", `not (Node == n1 or Node == n2)`, ""},
		{"nodes", `(Node==n1) and (Address=="10.0.0.1")`, "n1"},
		{"nodes", `Meta["rack"] == b`, "n2"},
		{"nodes", `Node matches "1"`, "n1"},
		{"nodes", `Node not matches "^n1$"`, "n2"},
		{"instances", `ServiceTaggedAddresses.lan.Port == 8001`, "web2"},
		{"instances", `ServiceWeights.Passing == 1 and ServiceKind == ""`, "web1 web2"},
		{"health", `Node.Meta.rack == b and Service.Port == 81`, "web2"},
		{"health", `Service.Tags contains blue`, "web1"},
		{"summaries", `Port == 80`, "web1"},
		{"summaries", ``, "web2"},

		// A key that is not in a map is unequal to everything, and matches
		// everything and its contrary.
		{"nodes", `Meta.none == ""`, ""},
		{"nodes", `Meta.none != ""`, "n1 n2"},
		{"nodes", `x in Meta.none`, ""},
		{"nodes", `x not in Meta.none`, "n1 n2"},
		{"nodes", `Meta.none matches x`, "n1 n2"},
		{"nodes", `Meta.none not matches x`, "n1 n2"},
		// in and contains look for a part of a text.
		{"nodes", `"0.2" in Address`, "n2"},
		{"nodes", `Address contains "0.2"`, "n2"},

		// What is not selectable, and what cannot be.
		{"nodes", `CreateIndex == 1`, evaluator + `Selector "CreateIndex" is not valid`},
		{"instances", `ModifyIndex == 1`, evaluator + `Selector "ModifyIndex" is not valid`},
		{"health", `Service.ModifyIndex == 1`, evaluator + `Selector "Service.ModifyIndex" is not valid`},
		{"nodes", `meta.rack == a`, evaluator + `Selector "meta" is not valid`},
		{"nodes", `Meta is empty or Meta.rack is empty`, evaluator + `Invalid match operator "Is Empty" for selector "Meta.rack"`},
		{"instances", `ServicePort == abc`, evaluator + `Failed to coerce value "abc" for selector "ServicePort": strconv.ParseInt: parsing "abc": invalid syntax`},
		{"nodes", `Node matches "("`, evaluator + "Failed to compile regular expression \"(\": error parsing regexp: missing closing ): `(`"},
	} {
		if got := ask[c.list](c.expr); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.list, c.expr, got, c.want)
		}
	}
	for _, expr := range []string{"Node ==", "==", "Node == n1 and", "(Node == n1", `Node == "n1`, "Node n1", "\x00", "Node == n1; Node == n2"} {
		for _, list := range []string{"nodes", "checks", "node"} {
			if got := ask[list](expr); !strings.HasPrefix(got, evaluator+"1:") || strings.TrimSpace(got) != got {
				t.Errorf("%s, %q: %q", list, expr, got)
			}
		}
	}
	if got, want := ask["nodes"](strings.Repeat("x", 8<<10+1)), "filter is 8193 bytes long, at most 8192 are allowed"; got != want {
		t.Errorf("a long filter: %q, want %q", got, want)
	}
}

// Expressions that would take exponential time or all of the stack to read do
// not.
func TestFiltersAreBounded(t *testing.T) {
	o := newFarm(t)
	nested := func(n int) string { return strings.Repeat("(", n) + "Node==n1" + strings.Repeat(")", n) }
	const tooMuch = "max number of"
	for _, c := range []struct{ expr, want string }{
		{nested(5), "n1"},
		{strings.Repeat("not ", 1000) + "Node==n1", "n1"},
		{strings.Repeat("Node==n1 and ", 600) + "Node==n1", "n1"},
		{strings.Repeat("(Node==n1 and Address!=x) or ", 200) + "(Node==n1)", "n1"},
		{nested(20), tooMuch},
		{nested(4000), tooMuch},
		{strings.Repeat("(", 12), tooMuch},
		{strings.Repeat("not (", 12) + "x", tooMuch},
	} {
		got := ids(t, o, c.expr, o.Nodes, func(n *model.Node) string { return n.Node })
		if got != c.want && (c.want != tooMuch || !strings.HasPrefix(got, evaluator) || !strings.Contains(got, tooMuch)) {
			t.Errorf("%.40q...: %q, want %q", c.expr, got, c.want)
		}
	}
}

func TestFilterMap(t *testing.T) {
	m := map[string]*model.HealthCheck{"a": {CheckID: "a", Status: model.HealthPassing}, "b": {CheckID: "b", Status: model.HealthCritical}}
	for expr, want := range map[string]int{"": 2, "Status==critical": 1, "Status==none": 0} {
		got, err := ops.FilterMap(m, expr)
		if err != nil || len(got) != want || got == nil {
			t.Errorf("%q: %v, %v", expr, got, err)
		}
	}
	if _, err := ops.FilterMap(m, "x"); err == nil {
		t.Error("no error")
	}
	list, err := ops.Filter(slices.Collect(func(yield func(*model.HealthCheck) bool) { yield(m["a"]) }), "CheckID==a")
	if err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}

// FuzzFilter reads filters as callers send them: no panic, and the answer is a
// part of the list.
func FuzzFilter(f *testing.F) {
	for _, expr := range []string{`Node==n1`, `Meta.rack matches "a.*"`, `not (x in Meta or Node is empty)`, `Meta["a"] != "b"`, "((", "\xff"} {
		f.Add(expr)
	}
	list := []*model.Node{{Node: "n1", Meta: map[string]string{"rack": "a"}}, {Node: "n2"}}
	f.Fuzz(func(t *testing.T, expr string) {
		got, err := ops.Filter(list, expr)
		if err == nil && len(got) > len(list) {
			t.Errorf("%d of %d", len(got), len(list))
		}
	})
}
