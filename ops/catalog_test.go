package ops_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

func TestRegisterRefuses(t *testing.T) {
	long := strings.Repeat("x", 4097)
	for _, c := range []struct {
		r    model.RegisterRequest
		text string
	}{
		{model.RegisterRequest{}, "Must provide node"},
		{model.RegisterRequest{Node: "x"}, "Must provide address if SkipNodeUpdate is not set"},
		{model.RegisterRequest{Node: "x", SkipNodeUpdate: true}, ""},
		{model.RegisterRequest{Node: "x", Address: "a", ID: "short"}, "Bad node ID: uuid string is wrong length"},
		{model.RegisterRequest{Node: "x", Address: "a", ID: strings.Repeat("g", 36)}, "Bad node ID: uuid is improperly formatted"},
		{model.RegisterRequest{Node: "x\x00", Address: "a"}, "Node must not contain a NUL byte"},
		{model.RegisterRequest{Node: long, Address: "a"}, "Node is 4097 bytes long, at most 4096 are allowed"},
		{model.RegisterRequest{Node: "x", Address: "a", Service: &model.NodeService{}}, "Must provide service name"},
		{model.RegisterRequest{Node: "x", Address: "a", Service: &model.NodeService{ID: "s"}}, "Must provide service name with ID"},
		{model.RegisterRequest{Node: "x", Address: "a", Service: &model.NodeService{Service: "s", Address: "0.0.0.0"}}, "Invalid service address"},
		{model.RegisterRequest{Node: "x", Address: "a", Service: &model.NodeService{Service: "s\x00"}}, "Service must not contain a NUL byte"},
		{model.RegisterRequest{Node: "x", Address: "a", Service: &model.NodeService{Service: "s", ID: long}},
			"Service is 4097 bytes long, at most 4096 are allowed"},
		{model.RegisterRequest{Node: "x", Address: "a", Check: &model.HealthCheck{CheckID: "c\x00"}}, "CheckID must not contain a NUL byte"},
		{model.RegisterRequest{Node: "x", Address: "a", Check: &model.HealthCheck{Node: "y", CheckID: "c"}}, `check node "y" does not match node "x"`},
		{model.RegisterRequest{Node: "x", Address: "a", Check: &model.HealthCheck{CheckID: "c", Status: "odd"}},
			`Invalid check status "odd": must be passing, warning or critical`},
		{model.RegisterRequest{Node: "x", Address: "a", Check: &model.HealthCheck{CheckID: "c", ServiceID: "none"}},
			`failed inserting check: Missing service registration on node "x"`},
		{model.RegisterRequest{Node: "x", Address: "a", Check: &model.HealthCheck{Node: "X", CheckID: "c"}}, ""},
		{model.RegisterRequest{Node: "n1", Address: "a", ID: "99999999-9999-9999-9999-999999999999"},
			`failed inserting node: Error while renaming Node ID: "99999999-9999-9999-9999-999999999999": ` +
				`Node name n1 is reserved by node ` + nodeID + ` with name n1 (10.0.0.7)`},
	} {
		_, o := newTown(t, acl.AllowAll{})
		wantError(t, fmt.Sprintf("%.100s", fmt.Sprintf("%+v", c.r)), o.Register(t.Context(), "", &c.r), c.text)
	}
	_, o := newTown(t, acl.AllowAll{})
	wantError(t, "deregister", o.Deregister(t.Context(), "", &model.DeregisterRequest{}), "Must provide node")
	wantError(t, "deregister", o.Deregister(t.Context(), "", &model.DeregisterRequest{Node: "none"}), "")
	wantError(t, "deregister", o.Deregister(t.Context(), "x", &model.DeregisterRequest{Node: "n1"}), "ACL not found")
	wantError(t, "register", o.Register(t.Context(), "x", &model.RegisterRequest{Node: "n1"}), "ACL not found")
}

// A registration leaves out what follows from the rest.
func TestRegisterFillsIn(t *testing.T) {
	l := opstest.NewLog()
	o := l.Ops(acl.Open{})
	err := o.Register(t.Context(), "", &model.RegisterRequest{Node: "n", Address: "a", Service: &model.NodeService{Service: "web"},
		Check: &model.HealthCheck{Name: "named"}, Checks: []*model.HealthCheck{{CheckID: "c", ServiceID: "web"}}})
	if err != nil {
		t.Fatal(err)
	}
	v := l.Store.Current()
	if s := v.Service("n", "web"); s == nil || *s.Weights != (model.Weights{Passing: 1, Warning: 1}) {
		t.Errorf("%+v", s)
	}
	for id, service := range map[string]string{"named": "", "c": "web"} {
		if c := v.Check("n", id); c == nil || c.Node != "n" || c.Status != model.HealthCritical || c.ServiceName != service {
			t.Errorf("check %s: %+v", id, c)
		}
	}
	if n := v.Node("n"); n.Datacenter != "dc1" {
		t.Errorf("%+v", n)
	}
}

// Tags and node metadata pick from lists, all of them at once.
func TestTagsAndMeta(t *testing.T) {
	o := newFarm(t)
	for _, c := range []struct {
		tags []string
		meta map[string]string
		want string
	}{
		{nil, nil, "web1 web2"},
		{[]string{"v1"}, nil, "web1"},
		{[]string{"V1", "BLUE"}, nil, "web1"},
		{[]string{"v1", "v2"}, nil, ""},
		{nil, map[string]string{"rack": "b"}, "web2"},
		{nil, map[string]string{"rack": "B"}, ""},
		{nil, map[string]string{"rack": "b", "none": ""}, ""},
		{[]string{"v1"}, map[string]string{"rack": "a"}, "web1"},
	} {
		q := ops.Query{NodeMeta: c.meta}
		for _, got := range []string{
			ids(t, o, "", func(*ops.Query) ops.Question[[]*model.ServiceNode] { return o.Instances("WEB", c.tags, &q) },
				func(s *model.ServiceNode) string { return s.ServiceID }),
			ids(t, o, "", func(*ops.Query) ops.Question[[]*model.CheckServiceNode] { return o.Health("Web", c.tags, false, &q) },
				func(i *model.CheckServiceNode) string { return i.Service.ID }),
		} {
			if got != c.want {
				t.Errorf("%q %v: %q, want %q", c.tags, c.meta, got, c.want)
			}
		}
		if c.tags != nil {
			continue
		}
		want := strings.ReplaceAll(c.want, "web", "n")
		if got := ids(t, o, "", func(*ops.Query) ops.Question[[]*model.Node] { return o.Nodes(&q) },
			func(n *model.Node) string { return n.Node }); got != want {
			t.Errorf("nodes with %v: %q, want %q", c.meta, got, want)
		}
		if got := ids(t, o, "", func(*ops.Query) ops.Question[[]*model.HealthCheck] { return o.ServiceChecks("web", &q) },
			func(c *model.HealthCheck) string { return strings.Replace(c.CheckID, "c", "n", 1) }); got != want {
			t.Errorf("checks with %v: %q, want %q", c.meta, got, want)
		}
		services, _, err := ops.Ask(t.Context(), o, nil, &q, o.Services(&q), plain)
		if err != nil || len(services) != min(1, len(want)) {
			t.Errorf("services with %v: %v, %v", c.meta, services, err)
		}
	}
	services, _, err := ops.Ask(t.Context(), o, nil, &ops.Query{}, o.Services(&ops.Query{}), plain)
	if err != nil || fmt.Sprint(services) != "map[web:[blue v1 v2]]" {
		t.Errorf("%v, %v", services, err)
	}
	passing := ids(t, o, "", func(q *ops.Query) ops.Question[[]*model.CheckServiceNode] { return o.Health("web", nil, true, q) },
		func(i *model.CheckServiceNode) string { return i.Service.ID })
	if passing != "web1" {
		t.Errorf("passing: %q", passing)
	}
}

// Every question wakes its reader when what it is about changes, and sleeps
// through what it is not about.
func TestQuestionsWake(t *testing.T) {
	register := func(r model.RegisterRequest) func(*ops.Ops) error {
		return func(o *ops.Ops) error {
			if r.Address == "" {
				r.Address = "10.0.0.7"
			}
			return o.Register(t.Context(), "", &r)
		}
	}
	check := func(status string) func(*ops.Ops) error {
		return register(model.RegisterRequest{ID: nodeID, Node: "n1", Check: &model.HealthCheck{CheckID: "web-check", ServiceID: "web1", Status: status}})
	}
	move := func(o *ops.Ops) error {
		return o.CoordinateUpdate(t.Context(), "", &model.Coordinate{Node: "n1", Coord: &model.Vector{Vec: make([]float64, 8), Error: 1.5}})
	}
	node := register(model.RegisterRequest{Node: "n3"})
	none := ops.Query{}
	for _, c := range []struct {
		name   string
		ask    func(o *ops.Ops, q *ops.Query) error
		q      ops.Query
		change func(*ops.Ops) error
		wakes  bool
	}{
		{"nodes: a node", asking((*ops.Ops).Nodes), none, node, true},
		{"nodes: a check", asking((*ops.Ops).Nodes), none, check(model.HealthWarning), false},
		{"nodes near: a coordinate", asking((*ops.Ops).Nodes), ops.Query{Near: "n1"}, move, false},
		{"services: an instance", asking((*ops.Ops).Services), none, register(model.RegisterRequest{Node: "n2", Service: &model.NodeService{Service: "new"}}), true},
		{"services: a check", asking((*ops.Ops).Services), none, check(model.HealthWarning), false},
		{"health: a check", asking(func(o *ops.Ops, q *ops.Query) ops.Question[[]*model.CheckServiceNode] {
			return o.Health("WEB", nil, true, q)
		}),
			none, check(model.HealthWarning), true},
		{"health: another service", asking(func(o *ops.Ops, q *ops.Query) ops.Question[[]*model.CheckServiceNode] {
			return o.Health("db", nil, true, q)
		}),
			none, check(model.HealthWarning), false},
		{"health: its first instance", asking(func(o *ops.Ops, q *ops.Query) ops.Question[[]*model.CheckServiceNode] {
			return o.Health("new", nil, true, q)
		}),
			none, register(model.RegisterRequest{Node: "n2", Service: &model.NodeService{Service: "New"}}), true},
		{"node services: a service", asking(func(o *ops.Ops, q *ops.Query) ops.Question[*model.NodeServiceList] { return o.NodeServices("N1", q) }),
			none, register(model.RegisterRequest{ID: nodeID, Node: "n1", Service: &model.NodeService{Service: "new"}}), true},
		{"node services by ID: a service", asking(func(o *ops.Ops, q *ops.Query) ops.Question[*model.NodeServiceList] {
			return o.NodeServices(nodeID[:8], q)
		}),
			none, register(model.RegisterRequest{ID: nodeID, Node: "n1", Service: &model.NodeService{Service: "new"}}), true},
		{"node checks: a check", asking(func(o *ops.Ops, q *ops.Query) ops.Question[[]*model.HealthCheck] { return o.NodeChecks("n1", q) }),
			none, check(model.HealthWarning), true},
		{"state: a check", asking(func(o *ops.Ops, q *ops.Query) ops.Question[[]*model.HealthCheck] {
			return o.ChecksInState("passing", q)
		}),
			none, check(model.HealthWarning), true},
		{"coordinates: one", asking(func(o *ops.Ops, _ *ops.Query) ops.Question[[]*model.Coordinate] { return o.Coordinates("") }), none, move, true},
		{"coordinates of a node: one", asking(func(o *ops.Ops, _ *ops.Query) ops.Question[[]*model.Coordinate] { return o.NodeCoordinates("N1") }),
			none, move, true},
		{"dumps: a check", asking(func(o *ops.Ops, q *ops.Query) ops.Question[[]*ops.NodeDump] { return o.NodeDumps("", q) }), none,
			check(model.HealthWarning), true},
		{"summaries: a check", asking((*ops.Ops).ServiceSummaries), none, check(model.HealthWarning), true},
		{"sessions: one that ends", asking(func(o *ops.Ops, _ *ops.Query) ops.Question[[]*model.Session] { return o.Sessions("N1") }), none,
			func(o *ops.Ops) error { return o.SessionDestroy(t.Context(), "", sessionID) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, o := newTown(t, acl.AllowAll{})
				q := c.q
				// No reader has a higher index now than the log.
				q.MinIndex, q.Wait = l.Store.Current().Applied(), time.Minute
				began := time.Now()
				done := make(chan error, 1)
				go func() { done <- c.ask(o, &q) }()
				time.Sleep(time.Second)
				if err := c.change(o); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				want := time.Minute
				if c.wakes {
					want = time.Second
				}
				if took := time.Since(began); took != want {
					t.Errorf("answered after %s, want %s", took, want)
				}
			})
		})
	}
}

func asking[T any](question func(*ops.Ops, *ops.Query) ops.Question[T]) func(o *ops.Ops, q *ops.Query) error {
	return func(o *ops.Ops, q *ops.Query) error {
		_, _, err := ops.Ask(context.Background(), o, nil, q, question(o, q), plain)
		return err
	}
}
