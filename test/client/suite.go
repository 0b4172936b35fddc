package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The packages whose tests are run, by the name that stands before a test's.
var packages = []struct{ name, path string }{
	{"api", "github.com/hashicorp/consul/api"},
	{"watch", "github.com/hashicorp/consul/api/watch"},
}

// A suite is a folder with everything that the tests need:
//
//	api.test, watch.test   the compiled tests
//	src/api, src/api/watch copies of the packages, compiled and run in
//	src/test               certificates, where the client's repository has them
//	bin/consul             the binary under test
//	tmp, home              what the tests leave behind
type suite struct {
	dir   string
	tests []string // "api/TestX"
}

func buildSuite(ctx context.Context, dir string) (*suite, error) {
	s := &suite{dir: dir}
	for _, d := range []string{"bin", "tmp", "home", "src/test"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	if err := writeCertificates(filepath.Join(dir, "src", "test")); err != nil {
		return nil, fmt.Errorf("test certificates: %w", err)
	}
	if err := copySource(ctx, dir); err != nil {
		return nil, fmt.Errorf("source of the tests: %w", err)
	}
	for _, p := range packages {
		fmt.Fprintf(os.Stderr, "compiling the tests of %s\n", p.path)
		if _, err := output(ctx, "go", "test", "-c", "-modfile", filepath.Join(dir, "go.mod"), "-o", s.binary(p.name), p.path); err != nil {
			return nil, err
		}
		names, err := output(ctx, s.binary(p.name), "-test.list", ".")
		if err != nil {
			return nil, err
		}
		for _, n := range strings.Fields(names) {
			if strings.HasPrefix(n, "Test") {
				s.tests = append(s.tests, p.name+"/"+n)
			}
		}
	}
	return s, nil
}

func (s *suite) binary(pkg string) string { return filepath.Join(s.dir, pkg+".test") }

// workdir is where the tests of a package run.
func (s *suite) workdir(pkg string) string {
	if pkg == "api" {
		return filepath.Join(s.dir, "src", "api")
	}
	return filepath.Join(s.dir, "src", "api", pkg)
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, errOut.String())
	}
	return string(out), nil
}

type state string

const (
	passed  state = "ok"
	failed  state = "FAIL"
	skipped state = "SKIP"
)

// An outcome is what became of one test.
type outcome struct {
	name   string
	state  state
	took   time.Duration
	output string
}

// runAll runs the tests, jobs at a time, each in a process of its own and as
// often as tries says until it passes, and hands the outcomes to done, one at a
// time. It stops early with ctx.
func (s *suite) runAll(ctx context.Context, tests []string, jobs int, limit time.Duration, tries func(name string) int, done func(outcome)) {
	var mu sync.Mutex // held while done runs
	work := make(chan string)
	var wg sync.WaitGroup
	for range max(1, jobs) {
		wg.Go(func() {
			for name := range work {
				o := s.runUntilItPasses(ctx, name, limit, tries(name))
				mu.Lock()
				done(o)
				mu.Unlock()
			}
		})
	}
feed:
	for _, name := range tests {
		select {
		case work <- name:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	wg.Wait()
}

func (s *suite) runUntilItPasses(ctx context.Context, name string, limit time.Duration, tries int) outcome {
	for try, ports := 1, 1; ; try++ {
		o := s.run(ctx, name, limit)
		switch {
		case ctx.Err() != nil || o.state != failed:
			return o
		case noPorts(o) && ports < 10:
			ports++
			try--
		case try >= tries:
			return o
		}
	}
}

// noPorts tells that a test never began: the kit that starts its agent hands
// out ports by blocks, of which there are few, and found none free.
func noPorts(o outcome) bool {
	return o.state == failed && strings.Contains(o.output, "freeport: cannot allocate port block")
}

// run runs one test, and ends every process that it leaves behind.
func (s *suite) run(ctx context.Context, name string, limit time.Duration) outcome {
	pkg, test, _ := strings.Cut(name, "/")
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary(pkg), "-test.run", "^"+regexp.QuoteMeta(test)+"$", "-test.v")
	cmd.Dir = s.workdir(pkg)
	cmd.Env = []string{
		"PATH=" + filepath.Join(s.dir, "bin") + ":/usr/local/bin:/usr/bin:/bin",
		"HOME=" + filepath.Join(s.dir, "home"), "TMPDIR=" + filepath.Join(s.dir, "tmp"), "LANG=C", "TZ=UTC",
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	began := time.Now()
	err := cmd.Run()
	if cmd.Process != nil { // an agent that the test did not stop
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	o := outcome{name: name, took: time.Since(began), output: out.String()}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		o.state = failed
		o.output += fmt.Sprintf("\npanic: the test did not end within %s", limit)
	case err != nil:
		o.state = failed
		o.output += "\n" + err.Error()
	case strings.Contains(o.output, "--- SKIP: "+test+" "):
		o.state = skipped
	case strings.Contains(o.output, "--- PASS: "+test+" "):
		o.state = passed
	default:
		o.state = failed
		o.output += "\nthe test printed no verdict"
	}
	return o
}
