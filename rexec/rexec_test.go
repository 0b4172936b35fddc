//go:build unix

package rexec

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/model"
)

// store is the KV store with one job in it.
type store struct {
	job []byte

	mu     sync.Mutex
	keys   map[string]string // guarded by mu
	exited chan struct{}     // closed when the exit code is there
}

func newStore(t *testing.T, j job) *store {
	t.Helper()
	raw, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return &store{job: raw, keys: map[string]string{}, exited: make(chan struct{})}
}

func (s *store) Get(_ context.Context, key string) ([]byte, error) {
	if key != "_rexec/sid/job" {
		return nil, nil
	}
	return s.job, nil
}

func (s *store) Lock(_ context.Context, key string, value []byte, session string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key] += string(value)
	if strings.HasSuffix(key, "/exit") {
		close(s.exited)
	}
	return nil
}

func (s *store) get(key string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.keys[key]
	return v, ok
}

func event() *model.UserEvent {
	return &model.UserEvent{ID: "1", Name: EventName, Payload: []byte(`{"Prefix":"_rexec","Session":"sid"}`)}
}

func TestJobs(t *testing.T) {
	t.Setenv("SHELL", "")
	for name, test := range map[string]struct {
		job       job
		out, exit string
	}{
		"by a shell":     {job{Command: "echo $((1+1)); exit 3"}, "2\n", "3"},
		"without one":    {job{Args: []string{"echo", "$X"}}, "$X\n", "0"},
		"script":         {job{Script: []byte("#!/bin/sh\necho own >&2\n")}, "own\n", "0"},
		"plain script":   {job{Script: []byte("echo $((1+1))\nexit 4\n")}, "2\n", "4"},
		"killed script":  {job{Script: []byte("kill -9 $$\n")}, "signal: killed", "255"},
		"nothing":        {job{}, "the job names no command", "255"},
		"not there":      {job{Args: []string{"/no/such/program"}}, "fork/exec /no/such/program: no such file or directory", "255"},
		"a signal ended": {job{Command: "kill -9 $$"}, "signal: killed", "255"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, test.job)
			r := New(s, "n1", hclog.NewNullLogger())
			r.Handle(event())
			<-s.exited
			r.Close()
			if out, _ := s.get("_rexec/sid/n1/out/00000"); out != test.out {
				t.Errorf("it wrote %q, want %q", out, test.out)
			}
			if exit, _ := s.get("_rexec/sid/n1/exit"); exit != test.exit {
				t.Errorf("it ended with %q, want %q", exit, test.exit)
			}
			if _, ok := s.get("_rexec/sid/n1/ack"); !ok {
				t.Error("it was not acknowledged")
			}
		})
	}
}

// TestCloseEndsAll: when the agent stops, what a job started does too.
func TestCloseEndsAll(t *testing.T) {
	t.Setenv("SHELL", "")
	fifo := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, job{Command: "exec 3>" + fifo + "; sleep 1000 & echo up >&3; wait"})
	r := New(s, "n1", hclog.NewNullLogger())
	r.Handle(event())
	alive, err := os.Open(fifo) // waits for the one who writes
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if _, err := alive.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := alive.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := alive.Read(make([]byte, 3)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("somebody lives: read %d, %v", n, err)
	}
}
