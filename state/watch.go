package state

import (
	"sync"
	"sync/atomic"
)

type topicKind uint8

const (
	kindTable topicKind = iota
	kindKey
	kindPrefix
	kindService
	kindNode
)

// A Topic is something that can change: a table, a key, all keys with a
// prefix, a service with all that decides about its health, a node.
type Topic struct {
	kind topicKind
	name string
}

// TopicKey is one key of the KV store, there or not.
func TopicKey(key string) Topic { return Topic{kindKey, key} }

// TopicPrefix is every key that begins with prefix.
func TopicPrefix(prefix string) Topic { return Topic{kindPrefix, prefix} }

// TopicService is a service by name: its instances, their checks, their nodes.
func TopicService(name string) Topic { return Topic{kindService, fold(name)} }

// TopicNode is a node with its services and checks.
func TopicNode(name string) Topic { return Topic{kindNode, fold(name)} }

// The tables that can be watched whole.
var (
	TopicNodes       = Topic{kindTable, tableNodes}
	TopicServices    = Topic{kindTable, tableServices}
	TopicChecks      = Topic{kindTable, tableChecks}
	TopicSessions    = Topic{kindTable, tableSessions}
	TopicCoordinates = Topic{kindTable, tableCoordinates}
	TopicQueries     = Topic{kindTable, tableQueries}
)

// A Watch is told once when one of its topics changes. It says "look again",
// not what happened.
type Watch struct {
	hub   *hub
	done  chan struct{}
	fired atomic.Bool
	links []link // guarded by hub.mu
}

// Done is closed when a topic has changed.
func (w *Watch) Done() <-chan struct{} { return w.done }

// Fired tells whether a topic has changed, cheaply. It is true before the
// change can be read, and Done is closed after that.
func (w *Watch) Fired() bool { return w.fired.Load() }

// Close forgets the watch. It does not close Done. Closing twice does nothing.
func (w *Watch) Close() {
	if w.fired.Load() {
		return
	}
	w.hub.mu.Lock()
	w.hub.unlink(w)
	w.hub.mu.Unlock()
}

// link ties a watch to one topic, in a list of all watches of that topic.
type link struct {
	watch      *Watch
	topic      Topic
	prev, next *link
}

// hub knows who watches what. What nobody watches costs next to nothing.
type hub struct {
	mu       sync.Mutex
	heads    map[Topic]*link // guarded by mu
	prefixes map[int]int     // length of watched prefixes → how many; guarded by mu
	watches  atomic.Int64
}

func newHub() *hub {
	return &hub{heads: map[Topic]*link{}, prefixes: map[int]int{}}
}

func (h *hub) watch(topics ...Topic) *Watch {
	w := &Watch{hub: h, done: make(chan struct{}), links: make([]link, len(topics))}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, t := range topics {
		l := &w.links[i]
		l.watch, l.topic = w, t
		if head := h.heads[t]; head != nil {
			l.next = head
			head.prev = l
		}
		h.heads[t] = l
		if t.kind == kindPrefix {
			h.prefixes[len(t.name)]++
		}
	}
	h.watches.Add(1)
	return w
}

// unlink takes a watch out of all lists; h.mu is held.
func (h *hub) unlink(w *Watch) {
	if w.links == nil {
		return
	}
	for i := range w.links {
		l := &w.links[i]
		switch {
		case l.prev != nil:
			l.prev.next = l.next
		case l.next != nil:
			h.heads[l.topic] = l.next
		default:
			delete(h.heads, l.topic)
		}
		if l.next != nil {
			l.next.prev = l.prev
		}
		if l.topic.kind == kindPrefix {
			n := len(l.topic.name)
			if h.prefixes[n]--; h.prefixes[n] == 0 {
				delete(h.prefixes, n)
			}
		}
	}
	w.links = nil
	h.watches.Add(-1)
}

// fire publishes a change and wakes everybody who watches one of its topics.
// Watches say Fired before anybody can see the change, and none is taken in
// between: an answer whose watch has not fired is never older than what any
// reader has seen.
func (h *hub) fire(topics []Topic, publish func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var woken []*Watch
	for _, t := range topics {
		woken = h.mark(t, woken)
		if t.kind != kindKey {
			continue
		}
		for n := range h.prefixes {
			if n <= len(t.name) {
				woken = h.mark(Topic{kindPrefix, t.name[:n]}, woken)
			}
		}
	}
	publish()
	for _, w := range woken {
		close(w.done)
	}
}

// mark takes out the watches of a topic and adds them to those that must be
// woken; h.mu is held.
func (h *hub) mark(t Topic, woken []*Watch) []*Watch {
	for l := h.heads[t]; l != nil; l = h.heads[t] {
		w := l.watch
		h.unlink(w)
		w.fired.Store(true)
		woken = append(woken, w)
	}
	return woken
}

// fireAll publishes other data and wakes everybody.
func (h *hub) fireAll(publish func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var woken []*Watch
	for t := range h.heads {
		woken = h.mark(t, woken)
	}
	publish()
	for _, w := range woken {
		close(w.done)
	}
}
