package state

import (
	"strings"

	"github.com/tidwall/btree"
)

// treeDegree makes nodes of up to 31 items: small enough that copying the path
// to one item costs little, large enough that a tree of a million is 5 deep.
const treeDegree = 16

// table is an ordered map that is copied on write. A table that was published
// in a Version is never written again: mut hands out a copy, once a batch.
type table[V any] struct {
	tree *btree.Map[string, V]
	gen  uint64 // of the batch that may write tree
}

func newTable[V any]() table[V] {
	return table[V]{tree: btree.NewMap[string, V](treeDegree)}
}

func (t *table[V]) mut(gen uint64) *btree.Map[string, V] {
	if t.gen != gen {
		t.tree = t.tree.Copy()
		t.gen = gen
	}
	return t.tree
}

func (t *table[V]) get(key string) (V, bool) { return t.tree.Get(key) }

func (t *table[V]) len() int { return t.tree.Len() }

// scan visits the items whose keys begin with prefix, in the order of keys.
func (t *table[V]) scan(prefix string, visit func(key string, v V) bool) {
	if prefix == "" {
		t.tree.Scan(visit)
		return
	}
	t.tree.Ascend(prefix, func(key string, v V) bool {
		return strings.HasPrefix(key, prefix) && visit(key, v)
	})
}

// collect returns the values whose keys begin with prefix.
func (t *table[V]) collect(prefix string) []V {
	var out []V
	t.scan(prefix, func(_ string, v V) bool {
		out = append(out, v)
		return true
	})
	return out
}

// sep separates the parts of composite keys. Only the last part may hold one
// itself, so that no key can be read in two ways.
const sep = "\x00"

// fold is the form in which names of nodes and services are compared.
func fold(s string) string { return clean(strings.ToLower(s)) }

// clean makes s fit to be a part of a key. Nobody names anything so; if it
// happens, two such names are taken for the same.
func clean(s string) string { return strings.ReplaceAll(s, sep, "\uFFFD") }

// equal compares names as the tables do (strings.EqualFold knows more letters
// that are alike).
func equal(a, b string) bool { return a == b || fold(a) == fold(b) }

func key2(a, b string) string    { return a + sep + b }
func key3(a, b, c string) string { return a + sep + b + sep + c }

// lockKey is where the lock of a session on a key is noted.
func lockKey(session, key string) string { return key2(clean(session), key) }

// stateKey is where a check is found by its status; check is its own key.
func stateKey(status, check string) string { return key2(clean(status), check) }
