package cli

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"muster/cli/clitest"
)

const oneKey = `[{"LockIndex":0,"Key":"x","Flags":0,"Value":"MQ==","CreateIndex":11,"ModifyIndex":12}]`

func TestWatchOnce(t *testing.T) {
	answers := map[string]string{
		"GET /v1/agent/self": self, "GET /v1/kv/x": oneKey, "GET /v1/kv/none": "404 ", "GET /v1/kv/x?recurse=": oneKey,
		"GET /v1/catalog/services": `{"web": ["a"]}`, "GET /v1/health/state/critical": "[]", "GET /v1/event/list": "[]",
	}
	pair := "{\n    \"Key\": \"x\",\n    \"CreateIndex\": 11,\n    \"ModifyIndex\": 12,\n    \"LockIndex\": 0,\n" +
		"    \"Flags\": 0,\n    \"Value\": \"MQ==\",\n    \"Session\": \"\"\n}"
	runSteps(t, []step{
		{args: "watch -type=key -key=x", answers: answers, out: pair + "\n"},
		{args: "watch -type=key -key=none", answers: answers, out: "null\n"},
		{args: "watch -type=keyprefix -prefix=x", answers: answers, out: "[\n    " + strings.ReplaceAll(pair, "\n", "\n    ") + "\n]\n"},
		{args: "watch -type=services", answers: answers, out: "{\n    \"web\": [\n        \"a\"\n    ]\n}\n"},
		{args: "watch -type=checks -state=critical", answers: answers, out: "[]\n"},
		{args: "watch -type=event -name=deploy", answers: answers, out: "[]\n", asked: []string{"GET /v1/agent/self", "GET /v1/event/list?name=deploy"}},
		{
			args: "watch -type=service -service=web -tag=a -tag=b -passingonly=true -stale", out: "[]\n",
			answers: map[string]string{"GET /v1/agent/self": self, "GET /v1/health/service/web": "[]"},
			asked:   []string{"GET /v1/agent/self", "GET /v1/health/service/web?passing=1&stale=&tag=a&tag=b"},
		},
		{args: "watch -type=key", code: 1, err: "Must specify a single key to watch\n"},
		{args: "watch -type=odd", code: 1, err: "Unsupported watch type: odd\n"},
		{args: "watch -type=nodes -key=x", code: 1, err: "Invalid parameters: [key]\n"},
		{
			args: "watch -type=service -service=x -passingonly=perhaps", code: 1,
			err: "Failed to parse passingonly: strconv.ParseBool: parsing \"perhaps\": invalid syntax\n",
		},
		{
			args: "watch -type=nodes", answers: map[string]string{"GET /v1/agent/self": "403 no"}, code: 1,
			err: "Error querying Consul agent: Unexpected response code: 403 (no)\n",
		},
	})
	wantUsage(t, "Watch type must be specified", "watch")
}

// keyAgent has a key that changes twice, and then no more.
func keyAgent(t *testing.T) *clitest.Agent {
	a := clitest.Start(t)
	a.Self()
	a.On("GET /v1/kv/x", func(w http.ResponseWriter, r *http.Request) {
		next := map[string]string{"": "12", "12": "13"}[r.URL.Query().Get("index")]
		if next == "" { // the client leaves
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-Consul-Index", next)
		io.WriteString(w, strings.Replace(oneKey, "12", next, 1))
	})
	return a
}

func TestWatchHandler(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	synctest.Test(t, func(t *testing.T) {
		a := keyAgent(t)
		done := make(chan clitest.Result)
		go func() {
			done <- runCLI(a, "", "watch", "-type=key", "-key=x", "echo", "$CONSUL_INDEX", ">>", file+";", "cat", ">>", file)
		}()
		synctest.Wait()
		waitFor(t, file, "\"ModifyIndex\":13")
		a.Signals <- os.Interrupt
		(<-done).Want(t, 0, "", "")
	})
	got, err := os.ReadFile(file)
	want := func(n string) string {
		return n + "\n" + `{"Key":"x","CreateIndex":11,"ModifyIndex":` + n + `,"LockIndex":0,"Flags":0,"Value":"MQ==","Session":""}` + "\n"
	}
	if err != nil || string(got) != want("12")+want("13") {
		t.Errorf("%v, %q", err, got)
	}
}

// waitFor waits until the program that a command runs has written the text.
func waitFor(t *testing.T, file, text string) {
	t.Helper()
	for range 100_000 {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), text) {
			return
		}
		synctest.Wait()
	}
	t.Fatalf("%q was not written", text)
}

func TestWatchHandlerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runCLI(keyAgent(t), "", "watch", "-type=key", "-key=x", "-shell=false", "false").
			Want(t, 1, "", "Error executing handler: exit status 1\n")
		runCLI(keyAgent(t), "", "watch", "-type=key", "-key=x", "-shell=false", "/no/such/program").
			Want(t, 1, "", "Error executing handler: fork/exec /no/such/program: no such file or directory\n")
	})
}

func TestMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := clitest.Start(t)
		a.On("GET /v1/agent/monitor?logjson=true&loglevel=debug", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "one\n\ntwo\n")
		})
		runCLI(a, "", "monitor", "-log-level=debug", "-log-json").
			Want(t, 0, "one\n \ntwo\n", "The agent ended the log; it is probably stopping.\n")
		a.On("GET /v1/agent/monitor?loglevel=INFO", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "one\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		done := make(chan clitest.Result)
		go func() { done <- runCLI(a, "", "monitor") }()
		synctest.Wait()
		a.Signals <- os.Interrupt
		(<-done).Want(t, 0, "one\n", "")
		a.Reply("GET /v1/agent/monitor?loglevel=bogus", 400, "Bad request: Unknown log level: bogus")
		runCLI(a, "", "monitor", "-log-level=bogus").
			Want(t, 1, "", "Error starting monitor: Unexpected response code: 400 (Bad request: Unknown log level: bogus)\n")
	})
}
