package ops_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

const (
	nodeID    = "22222222-2222-2222-2222-222222222222"
	sessionID = "33333333-3333-3333-3333-333333333333"
)

// A town is a catalog with something of everything on the node n1.
func newTown(t *testing.T, authz acl.Authorizer) (*opstest.Log, *ops.Ops) {
	l := opstest.NewLog()
	for _, s := range []string{"web", "db"} {
		l.Apply(t, model.CmdRegister, &model.RegisterRequest{Datacenter: "dc1", ID: nodeID, Node: "n1", Address: "10.0.0.7",
			Service: &model.NodeService{ID: s + "1", Service: s, Address: "10.0.0.8"},
			Checks:  []*model.HealthCheck{{Node: "n1", CheckID: s + "-check", Name: "c", Status: model.HealthPassing, ServiceID: s + "1"}}})
	}
	l.Apply(t, model.CmdRegister, &model.RegisterRequest{Node: "n2", Address: "10.0.0.9"})
	l.Apply(t, model.CmdSession, &model.SessionCommand{Op: model.SessionCreate, Session: model.Session{ID: sessionID, Node: "n1"}})
	for _, key := range []string{"dir/a", "dir/b", "other"} {
		set(t, l, key, "v")
	}
	return l, l.Ops(opstest.Tokens{"": authz})
}

// Nobody gets at what he may not write by giving it another name.
func TestPermissionsCannotBeDodged(t *testing.T) {
	txn := func(op model.TxnOp) func(context.Context, *ops.Ops) error {
		return func(ctx context.Context, o *ops.Ops) error {
			resp, err := o.Txn(ctx, &ops.Query{}, &model.Txn{Ops: []model.TxnOp{op}})
			if err == nil && len(resp.Errors) > 0 {
				return model.Errorf(model.Denied, "%s", resp.Errors[0].What)
			}
			return err
		}
	}
	register := func(r model.RegisterRequest) func(context.Context, *ops.Ops) error {
		return func(ctx context.Context, o *ops.Ops) error { return o.Register(ctx, "", &r) }
	}
	for _, c := range []struct {
		name, without string // the name whose permissions lack
		do            func(context.Context, *ops.Ops) error
	}{
		{"register a node in another case", "n1", register(model.RegisterRequest{Node: "N1", Address: "x"})},
		{"rename a node", "n1", register(model.RegisterRequest{ID: strings.ToUpper(nodeID), Node: "n3", Address: "x"})},
		{"register an instance", "web", register(model.RegisterRequest{Node: "n2", Address: "x", Service: &model.NodeService{Service: "web"}})},
		{"register over an instance", "web", register(model.RegisterRequest{Node: "n1", Address: "x", Service: &model.NodeService{ID: "web1", Service: "mine"}})},
		{"register over an instance of a node in another case", "web", register(model.RegisterRequest{Node: "N1", Address: "x",
			Service: &model.NodeService{ID: "web1", Service: "mine"}})},
		{"register a proxy for a service", "web", register(model.RegisterRequest{Node: "n2", Address: "x", Service: &model.NodeService{
			Kind: model.KindConnectProxy, Service: "mine", Proxy: model.ProxyConfig{DestinationServiceName: "web"}}})},
		{"deregister a node in another case", "n1", func(ctx context.Context, o *ops.Ops) error {
			return o.Deregister(ctx, "", &model.DeregisterRequest{Node: "N1"})
		}},
		{"create a session for a node in another case", "n1", func(ctx context.Context, o *ops.Ops) error {
			_, err := o.SessionCreate(ctx, "", &model.Session{Node: "N1"})
			return err
		}},
		{"place a node in another case", "n1", func(ctx context.Context, o *ops.Ops) error {
			return o.CoordinateUpdate(ctx, "", &model.Coordinate{Node: "N1", Coord: &model.Vector{Vec: make([]float64, model.Dimensions)}})
		}},
		{"delete a tree with a foreign key", "dir/b", func(ctx context.Context, o *ops.Ops) error {
			_, err := o.KVApply(ctx, "", &model.KVCommand{Op: model.KVDeleteTree, DirEnt: model.KVPair{Key: "dir/"}})
			return err
		}},
		{"delete a tree with a foreign key in a transaction", "dir/b",
			txn(model.TxnOp{KV: &model.TxnKV{Verb: model.KVDeleteTree, DirEnt: model.KVPair{Key: ""}}})},
		{"delete a node by its ID", "n1", txn(model.TxnOp{Node: &model.TxnNode{Verb: model.VerbDelete, Node: model.Node{ID: nodeID, Node: "n3"}}})},
		{"delete a node by its ID alone", "n1", txn(model.TxnOp{Node: &model.TxnNode{Verb: model.VerbDelete, Node: model.Node{ID: nodeID}}})},
		{"read a node by its ID alone", "n1", txn(model.TxnOp{Node: &model.TxnNode{Verb: model.VerbGet, Node: model.Node{ID: nodeID}}})},
		{"delete an instance under another name", "web", txn(model.TxnOp{Service: &model.TxnService{Verb: model.VerbDelete, Node: "n1",
			Service: model.NodeService{ID: "web1", Service: "mine"}}})},
		{"read an instance under another name", "web", txn(model.TxnOp{Service: &model.TxnService{Verb: model.VerbGet, Node: "n1",
			Service: model.NodeService{ID: "web1", Service: "mine"}}})},
		{"read an instance under no name", "web", txn(model.TxnOp{Service: &model.TxnService{Verb: model.VerbGet, Node: "n1",
			Service: model.NodeService{ID: "web1"}}})},
		{"set a check of a node in another case", "n1", txn(model.TxnOp{Check: &model.TxnCheck{Verb: model.VerbSet,
			Check: model.HealthCheck{Node: "N1", CheckID: "c"}}})},
	} {
		l, o := newTown(t, opstest.Except(c.without))
		before := l.Store.Current().Applied()
		if err := c.do(t.Context(), o); model.KindOf(err) != model.Denied || !strings.Contains(err.Error(), `"`+c.without+`"`) {
			t.Errorf("%s: %v", c.name, err)
		}
		if l.Store.Current().Applied() != before {
			t.Errorf("%s: something was written", c.name)
		}
		_, o = newTown(t, opstest.Except("something else"))
		if err := c.do(t.Context(), o); model.KindOf(err) == model.Denied && strings.HasPrefix(err.Error(), model.TextDenied) {
			t.Errorf("%s, with permission: %v", c.name, err)
		}
	}
}

// Who may write but not read is not shown what he wrote over.
func TestTxnShowsOnlyWhatMayBeRead(t *testing.T) {
	for _, hidden := range []acl.Resource{acl.Key, acl.Node, acl.Service, ""} {
		_, o := newTown(t, opstest.Rule(func(r acl.Resource, _ string, a acl.Access) bool { return a == acl.Write || r != hidden }))
		resp, err := o.Txn(t.Context(), &ops.Query{}, &model.Txn{Ops: []model.TxnOp{
			kv(model.KVSet, "dir/a", "v"),
			{Node: &model.TxnNode{Verb: model.VerbSet, Node: model.Node{Node: "n2", Address: "10.0.0.9"}}},
			{Service: &model.TxnService{Verb: model.VerbSet, Node: "n1", Service: model.NodeService{ID: "web1", Service: "web"}}},
			{Check: &model.TxnCheck{Verb: model.VerbSet, Check: model.HealthCheck{Node: "n1", CheckID: "web-check", ServiceID: "web1"}}},
			{Check: &model.TxnCheck{Verb: model.VerbSet, Check: model.HealthCheck{Node: "n1", CheckID: "of the node"}}},
		}})
		if err != nil || resp.Errors != nil {
			t.Fatalf("%+v, %v", resp, err)
		}
		want := map[acl.Resource]int{acl.Key: 4, acl.Node: 2, acl.Service: 3, "": 5}[hidden]
		if len(resp.Results) != want {
			t.Errorf("without %s:read: %d results, want %d", hidden, len(resp.Results), want)
		}
	}
}

// Lists leave out each item that may not be seen, and keep the others.
func TestListsLeaveOut(t *testing.T) {
	type list struct {
		name string
		get  func(o *ops.Ops) (string, error)
	}
	lists := []list{
		{"nodes", asText(func(o *ops.Ops) ops.Question[[]*model.Node] { return o.Nodes(&ops.Query{}) })},
		{"services", asText(func(o *ops.Ops) ops.Question[model.ServicesList] { return o.Services(&ops.Query{}) })},
		{"instances", asText(func(o *ops.Ops) ops.Question[[]*model.ServiceNode] { return o.Instances("web", nil, &ops.Query{}) })},
		{"health", asText(func(o *ops.Ops) ops.Question[[]*model.CheckServiceNode] {
			return o.Health("web", nil, false, &ops.Query{})
		})},
		{"node services", asText(func(o *ops.Ops) ops.Question[*model.NodeServiceList] { return o.NodeServices("n1", &ops.Query{}) })},
		{"node checks", asText(func(o *ops.Ops) ops.Question[[]*model.HealthCheck] { return o.NodeChecks("n1", &ops.Query{}) })},
		{"checks in state", asText(func(o *ops.Ops) ops.Question[[]*model.HealthCheck] {
			return o.ChecksInState(model.HealthAny, &ops.Query{})
		})},
		{"dumps", asText(func(o *ops.Ops) ops.Question[[]*ops.NodeDump] { return o.NodeDumps("", &ops.Query{}) })},
		{"summaries", asText(func(o *ops.Ops) ops.Question[[]*ops.ServiceSummary] { return o.ServiceSummaries(&ops.Query{}) })},
		{"entries", asText(func(o *ops.Ops) ops.Question[[]*model.KVPair] { return o.KVList("") })},
		{"keys", asText(func(o *ops.Ops) ops.Question[[]string] { return o.KVKeys("", "") })},
		{"sessions", asText(func(o *ops.Ops) ops.Question[[]*model.Session] { return o.Sessions("") })},
		{"node by name", asText(func(o *ops.Ops) ops.Question[*model.Node] { return o.NodeByName("n1") })},
		{"owners of a node's address", asText(func(o *ops.Ops) ops.Question[*ops.Owners] {
			return o.AddressOwners(netip.MustParseAddr("10.0.0.7"))
		})},
		{"owners of an instance's address", asText(func(o *ops.Ops) ops.Question[*ops.Owners] {
			return o.AddressOwners(netip.MustParseAddr("10.0.0.8"))
		})},
		{"transaction", func(o *ops.Ops) (string, error) {
			resp, err := o.Txn(context.Background(), &ops.Query{}, &model.Txn{Ops: []model.TxnOp{
				{KV: &model.TxnKV{Verb: model.KVGetTree, DirEnt: model.KVPair{Key: ""}}}}})
			if err != nil {
				return "", err
			}
			return marshaled(resp)
		}},
	}
	marks := []string{`"n1"`, `"n2"`, `"web`, `"db`, `"dir/a"`, `"dir/b"`, sessionID}
	seen := func(l list, authz acl.Authorizer) []string {
		_, o := newTown(t, authz)
		text, err := l.get(o)
		if err != nil {
			t.Fatalf("%s: %v", l.name, err)
		}
		return slices.DeleteFunc(slices.Clone(marks), func(m string) bool { return !strings.Contains(text, m) })
	}
	without := map[string][]string{ // what goes with it
		"n1": {`"n1"`, `"web`, `"db`, sessionID}, "n2": {`"n2"`}, "web": {`"web`}, "db": {`"db`}, "dir/a": {`"dir/a"`}, "dir/b": {`"dir/b"`},
	}
	touched := map[string]bool{}
	for _, l := range lists {
		all := seen(l, acl.AllowAll{})
		if len(all) == 0 {
			t.Errorf("%s: nothing to see", l.name)
		}
		for name, hidden := range without {
			got := seen(l, opstest.Except(name))
			for _, m := range hidden {
				// Services and their summaries are not bound to a node.
				if bound := l.name != "services" && l.name != "summaries"; slices.Contains(got, m) && (bound || name != "n1") {
					t.Errorf("%s without %s shows %s", l.name, name, m)
				}
			}
			for _, m := range all {
				if !slices.Contains(got, m) {
					touched[l.name] = true
				}
				if !slices.Contains(got, m) && !slices.Contains(hidden, m) && !strings.HasPrefix(l.name, "instances") && l.name != "health" &&
					!strings.HasPrefix(l.name, "owners") {
					t.Errorf("%s without %s hides %s", l.name, name, m)
				}
			}
		}
		if !touched[l.name] {
			t.Errorf("%s: nothing is ever left out", l.name)
		}
	}
}

func asText[T any](question func(*ops.Ops) ops.Question[T]) func(*ops.Ops) (string, error) {
	return func(o *ops.Ops) (string, error) {
		v, _, err := ops.Ask(context.Background(), o, nil, &ops.Query{}, question(o), plain)
		if err != nil {
			return "", err
		}
		return marshaled(v)
	}
}

func marshaled(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
