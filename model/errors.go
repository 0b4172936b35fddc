package model

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an Error is. A Kind survives the way between
// agents; the doors translate it (HTTP status, DNS rcode) in one table each.
type Kind uint8

const (
	// Internal is every failure that has no kind of its own.
	Internal Kind = iota
	// BadRequest: the caller's words can't be understood or are not allowed.
	BadRequest
	// NotFound: the thing named does not exist.
	NotFound
	// Denied: the token lacks a permission.
	Denied
	// NoToken: the token is not known to this cluster.
	NoToken
	// ACLDisabled: the question makes sense only with ACLs on.
	ACLDisabled
	// Conflict: a check-and-set or a transaction met other data.
	Conflict
	// TooLarge: a body, a value or a list is over its limit.
	TooLarge
	// TooMany: a rate or connection limit; another server might do it.
	TooMany
	// NoLeader: no server leads, or none can be reached.
	NoLeader
	// NotLeader: this server does not lead. The request never began; it is
	// safe to send it to another server.
	NotLeader
	// LeadershipLost: this server stopped leading while it worked on a write.
	// The outcome is unknown; the write must not be repeated.
	LeadershipLost
	// NotReady: this server leads or follows but may not yet answer reads.
	NotReady
	// NoDatacenter: no such datacenter is known.
	NoDatacenter
	// NoServers: the datacenter is known, none of its servers can be reached.
	NoServers
	// Unimplemented: muster does not do this (yet), and says so.
	Unimplemented
	// Disabled: the agent's configuration switches this off.
	Disabled
	// Overloaded: the leader is over a rate limit, and nobody else could do it.
	Overloaded
	// Canceled: the caller went away or the agent is stopping.
	Canceled
)

// Texts that clients compare with. They are part of the public interface.
const (
	TextNoLeader       = "No cluster leader"
	TextNoDatacenter   = "No path to datacenter"
	TextNoServers      = "No known Consul servers"
	TextNotLeader      = "node is not the leader"
	TextLeadershipLost = "leadership lost while committing log"
	TextNotReady       = "Not ready to serve consistent reads"
	TextDenied         = "Permission denied"
	TextNoToken        = "ACL not found"
	TextACLDisabled    = "ACL support disabled"
	TextTooMany        = "rate limit exceeded, try again later or against a different server"
	TextOverloaded     = "rate limit exceeded for operation that can only be performed by the leader, try again later"
	TextOwnRate        = "RPC rate limit exceeded"
	TextRemoteNoServer = "Remote DC has no server currently reachable"
)

// Error is the one error type of the project: a kind, and the exact text that
// the caller is shown.
type Error struct {
	Kind Kind
	Text string
	// Err is the cause, or nil. Its text is not shown unless Text repeats it.
	Err error
}

func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind. %w keeps the cause.
func Errorf(k Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Text: err.Error(), Err: errors.Unwrap(err)}
}

// The errors that have one text each.
var (
	ErrNoLeader       error = &Error{Kind: NoLeader, Text: TextNoLeader}
	ErrNotLeader      error = &Error{Kind: NotLeader, Text: TextNotLeader}
	ErrLeadershipLost error = &Error{Kind: LeadershipLost, Text: TextLeadershipLost}
	ErrNotReady       error = &Error{Kind: NotReady, Text: TextNotReady}
	ErrNoDatacenter   error = &Error{Kind: NoDatacenter, Text: TextNoDatacenter}
	ErrNoServers      error = &Error{Kind: NoServers, Text: TextNoServers}
	ErrDenied         error = &Error{Kind: Denied, Text: TextDenied}
	ErrNoToken        error = &Error{Kind: NoToken, Text: TextNoToken}
	ErrACLDisabled    error = &Error{Kind: ACLDisabled, Text: TextACLDisabled}
)

// KindOf tells the kind of an error; Internal for one that has none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
