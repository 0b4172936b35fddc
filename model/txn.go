package model

import "fmt"

// TxnMaxOps is how many operations a transaction may have.
const TxnMaxOps = 128

// Txn is a list of operations of which all happen or none.
type Txn struct {
	Ops []TxnOp
}

// TxnOp is one operation; exactly one of the pointers is set. An operation
// with none is ignored.
type TxnOp struct {
	KV      *TxnKV      `codec:",omitempty"`
	Node    *TxnNode    `codec:",omitempty"`
	Service *TxnService `codec:",omitempty"`
	Check   *TxnCheck   `codec:",omitempty"`
	Session *TxnSession `codec:",omitempty"`
}

// TxnVerb is what is done with a node, instance, check or session.
type TxnVerb string

// The verbs. Sessions know only delete.
const (
	VerbGet       TxnVerb = "get"
	VerbSet       TxnVerb = "set"
	VerbCAS       TxnVerb = "cas"
	VerbDelete    TxnVerb = "delete"
	VerbDeleteCAS TxnVerb = "delete-cas"
)

// TxnKV is an operation on a key.
type TxnKV struct {
	Verb   KVOp
	DirEnt KVPair
}

// TxnNode is an operation on a node.
type TxnNode struct {
	Verb TxnVerb
	Node Node
}

// TxnService is an operation on an instance of a node.
type TxnService struct {
	Verb    TxnVerb
	Node    string
	Service NodeService
}

// TxnCheck is an operation on a check.
type TxnCheck struct {
	Verb  TxnVerb
	Check HealthCheck
}

// TxnSession ends a session.
type TxnSession struct {
	Verb    TxnVerb
	Session Session
}

// ReadOnly tells whether no operation changes anything.
func (t *Txn) ReadOnly() bool {
	for _, op := range t.Ops {
		switch {
		case op.KV != nil && op.KV.Verb.Writes(),
			op.Node != nil && op.Node.Verb != VerbGet,
			op.Service != nil && op.Service.Verb != VerbGet,
			op.Check != nil && op.Check.Verb != VerbGet,
			op.Session != nil:
			return false
		}
	}
	return true
}

// TxnResult is what one operation yielded; exactly one pointer is set.
type TxnResult struct {
	KV      *KVPair      `json:",omitempty"`
	Node    *Node        `json:",omitempty"`
	Service *NodeService `json:",omitempty"`
	Check   *HealthCheck `json:",omitempty"`
}

// TxnError says which operation failed and why.
type TxnError struct {
	OpIndex int
	What    string
}

func (e TxnError) Error() string { return fmt.Sprintf("op %d: %s", e.OpIndex, e.What) }

// TxnResponse is the outcome of a transaction: results, or (then nothing has
// changed) errors.
type TxnResponse struct {
	Results []TxnResult
	Errors  []TxnError
}
