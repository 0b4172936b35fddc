package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	keys = 4
	// patience is how long a client waits for an answer.
	patience = 5 * time.Second
)

// A Client writes and reads a few keys at any agent, one after the other, and
// records it.
type Client struct {
	c       *Cluster
	id      int
	rand    *rand.Rand
	history *History
	folder  string // of its keys
	writes  int
	seen    map[string]pair // by key: what it read last
}

type pair struct {
	Value       []byte
	ModifyIndex uint64
}

// NewClient makes the client with a number.
func NewClient(c *Cluster, id int, h *History) *Client {
	return &Client{c: c, id: id, rand: rand.New(rand.NewPCG(c.seed, uint64(100+id))), history: h, folder: "keys", seen: map[string]pair{}}
}

// Run works until ctx ends.
func (cl *Client) Run(ctx context.Context) {
	for ctx.Err() == nil {
		cl.Step(ctx, cl.c.agents[cl.rand.IntN(len(cl.c.agents))])
		time.Sleep(time.Duration(cl.rand.Int64N(int64(200 * time.Millisecond))))
	}
}

// Step does one thing at an agent.
func (cl *Client) Step(ctx context.Context, at *Agent) {
	key := fmt.Sprint("k", cl.rand.IntN(keys))
	switch n := cl.rand.IntN(20); {
	case n < 6:
		cl.put(ctx, at, key)
	case n < 8:
		cl.get(ctx, at, key, "?consistent")
	case n < 14:
		cl.get(ctx, at, key, "")
	case n < 18:
		cl.cas(ctx, at, key)
	case n < 19:
		cl.txn(ctx, at, key)
	default:
		cl.delete(ctx, at, key)
	}
}

// value is one that nobody else writes.
func (cl *Client) value() string {
	cl.writes++
	return fmt.Sprintf("%d-%d", cl.id, cl.writes)
}

func (cl *Client) uri(key string) string { return "/v1/kv/" + cl.folder + "/" + key }

// ask is Agent.Ask within a client's patience. It returns nil when the outcome
// is unknown.
func ask(ctx context.Context, at *Agent, method, uri, body string) *Answer {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := at.Ask(ctx, method, uri, body)
	if err != nil || r.Status >= 500 {
		return nil
	}
	return r
}

func (cl *Client) put(ctx context.Context, at *Agent, key string) {
	v := cl.value()
	end := cl.history.begin(cl.id, input{op: put, key: key, value: v})
	r := ask(ctx, at, "PUT", cl.uri(key), v)
	end(output{unknown: r == nil})
}

func (cl *Client) delete(ctx context.Context, at *Agent, key string) {
	end := cl.history.begin(cl.id, input{op: del, key: key})
	r := ask(ctx, at, "DELETE", cl.uri(key), "")
	end(output{unknown: r == nil})
}

func (cl *Client) get(ctx context.Context, at *Agent, key, mode string) {
	end := cl.history.begin(cl.id, input{op: get, key: key})
	r := ask(ctx, at, "GET", cl.uri(key)+mode, "")
	var list []pair
	if r == nil || r.Status == http.StatusOK && json.Unmarshal(r.Body, &list) != nil {
		end(output{unknown: true})
		return
	}
	p := pair{}
	if len(list) == 1 {
		p = list[0]
	}
	cl.seen[key] = p
	end(output{value: string(p.Value)})
}

// cas changes what it read last, or deletes it.
func (cl *Client) cas(ctx context.Context, at *Agent, key string) {
	p := cl.seen[key]
	in := input{op: cas, key: key, expect: string(p.Value)}
	method := "PUT"
	if p.ModifyIndex > 0 && cl.rand.IntN(5) == 0 {
		method, in.op = "DELETE", casDel
	} else {
		in.value = cl.value()
	}
	end := cl.history.begin(cl.id, in)
	r := ask(ctx, at, method, fmt.Sprintf("%s?cas=%d", cl.uri(key), p.ModifyIndex), in.value)
	if r == nil {
		end(output{unknown: true})
		return
	}
	done, err := strconv.ParseBool(string(r.Body))
	end(output{unknown: err != nil, ok: done})
}

// txn is cas as a transaction that checks and sets.
func (cl *Client) txn(ctx context.Context, at *Agent, key string) {
	p := cl.seen[key]
	if p.ModifyIndex == 0 {
		return
	}
	in := input{op: cas, key: key, expect: string(p.Value), value: cl.value()}
	body, err := json.Marshal([]any{
		map[string]any{"KV": map[string]any{"Verb": "check-index", "Key": cl.folder + "/" + key, "Index": p.ModifyIndex}},
		map[string]any{"KV": map[string]any{"Verb": "set", "Key": cl.folder + "/" + key, "Value": []byte(in.value)}},
	})
	if err != nil {
		panic(err) // of strings and numbers
	}
	end := cl.history.begin(cl.id, in)
	r := ask(ctx, at, "PUT", "/v1/txn", string(body))
	end(output{unknown: r == nil || r.Status != http.StatusOK && r.Status != http.StatusConflict, ok: r != nil && r.Status == http.StatusOK})
}

// A Watcher follows a prefix with blocking queries, as client libraries do.
type Watcher struct {
	c     *Cluster
	rand  *rand.Rand
	mu    sync.Mutex
	last  map[string]string // guarded by mu
	wakes int               // guarded by mu
	wrong []string          // guarded by mu
}

// NewWatcher makes one.
func NewWatcher(c *Cluster, id int) *Watcher {
	return &Watcher{c: c, rand: rand.New(rand.NewPCG(c.seed, uint64(200+id)))}
}

// Run watches until ctx ends, at one agent until that fails.
func (w *Watcher) Run(ctx context.Context) {
	index := uint64(0)
	at := w.c.agents[w.rand.IntN(len(w.c.agents))]
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, 15*time.Second)
		r, err := at.Ask(bounded, "GET", fmt.Sprintf("/v1/kv/keys/?recurse&wait=10s&index=%d", index), "")
		cancel()
		if err != nil || r.Status >= 500 {
			at = w.c.agents[w.rand.IntN(len(w.c.agents))]
			time.Sleep(200 * time.Millisecond)
			continue
		}
		next, _ := strconv.ParseUint(r.Header.Get("X-Consul-Index"), 10, 64)
		w.saw(at, index, next, r)
		index = next
	}
}

func (w *Watcher) saw(at *Agent, index, next uint64, r *Answer) {
	var list []struct {
		Key   string
		Value []byte
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if next < index {
		w.wrong = append(w.wrong, fmt.Sprintf("%s: the index of keys/ went back from %d to %d", at.Name(), index, next))
	}
	if r.Status == http.StatusOK && json.Unmarshal(r.Body, &list) != nil {
		w.wrong = append(w.wrong, fmt.Sprintf("%s answers %q", at.Name(), r.Body))
		return
	}
	w.last = map[string]string{}
	for _, p := range list {
		w.last[p.Key] = string(p.Value)
	}
	w.wakes++
}
