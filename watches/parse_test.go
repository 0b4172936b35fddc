package watches

import (
	"encoding/json"
	"testing"
	"time"

	"muster/config"
)

func watchOf(params map[string]any) config.Watch {
	return config.Watch{Params: params, HandlerType: "script", Args: []string{"true"}}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		params map[string]any
		want   string // error, "" for none
	}{
		{map[string]any{"type": "key", "key": "k", "stale": true, "datacenter": "dc2", "token": "t"}, ""},
		{map[string]any{"type": "keyprefix", "prefix": "p/"}, ""},
		{map[string]any{"type": "services", "filter": "ServiceName != x"}, ""},
		{map[string]any{"type": "nodes"}, ""},
		{map[string]any{"type": "service", "service": "web", "tag": []any{"a", "b"}, "passingonly": true}, ""},
		{map[string]any{"type": "service", "service": "web", "tag": "a"}, ""},
		{map[string]any{"type": "checks"}, ""},
		{map[string]any{"type": "checks", "state": "critical"}, ""},
		{map[string]any{"type": "event"}, ""},
		{map[string]any{"type": "event", "name": "deploy"}, ""},
		{map[string]any{"type": "agent_service", "service_id": "web-1"}, ""},

		{map[string]any{"type": "key"}, "watches[0]: Must specify a single key to watch"},
		{map[string]any{"type": "keyprefix"}, "watches[0]: Must specify a single prefix to watch"},
		{map[string]any{"type": "service"}, "watches[0]: Must specify a single service to watch"},
		{map[string]any{"type": "agent_service"}, "watches[0]: Must specify a single service_id to watch"},
		{map[string]any{"type": "checks", "service": "web", "state": "any"}, "watches[0]: Cannot specify service and state"},
		{map[string]any{"type": "key", "key": 7}, "watches[0]: Expecting key to be a string"},
		{map[string]any{"type": "key", "key": "k", "stale": "yes"}, "watches[0]: Expecting stale to be a boolean"},
		{map[string]any{"type": "service", "service": "web", "tag": 1}, "watches[0]: Expecting tag to be a string or []string"},
		{map[string]any{"type": "service", "service": "web", "tag": []any{1}}, "watches[0]: Index 0 of tag expected to be string"},
		{map[string]any{"type": "key", "key": "k", "token": 1}, "watches[0]: Expecting token to be a string"},
		{map[string]any{"type": "key", "key": "k", "b": 1, "a": 1}, "watches[0]: Invalid parameter 'a' for a watch of type 'key'"},
		{map[string]any{"type": "key", "key": "k", "prefix": "p"}, "watches[0]: Invalid parameter 'prefix' for a watch of type 'key'"},
		{map[string]any{"type": "weather"}, "watches[0]: Unsupported watch type: weather"},
		{map[string]any{"type": 1}, "watches[0]: Unsupported watch type: "},
		{map[string]any{"type": "connect_roots"}, "watches[0]: Watch type 'connect_roots' is not supported: there is no service mesh"},
		{map[string]any{"type": "connect_leaf", "service": "x"}, "watches[0]: Watch type 'connect_leaf' is not supported: there is no service mesh"},
	} {
		if got := text(Check([]config.Watch{watchOf(test.params)})); got != test.want {
			t.Errorf("%v: error %q, want %q", test.params, got, test.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCheckHandlers(t *testing.T) {
	good := config.WatchHTTP{Path: "https://example.com/x", Method: "PUT", Timeout: time.Second}
	with := func(change func(*config.WatchHTTP)) config.Watch {
		w, h := watchOf(map[string]any{"type": "nodes"}), good
		change(&h)
		w.HandlerType, w.Args, w.HTTP = "http", nil, &h
		return w
	}
	none := watchOf(map[string]any{"type": "nodes"})
	none.Args = nil
	for _, test := range []struct {
		watch config.Watch
		want  string
	}{
		{with(func(*config.WatchHTTP) {}), ""},
		{with(func(h *config.WatchHTTP) { h.Path = "/record" }),
			`watches[0]: Failed to parse 'http_handler_config': path: "/record" is not an HTTP URL`},
		{with(func(h *config.WatchHTTP) { h.Path = "http://a\x7f" }),
			`watches[0]: Failed to parse 'http_handler_config': path: parse "http://a\x7f": net/url: invalid control character in URL`},
		{with(func(h *config.WatchHTTP) { h.Method = "A B" }),
			`watches[0]: Failed to parse 'http_handler_config': method: net/http: invalid method "A B"`},
		{with(func(h *config.WatchHTTP) { h.Timeout = 0 }),
			`watches[0]: Failed to parse 'http_handler_config': timeout: must be more than 0`},
		{none, "watches[0]: Must define a watch handler"},
	} {
		if got := text(Check([]config.Watch{test.watch})); got != test.want {
			t.Errorf("error %q, want %q", got, test.want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(`{"type": "key", "key": "k"}`)
	f.Add(`{"type": "service", "service": "web", "tag": ["a", 1], "passingonly": null}`)
	f.Add(`{"type": "checks", "state": {}, "http_handler_config": [], "handler_type": "http"}`)
	f.Fuzz(func(t *testing.T, params string) {
		var w config.Watch
		if json.Unmarshal([]byte(params), &w.Params) != nil {
			return
		}
		before := len(w.Params)
		w.HandlerType, w.Args = "script", []string{"true"}
		first := Check([]config.Watch{w})
		if len(w.Params) != before {
			t.Error("checking changed the parameters")
		}
		if again := Check([]config.Watch{w}); text(first) != text(again) {
			t.Errorf("error %v, then %v", first, again)
		}
	})
}
