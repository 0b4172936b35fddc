package httpd

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/model"
)

// cacheTTL is how long a question that was asked with ?cached counts as
// cached, from when it was last asked.
const cacheTTL = 10 * time.Minute

// maxAsked bounds the questions that are remembered.
const maxAsked = 4096

// asked remembers which questions came with ?cached. What a server answers is
// current anyway, so there is nothing to keep but whether this was the first
// time: the headers tell it.
type asked struct {
	mu sync.Mutex
	at map[string]time.Time // guarded by mu
}

// before notes a question and tells whether it was asked before.
func (a *asked) before(key string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, ok := a.at[key]
	if a.at == nil || len(a.at) >= maxAsked {
		a.at = map[string]time.Time{}
	}
	a.at[key] = now
	return ok && now.Sub(last) < cacheTTL
}

// noteCached writes X-Cache and Age for a request with ?cached. waited tells
// that the answer is newer than the request.
func (c *call) noteCached(waited bool) {
	if !c.route.cached || !c.has("cached") {
		return
	}
	key := c.r.URL.Path
	for _, p := range []string{"dc", "tag", "passing", "filter", "node-meta"} {
		key += "\x00" + strings.Join(c.query[p], "\x01")
	}
	h := c.w.Header()
	if c.door.asked.before(key, time.Now()) && !waited {
		h["X-Cache"] = []string{"HIT"}
		h["Age"] = hZero
		return
	}
	h["X-Cache"] = []string{"MISS"}
}

// checkCacheControl refuses a Cache-Control header that cannot be understood.
func (c *call) checkCacheControl() error {
	v := c.r.Header.Get("Cache-Control")
	if v == "" || !c.has("cached") {
		return nil
	}
	for _, directive := range strings.Split(v, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "max-age", "stale-if-error":
			if _, err := strconv.ParseUint(value, 10, 32); err != nil {
				return model.Errorf(model.BadRequest, "Invalid Cache-Control header.")
			}
		}
	}
	return nil
}
