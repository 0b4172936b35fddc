package ops_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

// Lists are sorted by the estimated round trip to a node; what has no
// coordinate, or one of another segment, comes last, and equals keep their order.
func TestNear(t *testing.T) {
	l := opstest.NewLog()
	o := l.Ops(acl.Open{})
	place := func(node, segment string, x float64) {
		vec := make([]float64, model.Dimensions)
		vec[0] = x
		if err := o.CoordinateUpdate(t.Context(), "", &model.Coordinate{Node: node, Segment: segment, Coord: &model.Vector{Vec: vec, Height: 1e-5}}); err != nil {
			t.Fatal(err)
		}
	}
	for i, node := range []string{"a", "b", "c", "d", "e"} {
		l.Apply(t, model.CmdRegister, &model.RegisterRequest{Node: node, Address: "x", Service: &model.NodeService{ID: fmt.Sprint("web", i), Service: "web"},
			Checks: []*model.HealthCheck{{Node: node, CheckID: "c", ServiceID: fmt.Sprint("web", i), Status: model.HealthPassing}}})
	}
	place("a", "", 0.010)
	place("b", "", 0.030)
	place("c", "", 0.010)
	place("e", "alpha", 0.010)
	lists := map[string]func(q *ops.Query) string{
		"nodes": func(q *ops.Query) string {
			return nearest(t, o, q, o.Nodes(q), func(n *model.Node) string { return n.Node })
		},
		"instances": func(q *ops.Query) string {
			return nearest(t, o, q, o.Instances("web", nil, q), func(s *model.ServiceNode) string { return s.Node })
		},
		"health": func(q *ops.Query) string {
			return nearest(t, o, q, o.Health("web", nil, true, q), func(i *model.CheckServiceNode) string { return i.Node.Node })
		},
		"checks": func(q *ops.Query) string {
			return nearest(t, o, q, o.ServiceChecks("web", q), func(c *model.HealthCheck) string { return c.Node })
		},
	}
	for near, want := range map[string]string{
		"":     "a b c d e",
		"b":    "b a c d e",
		"B":    "b a c d e",
		"a":    "a c b d e",
		"d":    "a b c d e", // has no coordinate
		"none": "a b c d e",
		"e":    "e a b c d", // alone in its segment
	} {
		for name, list := range lists {
			if got := list(&ops.Query{Near: near}); got != want {
				t.Errorf("%s near %q: %s, want %s", name, near, got, want)
			}
		}
	}
	// A node that moves makes it another answer.
	place("b", "", 0.011)
	place("c", "", 0.050)
	for name, list := range lists {
		if got := list(&ops.Query{Near: "a"}); got != "a b c d e" {
			t.Errorf("%s after a move: %s", name, got)
		}
	}
}

func nearest[T any](t *testing.T, o *ops.Ops, q *ops.Query, qu ops.Question[[]T], node func(T) string) string {
	t.Helper()
	list, _, err := ops.Ask(t.Context(), o, nil, q, qu, plain)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range list {
		names = append(names, node(v))
	}
	return strings.Join(names, " ")
}

func TestCoordinateUpdateRefuses(t *testing.T) {
	_, o := newTown(t, acl.AllowAll{})
	vec := func(n int, x float64) *model.Vector { return &model.Vector{Vec: append(make([]float64, n-1), x)} }
	for _, c := range []struct {
		c    model.Coordinate
		text string
	}{
		{model.Coordinate{Coord: vec(8, 0)}, "Must provide Node"},
		{model.Coordinate{Node: "n1"}, "Must provide Coord"},
		{model.Coordinate{Node: "n1", Coord: vec(7, 0)}, "Coord.Vec has 7 components, must have 8"},
		{model.Coordinate{Node: "n1", Coord: vec(8, math.NaN())}, "Coord has a component that is not a finite number"},
		{model.Coordinate{Node: "n1", Coord: vec(8, math.Inf(-1))}, "Coord has a component that is not a finite number"},
		{model.Coordinate{Node: "n1", Coord: vec(8, 1)}, ""},
		{model.Coordinate{Node: "unknown", Coord: vec(8, 1)}, ""},
	} {
		wantError(t, fmt.Sprintf("%+v", c.c), o.CoordinateUpdate(t.Context(), "", &c.c), c.text)
	}
}
