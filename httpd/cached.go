package httpd

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/model"
)

// CacheTTL is how long a question that was asked with ?cached counts as
// cached, or is followed, from when it was last asked.
const CacheTTL = 10 * time.Minute

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
	return ok && now.Sub(last) < CacheTTL
}

// noteCached writes X-Cache and Age for a request with ?cached. waited tells
// that the answer is newer than the request.
func (c *call) noteCached(waited bool) {
	if !c.route.cached || !c.has("cached") || !c.door.cfg.UseCache {
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

// cacheControl is what a request says of the age of answers (RFC 9111, 5.2.1;
// stale-if-error: RFC 5861).
type cacheControl struct {
	maxAge  time.Duration // below 0: none given
	ifError time.Duration // below 0: none given
	// must: an answer that is too old must not be given, whatever happens.
	must bool
}

// checkCacheControl reads Cache-Control, and refuses one that cannot be
// understood.
func (c *call) checkCacheControl() error {
	c.control = cacheControl{maxAge: -1, ifError: -1}
	v := c.r.Header.Get("Cache-Control")
	if v == "" || !c.route.cached {
		return nil
	}
	for _, directive := range strings.Split(v, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		name = strings.ToLower(name)
		switch name {
		case "must-revalidate":
			c.control.must = true
		case "max-age", "stale-if-error":
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil && c.has("cached") {
				return model.Errorf(model.BadRequest, "Invalid Cache-Control header.")
			}
			if age := time.Duration(n) * time.Second; name == "max-age" {
				c.control.maxAge = age
			} else {
				c.control.ifError = age
			}
		}
	}
	return nil
}
