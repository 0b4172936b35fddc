// Client runs the own tests of the Go client github.com/hashicorp/consul/api,
// in the version that go.mod names, against an agent binary. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"syscall"
	"time"
)

type options struct {
	bin, dir, only, area string
	listed, list, v      bool
	jobs                 int
	timeout              time.Duration
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.bin, "bin", "", "the agent binary to test")
	flag.StringVar(&o.dir, "dir", "", "the folder with passing.txt, skip.txt, racy.txt and areas.txt; by default the one of this program")
	flag.StringVar(&o.only, "only", "", "run the tests whose name (api/TestX) this expression matches")
	flag.StringVar(&o.area, "area", "", "run the tests of this area, as areas.txt names it")
	flag.BoolVar(&o.listed, "listed", false, "run only the tests in passing.txt")
	flag.BoolVar(&o.list, "list", false, "list the tests with their area and stop")
	flag.BoolVar(&o.v, "v", false, "print the whole output of tests that fail")
	flag.IntVar(&o.jobs, "j", 4, "how many tests run at a time")
	flag.DurationVar(&o.timeout, "timeout", 90*time.Second, "how long one test may take")
	flag.Parse()
	return o
}

func main() {
	code, err := run(parseFlags())
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
	}
	os.Exit(code)
}

// run returns the exit code: 0 if every listed test that ran passed, 1 if one
// did not, 2 if none could be run, 130 after an interrupt.
func run(o options) (int, error) {
	l, err := loadLists(o.dir)
	if err != nil {
		return 2, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "client-")
	if err != nil {
		return 2, err
	}
	defer os.RemoveAll(dir)
	s, err := buildSuite(ctx, dir)
	if err != nil {
		return 2, err
	}
	if err := l.check(s.tests); err != nil {
		return 2, err
	}
	tests, err := l.choose(s.tests, o)
	if err != nil {
		return 2, err
	}
	if o.list {
		for _, name := range tests {
			fmt.Printf("%-12s %s\n", l.area(name), name)
		}
		return 0, nil
	}
	if err := s.useBinary(o.bin); err != nil {
		return 2, err
	}
	began := time.Now()
	rep := newReport(l, o.v)
	s.runAll(ctx, tests, o.jobs, o.timeout, l.tries, rep.add)
	if ctx.Err() != nil {
		return 130, errors.New("interrupted")
	}
	fmt.Printf("%.0f seconds\n", time.Since(began).Seconds())
	return rep.finish(), nil
}

// choose picks the tests that the options name and skip.txt lets be.
func (l *lists) choose(all []string, o options) ([]string, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	var chosen []string
	for _, name := range all {
		switch {
		case !only.MatchString(name):
		case o.area != "" && l.area(name) != o.area:
		case o.listed && !l.passing[name]:
		case l.skip[name] != "" && !o.list:
			fmt.Printf("skip %s: %s\n", name, l.skip[name])
		default:
			chosen = append(chosen, name)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("no test fits")
	}
	return chosen, nil
}

// useBinary makes the binary the one that the tests find as "consul".
func (s *suite) useBinary(bin string) error {
	if bin == "" {
		return errors.New("-bin is missing")
	}
	path, err := exec.LookPath(bin)
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	return os.Symlink(path, filepath.Join(s.dir, "bin", "consul"))
}

// A report counts what became of the tests, and prints it.
type report struct {
	lists                   *lists
	verbose                 bool
	passed, failed, skipped int
	broken, fresh           []string
}

func newReport(l *lists, verbose bool) *report { return &report{lists: l, verbose: verbose} }

// add is called by one goroutine at a time.
func (r *report) add(o outcome) {
	listed := r.lists.passing[o.name]
	switch o.state {
	case passed:
		r.passed++
		if !listed {
			r.fresh = append(r.fresh, o.name)
		}
	case skipped:
		r.skipped++
	case failed:
		r.failed++
	}
	if listed && o.state != passed {
		r.broken = append(r.broken, o.name)
	}
	fmt.Printf("%-4s %s (%.1fs)\n", o.state, o.name, o.took.Seconds())
	if o.state == failed {
		text := o.output
		if !r.verbose {
			text = essence(text)
		}
		fmt.Println("     " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n     "))
	}
}

// finish prints the summary and returns the exit code.
func (r *report) finish() int {
	sort.Strings(r.fresh)
	sort.Strings(r.broken)
	if len(r.fresh) > 0 {
		fmt.Printf("these pass and are not in passing.txt yet:\n  %s\n", strings.Join(r.fresh, "\n  "))
	}
	if len(r.broken) > 0 {
		fmt.Printf("these are in passing.txt and do not pass:\n  %s\n", strings.Join(r.broken, "\n  "))
	}
	fmt.Printf("%d passed, %d failed", r.passed, r.failed)
	if r.skipped > 0 {
		fmt.Printf(", %d skipped", r.skipped)
	}
	fmt.Println()
	if len(r.broken) > 0 {
		return 1
	}
	return 0
}

// sourceRE is how lines begin that a test wrote: "kv_test.go:17: ".
var sourceRE = regexp.MustCompile(`^\w+\.go:\d+: `)

// essence keeps the lines of a test's output that say what went wrong: those
// the test wrote itself, without the agent's log.
func essence(output string) string {
	const most = 12
	var keep []string
	after := 0 // lines that still belong to the error before
	for _, line := range strings.Split(output, "\n") {
		t := strings.TrimSpace(line)
		wrote := sourceRE.MatchString(t) && !strings.HasPrefix(t, "server.go:")
		differs := strings.HasPrefix(t, "+") && !strings.HasPrefix(t, "+++") || strings.HasPrefix(t, "-") && !strings.HasPrefix(t, "---")
		if strings.HasPrefix(t, "Error:") {
			after = 2
		}
		if wrote || differs || after > 0 || strings.HasPrefix(t, "panic:") {
			keep = append(keep, clip(line))
			after--
		}
	}
	if len(keep) == 0 { // nothing known: the end is most likely to tell
		keep = strings.Split(strings.TrimSpace(output), "\n")
		keep = keep[max(0, len(keep)-most):]
	}
	if len(keep) > most {
		keep = append(keep[:most:most], fmt.Sprintf("... %d lines more; -v shows them", len(keep)-most))
	}
	return strings.Join(keep, "\n")
}

func clip(s string) string {
	const most = 240
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
