package ops_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
)

// newEvents are those of an agent that is alone.
func newEvents(resolver acl.Resolver) *ops.Events {
	var e *ops.Events
	e = ops.NewEvents(resolver, func(ev *model.UserEvent) error {
		e.Receive(ev)
		return nil
	}, func(ev *model.UserEvent) bool { return ev.NodeFilter != "elsewhere" })
	return e
}

func names(list []*model.UserEvent) string {
	var out []string
	for _, ev := range list {
		out = append(out, ev.Name)
	}
	return strings.Join(out, " ")
}

func TestEventFireRefuses(t *testing.T) {
	e := newEvents(opstest.Tokens{"": opstest.Except("secret")})
	for _, c := range []struct {
		ev   model.UserEvent
		text string
	}{
		{model.UserEvent{}, "Missing name"},
		{model.UserEvent{Name: "secret"}, `Permission denied: token lacks permission 'event:write' on "secret"`},
		{model.UserEvent{Name: "a", TagFilter: "t"}, "Cannot provide tag filter without service filter"},
		{model.UserEvent{Name: "a", NodeFilter: "("}, "Invalid node filter: error parsing regexp: missing closing ): `(`"},
		{model.UserEvent{Name: "a", ServiceFilter: "["}, "Invalid service filter: error parsing regexp: missing closing ]: `[`"},
		{model.UserEvent{Name: "a", ServiceFilter: "s", TagFilter: "*"}, "Invalid tag filter: error parsing regexp: missing argument to repetition operator: `*`"},
		{model.UserEvent{Name: "a", NodeFilter: "n.*", ServiceFilter: "s", TagFilter: "t"}, ""},
	} {
		err := e.Fire("", &c.ev)
		wantError(t, fmt.Sprintf("%+v", c.ev), err, c.text)
		if err == nil && (len(c.ev.ID) != 36 || c.ev.Version != 1) {
			t.Errorf("fired %+v", c.ev)
		}
	}
	wantError(t, "unknown token", e.Fire("x", &model.UserEvent{Name: "a"}), "ACL not found")
}

// An agent lists what concerns it, by name and by filter, the newest last, and
// only so many.
func TestEventList(t *testing.T) {
	e := newEvents(opstest.Tokens{"": acl.AllowAll{}, "some": opstest.Except("secret")})
	for _, ev := range []model.UserEvent{
		{Name: "a"}, {Name: "secret"}, {Name: "b", NodeFilter: "n"}, {Name: "b", ServiceFilter: "s", TagFilter: "t"}, {Name: "c", NodeFilter: "elsewhere"},
	} {
		if err := e.Fire("", &ev); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		token string
		f     ops.EventFilter
		want  string
	}{
		{"", ops.EventFilter{}, "a secret b b"},
		{"some", ops.EventFilter{}, "a b b"},
		{"", ops.EventFilter{Name: "b"}, "b b"},
		{"", ops.EventFilter{Name: "b", Node: "n"}, "b"},
		{"", ops.EventFilter{Service: "s"}, "b"},
		{"", ops.EventFilter{Tag: "t"}, "b"},
		{"", ops.EventFilter{Name: "x"}, ""},
		{"some", ops.EventFilter{Name: "secret"}, ""},
	} {
		list, index, err := e.List(t.Context(), c.token, c.f, 0)
		if err != nil || names(list) != c.want || list == nil {
			t.Errorf("%+v: %q, %v, want %q", c.f, names(list), err, c.want)
		}
		want := uint64(1)
		if len(list) > 0 {
			want = ops.EventIndex(list[len(list)-1].ID)
		}
		if index != want {
			t.Errorf("%+v: index %d, want %d", c.f, index, want)
		}
	}
	for i := range 300 {
		if err := e.Fire("", &model.UserEvent{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	list, _, _ := e.List(t.Context(), "", ops.EventFilter{}, 0)
	if len(list) != 256 || list[0].Name != "44" || list[255].Name != "299" {
		t.Errorf("%d events, from %s to %s", len(list), list[0].Name, list[len(list)-1].Name)
	}
}

// A reader that names the index of the last event it saw waits for another
// one, as long as its context; of other names it is not told.
func TestEventListWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEvents(acl.Open{})
		fire := func(name string) {
			if err := e.Fire("", &model.UserEvent{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		fire("a")
		_, last, _ := e.List(t.Context(), "", ops.EventFilter{Name: "a"}, 0)
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			fire("b")
			time.Sleep(time.Second)
			fire("a")
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		list, index, err := e.List(ctx, "", ops.EventFilter{Name: "a"}, last)
		if names(list) != "a a" || index == last || err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("%q, index %d after %d, %v after %s", names(list), index, last, err, time.Since(began))
		}
		same, again, err := e.List(ctx, "", ops.EventFilter{Name: "a"}, index)
		if names(same) != "a a" || again != index || err != nil || time.Since(began) != time.Minute {
			t.Errorf("%q, index %d, %v after %s", names(same), again, err, time.Since(began))
		}
		if _, index, _ := e.List(t.Context(), "", ops.EventFilter{Name: "none"}, 0); index != 1 {
			t.Errorf("index %d of no events", index)
		}
	})
}

func TestEventIndex(t *testing.T) {
	for id, want := range map[string]uint64{
		"00000000-0000-0001-0000-000000000003": 2,
		"ffffffff-ffff-ffff-0000-000000000000": 1<<64 - 1,
		"nonsense":                             1,
		"":                                     1,
	} {
		if got := ops.EventIndex(id); got != want {
			t.Errorf("%q: %d, want %d", id, got, want)
		}
	}
}

// FuzzDecodeEvent reads what other agents send by gossip.
func FuzzDecodeEvent(f *testing.F) {
	for _, ev := range []*model.UserEvent{{}, {ID: "x", Name: "a", Payload: []byte{0, 1}, NodeFilter: "n", Version: 1, LTime: 7}} {
		b, err := ops.EncodeEvent(ev)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		ev, err := ops.DecodeEvent(b)
		if err != nil {
			return
		}
		again, err := ops.EncodeEvent(ev)
		if err != nil {
			t.Fatal(err)
		}
		second, err := ops.DecodeEvent(again)
		if err != nil || second.ID != ev.ID || !bytes.Equal(second.Payload, ev.Payload) || second.NodeFilter != ev.NodeFilter {
			t.Errorf("%+v became %+v, %v", ev, second, err)
		}
	})
}
