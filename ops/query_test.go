package ops_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

func TestQueryCreateRefuses(t *testing.T) {
	long := strings.Repeat("x", 4097)
	web := model.QueryService{Service: "web"}
	with := func(change func(*model.QueryService)) model.PreparedQuery {
		s := web
		change(&s)
		return model.PreparedQuery{Name: "q", Service: s}
	}
	for _, c := range []struct {
		q    model.PreparedQuery
		text string
	}{
		{model.PreparedQuery{ID: "x"}, "ID must be empty when creating a new prepared query"},
		{model.PreparedQuery{Service: web}, "Invalid prepared query: Must be bound to a session"},
		{model.PreparedQuery{Name: "q"}, "Invalid prepared query: Must provide a Service name to query"},
		{with(func(s *model.QueryService) { s.Failover.NearestN = -1 }), "Invalid prepared query: Bad NearestN '-1', must be >= 0"},
		{with(func(s *model.QueryService) {
			s.Failover = model.QueryFailover{NearestN: 1, Targets: []model.QueryTarget{{Datacenter: "dc2"}}}
		}), "Invalid prepared query: Failover.Targets cannot be combined with NearestN or Datacenters"},
		{with(func(s *model.QueryService) { s.Failover.Targets = []model.QueryTarget{{}} }),
			"Invalid prepared query: Failover.Targets must name a Datacenter each"},
		{with(func(s *model.QueryService) { s.Failover.Targets = []model.QueryTarget{{Peer: "p"}} }),
			"Service.Failover.Targets.Peer: clusters do not peer yet"},
		{with(func(s *model.QueryService) { s.Connect = true }), "Service.Connect: there is no service mesh yet"},
		{with(func(s *model.QueryService) { s.Tags = make([]string, 129) }), "Invalid prepared query: Service.Tags has 129 items, at most 128 are allowed"},
		{with(func(s *model.QueryService) { s.Near = long }), "Invalid prepared query: \"xxxxxxxxxxxxxxxxxxxx\"... is 4097 bytes long, at most 4096 are allowed"},
		{with(func(s *model.QueryService) { s.NodeMeta = map[string]string{"k": "\x00"} }), "Invalid prepared query: a text must not contain a NUL byte"},
		{model.PreparedQuery{Name: "q", Service: web, DNS: model.QueryDNS{TTL: "soon"}}, `Invalid prepared query: Bad DNS TTL 'soon': time: invalid duration "soon"`},
		{model.PreparedQuery{Name: "q", Service: web, DNS: model.QueryDNS{TTL: "-1s"}}, "Invalid prepared query: DNS TTL '-1s', must be >=0"},
		{model.PreparedQuery{Name: "q", Service: web, Token: "<hidden>"}, "Invalid prepared query: Token is <hidden>, which stands for one that may not be shown"},
		{model.PreparedQuery{Name: "q", Service: web, Session: "none"}, `invalid session "none"`},
		{model.PreparedQuery{Name: "q", Service: web, Template: model.QueryTemplate{Type: "bogus"}}, "failed compiling template: Bad Template.Type 'bogus'"},
		{model.PreparedQuery{Name: "q", Service: web, Template: model.QueryTemplate{Regexp: "x"}},
			`failed compiling template: Template.Regexp needs Template.Type "name_prefix_match"`},
		{model.PreparedQuery{Name: "q", Service: web, Template: model.QueryTemplate{Type: model.QueryTemplatePrefix, Regexp: long}},
			"Invalid prepared query: Template.Regexp is 4097 bytes long, at most 512 are allowed"},
		{model.PreparedQuery{Name: "q", Service: web}, ""},
		{model.PreparedQuery{Service: web, Session: sessionID}, ""},
		{model.PreparedQuery{Service: web, Template: model.QueryTemplate{Type: model.QueryTemplatePrefix}}, ""},
	} {
		_, o := newTown(t, acl.AllowAll{})
		_, err := o.QueryCreate(t.Context(), "", &c.q)
		wantError(t, fmt.Sprintf("%.100s", fmt.Sprintf("%+v", c.q)), err, c.text)
	}
	_, o := newTown(t, acl.AllowAll{})
	wantError(t, "update", o.QueryUpdate(t.Context(), "", &model.PreparedQuery{ID: "x"}), "failed prepared query lookup: index error: UUID must be 36 characters")
	wantError(t, "delete", o.QueryDelete(t.Context(), "", nodeID), "Cannot modify non-existent prepared query: '"+nodeID+"'")
}

// elsewhere are other datacenters, in the order of their distance. Those
// without instances can't be reached.
type elsewhere struct {
	names []string
	has   map[string][]*model.CheckServiceNode
	asked []string
}

func (e *elsewhere) Datacenters() []string { return append([]string{"dc1"}, e.names...) }

func (e *elsewhere) Health(_ context.Context, dc, service string, q *ops.Query) ([]*model.CheckServiceNode, error) {
	e.asked = append(e.asked, dc+" "+service+" "+q.Token)
	list, ok := e.has[dc]
	if !ok {
		return nil, model.ErrNoServers
	}
	return list, nil
}

// newRegion is a cluster with instances of web on n1 to n4: one that passes,
// with one warning, one critical, one without checks.
func newRegion(t *testing.T, resolver acl.Resolver) (*opstest.Log, *ops.Ops, *elsewhere) {
	l := opstest.NewLog()
	for i, status := range []string{model.HealthPassing, model.HealthWarning, model.HealthCritical, ""} {
		n := i + 1
		r := &model.RegisterRequest{Node: fmt.Sprintf("n%d", n), Address: fmt.Sprintf("10.0.0.%d", n), NodeMeta: map[string]string{"n": fmt.Sprint(n)},
			Service: &model.NodeService{ID: fmt.Sprintf("web%d", n), Service: "web", Tags: []string{"v1", fmt.Sprintf("t%d", n)}, Meta: map[string]string{"s": fmt.Sprint(n % 2)}}}
		if status != "" {
			r.Check = &model.HealthCheck{Node: r.Node, CheckID: "c", ServiceID: r.Service.ID, Status: status}
		}
		l.Apply(t, model.CmdRegister, r)
	}
	e := &elsewhere{}
	return l, l.Ops(resolver, func(c *ops.Config) { c.Elsewhere = e }), e
}

func createQuery(t *testing.T, o *ops.Ops, q model.PreparedQuery) string {
	t.Helper()
	id, err := o.QueryCreate(t.Context(), "", &q)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// run executes a query and returns the IDs of the instances that it finds.
func run(t *testing.T, o *ops.Ops, name string, from ops.Asker, limit int) string {
	t.Helper()
	x, _, err := o.Execute(t.Context(), name, from, limit, &ops.Query{})
	if err != nil {
		return err.Error()
	}
	if x.Query == nil {
		return "not found"
	}
	var ids []string
	for _, i := range x.Nodes {
		ids = append(ids, i.Service.ID)
	}
	return strings.Join(ids, " ")
}

func TestExecuteFilters(t *testing.T) {
	_, o, _ := newRegion(t, acl.Open{})
	for i, c := range []struct {
		s     model.QueryService
		limit int
		want  string
	}{
		{model.QueryService{}, 0, "web1 web2 web4"},
		{model.QueryService{}, 2, "web1 web2"},
		{model.QueryService{}, -1, "web1 web2 web4"},
		{model.QueryService{OnlyPassing: true}, 0, "web1 web4"},
		{model.QueryService{IgnoreCheckIDs: []string{"x", "C"}}, 0, "web1 web2 web3 web4"},
		{model.QueryService{OnlyPassing: true, IgnoreCheckIDs: []string{"c"}}, 0, "web1 web2 web3 web4"},
		{model.QueryService{Tags: []string{"V1", "t2"}}, 0, "web2"},
		{model.QueryService{Tags: []string{"v1", "!T2"}}, 0, "web1 web4"},
		{model.QueryService{Tags: []string{"!v1"}}, 0, ""},
		{model.QueryService{NodeMeta: map[string]string{"n": "4"}}, 0, "web4"},
		{model.QueryService{ServiceMeta: map[string]string{"s": "0"}}, 0, "web2 web4"},
		{model.QueryService{ServiceMeta: map[string]string{"s": "0"}, NodeMeta: map[string]string{"n": "1"}}, 0, ""},
	} {
		c.s.Service = "WEB"
		name := fmt.Sprint("q", i)
		id := createQuery(t, o, model.PreparedQuery{Name: name, Service: c.s})
		for _, by := range []string{name, strings.ToUpper(name), id, strings.ToUpper(id)} {
			if got := run(t, o, by, ops.Asker{}, c.limit); got != c.want {
				t.Errorf("%s %+v: %q, want %q", by, c.s, got, c.want)
			}
		}
	}
	if got := run(t, o, "none", ops.Asker{}, 0); got != "not found" {
		t.Error(got)
	}
}

func TestExecuteTemplates(t *testing.T) {
	_, o, _ := newRegion(t, acl.Open{})
	create := func(name, regexp, service string, tags ...string) string {
		return createQuery(t, o, model.PreparedQuery{Name: name, Template: model.QueryTemplate{Type: model.QueryTemplatePrefix, Regexp: regexp, RemoveEmptyTags: true},
			Service: model.QueryService{Service: service, Tags: tags}})
	}
	create("", "", "${name.full}")
	id := create("geo-", "^geo-([a-z]*)-?(.*)$", "${match(1)}", "${match(2)}")
	create("geo-fix", "", "web", "t1")
	createQuery(t, o, model.PreparedQuery{Name: "geo-fixed", Service: model.QueryService{Service: "web", Tags: []string{"t4"}}})
	for name, want := range map[string]string{
		"web": "web1 web2 web4", "geo-web": "web1 web2 web4", "geo-web-t2": "web2", "geo-web-t9": "", "geo-fixx": "web1", "geo-fixed": "web4", "GEO-FIXED": "web4",
		"other": "", id: "prepared query " + id + ` is a template: it is run by a name that begins with "geo-"`,
	} {
		if got := run(t, o, name, ops.Asker{}, 0); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	a, meta, err := ops.Ask(t.Context(), o, nil, &ops.Query{}, o.Explain("geo-web-t2", ops.Asker{}), plain)
	if err != nil || a.Err != nil || a.Query.Service.Service != "web" || !slices.Equal(a.Query.Service.Tags, []string{"t2"}) || meta.Index == 0 {
		t.Errorf("%+v, %v", a.Query, err)
	}
}

// The nearest come first, and of the ten nearest the one on the node itself;
// what cannot be located comes last. The limit counts after that.
func TestExecuteNear(t *testing.T) {
	l, o, _ := newRegion(t, acl.Open{})
	for node, x := range map[string]float64{"n1": 0.030, "n2": 0.010, "n4": 0.010} {
		vec := make([]float64, model.Dimensions)
		vec[0] = x
		l.Apply(t, model.CmdCoordinates, &model.CoordinatesCommand{Updates: []model.Coordinate{{Node: node, Coord: &model.Vector{Vec: vec}}}})
	}
	service := model.QueryService{Service: "web", IgnoreCheckIDs: []string{"c"}}
	createQuery(t, o, model.PreparedQuery{Name: "free", Service: service})
	for name, near := range map[string]string{"near-n1": "n1", "near-agent": "_agent", "near-ip": "_ip"} {
		s := service
		s.Near = near
		createQuery(t, o, model.PreparedQuery{Name: name, Service: s})
	}
	for _, c := range []struct {
		name  string
		from  ops.Asker
		limit int
		want  string
	}{
		{"free", ops.Asker{Node: "n4"}, 0, "web1 web2 web3 web4"},
		{"near-n1", ops.Asker{}, 0, "web1 web2 web4 web3"},
		{"near-n1", ops.Asker{Near: "n2"}, 0, "web2 web4 web1 web3"},
		{"free", ops.Asker{Near: "n4"}, 1, "web4"},
		{"near-agent", ops.Asker{Node: "n4"}, 0, "web4 web2 web1 web3"},
		{"near-agent", ops.Asker{Node: "n3"}, 0, "web1 web2 web3 web4"}, // is nowhere
		{"near-ip", ops.Asker{IP: "10.0.0.4"}, 0, "web4 web2 web1 web3"},
		{"near-ip", ops.Asker{IP: "::ffff:10.0.0.4"}, 2, "web4 web2"},
		{"near-ip", ops.Asker{IP: "10.9.9.9"}, 0, "web1 web2 web3 web4"},
		{"near-ip", ops.Asker{IP: "nonsense"}, 0, "web1 web2 web3 web4"},
	} {
		if got := run(t, o, c.name, c.from, c.limit); got != c.want {
			t.Errorf("%s from %+v: %s, want %s", c.name, c.from, got, c.want)
		}
	}
}

func TestExecuteFailsOver(t *testing.T) {
	_, o, e := newRegion(t, acl.Open{})
	instance := func(id, status string) []*model.CheckServiceNode {
		return []*model.CheckServiceNode{{Node: &model.Node{Node: "far"}, Service: &model.NodeService{ID: id, Service: "db"},
			Checks: []*model.HealthCheck{{CheckID: "c", Status: status}}}}
	}
	e.names = []string{"dc2", "dc3", "dc4", "dc5"}
	e.has = map[string][]*model.CheckServiceNode{"dc2": instance("db2", model.HealthCritical), "dc3": nil, "dc4": instance("db4", model.HealthPassing),
		"dc5": instance("db5", model.HealthPassing)}
	for i, c := range []struct {
		f                 model.QueryFailover
		found, dc, askeds string
		failovers         int
	}{
		{model.QueryFailover{}, "", "dc1", "", 0},
		{model.QueryFailover{NearestN: 2}, "", "dc1", "dc2 dc3", 2},
		{model.QueryFailover{NearestN: 9}, "db4", "dc4", "dc2 dc3 dc4", 3},
		{model.QueryFailover{NearestN: 1, Datacenters: []string{"dc2", "nowhere", "dc1", "dc5", "dc4"}}, "db5", "dc5", "dc2 dc5", 2},
		{model.QueryFailover{Targets: []model.QueryTarget{{Datacenter: "dc3"}, {Datacenter: "dc5"}}}, "db5", "dc5", "dc3 dc5", 2},
	} {
		name := fmt.Sprint("q", i)
		createQuery(t, o, model.PreparedQuery{Name: name, Token: "t", Service: model.QueryService{Service: "db", Failover: c.f, Near: "_agent"}})
		e.asked = nil
		x, _, err := o.Execute(t.Context(), name, ops.Asker{}, 0, &ops.Query{Token: "mine"})
		if err != nil {
			t.Fatal(err)
		}
		found := ""
		for _, n := range x.Nodes {
			found += n.Service.ID
		}
		asked := strings.ReplaceAll(strings.Join(e.asked, " "), " db t", "")
		if found != c.found || x.Datacenter != c.dc || asked != c.askeds || x.Failovers != c.failovers {
			t.Errorf("%+v: %s in %s, asked %s, %d failovers", c.f, found, x.Datacenter, asked, x.Failovers)
		}
	}
	e.asked = nil
	createQuery(t, o, model.PreparedQuery{Name: "here", Service: model.QueryService{Service: "web", Failover: model.QueryFailover{NearestN: 1}}})
	if got := run(t, o, "here", ops.Asker{}, 0); got != "web1 web2 web4" || len(e.asked) > 0 {
		t.Errorf("%s, asked %q", got, e.asked)
	}
}

// A query runs with the permissions of its token, or else of the caller.
func TestQueryPermissions(t *testing.T) {
	_, o, _ := newRegion(t, opstest.Tokens{"": acl.AllowAll{}, "reader": opstest.Except("n2"), "n4": opstest.Except("n1", "n2"),
		"query": opstest.Rule(func(r acl.Resource, name string, a acl.Access) bool { return r == acl.Query && name == "mine" })})
	web := model.QueryService{Service: "web"}
	mine := createQuery(t, o, model.PreparedQuery{Name: "mine", Service: web})
	theirs := createQuery(t, o, model.PreparedQuery{Name: "theirs", Service: web, Token: "n4"})
	for _, c := range []struct{ token, query, want string }{
		{"", "mine", "web1 web2 web4"}, {"reader", "mine", "web1 web4"}, {"query", "mine", ""},
		{"", "theirs", "web4"}, {"reader", "theirs", "web4"}, {"query", "theirs", "web4"},
	} {
		x, _, err := o.Execute(t.Context(), c.query, ops.Asker{}, 0, &ops.Query{Token: c.token})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, n := range x.Nodes {
			found = append(found, n.Service.ID)
		}
		if got := strings.Join(found, " "); got != c.want {
			t.Errorf("%q runs %s: %s, want %s", c.token, c.query, got, c.want)
		}
	}
	const denied = "Permission denied: token lacks permission 'query:write' on "
	wantError(t, "update to another name", o.QueryUpdate(t.Context(), "query", &model.PreparedQuery{ID: mine, Name: "new", Service: web}), denied+`"new"`)
	wantError(t, "update another", o.QueryUpdate(t.Context(), "query", &model.PreparedQuery{ID: theirs, Name: "mine", Service: web}), denied+`"theirs"`)
	wantError(t, "delete another", o.QueryDelete(t.Context(), "query", theirs), denied+`"theirs"`)
	_, err := o.QueryCreate(t.Context(), "query", &model.PreparedQuery{Name: "new", Service: web})
	wantError(t, "create", err, denied+`"new"`)

	see := func(token, id string) ops.QueryAnswer {
		a, _, err := ops.Ask(t.Context(), o, nil, &ops.Query{Token: token}, o.Query(id), plain)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	wantError(t, "read another", see("query", theirs).Err, "Permission denied: token lacks permission 'query:read' on \"theirs\"")
	if a := see("", theirs); a.Query.Token != "n4" {
		t.Errorf("%+v", a.Query)
	}
	list, _, err := ops.Ask(t.Context(), o, nil, &ops.Query{Token: "query"}, o.Queries(), plain)
	if err != nil || len(list) != 1 || list[0].ID != mine {
		t.Errorf("%v, %v", list, err)
	}
}

// Tokens of queries are shown to those only who may change access control.
func TestQueryTokensAreHidden(t *testing.T) {
	_, o, _ := newRegion(t, opstest.Tokens{"": acl.AllowAll{}, "t": opstest.Rule(func(r acl.Resource, _ string, _ acl.Access) bool { return r != acl.ACL })})
	id := createQuery(t, o, model.PreparedQuery{Name: "q", Token: "secret", Service: model.QueryService{Service: "web"}})
	for token, want := range map[string]string{"": "secret", "t": "<hidden>"} {
		q := &ops.Query{Token: token}
		one, _, err1 := ops.Ask(t.Context(), o, nil, q, o.Query(id), plain)
		explained, _, err2 := ops.Ask(t.Context(), o, nil, q, o.Explain("q", ops.Asker{}), plain)
		list, _, err3 := ops.Ask(t.Context(), o, nil, q, o.Queries(), plain)
		if got := []string{one.Query.Token, explained.Query.Token, list[0].Token}; !reflect.DeepEqual(got, []string{want, want, want}) {
			t.Errorf("%q sees %q; %v, %v, %v", token, got, err1, err2, err3)
		}
	}
}
