package ops

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"strings"
	"sync"

	"muster/acl"
	"muster/model"
)

// eventBuffer is how many events an agent remembers.
const eventBuffer = 256

// Events are the user events that an agent fired and received.
type Events struct {
	acl       acl.Resolver
	broadcast func(*model.UserEvent) error
	// concerns tells whether the filters of an event let it concern this agent.
	concerns func(*model.UserEvent) bool

	mu      sync.Mutex
	list    []*model.UserEvent // oldest first; guarded by mu
	changed chan struct{}      // closed at the next event; guarded by mu
}

// NewEvents makes the events of an agent. broadcast hands an event to all
// agents, this one included.
func NewEvents(resolver acl.Resolver, broadcast func(*model.UserEvent) error, concerns func(*model.UserEvent) bool) *Events {
	return &Events{acl: resolver, broadcast: broadcast, concerns: concerns, changed: make(chan struct{})}
}

// Fire validates an event, gives it an ID and hands it to all agents.
func (e *Events) Fire(token string, ev *model.UserEvent) error {
	authz, err := e.acl.Resolve(token)
	if err != nil {
		return err
	}
	if ev.Name == "" {
		return model.Errorf(model.BadRequest, "Missing name")
	}
	if err := permit(authz, acl.Event, ev.Name, acl.Write); err != nil {
		return err
	}
	if ev.TagFilter != "" && ev.ServiceFilter == "" {
		return model.Errorf(model.Internal, "Cannot provide tag filter without service filter")
	}
	for _, f := range []struct{ what, expr string }{{"node", ev.NodeFilter}, {"service", ev.ServiceFilter}, {"tag", ev.TagFilter}} {
		if _, err := regexp.Compile(f.expr); err != nil {
			return model.Errorf(model.Internal, "Invalid %s filter: %w", f.what, err)
		}
	}
	ev.ID, ev.Version = NewUUID(), 1
	return e.broadcast(ev)
}

// Receive takes an event that came by gossip. It tells whether the event
// concerns this agent.
func (e *Events) Receive(ev *model.UserEvent) bool {
	if !e.concerns(ev) {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
	if n := len(e.list) - eventBuffer; n > 0 {
		e.list = append([]*model.UserEvent(nil), e.list[n:]...)
	}
	close(e.changed)
	e.changed = make(chan struct{})
	return true
}

// EventFilter picks events by name and by the filters that they carry.
type EventFilter struct{ Name, Node, Service, Tag string }

// List returns the events that match and that the token may see, oldest first,
// and their index, which is another one for another last event. With
// minIndex it waits until the index is another one, at most for as long as
// ctx.
func (e *Events) List(ctx context.Context, token string, f EventFilter, minIndex uint64) ([]*model.UserEvent, uint64, error) {
	authz, err := e.acl.Resolve(token)
	if err != nil {
		return nil, 0, err
	}
	for {
		e.mu.Lock()
		all, changed := e.list, e.changed
		e.mu.Unlock()
		list := keep(all, func(ev *model.UserEvent) bool { return f.match(ev) && authz.Allowed(acl.Event, ev.Name, acl.Read) })
		index := uint64(1)
		if len(list) > 0 {
			index = EventIndex(list[len(list)-1].ID)
		}
		if minIndex == 0 || index != minIndex {
			return list, index, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return list, index, nil
		}
	}
}

func (f EventFilter) match(ev *model.UserEvent) bool {
	return (f.Name == "" || ev.Name == f.Name) && (f.Node == "" || ev.NodeFilter == f.Node) &&
		(f.Service == "" || ev.ServiceFilter == f.Service) && (f.Tag == "" || ev.TagFilter == f.Tag)
}

// EventIndex is the two halves of an event's UUID, combined: an index that
// says which event was the last, and nothing about order.
func EventIndex(id string) uint64 {
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(raw) != 16 {
		return 1
	}
	return binary.BigEndian.Uint64(raw[:8]) ^ binary.BigEndian.Uint64(raw[8:])
}
