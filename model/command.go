package model

// CommandType is the first byte of a log entry and of a record in a snapshot.
// The numbers are those of the original's snapshots, so that snapshots can be
// exchanged. They never change.
type CommandType byte

// Commands and records that muster acts on.
const (
	CmdRegister    CommandType = 0
	CmdDeregister  CommandType = 1
	CmdKV          CommandType = 2
	CmdSession     CommandType = 3
	CmdTombstone   CommandType = 5
	CmdCoordinates CommandType = 6
	CmdQuery       CommandType = 7
	CmdTxn         CommandType = 8
	CmdAutopilot   CommandType = 9
	// CmdIndex appears only in snapshots: the index of a table.
	CmdIndex CommandType = 16
)

// RegisterRequest puts a node into the catalog, with an instance and checks
// when given. Unchanged parts change no index.
type RegisterRequest struct {
	Datacenter      string            `json:",omitempty"`
	ID              string            `codec:",omitempty"` // of the node: UUID or ""
	Node            string            // required
	Address         string            `codec:",omitempty"` // required, unless SkipNodeUpdate
	TaggedAddresses map[string]string `codec:",omitempty"`
	NodeMeta        map[string]string `codec:",omitempty"`
	Locality        *Locality         `json:",omitempty" codec:",omitempty"`
	Service         *NodeService      `codec:",omitempty"`
	Check           *HealthCheck      `codec:",omitempty"`
	Checks          []*HealthCheck    `codec:",omitempty"`
	// SkipNodeUpdate leaves an existing node as it is.
	SkipNodeUpdate bool `codec:",omitempty"`
	RaftIndex      `json:"-" codec:",omitempty"`
}

// DeregisterRequest takes a check, an instance with its checks, or a node with
// everything out of the catalog. What is not there is no error.
type DeregisterRequest struct {
	Datacenter string `json:",omitempty"`
	Node       string
	Address    string `json:",omitempty"` // of no meaning; old clients send it
	ServiceID  string
	CheckID    string
}

// KVCommand changes one key, or with KVDeleteTree all keys with a prefix. Its
// result is a bool: whether it was done, for the conditional operations.
//
// For KVLock, DirEnt.ModifyIndex is the index up to which whoever proposes has
// looked at lock-delays, or 0: a lock that was free then, and has been anything
// else since, is not taken. Sessions that have ended meanwhile may have put it
// into a lock-delay, of which the state machine, without a clock, knows nothing.
type KVCommand struct {
	Op     KVOp
	DirEnt KVPair
}

// SessionOp is what a SessionCommand does.
type SessionOp string

// The operations on sessions.
const (
	SessionCreate  SessionOp = "create"
	SessionDestroy SessionOp = "destroy"
)

// SessionCommand creates or ends a session. Its result is the ID.
type SessionCommand struct {
	Op      SessionOp
	Session Session
}

// TombstoneCommand forgets deletions up to and including an index.
type TombstoneCommand struct {
	ReapIndex uint64
}

// CoordinatesCommand sets the network coordinates of nodes.
type CoordinatesCommand struct {
	Updates []Coordinate
}
