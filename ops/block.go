package ops

import (
	"context"
	"time"

	"muster/acl"
	"muster/model"
	"muster/state"
	"muster/view"
)

// Mode is how current an answer must be.
type Mode uint8

const (
	// Default answers are linearizable, by the leader's lease.
	Default Mode = iota
	// Consistent answers have the leader confirm its majority after the
	// question came.
	Consistent
	// Stale answers are what this server has.
	Stale
)

// Query is how something is asked.
type Query struct {
	Token string
	Mode  Mode
	// MinIndex makes the question block until the index of the answer is
	// higher, or for Wait (0: the default).
	MinIndex uint64
	Wait     time.Duration
	// MaxStale, above 0, is the oldest contact with the leader that a stale
	// answer may have.
	MaxStale time.Duration
	// Filter is an expression that items must satisfy.
	Filter string
	// Near is the node by whose distance lists are sorted, or model.NearIP for
	// the one with the address NearIP.
	Near, NearIP string
	// NodeMeta are pairs that nodes must have.
	NodeMeta map[string]string
}

// Meta is what an answer tells besides itself.
type Meta struct {
	Index       uint64
	KnownLeader bool
	// LastContact is how long ago the answering server heard of the leader, for
	// what may be as old as that: 0 unless Mode is Stale.
	LastContact time.Duration
	// Mode is how the answer was got: not Stale when MaxStale was exceeded.
	Mode Mode
}

// Question is something that can be asked of the state.
type Question[T any] struct {
	// Key names the question among all questions; who asks the same key gets
	// the same answer. "" is for questions that are not worth sharing.
	Key string
	// Topics change whenever the answer may.
	Topics []state.Topic
	// Floats tells that the index of an answer may move while the answer, and
	// so the topics, do not: that of nothing at all is the index of a whole
	// table. Such answers are not shared. nil: none does.
	Floats func(answer T) bool
	// Eval answers from one version of the data.
	Eval func(v *state.Version) (index uint64, answer T, err error)
	// Filter removes what a token may not see. It must not change its
	// argument. nil where Ask's caller has checked the permission.
	Filter func(answer T, authz acl.Authorizer) T
}

func none[T any](list []T) bool { return len(list) == 0 }

// Rendered is an answer in the form in which a door sends it.
type Rendered[V any] struct {
	Value V
	Size  int // bytes
}

// Cache keeps rendered answers.
type Cache[V any] = view.Cache[V]

// Ask answers a question as it is asked: at once, or when the answer is newer
// than q.MinIndex. It is the only place where a blocking query waits.
func Ask[T, V any](ctx context.Context, o *Ops, cache *Cache[V], q *Query, qu Question[T], render func(T) (Rendered[V], error)) (V, Meta, error) {
	var none V
	authz, err := o.acl.Resolve(q.Token)
	if err != nil {
		return none, Meta{}, err
	}
	a := asking[T, V]{o: o, qu: &qu, render: render, authz: authz}
	if qu.Key != "" && (qu.Filter == nil || authz.AllowsAll()) {
		a.cache = cache
	}
	mode, err := o.admit(ctx, q)
	if err != nil {
		return none, Meta{}, err
	}
	var timeout <-chan time.Time
	if q.MinIndex > 0 {
		t := time.NewTimer(o.waitTime(q.Wait))
		defer t.Stop()
		timeout = t.C
	}
	expired, seen := false, uint64(0)
	current := q.current()
	for {
		reign := o.log.Reign()
		if reign == 0 && !current && q.MinIndex == 0 {
			// A follower: nothing that it read now could be answered.
			if err := o.log.ConfirmRead(ctx, false); err != nil {
				return none, Meta{}, err
			}
			current = true
		}
		answer, release, err := a.get(q.MinIndex > 0)
		if err != nil {
			return none, Meta{}, err
		}
		// An index that goes back tells that a snapshot was restored: what the
		// caller waits for may never come.
		if q.MinIndex == 0 || answer.Index > q.MinIndex || answer.Index < seen || expired {
			value, index := answer.Value, answer.Index
			release()
			if current || (reign != 0 && o.log.Reign() == reign) {
				return value, o.meta(mode, index), nil
			}
			if err := o.log.ConfirmRead(ctx, false); err != nil {
				return none, Meta{}, err
			}
			// What was read may be of an earlier reign, or behind the leader's:
			// read again. State only grows, so that once is enough.
			current = true
			continue
		}
		seen = answer.Index
		select {
		case <-answer.Watch.Done():
		case <-timeout:
			expired = true
		case <-ctx.Done():
			release()
			return none, Meta{}, model.Errorf(model.Canceled, "%w", context.Cause(ctx))
		}
		release()
	}
}

// asking is one question on its way.
type asking[T, V any] struct {
	o      *Ops
	qu     *Question[T]
	cache  *Cache[V]
	render func(T) (Rendered[V], error)
	authz  acl.Authorizer
}

// get returns the newest answer and what gives it back. Without a cache the
// answer has a watch only if the caller is going to wait for it.
func (a *asking[T, V]) get(watch bool) (*view.Answer[V], func(), error) {
	if a.cache == nil {
		answer, err := a.make(watch)
		if err != nil {
			return nil, nil, err
		}
		return answer, func() {
			if answer.Watch != nil {
				answer.Watch.Close()
			}
		}, nil
	}
	answer, err := a.cache.Get(a.qu.Key, func() (*view.Answer[V], error) { return a.make(true) })
	if err != nil {
		return nil, nil, err
	}
	return answer, answer.Release, nil
}

func (a *asking[T, V]) make(watch bool) (*view.Answer[V], error) {
	answer := &view.Answer[V]{}
	if watch {
		answer.Watch = a.o.store.Watch(a.qu.Topics...)
	}
	err := a.fill(answer)
	if err != nil && watch {
		answer.Watch.Close()
	}
	return answer, err
}

func (a *asking[T, V]) fill(answer *view.Answer[V]) error {
	index, value, err := a.qu.Eval(a.o.store.Current())
	if err != nil {
		return err
	}
	if a.qu.Filter != nil && !a.authz.AllowsAll() {
		value = a.qu.Filter(value, a.authz)
	}
	answer.Transient = a.qu.Floats != nil && a.qu.Floats(value)
	r, err := a.render(value)
	if err != nil {
		return err
	}
	answer.Value, answer.Size, answer.Index = r.Value, r.Size, max(index, 1)
	return nil
}

// admit lets a question in when this server may answer it at all, and tells how
// it is answered.
func (o *Ops) admit(ctx context.Context, q *Query) (Mode, error) {
	switch q.Mode {
	case Stale:
		if q.MaxStale > 0 && o.log.LastContact() > q.MaxStale {
			return Default, o.log.ConfirmRead(ctx, false)
		}
	case Consistent:
		return Consistent, o.log.ConfirmRead(ctx, true)
	}
	return q.Mode, nil
}

// current tells whether what is read once the question was let in is as current
// as asked for. Who waits first, and wants no stale answer, has it confirmed
// afterwards.
func (q *Query) current() bool {
	return q.Mode == Stale || q.Mode == Consistent && q.MinIndex == 0
}

func (o *Ops) meta(m Mode, index uint64) Meta {
	_, leader := o.log.Leader()
	meta := Meta{Index: index, KnownLeader: leader != "", Mode: m}
	if m == Stale {
		meta.LastContact = o.log.LastContact()
	}
	return meta
}

// waitTime bounds the wait and spreads the returns of those who began together.
func (o *Ops) waitTime(wait time.Duration) time.Duration {
	if wait <= 0 {
		wait = o.limits.QueryTime
	}
	wait = min(wait, o.limits.MaxQueryTime)
	return wait + o.jitter(wait/16)
}
