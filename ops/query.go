package ops

import (
	"context"
	"time"

	"muster/acl"
	"muster/model"
	"muster/state"
)

// Bounds of a prepared query.
const (
	maxQueryList   = 128     // items of each of its lists and maps
	maxQueryText   = 4 << 10 // bytes of each of its texts
	maxQueryRegexp = 512     // bytes of its expression, which may stand for far longer ones
)

// QueryCreate validates and creates a prepared query, and returns its ID.
func (o *Ops) QueryCreate(ctx context.Context, token string, q *model.PreparedQuery) (string, error) {
	if q.ID != "" {
		return "", model.Errorf(model.Internal, "ID must be empty when creating a new prepared query")
	}
	authz, err := o.acl.Resolve(token)
	if err != nil {
		return "", err
	}
	q.ID = NewUUID()
	if err := permitQuery(authz, q, acl.Write); err != nil {
		return "", err
	}
	if err := checkQuery(q); err != nil {
		return "", err
	}
	if _, err := o.propose(ctx, model.CmdQuery, &model.QueryCommand{Op: model.QueryCreate, Query: *q}); err != nil {
		return "", err
	}
	return q.ID, nil
}

// QueryUpdate validates a prepared query and puts it into the place of the one
// with its ID.
func (o *Ops) QueryUpdate(ctx context.Context, token string, q *model.PreparedQuery) error {
	if err := o.permitQueryByID(token, q.ID); err != nil {
		return err
	}
	authz, err := o.acl.Resolve(token)
	if err != nil {
		return err
	}
	if err := permitQuery(authz, q, acl.Write); err != nil {
		return err
	}
	if err := checkQuery(q); err != nil {
		return err
	}
	_, err = o.propose(ctx, model.CmdQuery, &model.QueryCommand{Op: model.QueryUpdate, Query: *q})
	return err
}

// QueryDelete deletes a prepared query.
func (o *Ops) QueryDelete(ctx context.Context, token, id string) error {
	if err := o.permitQueryByID(token, id); err != nil {
		return err
	}
	_, err := o.propose(ctx, model.CmdQuery, &model.QueryCommand{Op: model.QueryDelete, Query: model.PreparedQuery{ID: id}})
	return err
}

// permitQueryByID checks the permission to change the query with an ID, if
// there is one.
func (o *Ops) permitQueryByID(token, id string) error {
	if err := checkQueryID(id); err != nil {
		return err
	}
	authz, err := o.acl.Resolve(token)
	if err != nil {
		return err
	}
	_, q := o.store.Current().Query(id)
	if q == nil {
		return nil
	}
	return permitQuery(authz, q, acl.Write)
}

// permitQuery checks an access to a query. One without a name is protected by
// its ID alone: no rule can name it, and no list shows it.
func permitQuery(authz acl.Authorizer, q *model.PreparedQuery, a acl.Access) error {
	if q.Name == "" && !q.IsTemplate() {
		return nil
	}
	return permit(authz, acl.Query, q.Name, a)
}

func checkQueryID(id string) error {
	if len(id) != 36 {
		return model.Errorf(model.Internal, "failed prepared query lookup: index error: UUID must be 36 characters")
	}
	if !uuidForm.MatchString(id) {
		return model.Errorf(model.Internal, "failed prepared query lookup: index error: UUID %q is not of the form 8-4-4-4-12 hexadecimal digits", id)
	}
	return nil
}

// checkQuery refuses what can't be run, as it is or, for a template, for any
// name.
func checkQuery(q *model.PreparedQuery) error {
	bad := func(format string, args ...any) error {
		return model.Errorf(model.Internal, "Invalid prepared query: "+format, args...)
	}
	s := &q.Service
	switch f := &s.Failover; {
	case q.Name == "" && !q.IsTemplate() && q.Session == "":
		return bad("Must be bound to a session")
	case s.Service == "":
		return bad("Must provide a Service name to query")
	case f.NearestN < 0:
		return bad("Bad NearestN '%d', must be >= 0", f.NearestN)
	case len(f.Targets) > 0 && (f.NearestN > 0 || len(f.Datacenters) > 0):
		return bad("Failover.Targets cannot be combined with NearestN or Datacenters")
	case s.Connect:
		return model.Errorf(model.Unimplemented, "Service.Connect: there is no service mesh yet")
	case q.Token == hiddenToken:
		return bad("Token is %s, which stands for one that may not be shown", hiddenToken)
	}
	for _, t := range s.Failover.Targets {
		switch {
		case t.Peer != "":
			return model.Errorf(model.Unimplemented, "Service.Failover.Targets.Peer: clusters do not peer yet")
		case t.Datacenter == "":
			return bad("Failover.Targets must name a Datacenter each")
		}
	}
	if ttl := q.DNS.TTL; ttl != "" {
		d, err := time.ParseDuration(ttl)
		if err != nil {
			return bad("Bad DNS TTL '%s': %v", ttl, err)
		}
		if d < 0 {
			return bad("DNS TTL '%s', must be >=0", ttl)
		}
	}
	if err := checkQueryBounds(q); err != nil {
		return bad("%v", err)
	}
	if _, err := compileQuery(q); err != nil {
		return model.Errorf(model.Internal, "failed compiling template: %w", err)
	}
	return nil
}

func checkQueryBounds(q *model.PreparedQuery) error {
	s := &q.Service
	for _, l := range []struct {
		what string
		n    int
	}{
		{"Service.Failover.Datacenters", len(s.Failover.Datacenters)}, {"Service.Failover.Targets", len(s.Failover.Targets)},
		{"Service.IgnoreCheckIDs", len(s.IgnoreCheckIDs)}, {"Service.Tags", len(s.Tags)},
		{"Service.NodeMeta", len(s.NodeMeta)}, {"Service.ServiceMeta", len(s.ServiceMeta)},
	} {
		if l.n > maxQueryList {
			return model.Errorf(model.Internal, "%s has %d items, at most %d are allowed", l.what, l.n, maxQueryList)
		}
	}
	checkText := func(text string) (string, error) {
		if len(text) > maxQueryText {
			return "", model.Errorf(model.Internal, "%.20q... is %d bytes long, at most %d are allowed", text, len(text), maxQueryText)
		}
		return text, model.ValidateName("a text", text)
	}
	if n := len(q.Template.Regexp); n > maxQueryRegexp {
		return model.Errorf(model.Internal, "Template.Regexp is %d bytes long, at most %d are allowed", n, maxQueryRegexp)
	}
	for _, text := range []string{q.Name, q.Token} {
		if _, err := checkText(text); err != nil {
			return err
		}
	}
	return eachText(&q.Clone().Service, checkText)
}

// hiddenToken is shown in place of tokens to those who may not see them.
const hiddenToken = "<hidden>"

// shownQueries leaves out the queries that somebody may not see, and hides the
// tokens of the others from whoever may not change access control.
func shownQueries(list []*model.PreparedQuery, authz acl.Authorizer, may func(*model.PreparedQuery) bool) []*model.PreparedQuery {
	list = keep(list, may)
	if authz.Allowed(acl.ACL, "", acl.Write) {
		return list
	}
	for i, q := range list {
		if q.Token != "" {
			list[i] = q.Clone()
			list[i].Token = hiddenToken
		}
	}
	return list
}

// Queries asks for all prepared queries. Those without a name are for the eyes
// of whoever may change access control.
func (o *Ops) Queries() Question[[]*model.PreparedQuery] {
	return Question[[]*model.PreparedQuery]{
		Key:    questionKey("queries"),
		Topics: []state.Topic{state.TopicQueries},
		Eval: func(v *state.Version) (uint64, []*model.PreparedQuery, error) {
			index, list := v.Queries()
			return index, list, nil
		},
		Filter: func(list []*model.PreparedQuery, authz acl.Authorizer) []*model.PreparedQuery {
			return shownQueries(list, authz, func(q *model.PreparedQuery) bool {
				if q.Name == "" && !q.IsTemplate() {
					return authz.Allowed(acl.ACL, "", acl.Write)
				}
				return authz.Allowed(acl.Query, q.Name, acl.Read)
			})
		},
	}
}

// Query asks for one prepared query by its ID.
func (o *Ops) Query(id string) Question[QueryAnswer] {
	return Question[QueryAnswer]{
		Topics: []state.Topic{state.TopicQueries},
		Eval: func(v *state.Version) (uint64, QueryAnswer, error) {
			if err := checkQueryID(id); err != nil {
				return 0, QueryAnswer{}, err
			}
			index, q := v.Query(id)
			return index, QueryAnswer{Query: q}, nil
		},
		Filter: seenQuery,
	}
}

// QueryAnswer is a prepared query, or nil if there is none.
type QueryAnswer struct {
	Query *model.PreparedQuery
	// Err is why it can't be shown: the caller may not see it, or its template
	// can't be used.
	Err error
}

func seenQuery(a QueryAnswer, authz acl.Authorizer) QueryAnswer {
	if a.Query == nil {
		return a
	}
	if err := permitQuery(authz, a.Query, acl.Read); err != nil {
		return QueryAnswer{Err: err}
	}
	one := shownQueries([]*model.PreparedQuery{a.Query}, authz, func(*model.PreparedQuery) bool { return true })
	return QueryAnswer{Query: one[0]}
}

// Explain asks for the prepared query that answers for an ID or a name, as it is
// for that name.
func (o *Ops) Explain(idOrName string, from Asker) Question[QueryAnswer] {
	return Question[QueryAnswer]{
		Topics: []state.Topic{state.TopicQueries},
		Eval: func(v *state.Version) (uint64, QueryAnswer, error) {
			q, err := o.findQuery(v, idOrName, from)
			return v.QueriesIndex(), QueryAnswer{q, err}, nil
		},
		Filter: seenQuery,
	}
}

// findQuery returns the query that answers for an ID or a name, as it is for
// that name; nil if there is none.
func (o *Ops) findQuery(v *state.Version, idOrName string, from Asker) (*model.PreparedQuery, error) {
	q := v.FindQuery(idOrName)
	if uuidForm.MatchString(idOrName) {
		if _, byID := v.Query(idOrName); byID != nil {
			if byID.IsTemplate() {
				return nil, model.Errorf(model.Internal, "prepared query %s is a template: it is run by a name that begins with %q", byID.ID, byID.Name)
			}
			q = byID
		}
	}
	if q == nil {
		return nil, nil
	}
	t, err := o.templates.of(q)
	if err == nil {
		q, err = t.render(idOrName, from.Segment)
	}
	if err != nil {
		return nil, model.Errorf(model.Internal, "prepared query %q: %w", idOrName, err)
	}
	return q, nil
}
