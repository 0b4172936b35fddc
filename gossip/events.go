package gossip

import (
	"strings"
	"time"

	"github.com/hashicorp/serf/serf"
)

// EventType says what happened.
type EventType int

const (
	// EventJoin: Member is alive, for the first time or again.
	EventJoin EventType = iota
	// EventLeave: Member left, by itself or forced.
	EventLeave
	// EventFailed: Member does not answer any more.
	EventFailed
	// EventUpdate: Member has other tags or another address.
	EventUpdate
	// EventReap: Member is forgotten.
	EventReap
	// EventUser: User was fired.
	EventUser
	// EventLook: compare what you know with Pool.Members. It stands for
	// member events that the reader was too slow for, and comes once a
	// minute besides.
	EventLook
)

func (t EventType) String() string {
	return [...]string{"join", "leave", "failed", "update", "reap", "user", "look"}[t]
}

// An Event tells of a change. Which field is set depends on the type.
type Event struct {
	Type   EventType
	Member Member
	User   UserEvent
}

// A UserEvent was fired by an agent of the pool.
type UserEvent struct {
	LTime   uint64 // Lamport time
	Name    string
	Payload []byte // shared: do not modify
}

const (
	// userPrefix stands before the names of user events in the gossip, to
	// tell them from others.
	userPrefix = "consul:event:"
	newLeader  = "consul:new-leader"
	// maxMemberEvents and maxUserEvents wait for a slow reader.
	maxMemberEvents, maxUserEvents = 4096, 256
	// lookEvery is how often readers are asked to compare. It covers events
	// that serf may drop between its own goroutines under extreme load.
	lookEvery = time.Minute
)

// A backlog is the queue between serf and the reader of Events. It keeps the
// order, never refuses, and stays bounded: too many member events become one
// EventLook, of too many user events the oldest are lost.
type backlog struct {
	events        []Event
	members, user int // how many of each kind are queued
	lost          int // user events, since the last call of takeLost
}

func (b *backlog) push(e Event) {
	switch {
	case e.Type == EventUser:
		if b.user++; b.user > maxUserEvents {
			b.user--
			b.lost++
			b.remove(1, func(e *Event) bool { return e.Type == EventUser })
		}
	case e.Type == EventLook || b.members == maxMemberEvents:
		// Whoever looks at all members needs no older news of them.
		b.remove(b.members, func(e *Event) bool { return e.Type != EventUser })
		b.members, e = 1, Event{Type: EventLook}
	default:
		b.members++
	}
	b.events = append(b.events, e)
}

// remove takes out the first n events of a kind.
func (b *backlog) remove(n int, kind func(*Event) bool) {
	kept := b.events[:0]
	for i := range b.events {
		if n > 0 && kind(&b.events[i]) {
			n--
			continue
		}
		kept = append(kept, b.events[i])
	}
	clear(b.events[len(kept):])
	b.events = kept
}

// pop takes the first event, which must be there.
func (b *backlog) pop() {
	if b.events[0].Type == EventUser {
		b.user--
	} else {
		b.members--
	}
	b.events[0] = Event{} // let go of what it holds
	if b.events = b.events[1:]; len(b.events) == 0 {
		b.events = nil
	}
}

// Events delivers what happens, in order. It is for one reader, which should
// be quick but need not be. The channel is closed by Close.
func (p *Pool) Events() <-chan Event { return p.out }

// pump moves events from serf to the reader. It never waits for the reader,
// since serf holds its locks while it hands over an event; for the same reason
// nothing here may call serf.
func (p *Pool) pump() {
	defer close(p.pumped)
	defer close(p.out)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var b backlog
	for {
		var out chan<- Event
		var next Event
		if len(b.events) > 0 {
			out, next = p.out, b.events[0]
		} else if b.lost > 0 {
			p.log.Warn("user events were lost: their reader is too slow", "count", b.lost)
			b.lost = 0
		}
		select {
		case e := <-p.in:
			p.queue(&b, e)
		case out <- next:
			b.pop()
		case <-look.C:
			b.push(Event{Type: EventLook})
		case <-p.stop:
			return
		}
	}
}

// queue translates an event of serf.
func (p *Pool) queue(b *backlog, e serf.Event) {
	switch e := e.(type) {
	case serf.MemberEvent:
		p.directory.changes.Add(1)
		for i := range e.Members {
			ev := Event{Type: memberEvents[e.Type], Member: memberOf(&e.Members[i])}
			p.guard.saw(&ev)
			b.push(ev)
		}
	case serf.UserEvent:
		if name, ok := strings.CutPrefix(e.Name, userPrefix); ok {
			b.push(Event{Type: EventUser, User: UserEvent{LTime: uint64(e.LTime), Name: name, Payload: e.Payload}})
		}
	}
}

var memberEvents = map[serf.EventType]EventType{
	serf.EventMemberJoin:   EventJoin,
	serf.EventMemberLeave:  EventLeave,
	serf.EventMemberFailed: EventFailed,
	serf.EventMemberUpdate: EventUpdate,
	serf.EventMemberReap:   EventReap,
}
