package ops

import (
	"strings"
	"testing"

	"muster/model"
)

func TestTemplates(t *testing.T) {
	for _, c := range []struct{ regexp, text, name, want, err string }{
		{"", "plain $ {} text", "geo-web", "plain $ {} text", ""},
		{"", "${name.full}|${ name.prefix }|${name.suffix}|${agent.segment}", "geo-web", "geo-web|geo-|web|alpha", ""},
		{"", "${name.prefix}|${name.suffix}", "GEO-Web", "GEO-|Web", ""},
		{"", "${name.prefix}|${name.suffix}", "geo-İx", "geo-|ix", ""},
		{"^geo-(.*?)-([^-]+)$", "${match(1)}.${match( 2 )}.${match(0)}.${match(3)}.${match(-1)}.", "geo-a-b-c", "a-b.c.geo-a-b-c...", ""},
		{"^geo-(.*?)-([^-]+)$", "<${match(1)}>", "geo-none", "<>", ""},
		{"", "<${match(1)}>", "geo-none", "<>", ""},
		{"", "$${name.full} and $$${name.full}", "geo-x", "${name.full} and $${name.full}", ""},
		{"", "${name.full", "geo-x", "", `"${name.full": a ${ has no }`},
		{"", "${name}", "geo-x", "", `"${name}": unknown variable "name": there are name.full, name.prefix, name.suffix, match(N) and agent.segment`},
		{"", "${match(x)}", "geo-x", "", `"${match(x)}": match(x): must be the number of a group`},
		{"(", "x", "geo-x", "", "Bad Regexp: error parsing regexp: missing closing ): `(`"},
	} {
		got, err := renderText(c.regexp, c.text, c.name)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%q of %q: %q, %v, want %q, %s", c.text, c.name, got, err, c.want, c.err)
		}
	}
}

func renderText(regexp, text, name string) (string, error) {
	tmpl, err := compileQuery(&model.PreparedQuery{Name: "geo-", Template: model.QueryTemplate{Type: model.QueryTemplatePrefix, Regexp: regexp},
		Service: model.QueryService{Service: text}})
	if err != nil {
		return "", err
	}
	q, err := tmpl.render(name, "alpha")
	if err != nil {
		return "", err
	}
	return q.Service.Service, nil
}

// All texts of a query's service are filled, the query itself stays as it is,
// and tags that become empty go where that is wanted.
func TestTemplatesFillEverything(t *testing.T) {
	const place = "${name.suffix}"
	q := &model.PreparedQuery{Name: "n", Template: model.QueryTemplate{Type: model.QueryTemplatePrefix}, DNS: model.QueryDNS{TTL: place},
		Service: model.QueryService{Service: place, Near: place, Tags: []string{place, "!" + place}, IgnoreCheckIDs: []string{place},
			NodeMeta: map[string]string{place: place}, ServiceMeta: map[string]string{"k": place},
			Failover: model.QueryFailover{Datacenters: []string{place}, Targets: []model.QueryTarget{{Datacenter: place, Peer: place}}}}}
	before := q.Clone()
	tmpl, err := compileQuery(q)
	if err != nil {
		t.Fatal(err)
	}
	want := &model.PreparedQuery{Name: "n", Template: q.Template, DNS: q.DNS,
		Service: model.QueryService{Service: "x", Near: "x", Tags: []string{"x", "!x"}, IgnoreCheckIDs: []string{"x"},
			NodeMeta: map[string]string{place: "x"}, ServiceMeta: map[string]string{"k": "x"},
			Failover: model.QueryFailover{Datacenters: []string{"x"}, Targets: []model.QueryTarget{{Datacenter: "x", Peer: "x"}}}}}
	if got, err := tmpl.render("nx", ""); err != nil || !got.Same(want) || !q.Same(before) {
		t.Errorf("%+v, %v; the query is %+v", got, err, q)
	}
	q.Template.RemoveEmptyTags = true
	if got, err := tmpl.render("n", ""); err != nil || len(got.Service.Tags) != 1 || got.Service.Tags[0] != "!" {
		t.Errorf("%+v, %v", got.Service.Tags, err)
	}
}

// FuzzTemplate fills any text with any name: no panic, nothing longer than it
// may be, and a text without places stays as it is. What can be compiled can be
// rendered for every name.
func FuzzTemplate(f *testing.F) {
	f.Add("^geo-(.*)$", "${match(1)}-${name.full}", "geo-web")
	f.Add("", "$${name.full}${ name.prefix }${", "GEO-İ")
	f.Add("a{1000}", "${match(99999999999999999999)}", "")
	f.Fuzz(func(t *testing.T, regexp, text, name string) {
		if len(regexp) > maxQueryRegexp || len(text) > maxQueryText || len(name) > maxQueryText {
			return
		}
		got, err := renderText(regexp, text, name)
		if len(got) > maxExpanded+len(text) {
			t.Errorf("%d bytes", len(got))
		}
		if err == nil && !strings.Contains(text, "${") && got != text {
			t.Errorf("%q became %q", text, got)
		}
		if _, fails := renderText(regexp, text, ""); (fails == nil) != (err == nil) && len(got) < maxExpanded/2 && !strings.Contains(err.Error(), "becomes longer") {
			t.Errorf("for %q: %v, for no name: %v", name, err, fails)
		}
	})
}
