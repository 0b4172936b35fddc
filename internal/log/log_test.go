package log

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// noon is a clock that stands still, in a zone that is not UTC.
func noon() time.Time {
	return time.Date(2026, 11, 22, 11, 51, 24, 36e6, time.FixedZone("CET", 3600))
}

func open(t *testing.T, c Config) (*Log, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	c.Name, c.Terminal, c.Now = "agent", out, noon
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l, out
}

func TestTextLines(t *testing.T) {
	l, out := open(t, Config{})
	l.Release()
	l.Warn("msg", "k", "v")
	l.Named("server").Error("broken pipe", "error", errors.New("no luck"))
	l.Debug("unseen")
	want := "2026-11-22T10:51:24.036Z [WARN]  agent: msg: k=v\n" +
		"2026-11-22T10:51:24.036Z [ERROR] agent.server: broken pipe: error=\"no luck\"\n"
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out, want)
	}
}

func TestJSONLines(t *testing.T) {
	l, out := open(t, Config{JSON: true})
	l.Release()
	l.Warn("msg", "k", "v")
	var line map[string]string
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["@level"] != "warn" || line["@message"] != "msg" || line["k"] != "v" ||
		line["@timestamp"] != "2026-11-22T10:51:24.036000Z" {
		t.Errorf("got %v", line)
	}
}

func TestLibrariesEndHere(t *testing.T) {
	l, out := open(t, Config{})
	l.Release()
	std := l.Named("server").(hclog.InterceptLogger)
	Standard(std.Named("serf")).Printf("[ERR] serf: no")
	l.Standard("raft").Print("[DEBUG] raft: unseen")
	want := "2026-11-22T10:51:24.036Z [ERROR] agent.server.serf: serf: no\n"
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out, want)
	}
}

func TestParseLevel(t *testing.T) {
	for name, want := range map[string]hclog.Level{
		"": hclog.Info, "trace": hclog.Trace, "Debug": hclog.Debug, "INFO": hclog.Info,
		"warn": hclog.Warn, "err": hclog.Error, "ERROR": hclog.Error,
	} {
		if got, err := ParseLevel(name); got != want || err != nil {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"x", " info", "off", "WARNING"} {
		if _, err := ParseLevel(name); err == nil || err.Error() != "Unknown log level: "+name {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestChangeLevel(t *testing.T) {
	l, out := open(t, Config{Level: "err"})
	l.Release()
	sub := l.Named("sub")
	sub.Info("unseen")
	if err := l.ChangeLevel("debug"); err != nil {
		t.Fatal(err)
	}
	sub.Debug("seen")
	if err := l.ChangeLevel("bogus"); err == nil {
		t.Error("changed to a level that does not exist")
	}
	if s := out.String(); strings.Contains(s, "unseen") || !strings.Contains(s, "seen") {
		t.Errorf("got %q", s)
	}
}

func TestGate(t *testing.T) {
	l, out := open(t, Config{})
	l.Info("first")
	if out.Len() > 0 {
		t.Errorf("before the release: %q", out)
	}
	out.WriteString("banner\n")
	l.Release()
	l.Release()
	l.Info("second")
	if got := strings.Count(out.String(), "\n"); got != 3 || !strings.HasPrefix(out.String(), "banner\n") {
		t.Errorf("got:\n%s", out)
	}
}

func TestGateIsBounded(t *testing.T) {
	l, out := open(t, Config{})
	big := strings.Repeat("x", held/2)
	for range 5 {
		l.Info(big)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if out.Len() > held+100 || !strings.HasSuffix(out.String(), "(4 log lines were dropped during the start)\n") {
		t.Errorf("%d bytes, end: %q", out.Len(), out.String()[out.Len()-60:])
	}
}

func TestMonitor(t *testing.T) {
	l, _ := open(t, Config{Level: "err"})
	m, err := l.Monitor("debug", false, 2)
	if err != nil {
		t.Fatal(err)
	}
	sub := l.With("k", "v").Named("sub")
	sub.Trace("unseen")
	for _, msg := range []string{"1", "2", "lost", "lost"} {
		sub.Debug(msg)
	}
	want := []string{
		"2026-11-22T10:51:24.036Z [DEBUG] agent.sub: 1: k=v\n",
		"2026-11-22T10:51:24.036Z [DEBUG] agent.sub: 2: k=v\n",
		"2026-11-22T10:51:24.036Z [WARN]  agent.monitor: the reader is too slow, lines were dropped: count=2\n",
		"2026-11-22T10:51:24.036Z [DEBUG] agent.sub: 3: k=v\n",
	}
	for i, w := range want {
		if got := string(<-m.Lines()); got != w {
			t.Errorf("got %q, want %q", got, w)
		}
		if i == 1 {
			sub.Debug("3")
		}
	}
	m.Close()
	m.Close()
	sub.Debug("after")
	select {
	case line := <-m.Lines():
		t.Errorf("after Close: %q", line)
	default:
	}
	if _, err := l.Monitor("bogus", false, 1); err == nil {
		t.Error("watched at a level that does not exist")
	}
}

func TestMonitorJSON(t *testing.T) {
	l, _ := open(t, Config{})
	m, err := l.Monitor("", true, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l.Info("hello")
	if line := <-m.Lines(); !json.Valid(line) {
		t.Errorf("not JSON: %q", line)
	}
}
