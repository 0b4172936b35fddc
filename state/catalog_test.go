package state

import (
	"fmt"
	"strings"
	"testing"

	"muster/model"
)

const (
	uuid1 = "40e4a748-2192-161a-0510-9bf59fe950b5"
	uuid2 = "40e4a748-2192-161a-0510-000000000002"
)

func instances(v *Version, service string) string {
	index, list := v.Instances(service)
	out := fmt.Sprint(index)
	for _, i := range list {
		out += " " + i.Node + "/" + i.ServiceID
	}
	return out
}

func health(v *Version, service string) string {
	index, list := v.Health(service)
	out := fmt.Sprint(index)
	for _, h := range list {
		out += " " + h.Node.Node + "/" + h.Service.ID + "("
		for _, c := range h.Checks {
			out += " " + c.CheckID + ":" + c.Status
		}
		out += " )"
	}
	return out
}

func checkIDs(index uint64, list []*model.HealthCheck) string {
	out := fmt.Sprint(index)
	for _, c := range list {
		out += " " + c.Node + "/" + c.CheckID
	}
	return out
}

func nodeNames(v *Version) string {
	index, list := v.Nodes()
	out := fmt.Sprint(index)
	for _, n := range list {
		out += " " + n.Node
	}
	return out
}

func TestCatalogRegisterEverythingAtOnce(t *testing.T) {
	c := newCluster(t)
	c.register(&model.RegisterRequest{Datacenter: "dc1", ID: strings.ToUpper(uuid1), Node: "db1", Address: "10.1.1.2",
		TaggedAddresses: map[string]string{"lan": "10.1.1.2"}, NodeMeta: map[string]string{"rack": "r1"},
		Service: &model.NodeService{ID: "redis1", Service: "redis", Tags: []string{"primary", "v1"}, Port: 8000},
		Check:   &model.HealthCheck{Node: "other", CheckID: "service:redis1", Name: "Redis", Status: model.HealthPassing, ServiceID: "REDIS1"},
		Checks:  []*model.HealthCheck{{CheckID: "c1", Name: "one"}}})
	first := c.index
	n := c.v().Node("DB1")
	expect(t, "node", fmt.Sprint(n.ID, n.Address, n.Datacenter, n.TaggedAddresses, n.Meta, n.RaftIndex),
		fmt.Sprint(uuid1, "10.1.1.2", "dc1", map[string]string{"lan": "10.1.1.2"}, map[string]string{"rack": "r1"}, model.RaftIndex{CreateIndex: first, ModifyIndex: first}))
	s := c.v().Service("db1", "Redis1")
	expect(t, "service", fmt.Sprint(s.Service, s.Tags, s.Port, s.RaftIndex), fmt.Sprint("redis", []string{"primary", "v1"}, 8000, n.RaftIndex))
	own := c.v().Check("db1", "service:redis1")
	expect(t, "check of the service", fmt.Sprint(own.Node, own.ServiceID, own.ServiceName, own.ServiceTags, own.Status), fmt.Sprint("db1", "redis1", "redis", s.Tags, "passing"))
	expect(t, "check of the node", fmt.Sprint(c.v().Check("db1", "C1").Node, c.v().Check("db1", "c1").Status), "db1critical")
	expect(t, "health", health(c.v(), "REDIS"), fmt.Sprint(first, " db1/redis1( c1:critical service:redis1:passing )"))
	expect(t, "checks of the service", checkIDs(c.v().ServiceChecks("Redis")), fmt.Sprint(first, " db1/service:redis1"))
	expect(t, "checks of the node", checkIDs(c.v().NodeChecks("dB1")), fmt.Sprint(first, " db1/c1 db1/service:redis1"))
	expect(t, "critical checks", checkIDs(c.v().ChecksInState("critical")), fmt.Sprint(first, " db1/c1"))
	expect(t, "all checks", checkIDs(c.v().ChecksInState(model.HealthAny)), fmt.Sprint(first, " db1/c1 db1/service:redis1"))
	expect(t, "a state that begins alike", checkIDs(c.v().ChecksInState("crit")), fmt.Sprint(first))
}

func TestCatalogLists(t *testing.T) {
	c := newCluster(t)
	for _, n := range []string{"n2", "n1", "N3"} {
		c.register(&model.RegisterRequest{Node: n, Address: "10.0.0.1", Service: &model.NodeService{ID: "b", Service: "web"}})
		c.register(&model.RegisterRequest{Node: n, Address: "10.0.0.1", Service: &model.NodeService{ID: "a", Service: "Web"}})
	}
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Service: &model.NodeService{ID: "w", Service: "webs"}})
	expect(t, "nodes", nodeNames(c.v()), fmt.Sprint(c.index-2, " n1 n2 N3"))
	expect(t, "instances by node and ID", instances(c.v(), "web"), fmt.Sprint(c.index-1, " n1/a n1/b n2/a n2/b N3/a N3/b"))
	index, list := c.v().NodeServices("N1")
	expect(t, "services of a node", fmt.Sprint(index, len(list), list[0].ID, list[1].ID, list[2].ID), fmt.Sprint(c.index, 3, "abw"))
	var all []string
	c.v().EachInstance(func(n *model.Node, s *model.NodeService) bool {
		all = append(all, n.Node+s.ID)
		return len(all) < 7
	})
	expect(t, "all", all, []string{"n1a", "n1b", "n2a", "n2b", "N3a", "N3b", "n1w"})
	sn := list[0]
	_, flat := c.v().Instances("web")
	expect(t, "index of a row is that of the instance", flat[0].RaftIndex, sn.RaftIndex)
	if _, none := c.v().Instances("none"); none == nil {
		t.Error("no instances are nil")
	}
	if _, none := c.v().Health("none"); none == nil {
		t.Error("no health is nil")
	}
}

func TestNodeByIDPrefix(t *testing.T) {
	c := newCluster(t)
	c.register(&model.RegisterRequest{ID: uuid1, Node: "n1", Address: "10.0.0.1"})
	c.register(&model.RegisterRequest{ID: uuid2, Node: "n2", Address: "10.0.0.2"})
	c.register(&model.RegisterRequest{Node: "40e4", Address: "10.0.0.3"})
	for question, want := range map[string]string{
		uuid1: "n1", strings.ToUpper(uuid2): "n2", uuid1[:26]: "n1", uuid1[:24]: "", "40e4": "40e4", "40e4a": "", "40e": "", "n1": "n1", "": "", "n": "",
	} {
		got := ""
		if n := c.v().Node(question); n != nil {
			got = n.Node
		}
		expect(t, "node "+question, got, want)
	}
}

// Registering again what is there moves no index at all.
func TestCatalogUnchangedWrites(t *testing.T) {
	c := newCluster(t)
	r := func() *model.RegisterRequest {
		return &model.RegisterRequest{ID: uuid1, Node: "n1", Address: "10.0.0.1", NodeMeta: map[string]string{"a": "b"},
			Service: &model.NodeService{ID: "web1", Service: "web", Tags: []string{"x"}, Weights: &model.Weights{Passing: 1, Warning: 1},
				Proxy: model.ProxyConfig{Config: map[string]any{"n": 1, "l": []any{"a", 2.5}}, Upstreams: []model.Upstream{{DestinationName: "db", Config: map[string]any{"k": 1}}}}},
			Checks: []*model.HealthCheck{
				{CheckID: "c1", Status: model.HealthPassing, Definition: model.HealthCheckDefinition{HTTP: "http://x", Header: map[string][]string{"a": {"b"}}, Interval: 1e9}},
				{CheckID: "c2", Status: model.HealthPassing, ServiceID: "web1"}}}
	}
	c.register(r())
	before := content(t, c.v())
	w := c.s.Watch(everything()...)
	c.register(r())
	again := r()
	again.Node, again.SkipNodeUpdate, again.Address = "N1", true, "10.0.0.99"
	c.register(again)
	again = r()
	again.ID = "" // who does not know the ID does not take it away
	c.register(again)
	if string(content(t, c.v())) != string(before) {
		t.Error("the data changed")
	}
	if w.Fired() {
		t.Error("somebody was woken")
	}
	// The same after a restore: the forms of decoded values are the same.
	c.restore(persist(t, c.s))
	c.register(r())
	if string(content(t, c.v())) != string(before) {
		t.Error("the restored data changed")
	}
}

// The index of a service moves with its instances, their checks and their
// nodes, and with nothing else.
func TestServiceIndex(t *testing.T) {
	c := newCluster(t)
	service := func(node, id, name string, port int) {
		t.Helper()
		c.register(&model.RegisterRequest{Node: node, Address: "10.0.0.1", Service: &model.NodeService{ID: id, Service: name, Port: port}})
	}
	service("n1", "web1", "web", 1)
	service("n2", "web2", "web", 1)
	service("n2", "db1", "db", 1)
	web, db := c.index-1, c.index
	same := func(what string) {
		t.Helper()
		i, _ := c.v().Instances("web")
		j, _ := c.v().Health("WEB")
		k, _ := c.v().Instances("db")
		expect(t, what, fmt.Sprint(i, j, k), fmt.Sprint(web, web, db))
	}
	same("at first")
	service("n2", "db1", "db", 2)
	db = c.index
	same("instance of the other")
	c.check("n2", "d", "db1", model.HealthPassing)
	db = c.index
	same("check of the other")
	c.check("n1", "w", "web1", model.HealthPassing)
	web = c.index
	same("check of the one")
	c.check("n1", "disk", "", model.HealthPassing)
	web = c.index
	same("check of a node of the one")
	c.check("n2", "disk", "", model.HealthPassing)
	web, db = c.index, c.index
	same("check of a node of both")
	c.register(&model.RegisterRequest{Node: "n2", Address: "10.0.0.22"})
	web, db = c.index, c.index
	same("node of both")
	c.do(&model.DeregisterRequest{Node: "n1", CheckID: "disk"})
	web = c.index
	same("check of a node is gone")
	c.do(&model.DeregisterRequest{Node: "n1", CheckID: "w"})
	web = c.index
	same("check of the one is gone")
	c.register(&model.RegisterRequest{Node: "n3", Address: "10.0.0.3"})
	same("a node without either")
	c.check("n3", "disk", "", model.HealthPassing)
	same("and its check")
	c.do(&model.DeregisterRequest{Node: "n1", ServiceID: "web1"})
	web = c.index
	same("instance of the one is gone")
	c.kvSet("k", "v")
	same("a key")
}

// A name that nobody has gives the index at which a name last disappeared, or,
// before the first, that of the tables.
func TestServiceLastExtinction(t *testing.T) {
	c := newCluster(t)
	expect(t, "empty store", instances(c.v(), "none"), "0")
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Service: &model.NodeService{ID: "web1", Service: "web"}})
	c.register(&model.RegisterRequest{Node: "n2", Address: "10.0.0.1", Service: &model.NodeService{ID: "web2", Service: "web"}})
	c.register(&model.RegisterRequest{Node: "n2", Address: "10.0.0.1", Service: &model.NodeService{ID: "db1", Service: "db"}})
	services := c.index
	c.check("n1", "c", "", model.HealthPassing)
	expect(t, "instances before", instances(c.v(), "none"), fmt.Sprint(services))
	expect(t, "health before", health(c.v(), "none"), fmt.Sprint(c.index))

	c.do(&model.DeregisterRequest{Node: "n1", ServiceID: "web1"})
	expect(t, "one of two went", instances(c.v(), "none"), fmt.Sprint(c.index))
	expect(t, "one of two went", instances(c.v(), "web"), fmt.Sprint(c.index, " n2/web2"))
	c.do(&model.DeregisterRequest{Node: "n2", ServiceID: "web2"})
	gone := c.index
	expect(t, "the last went", instances(c.v(), "web"), fmt.Sprint(gone))
	c.register(&model.RegisterRequest{Node: "n2", Address: "10.0.0.9"})
	expect(t, "health of what is gone", health(c.v(), "web"), fmt.Sprint(gone))
	expect(t, "health of what never was", health(c.v(), "none"), fmt.Sprint(gone))
	c.do(&model.DeregisterRequest{Node: "n2"})
	expect(t, "the node of the last went", instances(c.v(), "db"), fmt.Sprint(c.index))
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Service: &model.NodeService{ID: "web1", Service: "web"}})
	expect(t, "it comes back", instances(c.v(), "web"), fmt.Sprint(c.index, " n1/web1"))
	again := c.index
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Service: &model.NodeService{ID: "web1", Service: "Web2"}})
	expect(t, "its only instance takes another name", instances(c.v(), "web"), fmt.Sprint(again+1))
	expect(t, "and is found under that", instances(c.v(), "web2"), fmt.Sprint(again+1, " n1/web1"))
}

// An instance that takes another name takes its checks with it.
func TestServiceRenameTakesChecksAlong(t *testing.T) {
	c := withNode(t)
	c.check("n1", "c2", "WEB1", model.HealthPassing)
	old := c.s.Watch(TopicService("web"))
	c.register(&model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Service: &model.NodeService{ID: "web1", Service: "api", Tags: []string{"new"}}})
	renamed := c.index
	if !old.Fired() {
		t.Error("who waits for the old name was not woken")
	}
	expect(t, "checks of the old name", checkIDs(c.v().ServiceChecks("web")), fmt.Sprint(renamed))
	expect(t, "checks of the new name", checkIDs(c.v().ServiceChecks("api")), fmt.Sprint(renamed, " n1/c2 n1/service:web1"))
	w := c.s.Watch(TopicService("api"))
	c.do(&model.DeregisterRequest{Node: "n1", CheckID: "c2"})
	if !w.Fired() {
		t.Error("the end of a check woke nobody")
	}
	expect(t, "health", health(c.v(), "api"), fmt.Sprint(c.index, " n1/web1( serfHealth:passing service:web1:warning )"))
	expect(t, "health of the old name", health(c.v(), "web"), fmt.Sprint(renamed))
}

// A check may move from its node to an instance and on: all whom it concerned
// and concerns hear of it.
func TestCheckMoves(t *testing.T) {
	c := withNode(t)
	c.register(&model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Service: &model.NodeService{ID: "db1", Service: "db"}})
	c.check("n1", "c", "", model.HealthPassing)
	c.check("n1", "c", "web1", model.HealthPassing)
	expect(t, "from the node to an instance", health(c.v(), "db"), fmt.Sprint(c.index, " n1/db1( serfHealth:passing )"))
	c.check("n1", "c", "db1", model.HealthPassing)
	expect(t, "to another", health(c.v(), "web"), fmt.Sprint(c.index, " n1/web1( serfHealth:passing service:web1:warning )"))
	expect(t, "to another", health(c.v(), "db"), fmt.Sprint(c.index, " n1/db1( serfHealth:passing c:passing )"))
	c.check("n1", "c", "", model.HealthPassing)
	expect(t, "back", health(c.v(), "web"), fmt.Sprint(c.index, " n1/web1( c:passing serfHealth:passing service:web1:warning )"))
}

// IDs are told apart as the tables tell them apart: "ſ" is no "s", though
// both are the same letter to some.
func TestServiceIDsThatLookAlike(t *testing.T) {
	c := newCluster(t)
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Service: &model.NodeService{ID: "s", Service: "web"}})
	c.fails(&model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Service: &model.NodeService{ID: "s", Service: "web"},
		Check: &model.HealthCheck{CheckID: "c", ServiceID: "ſ"}}, `failed inserting check: Missing service registration on node "n1"`)
	c.register(&model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Service: &model.NodeService{ID: "ſ", Service: "web"},
		Check: &model.HealthCheck{CheckID: "c", ServiceID: "ſ"}})
	c.do(&model.DeregisterRequest{Node: "n1", ServiceID: "S"})
	expect(t, "what is left", health(c.v(), "web"), fmt.Sprint(c.index, " n1/ſ( c:critical )"))
}

func TestDeregister(t *testing.T) {
	c := withNode(t)
	c.register(&model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Service: &model.NodeService{ID: "db1", Service: "db"}})
	c.do(&model.CoordinatesCommand{Updates: []model.Coordinate{{Node: "N1", Coord: &model.Vector{}}}})
	for _, r := range []model.DeregisterRequest{{Node: "none"}, {Node: "n1", ServiceID: "none"}, {Node: "n1", CheckID: "none"}, {Node: "none", ServiceID: "web1"}, {}} {
		before := content(t, c.v())
		c.do(&r)
		if string(content(t, c.v())) != string(before) {
			t.Errorf("%+v: something changed", r)
		}
	}
	c.do(&model.DeregisterRequest{Node: "N1", ServiceID: "WEB1", CheckID: model.SerfHealthID})
	expect(t, "a service goes with its checks only", checkIDs(c.v().NodeChecks("n1")), fmt.Sprint(c.index, " n1/serfHealth"))
	expect(t, "coordinates", fmt.Sprint(len(coordinatesOf(c.v(), "n1"))), 1)
	c.do(&model.DeregisterRequest{Node: "n1", Address: "10.0.0.1"})
	expect(t, "a node goes with everything", checkIDs(c.v().NodeChecks("n1")), fmt.Sprint(c.index))
	expect(t, "nodes", nodeNames(c.v()), fmt.Sprint(c.index))
	expect(t, "services", instances(c.v(), "db"), fmt.Sprint(c.index))
	index, list := c.v().Coordinates()
	expect(t, "coordinates", fmt.Sprint(index, len(list)), fmt.Sprint(c.index, 0))
}

func coordinatesOf(v *Version, node string) []*model.Coordinate {
	_, list := v.NodeCoordinates(node)
	return list
}

// A node that comes back under another name leaves the old one.
func TestNodeRename(t *testing.T) {
	c := newCluster(t)
	c.register(&model.RegisterRequest{ID: uuid1, Node: "old", Address: "10.0.0.4", Service: &model.NodeService{ID: "web1", Service: "web"},
		Check: &model.HealthCheck{CheckID: "c", Status: model.HealthPassing}})
	c.register(&model.RegisterRequest{ID: strings.ToUpper(uuid1), Node: "new", Address: "10.0.0.4"})
	expect(t, "nodes", nodeNames(c.v()), fmt.Sprint(c.index, " new"))
	expect(t, "by ID", c.v().Node(uuid1).Node, "new")
	expect(t, "services", instances(c.v(), "web"), fmt.Sprint(c.index))
	c.register(&model.RegisterRequest{ID: uuid1, Node: "NEW", Address: "10.0.0.4"})
	expect(t, "another spelling is the same node", nodeNames(c.v()), fmt.Sprint(c.index, " NEW"))
	expect(t, "and keeps its CreateIndex", c.v().Node("new").CreateIndex, c.index-1)
	c.register(&model.RegisterRequest{ID: uuid1, Node: "new", Address: "10.0.0.4", Service: &model.NodeService{ID: "web1", Service: "web"}})
	expect(t, "it takes services under the new name", instances(c.v(), "web"), fmt.Sprint(c.index, " new/web1"))
}

func TestNodeConflicts(t *testing.T) {
	c := newCluster(t)
	c.register(&model.RegisterRequest{ID: uuid1, Node: "n1", Address: "10.0.0.1"})
	c.register(&model.RegisterRequest{Node: "ext", Address: "10.0.0.5"})
	take := func() *model.RegisterRequest {
		return &model.RegisterRequest{ID: uuid2, Node: "N1", Address: "10.0.0.2", Service: &model.NodeService{ID: "web1", Service: "web"}}
	}
	text := `Error while renaming Node ID: "` + uuid2 + `": Node name N1 is reserved by node ` + uuid1 + ` with name n1 (10.0.0.1)`
	c.fails(take(), "failed inserting node: "+text)
	c.check("n1", model.SerfHealthID, "", model.HealthPassing)
	c.fails(take(), "failed inserting node: "+text)
	resp := c.txn(model.TxnOp{Node: &model.TxnNode{Verb: model.VerbSet, Node: model.Node{ID: uuid2, Node: "N1", Address: "10.0.0.2"}}})
	expect(t, "in a transaction", resp.Errors, []model.TxnError{{OpIndex: 0, What: text}})

	c.check("n1", model.SerfHealthID, "", model.HealthCritical)
	c.register(take())
	expect(t, "a failed node loses its name", c.v().Node("n1").ID, uuid2)
	if n := c.v().Node(uuid1); n != nil {
		t.Errorf("the old ID still finds %v", n)
	}
	c.register(&model.RegisterRequest{ID: uuid1, Node: "ext", Address: "10.0.0.5"})
	expect(t, "a node without an ID is nobody's", c.v().Node("ext").ID, uuid1)
	c.register(&model.RegisterRequest{Node: "ext", Address: "10.0.0.6"})
	expect(t, "it keeps the ID that it was given", c.v().Node("ext").ID, uuid1)
	skip := take()
	skip.ID, skip.SkipNodeUpdate = uuid1, true
	c.register(skip)
	expect(t, "who leaves the node as it is conflicts with nobody", c.v().Node("n1").ID, uuid2)
}

func TestCheckWithoutService(t *testing.T) {
	c := newCluster(t)
	r := &model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Check: &model.HealthCheck{CheckID: "c", ServiceID: "none"}}
	c.fails(r, `failed inserting check: Missing service registration on node "n1"`)
	expect(t, "the node was not made either", nodeNames(c.v()), "0")
}

// What a new registration leaves out is lost.
func TestCheckReplaced(t *testing.T) {
	c := newCluster(t)
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1", Check: &model.HealthCheck{CheckID: "b", Name: "second", Status: "passing", Notes: "note", Output: "out"}})
	created := c.index
	c.check("n1", "B", "", model.HealthCritical)
	got := c.v().Check("n1", "b")
	expect(t, "check", fmt.Sprint(got.CheckID, got.Name, got.Notes, got.Output, got.CreateIndex, got.ModifyIndex), fmt.Sprint("BB", created, c.index))
	expect(t, "passing", checkIDs(c.v().ChecksInState("passing")), fmt.Sprint(c.index))
}

func TestCoordinates(t *testing.T) {
	c := newCluster(t)
	c.register(&model.RegisterRequest{Node: "n1", Address: "10.0.0.1"})
	c.do(&model.CoordinatesCommand{Updates: []model.Coordinate{
		{Node: "N1", Coord: &model.Vector{Height: 1}}, {Node: "n1", Segment: "s", Coord: &model.Vector{Height: 2}},
		{Node: "unknown", Coord: &model.Vector{}}, {Node: "n1", Segment: "nil"}}})
	index, list := c.v().Coordinates()
	expect(t, "all", fmt.Sprint(index, len(list), list[0].Node, list[0].Coord.Height, list[1].Segment), fmt.Sprint(c.index, 2, "n1", 1, "s"))
	last := c.index
	c.do(&model.CoordinatesCommand{Updates: []model.Coordinate{{Node: "unknown", Coord: &model.Vector{}}}})
	index, list = c.v().NodeCoordinates("N1")
	expect(t, "of the node", fmt.Sprint(index, len(list)), fmt.Sprint(last, 2))
}
