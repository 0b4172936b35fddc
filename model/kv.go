package model

// KVPair is an entry of the key-value store. Keys are any bytes; the order of
// keys is the order of their bytes.
type KVPair struct {
	// LockIndex counts how often the key was locked.
	LockIndex uint64
	Key       string
	// Flags belong to the caller; muster gives them no meaning.
	Flags uint64
	// Value is at most the configured kv_max_value_size (512 KiB by default).
	Value []byte
	// Session holds the lock, or "".
	Session string `json:",omitempty"`
	RaftIndex
}

// KVOp is what a KVCommand or an operation of a transaction does.
type KVOp string

// The operations on keys. Those of the second block only read, and appear
// only in transactions.
const (
	KVSet        KVOp = "set"
	KVDelete     KVOp = "delete"
	KVDeleteCAS  KVOp = "delete-cas"
	KVDeleteTree KVOp = "delete-tree"
	KVCAS        KVOp = "cas"
	KVLock       KVOp = "lock"
	KVUnlock     KVOp = "unlock"

	KVGet            KVOp = "get"
	KVGetOrEmpty     KVOp = "get-or-empty"
	KVGetTree        KVOp = "get-tree"
	KVCheckSession   KVOp = "check-session"
	KVCheckIndex     KVOp = "check-index"
	KVCheckNotExists KVOp = "check-not-exists"
)

// Writes tells whether the operation changes anything.
func (op KVOp) Writes() bool {
	switch op {
	case KVSet, KVDelete, KVDeleteCAS, KVDeleteTree, KVCAS, KVLock, KVUnlock:
		return true
	}
	return false
}
