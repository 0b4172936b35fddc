// Package acl decides who may do what. A token resolves to an Authorizer; the
// operations ask it before they read or write.
//
// Access control lists are not built yet: the one Resolver, Open, gives
// everybody AllowAll. The questions are asked all the same, at every route, so
// that nothing has to be found later.
package acl

// Resource is a kind of thing that rules are about.
type Resource string

// The resources. Those in the second block have no names: a rule is about all.
const (
	Agent   Resource = "agent"
	Event   Resource = "event"
	Key     Resource = "key"
	Node    Resource = "node"
	Query   Resource = "query"
	Service Resource = "service"
	Session Resource = "session"

	ACL      Resource = "acl"
	Keyring  Resource = "keyring"
	Operator Resource = "operator"
)

// Access is what somebody wants with a resource.
type Access string

// The accesses. List is for whole branches of keys.
const (
	Read  Access = "read"
	List  Access = "list"
	Write Access = "write"
)

// Authorizer answers for one token.
type Authorizer interface {
	// Allowed tells whether the token has an access to the resource with a
	// name ("" for resources without names).
	Allowed(r Resource, name string, a Access) bool
	// AllowsAll tells whether Allowed is true for everything, so that an
	// answer needs no filtering and can be shared.
	AllowsAll() bool
}

// Resolver finds the authorizer of a token. The error has the kind
// model.NoToken for a token that is not known.
type Resolver interface {
	Resolve(token string) (Authorizer, error)
	// Enabled tells whether access control is on at all.
	Enabled() bool
	// DefaultPolicy is "allow" or "deny": what holds where no rule says.
	DefaultPolicy() string
}

// AllowAll is the authorizer that refuses nothing.
type AllowAll struct{}

// Allowed is true.
func (AllowAll) Allowed(Resource, string, Access) bool { return true }

// AllowsAll is true.
func (AllowAll) AllowsAll() bool { return true }

// Open is the resolver of a cluster without access control: every token, and
// none, may do everything.
type Open struct{}

// Resolve returns AllowAll.
func (Open) Resolve(string) (Authorizer, error) { return AllowAll{}, nil }

// Enabled is false.
func (Open) Enabled() bool { return false }

// DefaultPolicy is "allow".
func (Open) DefaultPolicy() string { return "allow" }
