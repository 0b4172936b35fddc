package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

type kind int

const (
	kindNone kind = iota
	kindHTTP
	kindCLI
	kindDNS
)

// A result is what one step brought.
type result struct {
	kind   kind
	status int
	header http.Header
	body   []byte // of a response, or stdout
	stderr []byte
	exit   int
	msg    *dns.Msg
	took   time.Duration
	err    error
}

// summary is the text that "until" conditions are matched against.
func (r *result) summary() string {
	if r.err != nil {
		return "error: " + r.err.Error()
	}
	switch r.kind {
	case kindHTTP:
		return fmt.Sprintf("%d\n%s", r.status, r.body)
	case kindCLI:
		return fmt.Sprintf("exit %d\n%s%s", r.exit, r.body, r.stderr)
	case kindDNS:
		status, lines := renderDNS(r.msg)
		return status + "\n" + strings.Join(lines, "\n")
	}
	return ""
}

func failed(format string, args ...any) *result { return &result{err: fmt.Errorf(format, args...)} }

var varRE = regexp.MustCompile(`\$\{([A-Za-z0-9_.]+)\}`)

// expand replaces ${name} by the value of a variable.
func (w *world) expand(s string) (string, error) {
	var err error
	out := varRE.ReplaceAllStringFunc(s, func(m string) string {
		v, ok := w.vars[m[2:len(m)-1]]
		if !ok {
			err = fmt.Errorf("no variable %s", m)
		}
		return v
	})
	return out, err
}

// background is a step that was started with "bg" and is awaited later.
type background struct {
	done   chan struct{} // closed when res is there
	res    *result
	cancel context.CancelFunc

	mu  sync.Mutex // guards cmd
	cmd *exec.Cmd
}

func (b *background) stop() {
	b.cancel()
	b.mu.Lock()
	if b.cmd != nil && b.cmd.Process != nil {
		syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
	}
	b.mu.Unlock()
	select {
	case <-b.done:
	case <-time.After(3 * time.Second):
	}
}

// perform runs one step. The steps that only steer the scenario give a
// result of kindNone.
func (w *world) perform(st *step) *result {
	started := time.Now()
	res := w.dispatch(st)
	if res.took == 0 {
		res.took = time.Since(started)
	}
	return res
}

func (w *world) dispatch(st *step) *result {
	text, err := w.expand(st.Text)
	if err != nil {
		return &result{err: err}
	}
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "bg":
		return w.startBackground(st, rest)
	case "pending":
		return w.pending(rest)
	case "await":
		return w.await(rest)
	case "signal":
		return w.signal(rest)
	case "agent":
		return w.steer(rest)
	case "file":
		return w.file(st, rest)
	case "remove":
		return &result{err: os.RemoveAll(w.path(rest))}
	case "sleep":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return &result{err: err}
		}
		time.Sleep(d)
		return &result{}
	case "set":
		name, value, _ := strings.Cut(rest, " ")
		w.vars[name] = value
		return &result{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	return w.request(ctx, st, text, nil)
}

// startBackground is the step "bg NAME: STEP".
func (w *world) startBackground(st *step, rest string) *result {
	name, line, ok := strings.Cut(rest, ": ")
	if !ok {
		return failed("bg wants NAME: STEP")
	}
	if old := w.bg[name]; old != nil {
		old.stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	b := &background{done: make(chan struct{}), cancel: cancel}
	w.bg[name] = b
	go func() { // b.stop waits for it
		defer close(b.done)
		defer cancel()
		started := time.Now()
		b.res = w.request(ctx, st, line, b)
		b.res.took = time.Since(started)
	}()
	// Let the request reach the agent before the next step.
	time.Sleep(150 * time.Millisecond)
	return &result{}
}

// named finds the background step in "NAME [WORD D]" and reads the duration.
func (w *world) named(rest, word string, otherwise time.Duration) (string, *background, time.Duration, error) {
	f := strings.Fields(rest)
	if len(f) == 0 || w.bg[f[0]] == nil {
		return "", nil, 0, fmt.Errorf("no background step %q", rest)
	}
	if len(f) == 3 && f[1] == word {
		d, err := time.ParseDuration(f[2])
		return f[0], w.bg[f[0]], d, err
	}
	return f[0], w.bg[f[0]], otherwise, nil
}

func (w *world) pending(rest string) *result {
	name, b, d, err := w.named(rest, "for", 300*time.Millisecond)
	if err != nil {
		return &result{err: err}
	}
	select {
	case <-b.done:
		return failed("%s has ended, and should still wait: %s", name, clip(b.res.summary()))
	case <-time.After(d):
		return &result{}
	}
}

func (w *world) await(rest string) *result {
	name, b, d, err := w.named(rest, "within", 5*time.Second)
	if err != nil {
		return &result{err: err}
	}
	select {
	case <-b.done:
		return b.res
	case <-time.After(d):
		return failed("%s has not ended after %s", name, d)
	}
}

var signals = map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM,
	"KILL": syscall.SIGKILL}

// signal is the step "signal NAME SIGNAL", to a background command or an agent.
func (w *world) signal(rest string) *result {
	f := strings.Fields(rest)
	if len(f) != 2 || signals[f[1]] == 0 {
		return failed("signal wants NAME SIGNAL")
	}
	if b := w.bg[f[0]]; b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.cmd == nil || b.cmd.Process == nil {
			return failed("%s is not a command that runs", f[0])
		}
		return &result{err: syscall.Kill(-b.cmd.Process.Pid, signals[f[1]])}
	}
	if a := w.byName[f[0]]; a != nil {
		return &result{err: a.signal(signals[f[1]])}
	}
	return failed("no agent or background step %s", f[0])
}

// steer is the step "agent NAME ACTION".
func (w *world) steer(rest string) *result {
	f := strings.Fields(rest)
	if len(f) < 2 || w.byName[f[0]] == nil {
		return failed("agent wants NAME ACTION")
	}
	a := w.byName[f[0]]
	switch f[1] {
	case "start":
		return &result{err: w.start(a, f[2:])}
	case "ready":
		return &result{err: w.ready(a, 20*time.Second)}
	case "kill":
		if err := a.signal(syscall.SIGKILL); err != nil {
			return &result{err: err}
		}
		<-a.exited
		return &result{}
	case "exits":
		select {
		case <-a.exited:
			return &result{kind: kindCLI, exit: a.code}
		case <-time.After(15 * time.Second):
			return failed("agent %s still runs", a.Name)
		}
	}
	return failed("no agent action %q", f[1])
}

func (w *world) file(st *step, rest string) *result {
	path := w.path(rest)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return &result{err: err}
	}
	body, err := w.expand(strings.Join(st.Body, "\n"))
	if err != nil {
		return &result{err: err}
	}
	return &result{err: os.WriteFile(path, []byte(body+"\n"), 0o644)}
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}
