package httpd

import (
	"strings"
	"testing"
	"time"

	"muster/internal/meter"
	"muster/relay"
)

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
