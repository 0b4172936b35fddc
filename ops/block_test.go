package ops_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/acl"
	"muster/model"
	"muster/ops"
	"muster/ops/opstest"
	"muster/state"
	"muster/view"
)

func set(t testing.TB, l *opstest.Log, key, value string) {
	t.Helper()
	l.Apply(t, model.CmdKV, &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: key, Value: []byte(value)}})
}

// plain renders a value as it is.
func plain[T any](v T) (ops.Rendered[T], error) { return ops.Rendered[T]{Value: v, Size: 1}, nil }

// get asks for the value of a key; "" if there is none.
func get(ctx context.Context, o *ops.Ops, key string, q ops.Query) (string, ops.Meta, error) {
	p, meta, err := ops.Ask(ctx, o, nil, &q, o.KVGet(key), plain)
	if p == nil {
		return "", meta, err
	}
	return string(p.Value), meta, err
}

// An asked question is on its way.
type asked struct {
	began  time.Time
	value  string
	meta   ops.Meta
	err    error
	took   time.Duration
	done   chan struct{}
	cancel context.CancelCauseFunc
}

func ask(t testing.TB, o *ops.Ops, key string, q ops.Query) *asked {
	ctx, cancel := context.WithCancelCause(t.Context())
	a := &asked{began: time.Now(), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(a.done)
		a.value, a.meta, a.err = get(ctx, o, key, q)
		a.took = time.Since(a.began)
	}()
	return a
}

// waiting tells whether the answer is still to come, when nothing moves.
func (a *asked) waiting() bool {
	synctest.Wait()
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

// want waits for the answer and compares it.
func (a *asked) want(t testing.TB, value string, index uint64, took time.Duration) {
	t.Helper()
	<-a.done
	if a.err != nil || a.value != value || a.meta.Index != index || a.took != took {
		t.Errorf("got %q, index %d, %v after %s; want %q, index %d after %s",
			a.value, a.meta.Index, a.err, a.took, value, index, took)
	}
}

// An answer comes when its index is higher than the caller's, or when the time
// is over, and is the same then.
func TestAskIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := opstest.NewLog()
		o := l.Ops(acl.Open{})
		set(t, l, "other", "x")
		set(t, l, "k", "one") // index 2
		const wait = 8 * time.Second
		at := func(index uint64) ops.Query { return ops.Query{MinIndex: index, Wait: wait} }

		ask(t, o, "k", at(0)).want(t, "one", 2, 0)
		ask(t, o, "k", at(1)).want(t, "one", 2, 0)
		ask(t, o, "k", at(2)).want(t, "one", 2, wait)
		ask(t, o, "k", at(9_999_999)).want(t, "one", 2, wait)
		ask(t, o, "none", at(2)).want(t, "", 2, wait)

		present, future := ask(t, o, "k", at(2)), ask(t, o, "k", at(1000))
		time.Sleep(time.Second)
		set(t, l, "k", "one") // nothing new
		set(t, l, "k2", "x")  // another key
		if !present.waiting() || !future.waiting() {
			t.Fatal("woken by nothing")
		}
		time.Sleep(time.Second)
		set(t, l, "k", "two") // index 5
		present.want(t, "two", 5, 2*time.Second)
		// It was woken, saw no index above its own, and waits on, not anew.
		future.want(t, "two", 5, wait)

		missing := ask(t, o, "none", at(5))
		time.Sleep(time.Second)
		set(t, l, "none", "there")
		missing.want(t, "there", 6, time.Second)

		deleted := ask(t, o, "none", at(6))
		time.Sleep(time.Second)
		l.Apply(t, model.CmdKV, &model.KVCommand{Op: model.KVDelete, DirEnt: model.KVPair{Key: "none"}})
		deleted.want(t, "", 7, time.Second)
		if n := l.Store.Watches(); n != 0 {
			t.Errorf("%d watches are left", n)
		}
	})
}

// The index of an answer is never 0, which means "do not wait".
func TestAskIndexIsNeverZero(t *testing.T) {
	o := opstest.NewLog().Ops(acl.Open{})
	if _, meta, err := get(t.Context(), o, "k", ops.Query{}); meta.Index != 1 || err != nil {
		t.Errorf("index %d, %v", meta.Index, err)
	}
}

// How long a question waits: 5 minutes if nobody says, 10 at most, and up to a
// sixteenth more, so that those who began together do not all return at once.
func TestAskWait(t *testing.T) {
	for _, c := range []struct{ wait, base time.Duration }{
		{0, 5 * time.Minute}, {-time.Second, 5 * time.Minute}, {time.Nanosecond, time.Nanosecond}, {2 * time.Second, 2 * time.Second},
		{10 * time.Minute, 10 * time.Minute}, {time.Hour, 10 * time.Minute}, {1<<63 - 1, 10 * time.Minute},
	} {
		for _, share := range []float64{0, 0.5, 1} {
			synctest.Test(t, func(t *testing.T) {
				l := opstest.NewLog()
				o := l.Ops(acl.Open{}, func(c *ops.Config) {
					c.Jitter = func(d time.Duration) time.Duration { return time.Duration(share * float64(d)) }
				})
				want := c.base + time.Duration(share*float64(c.base/16))
				ask(t, o, "k", ops.Query{MinIndex: 1, Wait: c.wait}).want(t, "", 1, want)
			})
		}
	}
}

// Whoever goes away is not waited for, and leaves nothing behind.
func TestAskCallerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := opstest.NewLog()
		o := l.Ops(acl.Open{})
		a := ask(t, o, "k", ops.Query{MinIndex: 1})
		if !a.waiting() || l.Store.Watches() != 1 {
			t.Fatalf("%d watches", l.Store.Watches())
		}
		cause := errors.New("gone")
		a.cancel(cause)
		<-a.done
		if model.KindOf(a.err) != model.Canceled || !errors.Is(a.err, cause) {
			t.Errorf("error %v", a.err)
		}
		if n := l.Store.Watches(); n != 0 {
			t.Errorf("%d watches are left", n)
		}
	})
}

// A reign is what a server knows of the leader, for the tests of reads.
type reign struct {
	*opstest.Log
	ok        atomic.Bool
	mu        sync.Mutex // held within ConfirmRead
	confirmed []bool     // whether a majority was asked for, for each ConfirmRead
	err       error
	then      func() // called within ConfirmRead, before it returns
}

func newReign() *reign {
	r := &reign{Log: opstest.NewLog()}
	r.SetReadOK(r.ok.Load)
	r.SetConfirm(func(_ context.Context, consistent bool) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.confirmed = append(r.confirmed, consistent)
		if r.then != nil {
			r.then()
		}
		return r.err
	})
	r.ok.Store(true)
	return r
}

// A lease that is lost between reading and answering: what was read may be of
// an earlier reign, and must not be answered.
func TestAskReadsAgainWithoutLease(t *testing.T) {
	cache := view.New[[]*model.KVPair](1 << 20)
	forms := map[string]func(o *ops.Ops, q *ops.Query) (string, error){
		"Ask": func(o *ops.Ops, q *ops.Query) (string, error) {
			v, _, err := get(t.Context(), o, "k", *q)
			return v, err
		},
		"Ask for a shared answer": func(o *ops.Ops, q *ops.Query) (string, error) {
			list, _, err := ops.Ask(t.Context(), o, cache, q, o.KVList("k"), plain)
			if err != nil {
				return "", err
			}
			return string(list[0].Value), nil
		},
		"Hold": func(o *ops.Ops, q *ops.Query) (string, error) {
			h, err := ops.Hold(t.Context(), o, nil, q, o.KVGet("k"), plain)
			if err != nil {
				return "", err
			}
			defer h.Release()
			return string(h.Value.Value), nil
		},
		"Txn": func(o *ops.Ops, q *ops.Query) (string, error) {
			resp, err := o.Txn(t.Context(), q, &model.Txn{Ops: []model.TxnOp{{KV: &model.TxnKV{Verb: model.KVGet, DirEnt: model.KVPair{Key: "k"}}}}})
			if err != nil {
				return "", err
			}
			return string(resp.Results[0].KV.Value), nil
		},
	}
	for name, read := range forms {
		t.Run(name, func(t *testing.T) {
			r := newReign()
			o := r.Ops(acl.Open{})
			set(t, r.Log, "k", "old")
			r.ok.Store(false)
			r.then = func() { set(t, r.Log, "k", "new") } // another server led meanwhile
			if v, err := read(o, &ops.Query{}); v != "new" || err != nil {
				t.Errorf("read %q, %v", v, err)
			}
			if len(r.confirmed) != 1 || r.confirmed[0] {
				t.Errorf("confirmed %v", r.confirmed)
			}

			r.then, r.err = nil, model.ErrNotLeader
			if v, err := read(o, &ops.Query{}); !errors.Is(err, model.ErrNotLeader) {
				t.Errorf("a server that leads no more answered %q, %v", v, err)
			}
			// Who does not mind the past gets it without asking anybody.
			r.confirmed = nil
			if v, err := read(o, &ops.Query{Mode: ops.Stale}); v != "new" || err != nil || r.confirmed != nil {
				t.Errorf("stale: %q, %v, confirmed %v", v, err, r.confirmed)
			}
			if n := r.Store.Watches(); n > 1 { // the shared answer keeps its own
				t.Errorf("%d watches are left", n)
			}
		})
	}
}

// A follower, whose reads are always confirmed, evaluates a question once, and
// asks once, also for ?consistent; who waits for a change has it confirmed after
// that.
func TestAskOnFollowerEvaluatesOnce(t *testing.T) {
	r := newReign()
	o := r.Ops(acl.Open{})
	set(t, r.Log, "k", "older")
	set(t, r.Log, "k", "old")
	r.ok.Store(false)
	for _, q := range []ops.Query{{}, {Mode: ops.Consistent}, {Mode: ops.Stale}} {
		evaluated := 0
		qu := o.KVGet("k")
		eval := qu.Eval
		qu.Eval = func(v *state.Version) (uint64, *model.KVPair, error) {
			evaluated++
			return eval(v)
		}
		want := 1
		if q.Mode == ops.Stale {
			want = 0
		}
		r.confirmed = nil
		if _, _, err := ops.Ask(t.Context(), o, nil, &q, qu, plain); err != nil || evaluated != 1 || len(r.confirmed) != want {
			t.Errorf("%v: evaluated %d times, confirmed %v, %v", q.Mode, evaluated, r.confirmed, err)
		}
		evaluated, r.confirmed = 0, nil
		h, err := ops.Hold(t.Context(), o, nil, &q, qu, plain)
		if err != nil || evaluated != 1 || len(r.confirmed) != want {
			t.Fatalf("%v: held after %d evaluations, confirmed %v, %v", q.Mode, evaluated, r.confirmed, err)
		}
		h.Release()
	}
	for _, mode := range []ops.Mode{ops.Default, ops.Consistent} {
		r.confirmed = nil
		_, _, err := get(t.Context(), o, "k", ops.Query{Mode: mode, MinIndex: 1})
		if n := len(r.confirmed); err != nil || n == 0 || r.confirmed[n-1] {
			t.Errorf("mode %v with an index: confirmed %v, %v", mode, r.confirmed, err)
		}
	}
}

// A server that leads after it has read did not necessarily lead before:
// another one may have led between, and what was read be older than that.
func TestAskReadsAgainInAnotherReign(t *testing.T) {
	for name, reigns := range map[string][]uint64{"leads again": {1, 2}, "leads now": {0, 2}, "leads no more": {1, 0}} {
		l := opstest.NewLog()
		o := l.Ops(acl.Open{})
		set(t, l, "k", "old")
		asked, confirmed := 0, 0
		l.SetReign(func() uint64 {
			asked++
			return reigns[min(asked, len(reigns))-1]
		})
		l.SetConfirm(func(context.Context, bool) error {
			confirmed++
			set(t, l, "k", "new")
			return nil
		})
		if v, _, err := get(t.Context(), o, "k", ops.Query{}); v != "new" || err != nil || confirmed != 1 {
			t.Errorf("%s: read %q, %v, confirmed %d times", name, v, err, confirmed)
		}
	}
}

// The lease holds when the reader begins to wait, and is lost before the
// change that wakes it.
func TestAskLosesLeadershipWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReign()
		o := r.Ops(acl.Open{})
		set(t, r.Log, "k", "old")
		changed := ask(t, o, "k", ops.Query{MinIndex: 1})
		expired := ask(t, o, "k", ops.Query{MinIndex: 9, Wait: time.Minute})
		if !changed.waiting() || !expired.waiting() {
			t.Fatal("answered without a change")
		}
		r.mu.Lock()
		r.err = model.ErrNoLeader
		r.mu.Unlock()
		r.ok.Store(false)
		set(t, r.Log, "k", "of another leader")
		for _, a := range []*asked{changed, expired} {
			<-a.done
			if !errors.Is(a.err, model.ErrNoLeader) || a.value != "" {
				t.Errorf("answered %q, %v", a.value, a.err)
			}
		}
		if n := r.Store.Watches(); n != 0 {
			t.Errorf("%d watches are left", n)
		}
	})
}

// ?consistent asks a majority before it reads; ?max_stale asks if this server
// has not heard of the leader for too long.
func TestAskModes(t *testing.T) {
	r := newReign()
	o := r.Ops(acl.Open{})
	set(t, r.Log, "k", "old")
	for _, c := range []struct {
		name    string
		q       ops.Query
		contact time.Duration
		asks    []bool
	}{
		{"default", ops.Query{}, time.Hour, nil},
		{"consistent", ops.Query{Mode: ops.Consistent}, time.Hour, []bool{true}},
		{"stale", ops.Query{Mode: ops.Stale}, time.Hour, nil},
		{"stale enough", ops.Query{Mode: ops.Stale, MaxStale: time.Second}, time.Second, nil},
		{"too stale", ops.Query{Mode: ops.Stale, MaxStale: time.Second}, time.Second + 1, []bool{false}},
	} {
		r.confirmed, r.err = nil, nil
		r.SetLeader("10.0.0.2:8300", c.contact)
		v, meta, err := get(t.Context(), o, "k", c.q)
		// Only what is stale tells how stale it may be.
		want := ops.Meta{Index: meta.Index, KnownLeader: true, Mode: c.q.Mode}
		switch {
		case c.q.Mode == ops.Stale && len(c.asks) > 0:
			want.Mode = ops.Default
		case c.q.Mode == ops.Stale:
			want.LastContact = c.contact
		}
		if v != "old" || err != nil || meta != want {
			t.Errorf("%s: %q, %+v, want %+v, %v", c.name, v, meta, want, err)
		}
		if len(r.confirmed) != len(c.asks) || len(c.asks) > 0 && r.confirmed[0] != c.asks[0] {
			t.Errorf("%s: confirmed %v, want %v", c.name, r.confirmed, c.asks)
		}
		r.err = model.ErrNotReady
		if _, _, err := get(t.Context(), o, "k", c.q); (err != nil) != (c.asks != nil) {
			t.Errorf("%s on a server that is not ready: %v", c.name, err)
		}
	}
}

// Of many who wait for the same, one renders, once for each change.
func TestAskRendersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := opstest.NewLog()
		o := l.Ops(acl.Open{})
		cache := view.New[int](1 << 20)
		set(t, l, "dir/a", "x")
		const readers, changes = 50, 5
		var rendered atomic.Int64
		done := make(chan int)
		for range readers {
			go func() {
				q, n := ops.Query{}, 0
				for {
					v, meta, err := ops.Ask(t.Context(), o, cache, &q, o.KVList("dir/"), func(list []*model.KVPair) (ops.Rendered[int], error) {
						rendered.Add(1)
						return ops.Rendered[int]{Value: len(list), Size: 8}, nil
					})
					if err != nil {
						t.Error(err)
					}
					n++
					if v == 1+changes {
						done <- n
						return
					}
					q.MinIndex = meta.Index
				}
			}()
		}
		synctest.Wait()
		if l.Store.Watches() != 1 {
			t.Errorf("%d watches for one question", l.Store.Watches())
		}
		for i := range changes {
			set(t, l, "dir/"+string(rune('b'+i)), "x")
			synctest.Wait()
		}
		for range readers {
			if n := <-done; n != 1+changes {
				t.Errorf("a reader got %d answers, want %d", n, 1+changes)
			}
		}
		if n := rendered.Load(); n != 1+changes {
			t.Errorf("rendered %d times, want %d", n, 1+changes)
		}
	})
}

// Who may not see everything gets an answer of his own, whoever asked first.
func TestAskSharesOnlyWithEqual(t *testing.T) {
	l := opstest.NewLog()
	o := l.Ops(opstest.Tokens{"root": acl.AllowAll{}, "some": opstest.Except("dir/b"), "none": opstest.DenyAll})
	cache := view.New[[]*model.KVPair](1 << 20)
	count := func(token string) int {
		list, _, err := ops.Ask(t.Context(), o, cache, &ops.Query{Token: token}, o.KVList("dir/"), plain)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for i, order := range [][]string{{"none", "some", "root"}, {"root", "some", "none"}, {"some", "root", "some", "none", "root"}} {
		set(t, l, "dir/a", string(rune('a'+i)))
		set(t, l, "dir/b", string(rune('a'+i)))
		for _, token := range order {
			if n, want := count(token), map[string]int{"root": 2, "some": 1, "none": 0}[token]; n != want {
				t.Errorf("in the order %v %s sees %d entries, want %d", order, token, n, want)
			}
		}
	}
	if _, _, err := ops.Ask(t.Context(), o, cache, &ops.Query{Token: "x"}, o.KVList("dir/"), plain); !errors.Is(err, model.ErrNoToken) {
		t.Errorf("an unknown token: %v", err)
	}
}

// Errors of a question and of its rendering reach the caller, and nothing is
// kept for them.
func TestAskErrors(t *testing.T) {
	l := opstest.NewLog()
	o := l.Ops(acl.Open{})
	cache := view.New[int](1 << 20)
	broken := errors.New("broken")
	for _, q := range []ops.Query{{}, {MinIndex: 1}} {
		for _, cache := range []*ops.Cache[int]{nil, cache} {
			_, _, err := ops.Ask(t.Context(), o, cache, &q, ops.Question[int]{Key: "k", Topics: []state.Topic{state.TopicNodes},
				Eval: func(*state.Version) (uint64, int, error) { return 0, 0, broken }}, plain)
			if !errors.Is(err, broken) {
				t.Errorf("Eval: %v", err)
			}
			_, _, err = ops.Ask(t.Context(), o, cache, &q, o.KVKeys("", ""), func([]string) (ops.Rendered[int], error) {
				return ops.Rendered[int]{}, broken
			})
			if !errors.Is(err, broken) {
				t.Errorf("render: %v", err)
			}
		}
	}
	if n := l.Store.Watches(); n != 0 {
		t.Errorf("%d watches are left", n)
	}
}

// A restored snapshot wakes those whose index has gone back with it.
func TestAskRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := opstest.NewLog()
		o := l.Ops(acl.Open{})
		set(t, l, "k", "old")
		_, snapshot, err := l.TakeSnapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		set(t, l, "k", "new")
		a := ask(t, o, "k", ops.Query{MinIndex: 2, Wait: time.Minute})
		time.Sleep(time.Second)
		if err := l.RestoreSnapshot(t.Context(), nil, snapshot); err != nil {
			t.Fatal(err)
		}
		a.want(t, "old", 1, time.Second)
	})
}

// A server that has just started replays its log, and leads a moment later:
// what was read before that must not be answered because it leads now.
func TestAskReadsAgainWhenReadyInBetween(t *testing.T) {
	log := opstest.NewLog()
	o := log.Ops(acl.Open{})
	asked := 0
	log.SetReign(func() uint64 {
		asked++
		if asked == 1 {
			return 0 // not ready
		}
		return 1
	})
	log.SetConfirm(func(context.Context, bool) error {
		_, err := o.KVApply(t.Context(), "", &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "k", Value: []byte("replayed")}})
		return err
	})
	v, _, err := get(t.Context(), o, "k", ops.Query{})
	if err != nil || v != "replayed" {
		t.Errorf("got %q, %v; want what the log holds", v, err)
	}
	// A term that changed in between is another reign as well.
	asked = 1
	log.SetReign(func() uint64 {
		asked++
		return uint64(asked)
	})
	log.SetConfirm(func(context.Context, bool) error {
		_, err := o.KVApply(t.Context(), "", &model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: "k", Value: []byte("newer")}})
		return err
	})
	if v, _, err := get(t.Context(), o, "k", ops.Query{}); err != nil || v != "newer" {
		t.Errorf("got %q, %v; want what the new reign knows", v, err)
	}
}
