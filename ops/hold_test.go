package ops_test

import (
	"testing"
	"time"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
	"muster/view"
)

// nobodyElse is an authorizer that can be compared and does not allow all.
type nobodyElse struct{ name string }

func (n nobodyElse) Allowed(_ acl.Resource, name string, _ acl.Access) bool { return name != n.name }
func (nobodyElse) AllowsAll() bool                                          { return false }

// A held answer may be given again as long as asking again would yield it.
func TestHeldIsCurrent(t *testing.T) {
	tokens := opstest.Tokens{"root": acl.AllowAll{}, "some": nobodyElse{"x"}, "odd": opstest.Except("x")}
	for _, c := range []struct {
		name string
		q    ops.Query
		do   func(r *reign)
		want bool
	}{
		{"nothing happened", ops.Query{Token: "root"}, func(*reign) {}, true},
		{"another key changed", ops.Query{Token: "root"}, func(r *reign) { set(t, r.Log, "other", "v") }, true},
		{"a key changed", ops.Query{Token: "root"}, func(r *reign) { set(t, r.Log, "dir/b", "v") }, false},
		{"the lease is lost", ops.Query{Token: "root"}, func(r *reign) { r.ok.Store(false) }, false},
		{"the lease is lost, stale", ops.Query{Token: "root", Mode: ops.Stale}, func(r *reign) { r.ok.Store(false) }, true},
		{"the leader is silent", ops.Query{Token: "root", Mode: ops.Stale, MaxStale: time.Second}, func(r *reign) { r.SetLeader("x", time.Minute) }, false},
		{"a majority is asked each time", ops.Query{Token: "root", Mode: ops.Consistent}, func(*reign) {}, false},
		{"the token is gone", ops.Query{Token: "some"}, func(*reign) { delete(tokens, "some") }, false},
		{"the token is the same", ops.Query{Token: "some"}, func(*reign) {}, true},
		{"the rules changed", ops.Query{Token: "some"}, func(*reign) { tokens["some"] = nobodyElse{"y"} }, false},
		{"the token may do more now", ops.Query{Token: "some"}, func(*reign) { tokens["some"] = acl.AllowAll{} }, false},
		{"who knows what it may", ops.Query{Token: "odd"}, func(*reign) {}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tokens["some"] = nobodyElse{"x"}
			r := newReign()
			o := r.Ops(tokens)
			set(t, r.Log, "dir/a", "v")
			cache := view.New[[]*model.KVPair](1 << 20)
			h, err := ops.Hold(t.Context(), o, cache, &c.q, o.KVList("dir/"), plain)
			if err != nil {
				t.Fatal(err)
			}
			c.do(r)
			if got := h.Current(); got != c.want || len(h.Value) != 1 {
				t.Errorf("current: %t, want %t (%d entries)", got, c.want, len(h.Value))
			}
			h.Release()
		})
	}
}

func TestHoldRefuses(t *testing.T) {
	r := newReign()
	o := r.Ops(opstest.Tokens{"": acl.AllowAll{}})
	if _, err := ops.Hold(t.Context(), o, nil, &ops.Query{Token: "x"}, o.KVList(""), plain); model.KindOf(err) != model.NoToken {
		t.Errorf("an unknown token: %v", err)
	}
	r.err = model.ErrNotLeader
	if _, err := ops.Hold(t.Context(), o, nil, &ops.Query{Mode: ops.Consistent}, o.KVList(""), plain); model.KindOf(err) != model.NotLeader {
		t.Errorf("on a server that does not lead: %v", err)
	}
	if n := r.Store.Watches(); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}
