package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/model"
)

func TestScript(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"pass", []string{"sh", "-c", "echo fine; exit 0"}, "passing fine\n"},
		{"warn", []string{"sh", "-c", "echo hmm >&2; exit 1"}, "warning hmm\n"},
		{"crit", []string{"sh", "-c", "echo bad; exit 2"}, "critical bad\n"},
		{"killed", []string{"sh", "-c", "kill -9 $$"}, "critical "},
		{"missing", []string{"/no/such/program"}, "critical fork/exec /no/such/program: no such file or directory"},
		{"long", []string{"sh", "-c", "printf '%0100d' 0; printf end"}, "passing Captured 64 of 103 bytes\n...\n" + strings.Repeat("0", 61) + "end"},
	} {
		status, output := makeProbe(t, Options{}, &model.CheckDefinition{ScriptArgs: tt.args})()
		if got := status + " " + output; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestScriptTimeout has a script start another program that outlives it. When
// both are killed, nobody holds the write end of the pipe any more.
func TestScriptTimeout(t *testing.T) {
	fifo, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), w.Fd())
	def := &model.CheckDefinition{
		ScriptArgs: []string{"sh", "-c", "exec 7>" + path + "; sh -c 'echo up >&7; sleep 1000' & wait"},
		Timeout:    model.Duration(300 * time.Millisecond),
	}
	status, output := makeProbe(t, Options{}, def)()
	if status != "critical" || output != "Timed out (300ms) running check" {
		t.Errorf("got %s %q", status, output)
	}
	w.Close()
	if b, err := io.ReadAll(fifo); err != nil || string(b) != "up\n" {
		t.Errorf("the program behind said %q, %v", b, err)
	}
}

func TestOSService(t *testing.T) {
	dir := t.TempDir()
	tool := "#!/bin/sh\ncase $3 in up) echo active;; wait) echo activating; exit 3;; mute) exit 1;; *) echo inactive; exit 3;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(tool), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for name, want := range map[string]string{
		"up":   `passing Service "up" is active`,
		"wait": `warning Service "wait" is activating`,
		"down": `critical Service "down" is inactive`,
		"mute": `critical Service "mute": ask systemd: exit status 1`,
	} {
		status, output := makeProbe(t, Options{}, &model.CheckDefinition{OSService: name})()
		if got := status + " " + output; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if status, output := makeProbe(t, Options{}, &model.CheckDefinition{OSService: "up"})(); status != "critical" || !strings.Contains(output, "not found") {
		t.Errorf("without systemd: %s %q", status, output)
	}
}

func frame(kind byte, text string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind, 0, 0, 0}, uint32(len(text)))
	return append(b, text...)
}

func TestDocker(t *testing.T) {
	code := 0
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "POST /containers/c1/exec":
			var in struct{ Cmd []string }
			if json.NewDecoder(r.Body).Decode(&in); strings.Join(in.Cmd, " ") != "probe -v" {
				t.Errorf("runs %q", in.Cmd)
			}
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"Id":"e1"}`)
		case "POST /exec/e1/start":
			w.Write(append(frame(1, "out\n"), frame(2, "err\n")...))
		case "GET /exec/e1/json":
			fmt.Fprintf(w, `{"Running":false,"ExitCode":%d}`, code)
		default:
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"message":"No such container: gone"}`)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		opt, _ := serve(t, handler, false)
		opt.DockerHost = "tcp://" + server
		probe := makeProbe(t, opt, &model.CheckDefinition{DockerContainerID: "c1", Args: []string{"probe", "-v"}})
		expect(t, "exit 0", probe, "passing", "out\nerr\n")
		code = 1
		expect(t, "exit 1", probe, "warning", "out\nerr\n")
		code = 2
		expect(t, "exit 2", probe, "critical", "out\nerr\n")
		gone := makeProbe(t, opt, &model.CheckDefinition{DockerContainerID: "gone", Args: []string{"x"}})
		expect(t, "no container", gone, "critical", "create exec: docker: 404 Not Found: No such container: gone")
		opt.DockerHost = "tcp://10.0.0.2:81"
		expect(t, "no docker", makeProbe(t, opt, &model.CheckDefinition{DockerContainerID: "c1", Args: []string{"x"}}), "critical", "refused")
	})
}

func TestDockerShell(t *testing.T) {
	d, err := newDocker(&Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.newProbe(&Spec{Def: &model.CheckDefinition{DockerContainerID: "c", Script: "a b", Shell: "/bin/bash"}})
	if err != nil || strings.Join(p.command, "|") != "/bin/bash|-c|a b" {
		t.Errorf("runs %q, %v", p.command, err)
	}
}

func FuzzDemultiplex(f *testing.F) {
	f.Add(append(frame(1, "out"), frame(2, "err")...))
	f.Add(frame(1, "cut")[:9])
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		if demultiplex(&out, bytes.NewReader(b)) == nil && out.Len() > len(b) {
			t.Error("more came out than went in")
		}
	})
}

func BenchmarkTTLRenew(b *testing.B) {
	r, _ := NewRunner(Options{})
	c, err := r.New(Spec{ID: "c", Def: &model.CheckDefinition{TTL: model.Duration(time.Minute)}, Report: func(Result) {}})
	if err != nil {
		b.Fatal(err)
	}
	c.Start()
	defer c.Stop()
	for b.Loop() {
		c.Renew("fine")
	}
}

// BenchmarkHTTP runs one HTTP check after the other against a server in this
// process, so half of the time is that server's.
func BenchmarkHTTP(b *testing.B) {
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	l := loopback(b)
	go s.Serve(l)
	defer s.Close()
	for name, interval := range map[string]time.Duration{"kept": time.Second, "new": time.Minute} {
		b.Run(name, func(b *testing.B) {
			r, _ := NewRunner(Options{})
			defer r.Close()
			p, err := r.newHTTP(&Spec{Def: &model.CheckDefinition{HTTP: "http://" + l.Addr().String(), Interval: model.Duration(interval)}, OutputMaxSize: 4096})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				if status, output := p.probe(ctx); status != model.HealthPassing {
					b.Fatal(output)
				}
				cancel()
			}
		})
	}
}
