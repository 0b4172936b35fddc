package debug

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/cli/clitest"
)

func start(t *testing.T) *clitest.Agent {
	a := clitest.Start(t)
	a.Self()
	a.Reply("GET /v1/agent/host", 200, `{"Memory": {}}`)
	a.Reply("GET /v1/agent/members", 200, `[{"Name": "n1"}]`)
	a.Reply("GET /v1/agent/metrics", 200, `{"Timestamp": "now"}`)
	a.Reply("GET /debug/pprof/goroutine", 200, "goroutines")
	a.Reply("GET /debug/pprof/heap", 200, "heap")
	profile := func(w http.ResponseWriter, r *http.Request) {
		length, err := time.ParseDuration(r.URL.Query().Get("seconds") + "s")
		if err != nil {
			t.Error(err)
		}
		select {
		case <-time.After(length):
			io.WriteString(w, "profile of "+length.String())
		case <-r.Context().Done():
		}
	}
	a.On("GET /debug/pprof/profile", profile)
	a.On("GET /debug/pprof/trace", profile)
	a.On("GET /v1/agent/monitor?loglevel=TRACE", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "a line\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	return a
}

// unpack reads an archive into its files, by name.
func unpack(t *testing.T, name string) map[string]string {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	packed, files := tar.NewReader(zipped), map[string]string{}
	for {
		header, err := packed.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(packed)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(data)
	}
}

func names(files map[string]string) []string {
	var all []string
	for name := range files {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func TestEverything(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		a := start(t)
		begun := time.Now()
		a.Run(&Debug{}, "", "-duration=20s", "-interval=10s", "-output=rec").Want(t, 0,
			"==> Starting debugger and capturing static information...\n"+
				"     Agent Version: '1.22.0'\n"+
				"          Interval: '10s'\n"+
				"          Duration: '20s'\n"+
				"            Output: 'rec.tar.gz'\n"+
				"           Capture: 'agent, host, logs, members, metrics, pprof'\n"+
				"==> Capturing interval 1 of 2...\n"+
				"==> Capturing interval 2 of 2...\n"+
				"    Saved debug archive: rec.tar.gz\n", "")
		if took := time.Since(begun); took != 20*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	files := unpack(t, "rec.tar.gz")
	want := []string{"rec/"}
	for _, dir := range []string{"1/", "2/"} {
		want = append(want, "rec/"+dir)
		for _, name := range []string{"consul.log", "goroutine.prof", "heap.prof", "metrics.json", "profile.prof", "trace.out"} {
			want = append(want, "rec/"+dir+name)
		}
	}
	want = append(want, "rec/agent.json", "rec/host.json", "rec/index.json", "rec/members.json")
	if got := names(files); !slices.Equal(got, want) {
		t.Errorf("files %q\nwant  %q", got, want)
	}
	for name, text := range map[string]string{
		"rec/index.json": "{\n\t\"Version\": 1,\n\t\"AgentVersion\": \"1.22.0\",\n\t\"Interval\": \"10s\",\n\t\"Duration\": \"20s\",\n" +
			"\t\"Targets\": [\n\t\t\"agent\",\n\t\t\"host\",\n\t\t\"logs\",\n\t\t\"members\",\n\t\t\"metrics\",\n\t\t\"pprof\"\n\t]\n}\n",
		"rec/1/consul.log": "a line\n", "rec/2/goroutine.prof": "goroutines", "rec/2/heap.prof": "heap",
		"rec/1/profile.prof": "profile of 10s", "rec/2/trace.out": "profile of 1s",
	} {
		if files[name] != text {
			t.Errorf("%s is %q, want %q", name, files[name], text)
		}
	}
	if _, err := os.Stat("rec"); err == nil {
		t.Error("the directory is left")
	}
}

func TestPart(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		a := start(t)
		a.Reply("GET /v1/agent/members", 403, "no")
		a.Reply("GET /v1/agent/self", 200, `{"Config": {"Version": "1.22.0"}, "DebugConfig": {"EnableDebug": false}}`)
		a.Run(&Debug{}, "", "-output=rec", "-archive=false", "-capture=host", "-capture=cluster", "-capture=pprof", "-capture=host").Want(t, 0,
			"==> Starting debugger and capturing static information...\n"+
				"     Agent Version: '1.22.0'\n"+
				"          Interval: '30s'\n"+
				"          Duration: '2m0s'\n"+
				"            Output: 'rec'\n"+
				"           Capture: 'host, members'\n"+
				"    Saved debug archive: rec\n",
			"[WARN] Unable to capture pprof. Set enable_debug to true on target agent to enable profiling.\n"+
				"Error capturing members: Unexpected response code: 403 (no)\n")
	})
	entries, err := os.ReadDir("rec")
	if err != nil || len(entries) != 2 || entries[0].Name() != "host.json" || entries[1].Name() != "index.json" {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		a := start(t)
		done := make(chan clitest.Result)
		go func() { done <- a.Run(&Debug{}, "", "-output=rec", "-capture=logs", "-capture=pprof") }()
		time.Sleep(45 * time.Second)
		a.Signals <- os.Interrupt
		got := <-done
		if got.Code != 1 || !strings.HasSuffix(got.Out, "    Saved debug archive: rec.tar.gz\n") ||
			!strings.HasSuffix(got.ErrOut, "The recording was interrupted, and is not complete.\n") {
			t.Error(got)
		}
	})
	files := unpack(t, "rec.tar.gz")
	if files["rec/1/profile.prof"] != "profile of 30s" || files["rec/2/consul.log"] != "a line\n" {
		t.Errorf("%q", files)
	}
}

func TestRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		a := start(t)
		if err := os.WriteFile("rec.tar.gz", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for flag, want := range map[string]string{
			"-duration=9s":  "duration must be longer than 10s",
			"-interval=4s":  "interval must be longer than 5s",
			"-interval=3m":  "duration (2m0s) must be longer than interval (3m0s)",
			"-capture=odd":  `unknown capture target "odd", must be one of: agent, host, logs, members, metrics, pprof`,
			"-archive=true": "output directory already exists: rec.tar.gz",
		} {
			a.Run(&Debug{}, "", "-output=rec", flag).Want(t, 1, "", "Capture validation failed: "+want+"\n")
		}
		a.Reply("GET /v1/agent/self", 403, "no")
		a.Run(&Debug{}, "").Want(t, 1, "", "Error querying target agent: Unexpected response code: 403 (no). Verify connectivity and agent address.\n")
	})
}
