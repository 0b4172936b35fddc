package rexec

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/cli/clitest"
)

// A write is what a node writes, some time after the write before.
type write struct {
	after      time.Duration
	key, value string
}

// start starts an agent and a cluster in which the event has nodes write what
// is given, under the prefix of the job.
func start(t *testing.T, writes ...write) (*clitest.Agent, *clitest.KV) {
	a := clitest.Start(t)
	a.Self()
	kv := a.Cluster()
	a.On("PUT /v1/event/fire/_rexec", func(w http.ResponseWriter, r *http.Request) {
		var told struct{ Prefix, Session string }
		if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
			t.Error(err)
		}
		go func() {
			for _, step := range writes {
				time.Sleep(step.after)
				kv.Put(told.Prefix+"/"+told.Session+"/"+step.key, step.value)
			}
		}()
		io.WriteString(w, `{"ID": "27cec6fe"}`)
	})
	return a, kv
}

func clean(t *testing.T, kv *clitest.KV) {
	t.Helper()
	if keys, sessions := kv.Keys(), kv.Sessions(); len(keys) > 0 || len(sessions) > 0 {
		t.Errorf("keys %q and sessions %v are left", keys, sessions)
	}
}

func TestTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t,
			write{0, "n1/ack", ""}, write{0, "n1/out/00000", "one\ntwo\n"}, write{0, "n1/exit", "0"},
			write{time.Second, "n2/ack", ""}, write{time.Second, "n2/out/00000", ""}, write{time.Second, "n2/exit", "0"},
		)
		begun := time.Now()
		a.Run(&Exec{}, "", "uptime", "-p").Want(t, 0, "    n1: one\n    n1: two\n    n1:\n==> n1: finished with exit code 0\n"+
			"==> n2: finished with exit code 0\n2 / 2 node(s) completed / acknowledged\n", "")
		if took := time.Since(begun); took != 5200*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		clean(t, kv)
		for _, r := range a.Requests() {
			if job, ok := strings.CutPrefix(r, "PUT /v1/kv/_rexec/session-2/job?acquire=session-2 "); ok &&
				job != `{"Command":"uptime -p","Wait":2000000000}` {
				t.Errorf("the job is %s", job)
			}
		}
	})
}

func TestVerboseAndFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t, write{0, "n1/ack", ""}, write{0, "n1/exit", "4"})
		a.Run(&Exec{}, "", "-verbose", "-prefix=jobs", "-wait=500ms", "exit 4").Want(t, 2,
			"==> Created remote execution session: session-2\n==> Uploaded remote execution spec\n"+
				"==> Fired remote execution event: 27cec6fe\n==> n1: acknowledged\n==> n1: finished with exit code 4\n"+
				"1 / 1 node(s) completed / acknowledged\n", "")
		clean(t, kv)
	})
}

func TestNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		a.Run(&Exec{}, "", "-node=none", "-service=s", "-tag=t", "true").
			Want(t, 0, "0 / 0 node(s) completed / acknowledged\n", "")
		clean(t, kv)
		found := false
		for _, r := range a.Requests() {
			found = found || strings.HasPrefix(r, "PUT /v1/event/fire/_rexec?node=none&service=s&tag=t {\"Prefix\":\"_rexec\",\"Session\":\"session-2\"}")
		}
		if !found {
			t.Errorf("asked %q", a.Requests())
		}
	})
}

// TestSilentNodes has one node that works for long and one that dies.
func TestSilentNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t, write{0, "slow/ack", ""}, write{0, "dead/ack", ""}, write{time.Minute, "slow/exit", "0"})
		a.Reply("GET /v1/health/node/slow", 200, `[{"CheckID": "serfHealth", "Status": "passing"}]`)
		a.Reply("GET /v1/health/node/dead", 200, `[{"CheckID": "serfHealth", "Status": "critical"}]`)
		a.Run(&Exec{}, "", "make").Want(t, 2,
			"==> dead: lost\n==> slow: finished with exit code 0\n1 / 2 node(s) completed / acknowledged\n", "")
		clean(t, kv)
	})
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t, write{0, "n1/ack", ""})
		a.Reply("GET /v1/health/node/n1", 200, `[{"CheckID": "serfHealth", "Status": "passing"}]`)
		done := make(chan clitest.Result)
		go func() { done <- a.Run(&Exec{}, "", "make") }()
		time.Sleep(time.Hour)
		a.Signals <- os.Interrupt
		(<-done).Want(t, 1, "0 / 1 node(s) completed / acknowledged\n", "")
		clean(t, kv)
	})
}

func TestJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		a.Run(&Exec{}, "#!/bin/sh\n", "-wait=1s", "-")
		a.Run(&Exec{}, "", "-wait=1s", "-shell=false", "ls", "-l")
		var jobs []job
		for _, r := range a.Requests() {
			if _, text, ok := strings.Cut(r, "/job?acquire="); ok {
				var j job
				if err := json.Unmarshal([]byte(text[strings.IndexByte(text, ' '):]), &j); err != nil {
					t.Error(err)
				}
				jobs = append(jobs, j)
			}
		}
		want := []job{{Script: []byte("#!/bin/sh\n"), Wait: time.Second}, {Args: []string{"ls", "-l"}, Wait: time.Second}}
		if !reflect.DeepEqual(jobs, want) {
			t.Errorf("jobs %+v, want %+v", jobs, want)
		}
		clean(t, kv)
	})
}

func TestOtherDatacenter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := start(t)
		a.Reply("GET /v1/health/service/consul?dc=dc2&passing=1", 200, `[{"Node": {"Node": "s9"}}]`)
		done := make(chan clitest.Result)
		go func() { done <- a.Run(&Exec{}, "", "-datacenter=dc2", "true") }()
		(<-done).Want(t, 0, "0 / 0 node(s) completed / acknowledged\n", "")
		found := false
		for _, r := range a.Requests() {
			found = found || strings.HasPrefix(r, "PUT /v1/session/create?dc=dc2 ") && strings.Contains(r, `"Node":"s9"`)
		}
		if !found {
			t.Errorf("asked %q", a.Requests())
		}
		a.Reply("GET /v1/health/service/consul?dc=dc2&passing=1", 200, `[]`)
		a.Run(&Exec{}, "", "-datacenter=dc2", "true").
			Want(t, 1, "", "Error querying Consul agent: failed to find a healthy server in dc2\n")
	})
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, kv := start(t)
		a.Run(&Exec{}, "", "-node=*[", "true").Want(t, 1, "",
			"Failed to compile node filter regexp: error parsing regexp: missing argument to repetition operator: `*`\n")
		a.Run(&Exec{}, "", "-tag=x", "true").Want(t, 1, "", "Cannot provide tag filter without service filter.\n")
		if got := a.Run(&Exec{}, ""); got.Code != 1 || !strings.HasPrefix(got.ErrOut, "Must specify a command to execute\n\nUsage: ") {
			t.Error(got)
		}
		a.Reply("PUT /v1/event/fire/_rexec", http.StatusForbidden, "no")
		a.Run(&Exec{}, "", "true").Want(t, 1, "", "Failed to fire event: Unexpected response code: 403 (no)\n")
		clean(t, kv)
		a.Reply("PUT /v1/session/create", http.StatusForbidden, "no")
		a.Run(&Exec{}, "", "true").Want(t, 1, "", "Failed to create session: Unexpected response code: 403 (no)\n")
	})
}
