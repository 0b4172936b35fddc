package state

import (
	"strings"

	"muster/model"
)

// Query returns a prepared query by its ID, or nil, with the index of the
// queries.
func (v *Version) Query(id string) (uint64, *model.PreparedQuery) {
	q, _ := v.queries.get(fold(id))
	return v.index(tableQueries), q
}

// Queries returns all prepared queries in the order of their IDs.
func (v *Version) Queries() (uint64, []*model.PreparedQuery) {
	return v.index(tableQueries), v.queries.collect("")
}

// QueriesIndex is the index of the prepared queries.
func (v *Version) QueriesIndex() uint64 { return v.index(tableQueries) }

// FindQuery returns the query that answers for a name: the one that is called
// so, or else the template with the longest name that the name begins with; nil
// if there is none.
func (v *Version) FindQuery(name string) *model.PreparedQuery {
	name = fold(name)
	if q, ok := v.queryNames.get(name); ok {
		return q
	}
	// What begins name and lies below key begins what key and name have in
	// common, too.
	for upTo, more := name, true; more; {
		more = false
		var found *model.PreparedQuery
		v.templates.tree.Descend(upTo, func(key string, q *model.PreparedQuery) bool {
			if strings.HasPrefix(name, key) {
				found = q
			} else {
				upTo, more = common(key, name), true
			}
			return false
		})
		if found != nil {
			return found
		}
	}
	return nil
}

// common is what two texts begin with alike.
func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

func (tx *txn) applyQuery(index uint64, c *model.QueryCommand) any {
	q := &c.Query
	q.ID = fold(q.ID)
	old, exists := tx.queries.get(q.ID)
	switch c.Op {
	case model.QueryCreate:
		switch {
		case q.ID == "":
			return model.Errorf(model.Internal, "Missing prepared query ID")
		case exists:
			return model.Errorf(model.Internal, "prepared query ID %q is in use", q.ID)
		}
	case model.QueryUpdate, model.QueryDelete:
		if !exists {
			return model.Errorf(model.Internal, "Cannot modify non-existent prepared query: '%s'", q.ID)
		}
		if c.Op == model.QueryDelete {
			tx.dropQuery(index, old)
			return nil
		}
	default:
		return model.Errorf(model.BadRequest, "unknown operation %q on a prepared query", c.Op)
	}
	if err := tx.admitQuery(q); err != nil {
		return err
	}
	if exists && old.Same(q) {
		return nil
	}
	q.CreateIndex, q.ModifyIndex = index, index
	if exists {
		q.CreateIndex = old.CreateIndex
		tx.unstoreQuery(old)
	}
	tx.storeQuery(q)
	tx.touch(index, tableQueries)
	tx.fire(TopicQueries)
	return nil
}

// admitQuery refuses a query that would stand in the way of another, or end
// with a session that is not there.
func (tx *txn) admitQuery(q *model.PreparedQuery) error {
	if q.Session != "" {
		if _, ok := tx.sessions.get(q.Session); !ok {
			return model.Errorf(model.Internal, "invalid session %q", q.Session)
		}
	}
	name := fold(q.Name)
	if name == "" && !q.IsTemplate() {
		return nil
	}
	if other, ok := tx.queryNames.get(name); ok && other.ID != q.ID {
		return model.Errorf(model.Internal, "name '%s' aliases an existing query name", q.Name)
	}
	if other, ok := tx.templates.get(name); ok && other.ID != q.ID {
		return model.Errorf(model.Internal, "name '%s' aliases an existing query template name", q.Name)
	}
	if other, ok := tx.queries.get(name); ok && other.ID != q.ID {
		return model.Errorf(model.Internal, "name '%s' aliases an existing query ID", q.Name)
	}
	return nil
}

func (tx *txn) storeQuery(q *model.PreparedQuery) {
	tx.queries.mut(tx.gen).Set(q.ID, q)
	switch {
	case q.IsTemplate():
		tx.templates.mut(tx.gen).Set(fold(q.Name), q)
	case q.Name != "":
		tx.queryNames.mut(tx.gen).Set(fold(q.Name), q)
	}
	if q.Session != "" {
		tx.querySess.mut(tx.gen).Set(key2(clean(q.Session), q.ID), q)
	}
}

func (tx *txn) unstoreQuery(q *model.PreparedQuery) {
	tx.queries.mut(tx.gen).Delete(q.ID)
	switch {
	case q.IsTemplate():
		tx.templates.mut(tx.gen).Delete(fold(q.Name))
	case q.Name != "":
		tx.queryNames.mut(tx.gen).Delete(fold(q.Name))
	}
	if q.Session != "" {
		tx.querySess.mut(tx.gen).Delete(key2(clean(q.Session), q.ID))
	}
}

func (tx *txn) dropQuery(index uint64, q *model.PreparedQuery) {
	tx.unstoreQuery(q)
	tx.touch(index, tableQueries)
	tx.fire(TopicQueries)
}

// endQueries deletes the queries that end with a session.
func (tx *txn) endQueries(index uint64, session string) {
	for _, q := range tx.querySess.collect(clean(session) + sep) {
		tx.dropQuery(index, q)
	}
}

// restoreQuery stores a query of a snapshot. An ID and a name are one query's
// only: of several the last is kept.
func (tx *txn) restoreQuery(q *model.PreparedQuery) keptRecord {
	q.ID = fold(q.ID)
	name := fold(q.Name)
	others := make([]*model.PreparedQuery, 0, 3)
	if old, ok := tx.queries.get(q.ID); ok {
		others = append(others, old)
	}
	if old, ok := tx.queryNames.get(name); ok && name != "" {
		others = append(others, old)
	}
	if old, ok := tx.templates.get(name); ok && (name != "" || q.IsTemplate()) {
		others = append(others, old)
	}
	for _, old := range others {
		tx.unstoreQuery(old)
	}
	tx.storeQuery(q)
	tx.raise(tableQueries, q.ModifyIndex)
	return keptRecord{key: q.ID, of: [2]any{q}}
}
