package model

import "time"

// Bounds of a session.
const (
	SessionTTLMax      = 24 * time.Hour
	SessionTTLMin      = 10 * time.Second // default of session_ttl_min
	LockDelayDefault   = 15 * time.Second
	LockDelayMax       = 60 * time.Second
	SessionTTLMultiply = 2 // a session ends this many TTLs after its last renewal
	SessionsRelease    = "release"
	SessionsDelete     = "delete"
)

// Session binds locks to the health of a node: it ends when it is destroyed,
// when its TTL is not renewed, when one of its checks turns critical or
// disappears, or with its node. Its locks are then released, or the keys
// deleted (Behavior), and cannot be locked again for LockDelay.
type Session struct {
	ID   string // UUID
	Name string
	Node string
	// LockDelay is JSON in nanoseconds.
	LockDelay time.Duration
	Behavior  string // release or delete
	TTL       string // "" or 10s..24h
	// NodeChecks are IDs of checks on the node.
	NodeChecks    []string
	ServiceChecks []ServiceCheck
	// Checks is the name that NodeChecks had before 1.7; merged on the way in.
	Checks []string `json:",omitempty" codec:",omitempty"`
	RaftIndex
}

// ServiceCheck names a check of an instance on the session's node.
type ServiceCheck struct {
	ID        string
	Namespace string
}

// CheckIDs are the IDs of all checks that the session depends on.
func (s *Session) CheckIDs() []string {
	ids := make([]string, 0, len(s.NodeChecks)+len(s.ServiceChecks)+len(s.Checks))
	ids = append(ids, s.NodeChecks...)
	ids = append(ids, s.Checks...)
	for _, c := range s.ServiceChecks {
		ids = append(ids, c.ID)
	}
	return ids
}
