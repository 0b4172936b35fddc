package watches

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api/watch"
	"github.com/hashicorp/go-hclog"

	"muster/config"
	"muster/internal/memnet"
)

// value is that of a key, and the index at which it was written.
type value struct {
	text  string
	index uint64
}

// fakeAgent answers /v1/kv/ on a network in memory, as an agent does.
type fakeAgent struct {
	host *memnet.Host

	mu       sync.Mutex
	index    uint64
	values   map[string]value
	changed  chan struct{}
	failing  bool
	asked    []string // paths with queries and tokens
	hanging  int      // requests under way
	unsynced bool     // answers nothing at all
}

func newAgent(t *testing.T) *fakeAgent {
	a := &fakeAgent{host: memnet.New(1).Host("10.0.0.1"), index: 1, values: map[string]value{}, changed: make(chan struct{})}
	l, err := a.host.Listen(8500)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: a}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return a
}

func (a *fakeAgent) put(key, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.index++
	a.values[key] = value{text, a.index}
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *fakeAgent) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func (a *fakeAgent) underWay() int {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hanging
}

func (a *fakeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.URL.RequestURI()+" "+r.Header.Get("X-Consul-Token"))
	a.hanging++
	defer func() { a.hanging-- }()
	for (since >= a.index || a.unsynced) && r.Context().Err() == nil {
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		a.mu.Lock()
	}
	if a.failing {
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/v1/kv/")
	w.Header().Set("X-Consul-Index", strconv.FormatUint(a.index, 10))
	if v, ok := a.values[key]; ok {
		fmt.Fprintf(w, `[{"Key":%q,"Value":%q,"ModifyIndex":%d}]`, key, base64.StdEncoding.EncodeToString([]byte(v.text)), v.index)
	} else {
		w.WriteHeader(http.StatusNotFound)
	}
}

// lines is a log that tests read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t *testing.T, a *fakeAgent) (*Watches, *lines) {
	log := &lines{}
	w := New(Config{
		Dial:   func(ctx context.Context) (net.Conn, error) { return a.host.Dial(ctx, "tcp", "10.0.0.1:8500") },
		Logger: hclog.New(&hclog.LoggerOptions{Name: "agent", Level: hclog.Debug, Output: log}),
	})
	t.Cleanup(w.Close)
	return w, log
}

// keyWatch appends what it is told to a file, each with its index before it.
func keyWatch(key, file string) config.Watch {
	return config.Watch{HandlerType: "script", Params: map[string]any{"type": "key", "key": key},
		Args: []string{"sh", "-c", `echo "$CONSUL_INDEX $(cat)" >> "$1"`, "sh", file}}
}

// told waits for what was started and returns the lines of a file.
func told(t *testing.T, file string) []string {
	t.Helper()
	synctest.Wait() // what runs outside of the bubble is waited for, too
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func expectLast(t *testing.T, file string, n int, want string) {
	t.Helper()
	if got := told(t, file); len(got) != n || !strings.Contains(got[len(got)-1], want) {
		t.Errorf("the handler was told %q, want %d times, the last one %s", got, n, want)
	}
}

func TestHandlerIsToldOfChanges(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		w, _ := start(t, a)
		file := filepath.Join(dir, "out")
		one := keyWatch("k", file)
		one.Params["token"], one.Params["datacenter"], one.Params["stale"] = "secret", "dc2", true
		if err := w.Set([]config.Watch{one}); err != nil {
			t.Fatal(err)
		}
		expectLast(t, file, 1, "1 null")
		a.put("k", "one")
		expectLast(t, file, 2, `2 {"Key":"k"`)
		a.put("other", "x") // wakes the query and changes nothing
		expectLast(t, file, 2, "")
		a.put("k", "two")
		expectLast(t, file, 3, base64.StdEncoding.EncodeToString([]byte("two")))
		a.mu.Lock()
		if want := "/v1/kv/k?dc=dc2&index=1&stale= secret"; a.asked[1] != want {
			t.Errorf("asked %q, want %q", a.asked[1], want)
		}
		a.mu.Unlock()
	})
}

// slowHandler takes its time for each result, or until its context ends.
type slowHandler struct {
	takes   time.Duration
	results []string // guarded by mu
	mu      sync.Mutex
}

func (h *slowHandler) String() string { return "slow" }

func (h *slowHandler) handle(ctx context.Context, _ watch.BlockingParamVal, body []byte) (string, error) {
	h.mu.Lock()
	h.results = append(h.results, string(body))
	h.mu.Unlock()
	select {
	case <-time.After(h.takes):
	case <-ctx.Done():
	}
	return "", ctx.Err()
}

func (h *slowHandler) told() int {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.results)
}

// begin starts a watch of a key with that handler, as Set does.
func (h *slowHandler) begin(t *testing.T, w *Watches, key string) {
	list, err := plan([]config.Watch{keyWatch(key, "")})
	if err != nil {
		t.Fatal(err)
	}
	list[0].handler = h
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[list[0].definition] = []*query{w.start(list[0])}
}

// TestChangesMeet: while a handler runs, what changes adds up to one result.
func TestChangesMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		w, _ := start(t, a)
		h := &slowHandler{takes: 10 * time.Second}
		h.begin(t, w, "k")
		for i := range 9 {
			time.Sleep(time.Second)
			a.put("k", strconv.Itoa(i))
		}
		if n := h.told(); n != 1 {
			t.Errorf("the handler was called %d times while it ran", n)
		}
		time.Sleep(20 * time.Second)
		if n := h.told(); n != 2 || !strings.Contains(h.results[1], base64.StdEncoding.EncodeToString([]byte("8"))) {
			t.Errorf("the handler was told %q", h.results)
		}
	})
}

// TestHandlerOutlivesItsWatch: a handler may itself cause the reload that takes
// its watch away. It may go on then, unless the agent stops.
func TestHandlerOutlivesItsWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		w, log := start(t, a)
		h := &slowHandler{takes: time.Hour}
		h.begin(t, w, "k")
		if n := h.told(); n != 1 {
			t.Fatalf("told %d times", n)
		}
		begin := time.Now()
		if err := w.Set(nil); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		w.Close()
		if d := time.Since(begin); d != time.Minute {
			t.Errorf("Set and Close took %v", d-time.Minute)
		}
		if text := log.String(); text != "" {
			t.Errorf("the log complains: %s", text)
		}
	})
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		w, _ := start(t, a)
		one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
		set := func(list ...config.Watch) {
			t.Helper()
			if err := w.Set(list); err != nil {
				t.Fatal(err)
			}
		}
		set(keyWatch("k", one), keyWatch("k", one))
		expectLast(t, one, 2, "null")
		set(keyWatch("k", one), keyWatch("k", two)) // one of the two goes on, the other goes
		expectLast(t, one, 2, "null")
		expectLast(t, two, 1, "null")
		if n := a.underWay(); n != 2 {
			t.Errorf("%d queries for 2 watches", n)
		}
		bad := keyWatch("k", one)
		bad.Params["type"] = "nonsense"
		if err := w.Set([]config.Watch{keyWatch("new", one), bad}); err == nil {
			t.Error("nonsense was accepted")
		}
		a.put("k", "v")
		expectLast(t, one, 3, `"Key":"k"`)
		expectLast(t, two, 2, `"Key":"k"`)
		set()
		if n := a.underWay(); n != 0 {
			t.Errorf("%d queries of watches that are gone", n)
		}
		a.put("k", "w")
		expectLast(t, one, 3, "")
		w.Close()
		set(keyWatch("k", one))
		w.Close()
		expectLast(t, one, 3, "")
	})
}

// TestStopAtOnce: a watch may be stopped before, while and after it asks for
// the first time, and while it waits to try again.
func TestStopAtOnce(t *testing.T) {
	dir := t.TempDir()
	for name, prepare := range map[string]func(*fakeAgent){
		"answers":    func(*fakeAgent) {},
		"hangs":      func(a *fakeAgent) { a.unsynced = true },
		"fails":      func(a *fakeAgent) { a.failing = true },
		"is not yet": func(a *fakeAgent) { a.host = memnet.New(1).Host("10.0.0.2") },
	} {
		for _, after := range []time.Duration{0, time.Nanosecond, time.Second} {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent(t)
				a.set(func() { prepare(a) })
				w, log := start(t, a)
				list := make([]config.Watch, 10)
				for i := range list {
					list[i] = keyWatch("k", filepath.Join(dir, strconv.Itoa(i)))
				}
				if err := w.Set(list); err != nil {
					t.Fatal(err)
				}
				if after > 0 {
					time.Sleep(after)
				}
				// A handler is a real program: virtual time runs on while the
				// system buries it.
				begin := time.Now()
				w.Close()
				if d := time.Since(begin); d > closeGrace {
					t.Errorf("agent that %s: Close after %v took %v", name, after, d)
				}
				if text := log.String(); strings.Contains(text, "canceled") {
					t.Errorf("the log complains: %s", text)
				}
			})
		}
	}
}

func TestQueryIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		a.set(func() { a.failing = true })
		w, log := start(t, a)
		file := filepath.Join(dir, "out")
		if err := w.Set([]config.Watch{keyWatch("k", file)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a.set(func() { a.failing = false })
		time.Sleep(6 * time.Second)
		expectLast(t, file, 1, "null")
		if text := log.String(); !strings.Contains(text, "No cluster leader") {
			t.Errorf("the log does not tell of the error: %s", text)
		}
	})
}

func TestHandlersInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(t)
		w, log := start(t, a)
		script := func(text string) config.Watch {
			return config.Watch{HandlerType: "script", Params: map[string]any{"type": "key", "key": "k"}, Handler: text}
		}
		if err := w.Set([]config.Watch{script("echo fine"), script("echo broken >&2; exit 7"), script("true"),
			{HandlerType: "script", Params: map[string]any{"type": "key", "key": "k"}, Args: []string{"/no/such/program"}}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		text := log.String()
		for _, want := range []string{
			`[DEBUG] agent.watch: watch handler output: type=key handler="echo fine" output=fine`,
			`[ERROR] agent.watch: watch handler failed: type=key handler="echo broken >&2; exit 7" error="exit status 7, output: broken"`,
			"/no/such/program",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the log has no line %s:\n%s", want, text)
			}
		}
	})
}
