package ops

import (
	"context"

	"muster/acl"
	"muster/model"
	"muster/state"
)

// KVApply changes a key. It tells whether it was done: conditional operations
// and locks may not be.
func (o *Ops) KVApply(ctx context.Context, token string, c *model.KVCommand) (bool, error) {
	authz, err := o.acl.Resolve(token)
	if err != nil {
		return false, err
	}
	if err := o.checkKV(authz, c.Op, &c.DirEnt); err != nil {
		return false, err
	}
	if c.Op == model.KVLock {
		return o.lock(ctx, c)
	}
	return o.applyKV(ctx, c)
}

// lockTries is how often a lock is tried that is free but has changed meanwhile.
const lockTries = 5

// lock takes a lock that is not in its lock-delay, and does not come into it
// before the command is applied.
func (o *Ops) lock(ctx context.Context, c *model.KVCommand) (bool, error) {
	for range lockTries {
		if o.delayed(&c.DirEnt) {
			return false, nil
		}
		if done, err := o.applyKV(ctx, c); done || err != nil {
			return done, err
		}
		if _, p := o.store.Current().KVGet(c.DirEnt.Key); p != nil && p.Session != "" {
			return false, nil
		}
	}
	return false, nil
}

// delayed tells whether a key is in its lock-delay, and puts into the command
// that would lock it how much is known about that.
func (o *Ops) delayed(lock *model.KVPair) bool {
	lock.ModifyIndex = o.store.Current().Applied()
	return o.lockDelays.held(lock.Key)
}

func (o *Ops) applyKV(ctx context.Context, c *model.KVCommand) (bool, error) {
	result, err := o.propose(ctx, model.CmdKV, c)
	if err != nil {
		return false, err
	}
	done, _ := result.(bool)
	return done, nil
}

// checkKV authorizes and validates a change of a key.
func (o *Ops) checkKV(authz acl.Authorizer, op model.KVOp, p *model.KVPair) error {
	if p.Key == "" && op != model.KVDeleteTree && op != model.KVGetTree {
		return model.Errorf(model.BadRequest, "Must provide key")
	}
	access := acl.Write
	if !op.Writes() {
		access = acl.Read
	}
	if op == model.KVDeleteTree {
		if err := o.permitTree(authz, p.Key); err != nil {
			return err
		}
	} else if err := permit(authz, acl.Key, p.Key, access); err != nil {
		return err
	}
	if op == model.KVLock && p.Session != "" { // without one the state machine refuses it
		if err := checkSessionID(p.Session); err != nil {
			return err
		}
	}
	if int64(len(p.Value)) > o.limits.KVValue {
		return model.Errorf(model.TooLarge, "Value for key %q is too large (%d > %d bytes)", p.Key, len(p.Value), o.limits.KVValue)
	}
	return nil
}

// KVGet asks for one key; the answer is nil when there is none.
func (o *Ops) KVGet(key string) Question[*model.KVPair] {
	return Question[*model.KVPair]{
		Topics: []state.Topic{state.TopicKey(key)},
		Eval: func(v *state.Version) (uint64, *model.KVPair, error) {
			index, p := v.KVGet(key)
			return index, p, nil
		},
	}
}

// MayReadKey checks the permission that KVGet needs.
func (o *Ops) MayReadKey(token, key string) error { return o.allow(token, acl.Key, key, acl.Read) }

// KVList asks for all entries below a prefix.
func (o *Ops) KVList(prefix string) Question[[]*model.KVPair] {
	return Question[[]*model.KVPair]{
		Key:    questionKey("kv-list", prefix),
		Topics: []state.Topic{state.TopicPrefix(prefix)},
		Floats: none[*model.KVPair],
		Eval: func(v *state.Version) (uint64, []*model.KVPair, error) {
			index, list := v.KVList(prefix)
			return index, list, nil
		},
		Filter: func(list []*model.KVPair, authz acl.Authorizer) []*model.KVPair {
			return keep(list, func(p *model.KVPair) bool { return authz.Allowed(acl.Key, p.Key, acl.Read) })
		},
	}
}

// KVKeys asks for the keys below a prefix, cut at a separator.
func (o *Ops) KVKeys(prefix, separator string) Question[[]string] {
	return Question[[]string]{
		Key:    questionKey("kv-keys", prefix, separator),
		Topics: []state.Topic{state.TopicPrefix(prefix)},
		Floats: none[string],
		Eval: func(v *state.Version) (uint64, []string, error) {
			index, keys := v.KVKeys(prefix, separator)
			return index, keys, nil
		},
		Filter: func(keys []string, authz acl.Authorizer) []string {
			return keep(keys, func(k string) bool { return authz.Allowed(acl.Key, k, acl.Read) })
		},
	}
}

// keep returns the items that satisfy ok, in a new list.
func keep[T any](list []T, ok func(T) bool) []T {
	out := make([]T, 0, len(list))
	for _, item := range list {
		if ok(item) {
			out = append(out, item)
		}
	}
	return out
}
