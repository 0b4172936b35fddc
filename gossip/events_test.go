package gossip

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// drain empties a backlog.
func drain(b *backlog) (all []Event) {
	for len(b.events) > 0 {
		all = append(all, b.events[0])
		b.pop()
	}
	return all
}

func memberEvent(i int) Event {
	return Event{Type: EventJoin, Member: Member{Name: fmt.Sprint(i)}}
}

func userEvent(i int) Event {
	return Event{Type: EventUser, User: UserEvent{Name: fmt.Sprint(i)}}
}

func TestBacklogCoalesces(t *testing.T) {
	var b backlog
	for i := range maxMemberEvents {
		b.push(memberEvent(i))
	}
	b.push(userEvent(1))
	b.push(memberEvent(-1)) // one too many
	b.push(memberEvent(-2))
	all := drain(&b)
	if len(all) != 3 || all[0].Type != EventUser || all[1].Type != EventLook || all[2].Member.Name != "-2" {
		t.Errorf("%d events: %v", len(all), all)
	}
}

func TestBacklogLosesOldUserEvents(t *testing.T) {
	var b backlog
	b.push(memberEvent(0))
	for i := range maxUserEvents + 2 {
		b.push(userEvent(i))
	}
	all := drain(&b)
	if len(all) != maxUserEvents+1 || all[0].Type != EventJoin || all[1].User.Name != "2" || b.lost != 2 {
		t.Errorf("%d events, %d lost, first %v", len(all), b.lost, all[:2])
	}
}

// Whatever comes in whatever order: a reader that follows the events knows
// the last news of every member, or was asked to look since; user events keep
// their order, and none is lost unseen.
func TestBacklogProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b backlog
		told := map[string]int{} // by member: the last news pushed
		knows := map[string]int{}
		pushed, delivered, lastUser := 0, 0, -1
		read := func() {
			e := b.events[0]
			b.pop()
			switch e.Type {
			case EventUser:
				if n := int(e.User.LTime); n <= lastUser {
					t.Fatalf("user event %d after %d", n, lastUser)
				} else {
					lastUser = n
				}
				delivered++
			case EventLook:
				for name, v := range told {
					knows[name] = v
				}
			default:
				knows[e.Member.Name] = int(e.Member.Port)
			}
		}
		for step := range rapid.IntRange(1, 400).Draw(t, "steps") {
			n := rapid.IntRange(1, 60).Draw(t, "n")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				for i := range n {
					name := fmt.Sprint(i)
					told[name] = step
					b.push(Event{Type: EventUpdate, Member: Member{Name: name, Port: uint16(step)}})
				}
			case 1:
				for range n {
					b.push(Event{Type: EventUser, User: UserEvent{LTime: uint64(pushed)}})
					pushed++
				}
			case 2:
				b.push(Event{Type: EventLook})
			default:
				for range min(n, len(b.events)) {
					read()
				}
			}
			if len(b.events) > maxMemberEvents+maxUserEvents {
				t.Fatalf("%d events wait", len(b.events))
			}
		}
		for len(b.events) > 0 {
			read()
		}
		for name, v := range told {
			if knows[name] != v {
				t.Fatalf("member %s: known %d, told %d", name, knows[name], v)
			}
		}
		if pushed != delivered+b.lost {
			t.Fatalf("%d user events in, %d out, %d lost", pushed, delivered, b.lost)
		}
		if b.members != 0 || b.user != 0 {
			t.Fatalf("an empty backlog counts %d and %d", b.members, b.user)
		}
	})
}

// A reader that does not read holds nobody up.
func TestSlowReader(t *testing.T) {
	inWorld(t, func(w *world) {
		g, err := w.net.Host(addr(9)).Gossip(8301)
		if err != nil {
			t.Fatal(err)
		}
		c := w.config(9)
		c.Transport = g
		p, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 * maxUserEvents {
			if err := p.UserEvent("x", []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		e := <-p.Events()
		if e.Type != EventJoin || e.Member.Name != "n9" {
			t.Errorf("first event %v", e)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if _, ok := <-p.Events(); ok {
			t.Error("Events is open after Close")
		}
	})
}
