// Package view keeps answers that are ready to send: rendered once per change
// and shared by every reader that asks the same question. It knows nothing of
// what is in an answer, nor where it comes from.
package view

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// Watch says when an answer is no longer the newest.
type Watch interface {
	Done() <-chan struct{}
	Fired() bool
	Close()
}

// Answer is a value as of an index, and the watch that was taken before it was
// read. It is shared; who gets one from a Cache must Release it.
type Answer[V any] struct {
	Value V
	Index uint64 // X-Consul-Index
	Size  int    // bytes that it occupies, for the bound of the cache
	Watch Watch
	// Transient answers are neither kept nor shared: who asks next has them made
	// anew.
	Transient bool

	refs atomic.Int64 // the cache and everybody who holds it
}

// Release gives the answer back. With the last holder its watch is closed.
func (a *Answer[V]) Release() {
	if a.refs.Add(-1) == 0 {
		a.Watch.Close()
	}
}

// retain takes a hold of an answer that somebody else still holds.
func (a *Answer[V]) retain() bool {
	for {
		n := a.refs.Load()
		if n <= 0 {
			return false
		}
		if a.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Cache holds the newest answers to questions, at most a number of bytes of
// them; the least recently asked go first.
type Cache[V any] struct {
	limit int

	mu      sync.Mutex
	entries map[string]*entry[V] // guarded by mu
	order   *list.List           // of *entry, most recently asked first; guarded by mu
	size    int                  // guarded by mu

	hits, renders atomic.Uint64
}

// overhead is roughly what an entry costs besides key and value, in bytes.
const overhead = 512

type entry[V any] struct {
	key     string
	answer  atomic.Pointer[Answer[V]]
	elem    *list.Element // guarded by Cache.mu
	size    int           // as counted in Cache.size; guarded by Cache.mu
	evicted atomic.Bool   // set under Cache.mu, for good

	render  sync.Mutex   // held by whoever renders; others wait for the result
	waiting atomic.Int32 // callers who hold render or wait for it
}

// New returns a cache of at most limit bytes.
func New[V any](limit int) *Cache[V] {
	return &Cache[V]{limit: limit, entries: map[string]*entry[V]{}, order: list.New()}
}

// Get returns the answer to the question named by key, which is the newest at
// the time of the call: the one at hand while its watch has not fired, else
// what render makes. Of several callers one renders and all get the result;
// errors are not kept. render must take its watch before it reads. The caller
// must Release the answer, and may keep it as long as it waits for the watch.
func (c *Cache[V]) Get(key string, render func() (*Answer[V], error)) (*Answer[V], error) {
	e := c.entry(key)
	if a := e.fresh(); a != nil {
		c.hits.Add(1)
		return a, nil
	}
	e.waiting.Add(1)
	e.render.Lock()
	defer c.leave(e)
	if a := e.fresh(); a != nil {
		c.hits.Add(1)
		return a, nil
	}
	a, err := render()
	if err != nil {
		return nil, err
	}
	c.renders.Add(1)
	if a.Transient {
		a.refs.Store(1) // the caller's
		e.drop()        // what was kept before is no longer the newest
		return a, nil
	}
	a.refs.Store(2) // the cache's and the caller's
	if old := e.answer.Swap(a); old != nil {
		old.Release()
	}
	c.account(e, cost(key)+a.Size)
	return a, nil
}

func cost(key string) int { return len(key) + overhead }

// fresh returns the answer at hand, held for the caller, if it is the newest.
func (e *entry[V]) fresh() *Answer[V] {
	a := e.answer.Load()
	if a == nil || a.Watch.Fired() || !a.retain() {
		return nil
	}
	return a
}

// entry finds or makes the entry of a key and marks it as asked for.
func (c *Cache[V]) entry(key string) *entry[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		e = &entry[V]{key: key}
		e.elem = c.order.PushFront(e)
		c.entries[key] = e
		return e
	}
	c.order.MoveToFront(e.elem)
	return e
}

// account notes the size of an entry and evicts others while there are too
// many bytes. An answer that is larger than the whole cache goes itself.
func (c *Cache[V]) account(e *entry[V], size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.evicted.Load() { // while it was rendered
		return
	}
	c.size += size - e.size
	e.size = size
	if size > c.limit {
		c.evict(e)
	}
	for c.size > c.limit {
		c.evict(c.order.Back().Value.(*entry[V]))
	}
}

// evict forgets an entry; c.mu is held. If callers wait for its rendering, the
// answer is theirs still, and the last of them drops it.
func (c *Cache[V]) evict(e *entry[V]) {
	c.order.Remove(e.elem)
	delete(c.entries, e.key)
	c.size -= e.size
	e.evicted.Store(true)
	if e.waiting.Load() == 0 {
		e.drop()
	}
}

// leave ends a caller's turn to render. An entry that nothing is kept for is
// forgotten, so that questions which fail take no room.
func (c *Cache[V]) leave(e *entry[V]) {
	last := e.waiting.Add(-1) == 0
	e.render.Unlock()
	if !last || (e.answer.Load() != nil && !e.evicted.Load()) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case e.waiting.Load() > 0: // somebody else's turn now
	case e.evicted.Load():
		e.drop()
	case e.answer.Load() == nil:
		c.evict(e)
	}
}

// drop gives up the cache's hold. Readers who wait for the answer's watch hold
// it themselves and go on waiting.
func (e *entry[V]) drop() {
	if a := e.answer.Swap(nil); a != nil {
		a.Release()
	}
}

// Stats tells how many answers were shared, how many were rendered, how many
// are kept and how many bytes they occupy.
func (c *Cache[V]) Stats() (hits, renders uint64, entries, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits.Load(), c.renders.Load(), len(c.entries), c.size
}
