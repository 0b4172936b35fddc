package httpd

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/acl"
	"muster/model"
	"muster/ops/opstest"
)

// A reader asked something and waits.
type reader struct {
	w      *httptest.ResponseRecorder
	took   time.Duration
	done   chan struct{}
	cancel context.CancelFunc
}

// read asks without waiting for the answer.
func (r *rig) read(url string, headers ...string) *reader {
	ctx, cancel := context.WithCancel(r.t.Context())
	a := &reader{w: httptest.NewRecorder(), done: make(chan struct{}), cancel: cancel}
	began := time.Now()
	go func() {
		defer close(a.done)
		r.door.ServeHTTP(a.w, request("GET", url, "", headers...).WithContext(ctx))
		a.took = time.Since(began)
	}()
	return a
}

// waiting tells whether the answer is still to come, when nothing moves.
func (a *reader) waiting() bool {
	synctest.Wait()
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

func (a *reader) want(t *testing.T, took time.Duration, index, body string) {
	t.Helper()
	<-a.done
	if got := a.w.Header().Get("X-Consul-Index"); a.took != took || got != index || a.w.Body.String() != body {
		t.Errorf("after %s index %s, %s; want after %s index %s, %s", a.took, got, a.w.Body, took, index, body)
	}
}

// Index and wait reach the question, and an answer after the time is the same
// as one at once.
func TestBlockingQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.put("k", "v")
		const body = `[{"LockIndex":0,"Key":"k","Flags":0,"Value":"dg==","CreateIndex":1,"ModifyIndex":1}]`
		for _, c := range []struct {
			query string
			took  time.Duration
		}{
			{"", 0}, {"?index=0&wait=10s", 0}, {"?index=&wait=10s", 0}, {"?wait=10s", 0}, {"?index=1&wait=10s", 10 * time.Second},
			{"?index=1", 5 * time.Minute}, {"?index=1&wait=0", 5 * time.Minute}, {"?index=1&wait=-5s", 5 * time.Minute},
			{"?index=1&wait=1h", 10 * time.Minute}, {"?index=18446744073709551615&wait=500ms", 500 * time.Millisecond},
		} {
			r.read("/v1/kv/k"+c.query).want(t, c.took, "1", body)
			r.read("/v1/kv/none"+c.query).want(t, c.took, "1", "")
		}
		a := r.read("/v1/kv/k?index=1&raw")
		time.Sleep(time.Second)
		r.put("k", "w")
		a.want(t, time.Second, "2", "w")
		if n := r.log.Store.Watches(); n != 0 {
			t.Errorf("%d watches are left", n)
		}
	})
}

// The index of nothing at all is that of a whole table, which moves without what
// was asked for being touched.
func TestIndexOfNothingMoves(t *testing.T) {
	r := newRig(t)
	index := func(url string) string {
		w := r.do("GET", url, "")
		return strings.TrimSpace(w.Body.String()) + " " + w.Header().Get("X-Consul-Index")
	}
	expect := func(url, want string) {
		t.Helper()
		for range 2 {
			if got := index(url); got != want {
				t.Errorf("%s: %s, want %s", url, got, want)
			}
		}
	}
	for _, i := range []string{"1", "2", "3"} {
		r.put("other", i)
		expect("/v1/kv/none?recurse", " "+i)
		expect("/v1/kv/none?keys", " "+i)
	}
	r.register("n1", "web", "web1") // index 4
	expect("/v1/catalog/service/none", "[] 4")
	expect("/v1/health/service/none", "[] 4")
	r.register("n1", "db", "db1")
	expect("/v1/catalog/service/none", "[] 5")
	expect("/v1/health/service/none?passing", "[] 5")
	r.want(200, "true", "PUT", "/v1/catalog/deregister", `{"Node":"n1","ServiceID":"db1"}`)
	r.register("n1", "api", "api1")
	for _, gone := range []string{"none", "db"} { // now that of the last service that went
		expect("/v1/catalog/service/"+gone, "[] 6")
		expect("/v1/health/service/"+gone, "[] 6")
	}
}

// Many who wait for the same get the same bytes, rendered and compressed once.
func TestBlockedReadersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for i := range 10 {
			r.register(fmt.Sprintf("node%d", i), "web", "web")
		}
		for round := range 3 {
			index := r.do("GET", "/v1/health/service/web?passing", "").Header().Get("X-Consul-Index")
			_, before, _, _ := r.door.answers.Stats()
			var readers []*reader
			for range 50 {
				readers = append(readers, r.read("/v1/health/service/web?passing&index="+index, "Accept-Encoding: gzip"))
			}
			if !readers[0].waiting() || r.log.Store.Watches() != 1 {
				t.Fatalf("%d watches", r.log.Store.Watches())
			}
			r.register(fmt.Sprintf("more%d", round), "web", "web")
			for _, a := range readers {
				<-a.done
				if a.w.Body.String() != readers[0].w.Body.String() || a.w.Header().Get("Content-Encoding") != "gzip" {
					t.Error("readers got different answers")
				}
			}
			if text := string(gunzip(t, readers[0].w.Body.Bytes())); !strings.Contains(text, fmt.Sprintf("more%d", round)) {
				t.Errorf("the answer is not the new one: %s", text)
			}
			if _, after, _, _ := r.door.answers.Stats(); after != before+1 {
				t.Errorf("rendered %d times", after-before)
			}
		}
	})
}

// What is shared among those who may see everything is not given to others,
// whoever waits with whom, and whoever is the first to wake.
func TestBlockedReadersSeeOnlyTheirs(t *testing.T) {
	urls := map[string]struct{ secret, open string }{
		"/v1/kv/dir?recurse":                 {"dir/secret", "dir/open"},
		"/v1/kv/dir?keys":                    {"dir/secret", "dir/open"},
		"/v1/health/service/web?":            {"secret-check", "open-check"},
		"/v1/catalog/service/web?":           {`"secret"`, `"open"`},
		"/v1/catalog/nodes?":                 {`"secret"`, `"open"`},
		"/v1/health/state/any?":              {"secret-check", "open-check"},
		"/v1/internal/ui/nodes?":             {`"secret"`, `"open"`},
		"/v1/catalog/nodes?filter=Node!=x&a": {`"secret"`, `"open"`},
	}
	for url, marks := range urls {
		t.Run(url, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, withACL(opstest.Tokens{root: acl.AllowAll{}, "some": opstest.Except("secret", "dir/secret"), nobody: opstest.DenyAll}))
				change := func(value string) {
					r.put("dir/secret", value)
					r.put("dir/open", value)
					for _, node := range []string{"secret", "open"} {
						r.log.Apply(t, model.CmdRegister, &model.RegisterRequest{Node: node, Address: value,
							Service: &model.NodeService{ID: node, Service: "web"},
							Checks:  []*model.HealthCheck{{Node: node, CheckID: node + "-check", Output: value, ServiceID: node}}})
					}
				}
				change("one")
				order := []string{root, "some", nobody, root, "some"}
				var readers []*reader
				for _, token := range order { // some ask now, some wait
					readers = append(readers, r.read(url, "X-Consul-Token: "+token),
						r.read(url+"&index=6&wait=1m", "X-Consul-Token: "+token))
				}
				time.Sleep(time.Second)
				change("two")
				for i, a := range readers {
					<-a.done
					body := a.w.Body.String()
					token := order[i/2]
					if token == root != strings.Contains(body, marks.secret) || token == nobody == strings.Contains(body, marks.open) {
						t.Errorf("%s got %s", token, body)
					}
				}
			})
		})
	}
}

// A tag or a pair of metadata that looks like two is another question.
func TestAnswersAreForTheQuestion(t *testing.T) {
	r := newRig(t)
	r.log.Apply(t, model.CmdRegister, &model.RegisterRequest{Node: "n", Address: "x", NodeMeta: map[string]string{"a": "1", "b": "2"},
		Service: &model.NodeService{ID: "web", Service: "web", Tags: []string{"a", "b"}}})
	for _, c := range []struct{ odd, plain string }{
		{"tag=a%01b", "tag=a&tag=b"},
		{"node-meta=a:1%02b%012", "node-meta=a:1&node-meta=b:2"},
	} {
		for _, path := range []string{"/v1/health/service/web?", "/v1/catalog/service/web?"} {
			r.want(200, "[]", "GET", path+c.odd, "")
			if w := r.do("GET", path+c.plain, ""); w.Body.String() == "[]" {
				t.Errorf("%s%s: nothing, after %s was asked", path, c.plain, c.odd)
			}
		}
	}
}

// A server that ceases to lead answers nobody who waited for what it knows.
func TestBlockedReaderHearsOfLostLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.put("k", "v")
		a, stale := r.read("/v1/kv/k?index=1"), r.read("/v1/kv/k?index=1&stale")
		if !a.waiting() || !stale.waiting() {
			t.Fatal("they do not wait")
		}
		r.log.SetReadOK(func() bool { return false })
		r.log.SetConfirm(func(context.Context, bool) error { return model.ErrNoLeader })
		r.put("k", "of another")
		<-a.done
		if a.w.Code != http.StatusInternalServerError || a.w.Body.String() != model.TextNoLeader {
			t.Errorf("%d %s", a.w.Code, a.w.Body)
		}
		<-stale.done
		if stale.w.Code != http.StatusOK {
			t.Errorf("stale: %d %s", stale.w.Code, stale.w.Body)
		}
	})
}

// A write waits for a leader for as long as is configured.
func TestWritesWaitForLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.cluster.lead(false)
		began := time.Now()
		w := r.do("PUT", "/v1/kv/k", "v")
		if w.Code != http.StatusInternalServerError || w.Body.String() != model.TextNoLeader || time.Since(began) < time.Second {
			t.Errorf("%d %s after %s", w.Code, w.Body, time.Since(began))
		}
		began = time.Now()
		time.AfterFunc(500*time.Millisecond, func() { r.cluster.lead(true) })
		w = r.do("PUT", "/v1/kv/k", "v")
		if took := time.Since(began); w.Code != http.StatusOK || took < 500*time.Millisecond || took >= time.Second {
			t.Errorf("%d %s after %s", w.Code, w.Body, took)
		}
	})
}

// ?hash waits until a service of this agent is another one.
func TestAgentServiceHash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.want(404, "unknown service ID: web", "GET", "/v1/agent/service/web", "")
		r.want(200, "", "PUT", "/v1/agent/service/register", `{"Name":"web","Port":80}`)
		first := r.do("GET", "/v1/agent/service/web", "")
		hash := first.Header().Get("X-Consul-Contenthash")
		if hash == "" || !strings.Contains(first.Body.String(), `"ContentHash":"`+hash+`"`) {
			t.Fatalf("%s %v", first.Body, first.Header())
		}
		url := "/v1/agent/service/web?hash=" + hash
		same := r.read(url + "&wait=30s")
		<-same.done
		if same.took != 30*time.Second || same.w.Body.String() != first.Body.String() {
			t.Errorf("after %s: %s", same.took, same.w.Body)
		}
		if other := r.read("/v1/agent/service/web?hash=other"); other.waiting() {
			t.Error("waits for a hash that the service does not have")
		}
		a := r.read(url)
		time.Sleep(time.Second)
		r.want(200, "", "PUT", "/v1/agent/service/register", `{"Name":"other"}`)
		if !a.waiting() {
			t.Fatal("woken by another service")
		}
		r.want(200, "", "PUT", "/v1/agent/service/register", `{"Name":"web","Port":81}`)
		<-a.done
		if a.took != time.Second || a.w.Header().Get("X-Consul-Contenthash") == hash || !strings.Contains(a.w.Body.String(), `"Port":81`) {
			t.Errorf("after %s: %s", a.took, a.w.Body)
		}
		gone := r.read(url + "&wait=1h")
		<-gone.done // the hash is not the present one
		waiting := r.read("/v1/agent/service/web?hash=" + a.w.Header().Get("X-Consul-Contenthash"))
		if !waiting.waiting() {
			t.Fatal("does not wait")
		}
		r.want(200, "", "PUT", "/v1/agent/service/deregister/web", "")
		<-waiting.done
		if waiting.w.Code != 404 {
			t.Errorf("%d %s", waiting.w.Code, waiting.w.Body)
		}
	})
}

// Events are listed from an index on, for at most 10 minutes.
func TestEventListWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.want(200, "[]", "GET", "/v1/event/list", "")
		for query, took := range map[string]time.Duration{
			"?index=1": 5 * time.Minute, "?index=1&wait=1h": 10 * time.Minute, "?index=1&wait=2s": 2 * time.Second, "?index=2": 0,
		} {
			r.read("/v1/event/list"+query).want(t, took, "1", "[]")
		}
		a := r.read("/v1/event/list?index=1")
		time.Sleep(time.Second)
		if w := r.do("PUT", "/v1/event/fire/deploy", "payload"); w.Code != 200 {
			t.Fatal(w.Body)
		}
		<-a.done
		if a.took != time.Second || !strings.Contains(a.w.Body.String(), `"Payload":"cGF5bG9hZA=="`) || a.w.Header().Get("X-Consul-Index") == "1" {
			t.Errorf("after %s: %s", a.took, a.w.Body)
		}
	})
}
