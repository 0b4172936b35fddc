package opstest

import (
	"slices"
	"sync"

	"muster/acl"
	"muster/model"
)

// Tokens finds the authorizer of a token in a map. Others are not known.
type Tokens map[string]acl.Authorizer

// Resolve is part of acl.Resolver.
func (t Tokens) Resolve(token string) (acl.Authorizer, error) {
	if a := t[token]; a != nil {
		return a, nil
	}
	return nil, model.ErrNoToken
}

// Enabled is part of acl.Resolver.
func (t Tokens) Enabled() bool { return true }

// DefaultPolicy is part of acl.Resolver.
func (t Tokens) DefaultPolicy() string { return "deny" }

// Rule is an authorizer that asks a function.
type Rule func(r acl.Resource, name string, a acl.Access) bool

// Allowed is part of acl.Authorizer.
func (f Rule) Allowed(r acl.Resource, name string, a acl.Access) bool { return f(r, name, a) }

// AllowsAll is false.
func (f Rule) AllowsAll() bool { return false }

// DenyAll refuses everything.
var DenyAll = Rule(func(acl.Resource, string, acl.Access) bool { return false })

// Except allows everything but things with some names.
func Except(names ...string) Rule {
	return func(_ acl.Resource, name string, _ acl.Access) bool { return !slices.Contains(names, name) }
}

// A Recorder remembers what an authorizer was asked.
type Recorder struct {
	acl.Authorizer

	mu    sync.Mutex
	asked []string // guarded by mu
}

// Allowed is part of acl.Authorizer.
func (r *Recorder) Allowed(res acl.Resource, name string, a acl.Access) bool {
	q := string(res) + ":" + string(a)
	if name != "" {
		q += " " + name
	}
	r.mu.Lock()
	if !slices.Contains(r.asked, q) {
		r.asked = append(r.asked, q)
	}
	r.mu.Unlock()
	return r.Authorizer.Allowed(res, name, a)
}

// Asked returns what was asked since the last call, each once, in the order of
// asking: "service:write web", or "operator:read" for what has no name.
func (r *Recorder) Asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}
