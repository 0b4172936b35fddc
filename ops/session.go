package ops

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"slices"
	"time"

	"muster/acl"
	"muster/model"
	"muster/state"
)

// NewUUID makes a random UUID (RFC 9562, version 4).
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// checkSessionID refuses what cannot be the ID of a session.
func checkSessionID(id string) error {
	if len(id) != 36 {
		return model.Errorf(model.Internal, "failed session lookup: index error: UUID must be 36 characters")
	}
	if !uuidForm.MatchString(id) {
		return model.Errorf(model.Internal, "failed session lookup: index error: UUID %q is not of the form 8-4-4-4-12 hexadecimal digits", id)
	}
	return nil
}

// SessionCreate validates and creates a session, and returns its ID.
func (o *Ops) SessionCreate(ctx context.Context, token string, s *model.Session) (string, error) {
	if s.Node == "" {
		return "", model.Errorf(model.BadRequest, "Must provide Node")
	}
	authz, err := o.acl.Resolve(token)
	if err != nil {
		return "", err
	}
	if err := o.permitNode(authz, acl.Session, acl.Write, s.Node, ""); err != nil {
		return "", err
	}
	switch s.Behavior {
	case "":
		s.Behavior = model.SessionsRelease
	case model.SessionsRelease, model.SessionsDelete:
	default:
		return "", model.Errorf(model.Internal, "Invalid Behavior setting '%s'", s.Behavior)
	}
	if err := o.checkTTL(s.TTL); err != nil {
		return "", err
	}
	if s.LockDelay > model.LockDelayMax {
		s.LockDelay = model.LockDelayMax
	}
	s.NodeChecks = append(s.NodeChecks, s.Checks...)
	s.Checks = nil
	s.ID = NewUUID()
	result, err := o.propose(ctx, model.CmdSession, &model.SessionCommand{Op: model.SessionCreate, Session: *s})
	if err != nil {
		return "", err
	}
	id, _ := result.(string)
	return id, nil
}

func (o *Ops) checkTTL(ttl string) error {
	if ttl == "" {
		return nil
	}
	d, err := time.ParseDuration(ttl)
	if err != nil {
		return model.Errorf(model.Internal, "Session TTL '%s' invalid: %v", ttl, err)
	}
	if d != 0 && (d < o.limits.SessionTTL || d > model.SessionTTLMax) {
		return model.Errorf(model.Internal, "Invalid Session TTL '%d', must be between [%s=%s]", d, o.limits.SessionTTL, model.SessionTTLMax)
	}
	return nil
}

// SessionDestroy ends a session. One that is not there is no error.
func (o *Ops) SessionDestroy(ctx context.Context, token, id string) error {
	if id == "" {
		return model.Errorf(model.BadRequest, "Must provide ID")
	}
	if err := checkSessionID(id); err != nil {
		return err
	}
	_, s := o.store.Current().Session(id)
	if s != nil {
		if err := o.allow(token, acl.Session, s.Node, acl.Write); err != nil {
			return err
		}
	}
	_, err := o.propose(ctx, model.CmdSession, &model.SessionCommand{Op: model.SessionDestroy, Session: model.Session{ID: id}})
	return err
}

// SessionRenew begins the TTL of a session anew. It must run on the leader,
// who keeps the time. It returns nil when there is no such session.
func (o *Ops) SessionRenew(ctx context.Context, token, id string) (*model.Session, error) {
	if err := checkSessionID(id); err != nil {
		return nil, err
	}
	if err := o.log.ConfirmRead(ctx, false); err != nil {
		return nil, err
	}
	_, s := o.store.Current().Session(id)
	if s == nil {
		return nil, nil
	}
	if err := o.allow(token, acl.Session, s.Node, acl.Write); err != nil {
		return nil, err
	}
	if o.renewed != nil && !o.renewed(s) {
		return nil, nil
	}
	return s, nil
}

func sessionFilter(list []*model.Session, authz acl.Authorizer) []*model.Session {
	return keep(list, func(s *model.Session) bool { return authz.Allowed(acl.Session, s.Node, acl.Read) })
}

// SessionInfo asks for one session: a list of one or none.
func (o *Ops) SessionInfo(id string) Question[[]*model.Session] {
	return Question[[]*model.Session]{
		Topics: []state.Topic{state.TopicSessions},
		Eval: func(v *state.Version) (uint64, []*model.Session, error) {
			if err := checkSessionID(id); err != nil {
				return 0, nil, err
			}
			index, s := v.Session(id)
			if s == nil {
				return index, []*model.Session{}, nil
			}
			return index, []*model.Session{s}, nil
		},
		Filter: sessionFilter,
	}
}

// Sessions asks for the sessions of a node, or of all ("").
func (o *Ops) Sessions(node string) Question[[]*model.Session] {
	return Question[[]*model.Session]{
		Key:    questionKey("sessions", node),
		Topics: []state.Topic{state.TopicSessions},
		Eval: func(v *state.Version) (uint64, []*model.Session, error) {
			index, list := v.Sessions()
			if node != "" {
				index, list = v.NodeSessions(node)
			}
			return index, slices.Clip(list), nil
		},
		Filter: sessionFilter,
	}
}
