package watches

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api/watch"

	"muster/config"
)

func httpHandler(t *testing.T, c config.WatchHTTP) handler {
	t.Helper()
	h, err := newHandler(&config.Watch{HandlerType: "http", HTTP: &c})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// received is a request as the handler's server saw it.
type received struct {
	*http.Request
	body string
}

func serve(t *testing.T, start func(*httptest.Server), status int, answer string) (*httptest.Server, <-chan received) {
	requests := make(chan received, 10)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- received{r, string(body)}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(s)
	t.Cleanup(s.Close)
	return s, requests
}

func TestHTTPHandler(t *testing.T) {
	s, requests := serve(t, (*httptest.Server).Start, 202, " thanks \n")
	h := httpHandler(t, config.WatchHTTP{Path: s.URL + "/record?x=1", Method: "PUT", Timeout: time.Minute,
		Header: map[string][]string{"X-Many": {"a", "b"}, "host": {"other"}, "content-type": {"text/x-watch"}}})
	output, err := h.handle(t.Context(), watch.WaitIndexVal(17), []byte("[]\n"))
	if output != "thanks" || err != nil {
		t.Errorf("it said %q, %v", output, err)
	}
	r := <-requests
	if r.Method != "PUT" || r.URL.String() != "/record?x=1" || r.body != "[]\n" || r.Host != "other" {
		t.Errorf("the request was %s %s to %s with %q", r.Method, r.URL, r.Host, r.body)
	}
	if len(r.Header["X-Many"]) != 2 || r.Header.Get("Content-Type") != "text/x-watch" || r.Header.Get("X-Consul-Index") != "17" {
		t.Errorf("its header was %v", r.Header)
	}
	if _, err := h.handle(t.Context(), watch.WaitHashVal("abc"), nil); err != nil {
		t.Error(err)
	}
	if r := <-requests; r.Header.Get("X-Consul-Hash") != "abc" || r.Header.Get("X-Consul-Index") != "" {
		t.Errorf("its header was %v", r.Header)
	}
}

func TestHTTPHandlerFails(t *testing.T) {
	s, _ := serve(t, (*httptest.Server).Start, 503, strings.Repeat("x", 2*maxOutput))
	h := httpHandler(t, config.WatchHTTP{Path: s.URL, Method: "POST", Timeout: time.Minute})
	output, err := h.handle(t.Context(), watch.WaitIndexVal(1), nil)
	if len(output) != maxOutput || text(err) != "answered 503 Service Unavailable" {
		t.Errorf("it said %d bytes, %v", len(output), err)
	}

	block := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	defer slow.Close()
	defer close(block)
	h = httpHandler(t, config.WatchHTTP{Path: slow.URL, Method: "POST", Timeout: time.Millisecond})
	if _, err := h.handle(t.Context(), watch.WaitIndexVal(1), nil); !strings.Contains(text(err), "deadline exceeded") {
		t.Errorf("a server that does not answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h = httpHandler(t, config.WatchHTTP{Path: slow.URL, Method: "POST", Timeout: time.Hour})
	if _, err := h.handle(ctx, watch.WaitIndexVal(1), nil); !strings.Contains(text(err), "canceled") {
		t.Errorf("an agent that stops: %v", err)
	}
}

func TestHTTPHandlerTLS(t *testing.T) {
	s, requests := serve(t, (*httptest.Server).StartTLS, 200, "")
	for _, skip := range []bool{false, true} {
		h := httpHandler(t, config.WatchHTTP{Path: s.URL, Method: "POST", Timeout: time.Minute, TLSSkipVerify: skip})
		_, err := h.handle(t.Context(), watch.WaitIndexVal(1), nil)
		if skip != (err == nil) {
			t.Errorf("tls_skip_verify %v: %v", skip, err)
		}
	}
	if r := <-requests; r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("its header was %v", r.Header)
	}
}

func TestHandlerNames(t *testing.T) {
	for _, test := range []struct {
		watch config.Watch
		want  string
	}{
		{config.Watch{Args: []string{"a", "b c"}}, "a b c"},
		{config.Watch{Handler: "a | b"}, "a | b"},
		{config.Watch{HandlerType: "http", HTTP: &config.WatchHTTP{Path: "http://u:p@h/x", Method: "PUT", Timeout: 1}}, "PUT http://u:xxxxx@h/x"},
	} {
		h, err := newHandler(&test.watch)
		if err != nil || h.String() != test.want {
			t.Errorf("%v is called %q (%v), want %q", test.watch, h, err, test.want)
		}
	}
}

func TestProgram(t *testing.T) {
	t.Setenv("SHELL", "")
	for _, test := range []struct {
		watch  config.Watch
		index  watch.BlockingParamVal
		output string
		err    string
	}{
		{config.Watch{Args: []string{"cat"}}, watch.WaitIndexVal(3), "in", ""},
		{config.Watch{Handler: "echo $CONSUL_INDEX; echo two >&2"}, watch.WaitIndexVal(3), "3\ntwo", ""},
		{config.Watch{Handler: "echo $CONSUL_HASH; exit 2"}, watch.WaitHashVal("abc"), "abc", "exit status 2"},
		{config.Watch{Args: []string{"true"}}, watch.WaitIndexVal(3), "", ""}, // reads nothing
	} {
		h, err := newHandler(&test.watch)
		if err != nil {
			t.Fatal(err)
		}
		output, err := h.handle(t.Context(), test.index, []byte("in\n"))
		if output != test.output || text(err) != test.err {
			t.Errorf("%s: it said %q, %v, want %q, %q", h, output, err, test.output, test.err)
		}
	}
}
