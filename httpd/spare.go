package httpd

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/cache"
	"muster/model"
	"muster/ops"
	"muster/relay"
	"muster/wire"
)

// What an agent without data keeps of the answers of servers. With ?cached it
// answers from that, and keeps it up to date. Without, a server is asked each
// time, and only while none can be reached the last answer is given once more,
// with its age in the headers: see COMPATIBILITY.md.

// spareAge is how old an answer may be that is given because no server can be
// reached, where neither the request nor discovery_max_stale says so.
const spareAge = 24 * time.Hour

// notOfTheQuestion are the parameters that say how something is asked, not what.
var notOfTheQuestion = []string{"cached", "index", "wait", "stale", "consistent", "leader", "max_stale", "token", "pretty"}

// questionURI is the path and the parameters that say what is asked, in an order
// of their own, and with it the key under which the answer is kept: nobody gets
// what another token was answered.
func (c *call) questionURI() (uri, key string) {
	params := url.Values{}
	for name, values := range c.query {
		if !slices.Contains(notOfTheQuestion, name) {
			params[name] = values
		}
	}
	uri = c.r.URL.EscapedPath() + "?" + params.Encode()
	return uri, strconv.Itoa(len(c.q.Token)) + c.q.Token + uri
}

// fromCache answers a request with ?cached, on an agent that keeps a cache.
func (c *call) fromCache() (kept bool, err error) {
	if c.door.cfg.Cache == nil || !c.door.cfg.UseCache || !c.route.cached || !c.route.blocking || c.route.runsQueries || !c.has("cached") || c.q.Near == model.NearIP {
		return false, nil
	}
	uri, key := c.questionURI()
	w := cache.Wish{MinIndex: c.q.MinIndex, Wait: c.q.Wait, MaxAge: c.control.maxAge, IfError: max(c.control.ifError, 0)}
	if w.Wait <= 0 || w.Wait > 10*time.Minute {
		w.Wait = 5 * time.Minute
	}
	if c.control.must {
		w.MaxAge, w.IfError = max(w.MaxAge, 0), 0
	}
	a, hit, age, err := c.door.cfg.Cache.Get(c.context(), key, w, c.fetch(uri))
	if err != nil {
		return false, err
	}
	if a == nil { // an answer that is not for keeping: an error, told anew
		return false, nil
	}
	return true, c.replay(a, func(h http.Header) {
		switch {
		case !hit:
			h["X-Cache"] = []string{"MISS"}
		case age > 0: // no server says so any more
			lastKnown(h, age)
		default:
			h["X-Cache"], h["Age"] = []string{"HIT"}, hZero
		}
	})
}

// fetch asks the servers for what is kept: for somebody who waits what holds
// now, in the background whatever any server has.
func (c *call) fetch(uri string) cache.Fetch {
	token, dc, from := c.q.Token, c.datacenter(), c.door.cfg.Relay
	need := relay.Need{Place: relay.Server, Datacenter: dc, Spare: true}
	translate := c.wantsTranslation(need)
	return func(ctx context.Context, index uint64, background bool) (*cache.Answer, error) {
		req := &wire.Request{Method: http.MethodGet, URI: uri, Header: http.Header{}}
		if background {
			req.URI += "&stale"
		}
		if index > 0 {
			req.URI += "&wait=60s&index=" + strconv.FormatUint(index, 10)
		}
		if token != "" {
			req.Header.Set("X-Consul-Token", token)
		}
		if translate {
			req.Header.Set(HeaderTranslate, "1")
		}
		resp, err := from.Call(ctx, need, req)
		if err != nil || resp.Status != http.StatusOK {
			return nil, err
		}
		return newAnswer(resp.Header, bytes.Clone(resp.Body)), nil
	}
}

// newAnswer makes an answer that is kept. The body must be the answer's own.
func newAnswer(h http.Header, body []byte) *cache.Answer {
	index, _ := strconv.ParseUint(h.Get("X-Consul-Index"), 10, 64)
	return &cache.Answer{Header: h.Clone(), Body: body, Index: index}
}

// replay answers with what a server said; change alters the headers.
func (c *call) replay(a *cache.Answer, change func(http.Header)) error {
	h := c.w.Header()
	for name, values := range a.Header {
		switch name {
		case "Content-Encoding", "Content-Length", "X-Cache", "Age":
		default:
			h[name] = values
		}
	}
	change(h)
	data := a.Body
	if a.Header.Get("Content-Encoding") == "gzip" {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err == nil {
			data, err = io.ReadAll(r)
		}
		if err != nil {
			return model.Errorf(model.Internal, "read a kept answer: %w", err)
		}
	}
	return c.sendJSON(http.StatusOK, &body{json: data})
}

// passStale tells the server that a request is handed on to how stale the answer
// may be by this agent's configuration.
func (c *call) passStale(r *http.Request) {
	if c.staleByConfig {
		u := *r.URL
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&max_stale="+c.q.MaxStale.String(), "&")
		r.URL = &u
	}
}

// spare has the last answer ready for the case that no server can be reached, if
// the request may be answered with it. It returns whom to write an answer to, and
// what to call with the outcome: that is true if the last answer was given.
func (c *call) spare(need *relay.Need) (http.ResponseWriter, func(error) bool) {
	kept := c.door.cfg.Cache
	if kept == nil || !c.route.spare || c.q.Mode == ops.Consistent || c.has("leader") || c.control.must || c.q.Near == model.NearIP {
		return c.w, func(error) bool { return false }
	}
	_, key := c.questionURI()
	last, age := kept.Last(key)
	if last != nil && (age > c.spareAge() || c.q.MinIndex > 0 && last.Index <= c.q.MinIndex) {
		last = nil // too old, or what the caller has already
	}
	need.Spare = last != nil
	seen := &seenWriter{ResponseWriter: c.w}
	return seen, func(err error) bool {
		if err == nil {
			if seen.status == http.StatusOK {
				kept.Remember(key, newAnswer(c.w.Header(), seen.body))
			}
			return false
		}
		if last == nil || model.KindOf(err) != model.NoServers {
			return false
		}
		_, age := kept.Last(key)
		return c.replay(last, func(h http.Header) { lastKnown(h, age) }) == nil
	}
}

// spareAge is how old an answer may be that is given because no server can be
// reached.
func (c *call) spareAge() time.Duration {
	bound := spareAge
	if d := c.door.cfg.DiscoveryMaxStale; d > 0 {
		bound = d
	}
	if c.q.MaxStale > 0 {
		bound = min(bound, c.q.MaxStale)
	}
	if d := c.control.ifError; d >= 0 {
		bound = min(bound, d)
	}
	return bound
}

// lastKnown tells in the headers that an answer is the last one known.
func lastKnown(h http.Header, age time.Duration) {
	h["X-Cache"] = []string{"HIT"}
	h["Age"] = []string{strconv.FormatInt(int64(age/time.Second), 10)}
	h["X-Consul-Knownleader"] = hFalse
	contact, _ := strconv.ParseInt(strings.Join(h["X-Consul-Lastcontact"], ""), 10, 64)
	h["X-Consul-Lastcontact"] = []string{strconv.FormatInt(contact+age.Milliseconds(), 10)}
	if len(h["X-Consul-Effective-Consistency"]) > 0 {
		h["X-Consul-Effective-Consistency"] = hModes[ops.Stale]
	}
}

// seenWriter sees what is answered.
type seenWriter struct {
	http.ResponseWriter
	status int
	body   []byte // a copy
}

func (w *seenWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *seenWriter) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return w.ResponseWriter.Write(b)
}
