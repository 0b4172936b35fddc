package state

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"muster/model"
)

func createQuery(q model.PreparedQuery) *model.QueryCommand {
	return &model.QueryCommand{Op: model.QueryCreate, Query: q}
}

func template(id, name string) model.PreparedQuery {
	return model.PreparedQuery{ID: id, Name: name, Template: model.QueryTemplate{Type: model.QueryTemplatePrefix}}
}

func TestQueries(t *testing.T) {
	c := newCluster(t)
	q := model.PreparedQuery{ID: "q1", Name: "Web", Service: model.QueryService{Service: "web"}}
	created := c.do(createQuery(q))
	index, got := c.v().Query("Q1")
	q.RaftIndex = model.RaftIndex{CreateIndex: created, ModifyIndex: created}
	expect(t, "query", fmt.Sprintf("%d %+v", index, *got), fmt.Sprintf("%d %+v", created, q))

	// Writing again what is there changes nothing.
	update := &model.QueryCommand{Op: model.QueryUpdate, Query: q}
	c.do(update)
	index, _ = c.v().Queries()
	expect(t, "index after an update without a change", index, created)
	update.Query.Name = "web2"
	changed := c.do(update)
	_, got = c.v().Query("q1")
	expect(t, "indexes", got.RaftIndex, model.RaftIndex{CreateIndex: created, ModifyIndex: changed})
	expect(t, "the old name", c.v().FindQuery("web"), (*model.PreparedQuery)(nil))
	expect(t, "the new name", c.v().FindQuery("WEB2"), got)

	deleted := c.do(&model.QueryCommand{Op: model.QueryDelete, Query: model.PreparedQuery{ID: "q1"}})
	index, list := c.v().Queries()
	expect(t, "after the end", fmt.Sprint(index, len(list), c.v().FindQuery("web2")), fmt.Sprint(deleted, 0, (*model.PreparedQuery)(nil)))
}

func TestQueryErrors(t *testing.T) {
	c := newCluster(t)
	c.do(createQuery(model.PreparedQuery{ID: "q1", Name: "web"}))
	c.do(createQuery(template("q2", "geo-")))
	c.do(createQuery(template("q3", "")))
	c.fails(createQuery(model.PreparedQuery{}), "Missing prepared query ID")
	c.fails(createQuery(model.PreparedQuery{ID: "Q1"}), `prepared query ID "q1" is in use`)
	c.fails(createQuery(model.PreparedQuery{ID: "q4", Name: "WEB"}), "name 'WEB' aliases an existing query name")
	c.fails(createQuery(template("q4", "web")), "name 'web' aliases an existing query name")
	c.fails(createQuery(model.PreparedQuery{ID: "q4", Name: "geo-"}), "name 'geo-' aliases an existing query template name")
	c.fails(createQuery(template("q4", "")), "name '' aliases an existing query template name")
	c.fails(createQuery(model.PreparedQuery{ID: "q4", Name: "q1"}), "name 'q1' aliases an existing query ID")
	c.fails(createQuery(model.PreparedQuery{ID: "q4", Session: "none"}), `invalid session "none"`)
	none := model.PreparedQuery{ID: "none"}
	c.fails(&model.QueryCommand{Op: model.QueryUpdate, Query: none}, "Cannot modify non-existent prepared query: 'none'")
	c.fails(&model.QueryCommand{Op: model.QueryDelete, Query: none}, "Cannot modify non-existent prepared query: 'none'")
	c.fails(&model.QueryCommand{Op: "nonsense"}, `unknown operation "nonsense" on a prepared query`)
}

// A query ends with its session, whatever ends that.
func TestQueryEndsWithSession(t *testing.T) {
	for name, end := range map[string]any{
		"destroyed":    &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: "x1"}},
		"node is gone": &model.DeregisterRequest{Node: "n1"},
		"check fails":  &model.RegisterRequest{Node: "n1", SkipNodeUpdate: true, Check: &model.HealthCheck{CheckID: model.SerfHealthID, Status: model.HealthCritical}},
	} {
		t.Run(name, func(t *testing.T) {
			c := withNode(t)
			c.session(model.Session{ID: "x1", Node: "n1", NodeChecks: []string{model.SerfHealthID}})
			c.session(model.Session{ID: "x", Node: "n1"})
			c.do(createQuery(model.PreparedQuery{ID: "q1", Session: "x1"}))
			c.do(createQuery(model.PreparedQuery{ID: "q2", Name: "named", Session: "x1"}))
			c.do(createQuery(model.PreparedQuery{ID: "q3", Name: "free"}))
			w := c.s.Watch(TopicQueries)
			ended := c.do(end)
			index, list := c.v().Queries()
			expect(t, "left", fmt.Sprint(index, len(list), list[0].ID, w.Fired()), fmt.Sprint(ended, 1, "q3", true))
		})
	}
}

// The template with the longest name that a name begins with answers for it,
// unless a query is called exactly so.
func TestFindQueryProperty(t *testing.T) {
	check(t, func(t *rapid.T) {
		name := rapid.StringOfN(rapid.SampledFrom([]rune("abAſ-")), 0, 6, -1)
		s := New()
		var index uint64
		for i, n := range rapid.SliceOfN(name, 0, 30).Draw(t, "names") {
			index++
			q := template(fmt.Sprint("id", i), n)
			if n != "" && rapid.IntRange(0, 3).Draw(t, "static") == 0 {
				q.Template.Type = ""
			}
			data, err := Encode(model.CmdQuery, createQuery(q))
			if err != nil {
				t.Fatal(err)
			}
			s.Apply([]Entry{{index, data}}) // the name may be taken
		}
		v := s.Current()
		for _, asked := range rapid.SliceOfN(name, 1, 10).Draw(t, "asked") {
			var want *model.PreparedQuery
			_, all := v.Queries()
			for _, q := range all {
				switch {
				case !q.IsTemplate() && fold(q.Name) == fold(asked):
					want = q
				case want != nil && !want.IsTemplate():
				case q.IsTemplate() && strings.HasPrefix(fold(asked), fold(q.Name)) && (want == nil || len(fold(q.Name)) > len(fold(want.Name))):
					want = q
				}
			}
			if got := v.FindQuery(asked); got != want {
				t.Fatalf("%q is answered by %+v, not by %+v", asked, got, want)
			}
		}
	})
}

// Of queries of a snapshot that want the same ID or name the last is kept.
func TestRestoreQueriesThatClash(t *testing.T) {
	tx := New().begin()
	for _, q := range []model.PreparedQuery{{ID: "q1", Name: "a"}, {ID: "Q1", Name: "b"}, {ID: "q2", Name: "B"}, template("q3", "b"), template("q4", ""),
		template("q5", ""), {ID: "q6", Session: "x"}} {
		tx.restoreQuery(&q)
	}
	if found := faults(&tx.Version, false); len(found) > 0 {
		t.Error(found)
	}
	_, list := tx.Queries()
	expect(t, "kept", fmt.Sprint(len(list), list[0].ID, list[1].ID, list[2].ID), "3q3q5q6")
}
