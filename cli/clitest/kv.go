package clitest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// KV pretends to be the keys and the sessions of a cluster, as far as locks
// need them: blocking reads, check-and-set, acquire, release and delete.
type KV struct {
	mu       sync.Mutex // guards what follows
	index    uint64
	changed  chan struct{} // closed by the next change
	pairs    map[string]*Pair
	sessions map[string]Session
	broken   bool
}

// Pair is a key.
type Pair struct {
	Key                                        string
	CreateIndex, ModifyIndex, LockIndex, Flags uint64
	Value                                      []byte
	Session                                    string
}

// Session is a session, as it was created.
type Session struct {
	ID, Name, TTL, Behavior, Node string
	Renewed                       int
}

// Cluster adds the keys and the sessions to what the agent answers.
func (a *Agent) Cluster() *KV {
	kv := &KV{index: 1, changed: make(chan struct{}), pairs: map[string]*Pair{}, sessions: map[string]Session{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cluster = kv
	return kv
}

// Break has every request be refused, as by servers without a leader.
func (k *KV) Break(broken bool) {
	k.change(func() { k.broken = broken })
}

// Keys are the names of all keys, sorted.
func (k *KV) Keys() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys("")
}

// Sessions are the sessions that there are, by their names.
func (k *KV) Sessions() map[string]Session {
	k.mu.Lock()
	defer k.mu.Unlock()
	byName := map[string]Session{}
	for _, s := range k.sessions {
		byName[s.Name] = s
	}
	return byName
}

// Put writes a key.
func (k *KV) Put(key, value string) { k.Hold(key, value, "", 0) }

// Hold writes a key with the session that holds it and its flags.
func (k *KV) Hold(key, value, session string, flags uint64) {
	k.change(func() { k.put(key, []byte(value), flags).Session = session })
}

// Expire ends all sessions, as if they had not been renewed.
func (k *KV) Expire() {
	k.change(func() {
		for id := range k.sessions {
			k.end(id)
		}
	})
}

// change makes a change, and wakes those who wait for one.
func (k *KV) change(do func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.index++
	do()
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *KV) keys(prefix string) []string {
	var keys []string
	for key := range k.pairs {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	return keys
}

func (k *KV) put(key string, value []byte, flags uint64) *Pair {
	p := k.pairs[key]
	if p == nil {
		p = &Pair{Key: key, CreateIndex: k.index}
		k.pairs[key] = p
	}
	p.ModifyIndex, p.Value, p.Flags = k.index, value, flags
	return p
}

func (k *KV) end(session string) {
	for key, p := range k.pairs {
		if p.Session != session {
			continue
		}
		if k.sessions[session].Behavior == "delete" {
			delete(k.pairs, key)
		} else {
			p.Session, p.ModifyIndex = "", k.index
		}
	}
	delete(k.sessions, session)
}

// serve answers what is about keys and sessions.
func (k *KV) serve(w http.ResponseWriter, r *http.Request) bool {
	key, isKey := strings.CutPrefix(r.URL.Path, "/v1/kv/")
	action, isSession := strings.CutPrefix(r.URL.Path, "/v1/session/")
	if !isKey && !isSession {
		return false
	}
	body, err := io.ReadAll(r.Body)
	k.mu.Lock()
	broken := k.broken
	k.mu.Unlock()
	switch {
	case err != nil || broken:
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
	case isSession:
		k.session(w, action, body)
	case r.Method == http.MethodGet:
		k.read(w, r, key)
	default:
		k.write(w, r, key, body)
	}
	return true
}

func (k *KV) session(w http.ResponseWriter, action string, body []byte) {
	verb, id, _ := strings.Cut(action, "/")
	k.change(func() {
		switch verb {
		case "create":
			var s Session
			_ = json.Unmarshal(body, &s) // an odd request makes an odd session
			s.ID = fmt.Sprintf("session-%d", k.index)
			k.sessions[s.ID] = s
			fmt.Fprintf(w, `{"ID": %q}`, s.ID)
		case "renew":
			s, ok := k.sessions[id]
			if !ok {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			s.Renewed++
			k.sessions[id] = s
			_ = json.NewEncoder(w).Encode([]Session{s})
		case "destroy":
			k.end(id)
			io.WriteString(w, "true")
		}
	})
}

// read answers a read, after a change if it asks for one.
func (k *KV) read(w http.ResponseWriter, r *http.Request, key string) {
	query := r.URL.Query()
	after, _ := strconv.ParseUint(query.Get("index"), 10, 64)
	wait, err := time.ParseDuration(query.Get("wait"))
	if err != nil {
		wait = 5 * time.Minute
	}
	timeout := time.After(wait)
	for {
		k.mu.Lock()
		if k.index > after {
			break
		}
		changed := k.changed
		k.mu.Unlock()
		select {
		case <-changed:
		case <-timeout:
			after = 0
		case <-r.Context().Done():
			return
		}
	}
	defer k.mu.Unlock()
	w.Header().Set("X-Consul-Index", strconv.FormatUint(k.index, 10))
	if k.broken {
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
		return
	}
	keys := k.keys(key)
	if !query.Has("recurse") && !query.Has("keys") {
		keys = nil
		if k.pairs[key] != nil {
			keys = []string{key}
		}
	}
	var answer any = keys
	if !query.Has("keys") {
		pairs := []*Pair{}
		for _, name := range keys {
			pairs = append(pairs, k.pairs[name])
		}
		answer = pairs
	}
	if len(keys) == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (k *KV) write(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	query := r.URL.Query()
	flags, _ := strconv.ParseUint(query.Get("flags"), 10, 64)
	done := true
	k.change(func() {
		p := k.pairs[key]
		if query.Has("cas") {
			at, _ := strconv.ParseUint(query.Get("cas"), 10, 64)
			done = p == nil && at == 0 || p != nil && p.ModifyIndex == at
		}
		switch session := query.Get("acquire") + query.Get("release"); {
		case !done:
		case query.Has("recurse"):
			for _, name := range k.keys(key) {
				delete(k.pairs, name)
			}
		case r.Method == http.MethodDelete:
			delete(k.pairs, key)
		case query.Has("acquire"):
			if done = p == nil || p.Session == "" || p.Session == session; done {
				k.put(key, body, flags).Session = session
			}
		case query.Has("release"):
			if done = p != nil && p.Session == session; done {
				k.put(key, body, flags).Session = ""
			}
		default:
			k.put(key, body, flags)
		}
	})
	fmt.Fprint(w, done)
}
