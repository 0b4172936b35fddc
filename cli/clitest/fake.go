// Package clitest runs commands against a pretended agent, in memory, for
// their tests.
package clitest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"muster/cli/command"
	"muster/internal/memnet"
)

// Agent pretends to be an agent at 127.0.0.1:8500. A request that it was not
// told about is answered with 404.
type Agent struct {
	// Signals are what the commands hear of.
	Signals chan os.Signal

	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	mu       sync.Mutex // guards what follows
	answers  map[string]http.HandlerFunc
	requests []string
	cluster  *KV
}

// Start starts the agent; it ends with the test.
func Start(t testing.TB) *Agent {
	t.Helper()
	for _, name := range []string{
		"CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN", "CONSUL_HTTP_TOKEN_FILE", "CONSUL_HTTP_AUTH", "CONSUL_HTTP_SSL",
		"CONSUL_HTTP_SSL_VERIFY", "CONSUL_CACERT", "CONSUL_CAPATH", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY",
		"CONSUL_TLS_SERVER_NAME", "CONSUL_NAMESPACE", "CONSUL_PARTITION", "COMP_LINE",
	} {
		t.Setenv(name, "")
	}
	host := memnet.New(1).Host("127.0.0.1")
	listener, err := host.Listen(8500)
	if err != nil {
		t.Fatal(err)
	}
	a := &Agent{Signals: make(chan os.Signal, 1), dial: host.Dial, answers: map[string]http.HandlerFunc{}}
	server := &http.Server{Handler: a}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with the test
	}()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return a
}

// ServeHTTP answers one request.
func (a *Agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	entry := r.Method + " " + r.URL.RequestURI()
	if len(body) > 0 {
		entry += " " + strings.TrimSuffix(string(body), "\n")
	}
	a.mu.Lock()
	a.requests = append(a.requests, entry)
	answer := a.answers[r.Method+" "+r.URL.RequestURI()]
	if answer == nil {
		answer = a.answers[r.Method+" "+r.URL.Path]
	}
	cluster := a.cluster
	a.mu.Unlock()
	switch {
	case answer != nil:
		answer(w, r)
	case cluster != nil && cluster.serve(w, r):
	default:
		http.NotFound(w, r)
	}
}

// On answers a request, such as "GET /v1/agent/self", by a function. With a
// query it answers only that query.
func (a *Agent) On(request string, answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[request] = answer
}

// Reply answers a request with a status and a body.
func (a *Agent) Reply(request string, status int, body string) {
	a.On(request, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "42")
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

// Self has the agent say who it is: node n1 in datacenter dc1.
func (a *Agent) Self() {
	a.Reply("GET /v1/agent/self", http.StatusOK,
		`{"Config": {"NodeName": "n1", "Datacenter": "dc1", "Version": "1.22.0"}, "DebugConfig": {"EnableDebug": true},
		"Stats": {"raft": {"state": "Leader"}, "agent": {"checks": "0", "check_ttls": "1"}}}`)
}

// Requests returns what was asked so far, each as "METHOD /path?query body".
func (a *Agent) Requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.requests...)
}

// World is the world of a command that speaks to this agent, and the buffers
// that it writes to.
func (a *Agent) World(stdin string) (world command.World, stdout, stderr *Buffer) {
	stdout, stderr = &Buffer{}, &Buffer{}
	return command.World{
		Stdin: strings.NewReader(stdin), Stdout: stdout, Stderr: stderr, Dial: a.dial,
		Notify: func(...os.Signal) (<-chan os.Signal, func()) { return a.Signals, func() {} },
	}, stdout, stderr
}

// Buffer is a buffer that several goroutines may write to.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Result is how a command ended.
type Result struct {
	Code        int
	Out, ErrOut string
}

// Run runs one command, without the dispatcher.
func (a *Agent) Run(cmd command.Command, stdin string, args ...string) Result {
	world, stdout, stderr := a.World(stdin)
	code := command.Adapt(cmd, world).Run(args)
	return Result{code, stdout.String(), stderr.String()}
}

// Want compares the result with the code and the texts wanted.
func (r Result) Want(t testing.TB, code int, out, errOut string) {
	t.Helper()
	if r.Code != code || r.Out != out || r.ErrOut != errOut {
		t.Errorf("got %s\nwant %s", r, Result{code, out, errOut})
	}
}

func (r Result) String() string {
	return fmt.Sprintf("exit %d\nout %q\nerr %q", r.Code, r.Out, r.ErrOut)
}
