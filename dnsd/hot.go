package dnsd

import "sync"

// The bounds of what the fast path keeps at hand.
const (
	maxHotEntries = 8192
	maxHotBytes   = 32 << 20
)

// hot are the answers that the fast path gives, by question as in packets. It
// drops any of them when there are too many: one that is asked for often is
// soon back.
type hot struct {
	maxEntries, maxBytes int

	mu      sync.RWMutex
	gen     uint64          // of the configuration; guarded by mu
	entries map[string]Held // guarded by mu
	bytes   int             // guarded by mu
}

func newHot(entries, bytes int) *hot {
	return &hot{maxEntries: entries, maxBytes: bytes, entries: map[string]Held{}}
}

// get returns the answer to a question if it is the newest, or nil.
func (h *hot) get(key []byte) *Answer {
	h.mu.RLock()
	defer h.mu.RUnlock()
	held := h.entries[string(key)]
	if held == nil || !held.Current() { // under the lock, since put and clear release
		return nil
	}
	return held.Answer()
}

// put takes over a held answer that was made under the configuration gen.
func (h *hot) put(key string, held Held, gen uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if gen != h.gen {
		held.Release()
		return
	}
	h.drop(key)
	size := hotSize(key, held)
	for k := range h.entries {
		if len(h.entries) < h.maxEntries && h.bytes+size <= h.maxBytes {
			break
		}
		h.drop(k)
	}
	if size > h.maxBytes {
		held.Release()
		return
	}
	h.entries[key] = held
	h.bytes += size
}

// drop forgets an answer, if it is there; mu is held.
func (h *hot) drop(key string) {
	if held := h.entries[key]; held != nil {
		delete(h.entries, key)
		h.bytes -= hotSize(key, held)
		held.Release()
	}
}

// clear forgets all answers. From now on those of the configuration gen are
// taken in.
func (h *hot) clear(gen uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range h.entries {
		h.drop(key)
	}
	h.gen = gen
}

func hotSize(key string, held Held) int { return len(key) + 100 + held.Answer().Size() }
