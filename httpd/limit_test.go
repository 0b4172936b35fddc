package httpd

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/meter"
	"muster/relay"
)

// A client with too many connections is told so, and when to come again, whether
// it uses TLS or not; one more connection closed makes room.
func TestConnLimit(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "in") }))
		l := NewConnLimit(2, hclog.NewNullLogger(), nil)
		s.Listener = l.Serve(s.Config, s.Listener)
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		defer s.Close()
		ask := func() (*http.Transport, int, string) {
			t.Helper()
			tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a connection of its own
			t.Cleanup(tr.CloseIdleConnections)
			resp, err := (&http.Client{Transport: tr}).Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if over := resp.StatusCode == http.StatusTooManyRequests; over != (resp.Header.Get("Retry-After") == "1") || over && !resp.Close {
				t.Errorf("%d with %v, close %t", resp.StatusCode, resp.Header, resp.Close)
			}
			return tr, resp.StatusCode, string(body)
		}
		first, status, _ := ask()
		if status != http.StatusOK {
			t.Fatalf("the first connection gets %d", status)
		}
		ask()
		if _, status, body := ask(); status != http.StatusTooManyRequests || body != tooMany {
			t.Errorf("the third connection gets %d %q", status, body)
		}
		first.CloseIdleConnections()
		for deadline := time.Now().Add(20 * time.Second); ; { // the server hears of it when it does
			if _, status, _ = ask(); status == http.StatusOK || time.Now().After(deadline) {
				break
			}
		}
		if status != http.StatusOK {
			t.Error("no room after one has gone")
		}
		l.Set(0)
		if _, status, _ = ask(); status != http.StatusOK {
			t.Error("no limit is one")
		}
	}
}

// When there are too many even to be told one by one, the answer is written
// without hearing the question.
func TestConnLimitOverrun(t *testing.T) {
	l := NewConnLimit(1, hclog.NewNullLogger(), nil)
	ours, theirs := net.Pipe()
	go l.refuse(ours)
	theirs.SetReadDeadline(time.Now().Add(20 * time.Second))
	text, err := io.ReadAll(theirs)
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 429 Too Many Requests\r\n") || !strings.Contains(string(text), "Retry-After: 1\r\n") {
		t.Errorf("%q, %v", text, err)
	}
}

// Rates hold for what runs on this server, apart for reads and writes; agents'
// own matters and what operators need are free.
func TestRequestLimits(t *testing.T) {
	var limits *relay.Limits
	r := newRig(t, func(c *Config) {
		limits = relay.NewLimits(relay.Rates{Mode: relay.Enforcing, Reads: 1, Writes: 1, Sent: -1}, c.Logger, nil)
		c.Limits = limits
	})
	r.want(200, "true", "PUT", "/v1/kv/a", "x")
	if w := r.want(503, "rate limit exceeded for operation that can only be performed by the leader, try again later",
		"PUT", "/v1/kv/a", "x"); w.Header().Get("Retry-After") != "1" {
		t.Errorf("header %v", w.Header())
	}
	r.want(200, "x", "GET", "/v1/kv/a?raw", "")
	if w := r.want(429, "rate limit exceeded, try again later or against a different server", "GET", "/v1/kv/a?raw", ""); w.Header().Get("Retry-After") != "1" {
		t.Errorf("header %v", w.Header())
	}
	for range 3 {
		r.want(200, "{}", "GET", "/v1/agent/services", "")
		if w := r.do("GET", "/v1/status/leader", ""); w.Code != 200 {
			t.Errorf("status: %d", w.Code)
		}
		if w := r.do("GET", "/v1/operator/raft/configuration", ""); w.Code != 200 {
			t.Errorf("operator: %d", w.Code)
		}
	}
	limits.Set(relay.Rates{Mode: relay.Permissive, Reads: 1, Writes: 0, Sent: -1})
	for range 3 {
		r.want(200, "true", "PUT", "/v1/kv/a", "x")
	}
	limits.Set(relay.Rates{Mode: relay.Enforcing, Reads: -1, Writes: -1, Sent: -1})
	for range 3 {
		r.want(200, "x", "GET", "/v1/kv/a?raw", "")
	}
}

// A request is measured under its route, whatever its key.
func TestRequestsAreMeasured(t *testing.T) {
	m, err := meter.Start(meter.Config{Prefix: "consul", DisableHostname: true, PrometheusRetention: time.Minute, Filter: meter.Filter{Default: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r := newRig(t, func(c *Config) { c.Meter = m })
	r.put("a", "x")
	r.want(200, "x", "GET", "/v1/kv/a?raw", "")
	w := r.do("GET", "/v1/agent/metrics?format=prometheus", "")
	for _, want := range []string{`consul_api_http_count{method="GET",path="v1.kv._"} 1`, "consul_rpc_query 1\n", "consul_rpc_queries_blocking 0\n",
		"# HELP consul_api_http Time to serve", "# TYPE consul_kvs_apply summary", "consul_kvs_apply_count 0\n"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if t.Failed() {
		t.Log(w.Body)
	}
}
