// Package ops is what can be asked of a cluster, one file per resource:
// authorize, validate, then propose a command or query the state. It knows
// neither HTTP nor DNS, nor where a request came from.
package ops

import (
	"context"
	"time"

	"muster/acl"
	"muster/model"
	"muster/state"
)

// Log orders commands, and tells how current this server is.
type Log interface {
	// Propose has a command agreed on and applied; the result is that of Apply.
	Propose(ctx context.Context, data []byte) (result any, index uint64, err error)
	// ConfirmRead returns when this server has applied all that was
	// acknowledged before the call, by whatever leader. consistent has the
	// leader ask its majority.
	ConfirmRead(ctx context.Context, consistent bool) error
	// Reign tells, cheaply, the term in which this server leads and is current;
	// else it is 0. What is read between two calls that give the same term is
	// current.
	Reign() uint64
	// Leader is the ID and the address of the leader, or "".
	Leader() (id, address string)
	// LastContact is the time since this server heard of the leader.
	LastContact() time.Duration
}

// Limits are the bounds of what callers send.
type Limits struct {
	KVValue      int64         // bytes of a value
	TxnBody      int64         // bytes of the body of a transaction
	SessionTTL   time.Duration // the shortest
	QueryTime    time.Duration // how long a blocking query waits by default
	MaxQueryTime time.Duration // and at most
}

// Ops are the operations of one server.
type Ops struct {
	store      *state.Store
	log        Log
	acl        acl.Resolver
	datacenter string
	limits     Limits
	jitter     func(time.Duration) time.Duration
	lockDelays *lockDelays
	members    Members
	snapshots  Snapshots
	renewed    func(session *model.Session) bool
	elsewhere  Elsewhere
	shuffle    func(n int, swap func(i, j int))
	templates  compiledQueries
	autopilot  Autopilot
}

// Config is what Ops are made of.
type Config struct {
	Store      *state.Store
	Log        Log
	Members    Members
	Snapshots  Snapshots
	ACL        acl.Resolver
	Datacenter string
	Limits     Limits
	// Jitter returns a random duration below its argument.
	Jitter func(time.Duration) time.Duration
	// Renewed begins the TTL of a session anew, on the leader. It is false when
	// the session is being ended: it is to be taken for gone.
	Renewed func(*model.Session) bool
	// Elsewhere is where prepared queries fail over to; nil: nowhere.
	Elsewhere Elsewhere
	// Shuffle puts n items into a random order; nil leaves them as they are.
	Shuffle func(n int, swap func(i, j int))
	// Autopilot knows how the servers are.
	Autopilot Autopilot
}

// New makes the operations.
func New(c Config) *Ops {
	o := &Ops{store: c.Store, log: c.Log, acl: c.ACL, datacenter: c.Datacenter, limits: c.Limits,
		members: c.Members, snapshots: c.Snapshots,
		jitter: c.Jitter, renewed: c.Renewed, autopilot: c.Autopilot, elsewhere: c.Elsewhere, shuffle: c.Shuffle, lockDelays: newLockDelays()}
	if o.shuffle == nil {
		o.shuffle = func(int, func(i, j int)) {}
	}
	c.Store.OnRelease(o.lockDelays.arm)
	return o
}

// Limits are the bounds in force.
func (o *Ops) Limits() Limits { return o.limits }

// propose encodes a command and has it agreed on. An error that Apply returns
// as a result becomes the error.
func (o *Ops) propose(ctx context.Context, t model.CommandType, command any) (any, error) {
	data, err := state.Encode(t, command)
	if err != nil {
		return nil, err
	}
	result, _, err := o.log.Propose(ctx, data)
	if err != nil {
		return nil, err
	}
	if err, ok := result.(error); ok {
		return nil, err
	}
	return result, nil
}

// allow checks one access of a token.
func (o *Ops) allow(token string, r acl.Resource, name string, a acl.Access) error {
	return Permit(o.acl, token, r, name, a)
}

// Permit checks one access of a token to something that an agent keeps itself.
func Permit(resolver acl.Resolver, token string, r acl.Resource, name string, a acl.Access) error {
	authz, err := resolver.Resolve(token)
	if err != nil {
		return err
	}
	return permit(authz, r, name, a)
}

func permit(authz acl.Authorizer, r acl.Resource, name string, a acl.Access) error {
	if authz.Allowed(r, name, a) {
		return nil
	}
	if name == "" {
		return model.Errorf(model.Denied, "%s: token lacks permission '%s:%s'", model.TextDenied, r, a)
	}
	return model.Errorf(model.Denied, "%s: token lacks permission '%s:%s' on %q", model.TextDenied, r, a, name)
}
