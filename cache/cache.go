// Package cache keeps what servers answered, on an agent that has no data of its
// own: questions that were asked with ?cached are followed by blocking queries, so
// that the next asking needs nobody; and the last answers to others are kept for
// the time when no server can be reached.
package cache

import (
	"bytes"
	"container/list"
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"muster/model"
)

// An Answer is what a server said. It must not be changed.
type Answer struct {
	Header http.Header
	Body   []byte
	Index  uint64
}

// Size is roughly how many bytes of memory the answer takes.
func (a *Answer) Size() int { return len(a.Body) + 1024 }

// A Fetch asks the servers the question of a key: for an answer newer than index,
// if that is not 0, for as long as a server waits. background is set when nobody
// waits for the answer. That no server can be reached is an error of the kind
// model.NoServers. nil is an answer that must not be kept.
type Fetch func(ctx context.Context, index uint64, background bool) (*Answer, error)

// Config bounds a Cache.
type Config struct {
	Bytes    int // of all answers
	Followed int // questions that are followed at a time
	// Idle is how long a question is followed after it was last asked.
	Idle time.Duration
}

const (
	// refetch is after how long a fetch that failed is tried again, twice as
	// long after the next failure, and so on up to refetchMax.
	refetch    = time.Second
	refetchMax = 15 * time.Second
	// entryOverhead is roughly what an entry takes besides its answer, in bytes.
	entryOverhead = 512
)

// Cache keeps answers. Close it when done.
type Cache struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	entries  map[string]*list.Element // of *entry; guarded by mu
	lru      *list.List               // the entry used last first; guarded by mu
	bytes    int                      // guarded by mu
	followed int                      // guarded by mu
	rate     float64                  // guarded by mu
	burst    int                      // guarded by mu
}

// entry is what is known of one question. Fields are under Cache.mu.
type entry struct {
	key    string
	answer *Answer
	seen   time.Time // when a server last said so
	asked  time.Time // when somebody last asked for it from the cache
	// following is set while a blocking query follows the question, broken while
	// that has had no answer to its last try.
	following, broken bool
	changed           chan struct{} // closed when the answer is replaced or given up
	pending           *flight       // the fetch that is under way for those who wait
}

// flight is one fetch that several wait for.
type flight struct {
	done   chan struct{}
	answer *Answer
	err    error
}

// New makes a cache.
func New(cfg Config) *Cache {
	ctx, cancel := context.WithCancel(context.Background())
	return &Cache{cfg: cfg, ctx: ctx, cancel: cancel, entries: map[string]*list.Element{}, lru: list.New()}
}

// SetRate bounds how often one question is fetched in the background: burst times
// in a row, and rate times a second. A rate of 0, or an infinite one, is no bound.
func (c *Cache) SetRate(rate float64, burst int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate, c.burst = rate, burst
}

// Close ends everything that runs in the background, and waits for that.
func (c *Cache) Close() {
	c.cancel()
	c.wg.Wait()
}

// Remember keeps an answer that came just now.
func (c *Cache) Remember(key string, a *Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(c.entry(key), a)
}

// Last is the answer that came last, and its age; nil if none is kept.
func (c *Cache) Last(key string) (*Answer, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.entries[key]
	if !ok {
		return nil, 0
	}
	e := el.Value.(*entry)
	return e.answer, e.age()
}

// age is since when nobody has said that the answer still holds; mu is held.
func (e *entry) age() time.Duration {
	if e.answer == nil || e.following && !e.broken {
		return 0
	}
	return time.Since(e.seen)
}

// entry returns the entry of a key, a new one if need be; mu is held.
func (c *Cache) entry(key string) *entry {
	if el, ok := c.entries[key]; ok {
		c.lru.MoveToFront(el)
		return el.Value.(*entry)
	}
	e := &entry{key: key, changed: make(chan struct{})}
	c.entries[key] = c.lru.PushFront(e)
	c.bytes += e.size()
	c.evict()
	return e
}

func (e *entry) size() int {
	n := entryOverhead + len(e.key)
	if e.answer != nil {
		n += e.answer.Size()
	}
	return n
}

// keep puts an answer into its entry, if that is still there; mu is held.
func (c *Cache) keep(e *entry, a *Answer) {
	e.seen = time.Now()
	if old := e.answer; old != nil && old.Index == a.Index && bytes.Equal(old.Body, a.Body) {
		return
	}
	el, ok := c.entries[e.key]
	if !ok || el.Value != e {
		return
	}
	c.bytes -= e.size()
	e.answer = a
	c.bytes += e.size()
	close(e.changed)
	e.changed = make(chan struct{})
	c.evict()
}

// evict makes room, beginning with what was not used for longest; mu is held.
func (c *Cache) evict() {
	for c.bytes > c.cfg.Bytes && c.lru.Len() > 1 {
		c.drop(c.lru.Back())
	}
	if c.bytes > c.cfg.Bytes { // larger than all that there may be
		c.drop(c.lru.Back())
	}
}

// drop forgets an entry. Who follows it sees that by looking; mu is held.
func (c *Cache) drop(el *list.Element) {
	e := el.Value.(*entry)
	c.lru.Remove(el)
	delete(c.entries, e.key)
	c.bytes -= e.size()
	close(e.changed)
	e.changed = make(chan struct{})
}

// live tells whether an entry is the one of its key; mu is held.
func (c *Cache) live(e *entry) bool {
	el, ok := c.entries[e.key]
	return ok && el.Value == e
}

// Wish is what somebody asks of a cached answer.
type Wish struct {
	// MinIndex and Wait are those of a blocking query. Wait must be above 0 if
	// MinIndex is.
	MinIndex uint64
	Wait     time.Duration
	// MaxAge is how old the answer may be; below 0 as old as it gets.
	MaxAge time.Duration
	// IfError is how much older it may be when no server can be reached.
	IfError time.Duration
}

// Get answers from the cache if that has an answer as it is wished for, and else
// asks the servers. hit tells which; age is since when nobody has said that the
// answer still holds.
func (c *Cache) Get(ctx context.Context, key string, w Wish, fetch Fetch) (a *Answer, hit bool, age time.Duration, err error) {
	c.mu.Lock()
	e := c.entry(key)
	e.asked = time.Now()
	a, age = e.answer, e.age()
	// What is only remembered counts as old: nobody knows whether it holds.
	if a != nil && (w.MaxAge < 0 && e.following || w.MaxAge >= 0 && age <= w.MaxAge) {
		c.follow(e, fetch)
		if a.Index > w.MinIndex || w.MinIndex == 0 {
			c.mu.Unlock()
			return a, true, age, nil
		}
		c.mu.Unlock()
		return c.wait(ctx, e, w)
	}
	f := e.pending
	if f == nil {
		f = c.begin(e, fetch)
	}
	c.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, false, 0, model.Errorf(model.Canceled, "%w", context.Cause(ctx))
	}
	if model.KindOf(f.err) == model.NoServers && a != nil && (w.MaxAge < 0 || age <= w.MaxAge+w.IfError) {
		return a, true, age, nil
	}
	return f.answer, false, 0, f.err
}

// fetchTimeout bounds a fetch that somebody waits for.
const fetchTimeout = 30 * time.Second

// begin fetches an answer for all who wait for it; mu is held.
func (c *Cache) begin(e *entry, fetch Fetch) *flight {
	f := &flight{done: make(chan struct{})}
	e.pending = f
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, fetchTimeout)
		defer cancel()
		f.answer, f.err = fetch(ctx, 0, false)
		c.mu.Lock()
		defer c.mu.Unlock()
		defer close(f.done)
		e.pending = nil
		if f.err == nil && f.answer != nil && c.live(e) {
			c.keep(e, f.answer)
			c.follow(e, fetch)
		}
	})
	return f
}

// wait is a blocking query to the cache.
func (c *Cache) wait(ctx context.Context, e *entry, w Wish) (*Answer, bool, time.Duration, error) {
	timeout := time.NewTimer(w.Wait)
	defer timeout.Stop()
	for expired := false; ; {
		c.mu.Lock()
		a, age, changed := e.answer, e.age(), e.changed
		gone := !c.live(e)
		c.mu.Unlock()
		if a.Index > w.MinIndex || expired || gone {
			return a, true, age, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			expired = true
		case <-ctx.Done():
			return nil, false, 0, model.Errorf(model.Canceled, "%w", context.Cause(ctx))
		}
	}
}

// follow begins to follow a question, unless too many are; mu is held.
func (c *Cache) follow(e *entry, fetch Fetch) {
	if e.following || c.followed >= c.cfg.Followed || c.ctx.Err() != nil || e.answer == nil {
		return
	}
	e.following, e.broken = true, time.Since(e.seen) > refetch
	c.followed++
	c.wg.Go(func() {
		c.run(e, fetch)
		c.mu.Lock()
		defer c.mu.Unlock()
		e.following = false
		c.followed--
	})
}

// run follows a question until nobody asks it any more.
func (c *Cache) run(e *entry, fetch Fetch) {
	var spent budget
	pause := refetch
	for {
		c.mu.Lock()
		wait := spent.take(time.Now(), c.rate, c.burst)
		c.mu.Unlock()
		if !sleep(c.ctx, wait) {
			return
		}
		c.mu.Lock()
		index := e.answer.Index
		if e.broken {
			index = 0 // what was missed may be anything
		}
		over := !c.live(e) || time.Since(e.asked) > c.cfg.Idle
		c.mu.Unlock()
		if over {
			return
		}
		began := time.Now()
		a, err := fetch(c.ctx, index, true)
		c.mu.Lock()
		e.broken = err != nil || a == nil
		if !e.broken {
			c.keep(e, a)
		}
		c.mu.Unlock()
		if err == nil && a != nil {
			pause = refetch
			if a.Index <= index && !sleep(c.ctx, refetch-time.Since(began)) { // it should have blocked
				return
			}
			continue
		}
		if !sleep(c.ctx, pause) {
			return
		}
		pause = min(2*pause, refetchMax)
	}
}

// sleep waits; false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// budget is a token bucket: burst at once, then rate a second. It belongs to one
// goroutine.
type budget struct {
	tokens float64
	at     time.Time
}

// take takes a token and returns how long to wait for it.
func (b *budget) take(now time.Time, rate float64, burst int) time.Duration {
	if rate <= 0 || math.IsInf(rate, 1) {
		return 0
	}
	if b.at.IsZero() {
		b.tokens = float64(burst)
	} else {
		b.tokens = min(float64(burst), b.tokens+now.Sub(b.at).Seconds()*rate)
	}
	b.at = now
	b.tokens--
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / rate * float64(time.Second))
}
