package state

import "muster/model"

// Session returns a session, or nil, with the index of the sessions.
func (v *Version) Session(id string) (uint64, *model.Session) {
	s, _ := v.sessions.get(id)
	return v.index(tableSessions), s
}

// Sessions returns all sessions in the order of their IDs.
func (v *Version) Sessions() (uint64, []*model.Session) {
	return v.index(tableSessions), v.sessions.collect("")
}

// NodeSessions returns the sessions of a node in the order of their IDs.
func (v *Version) NodeSessions(node string) (uint64, []*model.Session) {
	return v.index(tableSessions), v.nodeSess.collect(fold(node) + sep)
}

func (tx *txn) applySession(index uint64, c *model.SessionCommand) any {
	switch c.Op {
	case model.SessionCreate:
		if err := tx.createSession(index, &c.Session); err != nil {
			return err
		}
		return c.Session.ID
	case model.SessionDestroy:
		if s, ok := tx.sessions.get(c.Session.ID); ok {
			tx.endSession(index, s)
		}
		return nil
	default:
		return model.Errorf(model.BadRequest, "unknown session operation %q", c.Op)
	}
}

func (tx *txn) createSession(index uint64, s *model.Session) error {
	if s.ID == "" {
		return model.Errorf(model.Internal, "Missing session ID")
	}
	if _, ok := tx.sessions.get(s.ID); ok {
		return model.Errorf(model.Internal, "session ID %q is in use", s.ID)
	}
	node, ok := tx.nodes.get(fold(s.Node))
	if !ok {
		return model.Errorf(model.Internal, "Missing node registration")
	}
	for _, id := range s.CheckIDs() {
		c := tx.Check(s.Node, id)
		if c == nil {
			return model.Errorf(model.Internal, "Missing check '%s' registration", id)
		}
		if c.Status == model.HealthCritical {
			return model.Errorf(model.Internal, "Check '%s' is in %s state", id, c.Status)
		}
	}
	s.Node = node.Node
	s.CreateIndex, s.ModifyIndex = index, index
	tx.storeSession(s)
	tx.touch(index, tableSessions)
	tx.fire(TopicSessions)
	return nil
}

func (tx *txn) storeSession(s *model.Session) {
	tx.sessions.mut(tx.gen).Set(s.ID, s)
	tx.nodeSess.mut(tx.gen).Set(key2(fold(s.Node), s.ID), s)
	for _, id := range s.CheckIDs() {
		tx.checkSess.mut(tx.gen).Set(key3(fold(s.Node), fold(id), s.ID), s)
	}
}

func (tx *txn) unstoreSession(s *model.Session) {
	tx.sessions.mut(tx.gen).Delete(s.ID)
	tx.nodeSess.mut(tx.gen).Delete(key2(fold(s.Node), s.ID))
	for _, id := range s.CheckIDs() {
		tx.checkSess.mut(tx.gen).Delete(key3(fold(s.Node), fold(id), s.ID))
	}
}

func (tx *txn) endSessionsOfCheck(index uint64, node, check string) {
	for _, s := range tx.checkSess.collect(key3(fold(node), fold(check), "")) {
		tx.endSession(index, s)
	}
}

// endSession takes a session away, with the prepared queries that end with it,
// and releases or deletes the keys that it locked.
func (tx *txn) endSession(index uint64, s *model.Session) {
	if _, ok := tx.sessions.get(s.ID); !ok {
		return // it depended on several checks of a node that goes
	}
	tx.unstoreSession(s)
	tx.touch(index, tableSessions)
	tx.fire(TopicSessions)
	tx.endQueries(index, s.ID)

	var keys []string
	prefix := lockKey(s.ID, "")
	tx.locks.scan(prefix, func(k string, _ struct{}) bool {
		keys = append(keys, k[len(prefix):])
		return true
	})
	for _, key := range keys {
		p, ok := tx.kv.get(key)
		if !ok || p.Session != s.ID {
			continue
		}
		if s.Behavior == model.SessionsDelete {
			tx.kvDelete(index, key)
		} else {
			n := *p
			n.Session = ""
			tx.kvPut(index, &n)
		}
		tx.released = append(tx.released, Release{Key: key, Session: s})
	}
}
