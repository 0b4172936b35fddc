package main

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// fakeSuite has a script in the place of the compiled tests.
func fakeSuite(t *testing.T, script string) *suite {
	s := &suite{dir: t.TempDir()}
	write(t, s.binary("api"), "#!/bin/sh\n"+script, 0o755)
	if err := os.MkdirAll(s.workdir("api"), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		name, script string
		want         state
	}{
		{"pass", `echo "--- PASS: TestX (0.00s)"`, passed},
		{"skip", `echo "--- SKIP: TestX (0.00s)"`, skipped},
		{"fail", `echo "--- FAIL: TestX (0.00s)"; exit 1`, failed},
		{"nothing ran", `echo "testing: warning: no tests to run"`, failed},
		{"another test with the same beginning", `echo "--- PASS: TestXY (0.00s)"`, failed},
		{"too long", `sleep 60`, failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := fakeSuite(t, c.script).run(t.Context(), "api/TestX", 2*time.Second)
			if o.state != c.want {
				t.Errorf("got %s, want %s: %s", o.state, c.want, o.output)
			}
		})
	}
}

// What a test leaves behind must not outlive it.
func TestChildrenAreKilled(t *testing.T) {
	s := fakeSuite(t, `sleep 300 & echo $! > pid; echo "--- PASS: TestX (0.00s)"`)
	began := time.Now()
	s.run(t.Context(), "api/TestX", time.Minute)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("waited %s for what the test left behind", took)
	}
	pid, err := os.ReadFile(filepath.Join(s.workdir("api"), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	proc := filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat")
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(proc)
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %s still runs", pid)
		}
	}
}

func TestRunAllStopsWhenInterrupted(t *testing.T) {
	s := fakeSuite(t, `sleep 60`)
	ctx, cancel := context.WithCancel(t.Context())
	var got []outcome
	cancel()
	s.runAll(ctx, []string{"api/TestA", "api/TestB", "api/TestC"}, 1, time.Minute, once, func(o outcome) { got = append(got, o) })
	for _, o := range got {
		if o.state == passed {
			t.Errorf("%s passed", o.name)
		}
	}
}

func once(string) int { return 1 }

// A racy test may fail a few times, another may not.
func TestTries(t *testing.T) {
	l := &lists{racy: map[string]string{"api/TestX": "reads before it is told"}}
	for _, c := range []struct {
		name string
		want state
	}{{"api/TestX", passed}, {"api/TestY", failed}} {
		s := fakeSuite(t, `
if [ -e began ]; then echo "--- PASS: TestX (0.00s)"; exit; fi
touch began; exit 1`)
		s.runAll(t.Context(), []string{c.name}, 1, time.Minute, l.tries, func(o outcome) {
			if o.state != c.want {
				t.Errorf("%s: got %s", c.name, o.state)
			}
		})
	}
}

// A test whose kit found no ports has not failed: it is run again.
func TestRunAgainWithoutPorts(t *testing.T) {
	s := fakeSuite(t, `
if [ -e began ]; then echo "--- PASS: TestX (0.00s)"; exit; fi
touch began; echo "panic: freeport: cannot allocate port block"; exit 2`)
	s.runAll(t.Context(), []string{"api/TestX"}, 1, time.Minute, once, func(o outcome) {
		if o.state != passed {
			t.Errorf("got %s: %s", o.state, o.output)
		}
	})
}

func TestReport(t *testing.T) {
	l := &lists{passing: map[string]bool{"api/TestOld": true, "api/TestGone": true}}
	r := newReport(l, false)
	r.add(outcome{name: "api/TestOld", state: passed})
	r.add(outcome{name: "api/TestNew", state: passed})
	r.add(outcome{name: "api/TestBad", state: failed})
	if len(r.fresh) != 1 || r.passed != 2 || r.failed != 1 || r.finish() != 0 {
		t.Errorf("the report is %+v", r)
	}
	r.add(outcome{name: "api/TestGone", state: skipped})
	if r.finish() != 1 {
		t.Error("a listed test that is skipped is no error")
	}
}

func TestEssence(t *testing.T) {
	out := "2026/01/01 [INFO] agent: noise\n    kv_test.go:17: bad value\n--- FAIL: TestX (0.00s)\n"
	if got := essence(out); !strings.Contains(got, "bad value") || strings.Contains(got, "noise") {
		t.Errorf("got %q", got)
	}
	if got := essence("nothing known\n"); got != "nothing known" {
		t.Errorf("got %q", got)
	}
}

func TestLists(t *testing.T) {
	dir := t.TempDir()
	set := func(passing, skip, areas string) (*lists, error) {
		write(t, filepath.Join(dir, "passing.txt"), passing, 0o644)
		write(t, filepath.Join(dir, "skip.txt"), skip, 0o644)
		write(t, filepath.Join(dir, "areas.txt"), areas, 0o644)
		write(t, filepath.Join(dir, "racy.txt"), "# none\n", 0o644)
		return loadLists(dir)
	}
	tests := []string{"api/TestA", "api/TestB"}
	l, err := set("api/TestA # one\n", "api/TestB needs two machines\n", "all api/*\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.check(tests); err != nil {
		t.Error(err)
	}
	if got, err := l.choose(tests, options{}); err != nil || len(got) != 1 || got[0] != "api/TestA" {
		t.Errorf("chosen are %v %v", got, err)
	}
	for _, c := range []struct{ name, passing, skip, areas, want string }{
		{"misspelt", "api/TestC\n", "", "all api/*\n", "there is no test api/TestC"},
		{"no area", "", "", "all api/TestA\n", "no area for api/TestB"},
		{"no reason", "", "api/TestA\n", "all api/*\n", "no reason"},
		{"passing and skipped", "api/TestA\n", "api/TestA why\n", "all api/*\n", "in passing.txt and in skip.txt"},
		{"twice", "api/TestA\napi/TestA\n", "", "all api/*\n", "once"},
	} {
		l, err := set(c.passing, c.skip, c.areas)
		if err == nil {
			err = l.check(tests)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestPatchWantsItsLine(t *testing.T) {
	dir := t.TempDir()
	p := patch{"a.go", "old\n", "new\n"}
	for text, ok := range map[string]bool{"x\nold\ny\n": true, "x\n": false, "old\nold\n": false} {
		write(t, filepath.Join(dir, "a.go"), text, 0o644)
		if err := p.apply(dir); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	if err := writeCertificates(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"client_certs/server", "client_certs/client", "hostname/Alice"} {
		if _, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")); err != nil {
			t.Error(err)
		}
	}
}

// The lists in the project can be read; whether they fit the tests is checked
// by every run, which has them compiled.
func TestListsOfTheProject(t *testing.T) {
	if _, err := loadLists("."); err != nil {
		t.Error(err)
	}
}
