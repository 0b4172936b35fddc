package cluster

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// A History is what clients asked for one key at a time, and what they were
// told. Its order is that of the process: virtual time often stands still
// between two operations.
type History struct {
	clock atomic.Int64

	mu  sync.Mutex
	ops []porcupine.Operation
}

// A kind of operation on one key.
type kind int

const (
	put kind = iota
	get
	cas
	del
	casDel // a delete with cas: what is not there is deleted, too
)

func (k kind) String() string { return [...]string{"put", "get", "cas", "delete", "cas-delete"}[k] }

// input is what a client asks. Every value is written once, so that a value is
// as good as an index: a check-and-set with the index of a value that was read
// expects that value. No value is the key that does not exist.
type input struct {
	op            kind
	key           string
	value, expect string
}

// output is what it is told.
type output struct {
	unknown bool   // whether it happened
	ok      bool   // of cas
	value   string // of get
}

// begin records that an operation begins; the returned function records its
// end. An operation without an end may take effect at any time.
func (h *History) begin(client int, in input) func(out output) {
	called := h.clock.Add(1)
	return func(out output) {
		returned := h.clock.Add(1)
		if out.unknown {
			if in.op == get {
				return
			}
			returned = math.MaxInt64
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: called, Output: out, Return: returned})
	}
}

// register is what one key must behave like.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		var keys []string
		for _, o := range history {
			k := o.Input.(input).key
			if byKey[k] == nil {
				keys = append(keys, k)
			}
			byKey[k] = append(byKey[k], o)
		}
		var parts [][]porcupine.Operation
		for _, k := range keys {
			parts = append(parts, byKey[k])
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, in, out any) (bool, any) {
		i, o := in.(input), out.(output)
		switch i.op {
		case put, del:
			return true, i.value
		case get:
			return o.value == state, state
		}
		matches := state == i.expect || i.op == casDel && state == ""
		if !o.unknown && o.ok != matches {
			return false, state
		}
		if matches {
			return true, i.value
		}
		return true, state
	},
	DescribeOperation: func(in, out any) string {
		i, o := in.(input), out.(output)
		text := fmt.Sprint(i.op, " ", i.key)
		switch {
		case i.op == get:
			return fmt.Sprintf("%s: %q", text, o.value)
		case i.op == cas || i.op == casDel:
			text += fmt.Sprintf(" %q to %q: %v", i.expect, i.value, o.ok)
		default:
			text += fmt.Sprintf(" %q", i.value)
		}
		if o.unknown {
			text += " (unknown)"
		}
		return text
	},
}

// checkTime bounds the search for an order.
const checkTime = 30 * time.Second

// errUndecided is that the time was over before the search was.
var errUndecided = errors.New("the search for an order took too long")

// Check returns an error when no order of the operations explains the answers, or
// errUndecided.
// picture, when not empty, is a file that then shows the history. It must be
// called in real time.
func (h *History) Check(picture string) error {
	result, info := porcupine.CheckOperationsVerbose(register, h.ops, checkTime)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		all, unknown := h.Len()
		return fmt.Errorf("%w: %d operations, %d of unknown outcome, %v", errUndecided, all, unknown, checkTime)
	}
	if picture != "" {
		if err := porcupine.VisualizePath(register, info, picture); err == nil {
			return fmt.Errorf("what clients were told about keys is not linearizable: see %s", picture)
		}
	}
	return fmt.Errorf("what clients were told about keys is not linearizable")
}

// Len is how many operations ended, and of how many of those the outcome is
// unknown.
func (h *History) Len() (all, unknown int) {
	for _, o := range h.ops {
		if o.Output.(output).unknown {
			unknown++
		}
	}
	return len(h.ops), unknown
}
