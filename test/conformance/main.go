// Conformance replays recorded transcripts against an agent binary and says
// whether the binary behaves as the recorded one did. See README.md.
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
	"strings"
	"sync"
	"syscall"
	"time"
)

type options struct {
	bin, dir, tier, only, listFile string
	record, keep, verbose, strict  bool
	all, list                      bool
	jobs                           int
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.bin, "bin", "", "the agent binary to test")
	flag.StringVar(&o.dir, "dir", "", "the folder of the scenarios; by default the one beside this program's source")
	flag.StringVar(&o.tier, "tier", "", "run the scenarios of this tier: core, modern or mesh")
	flag.StringVar(&o.only, "only", "", "run the scenarios whose name or tier/name fits this glob")
	flag.StringVar(&o.listFile, "list-file", "", "run the scenarios that the globs in this file name, one tier/name a line")
	flag.BoolVar(&o.record, "record", false, "write what the binary does into the scenarios")
	flag.BoolVar(&o.keep, "keep", false, "keep the folders with the agents' logs, and say where they are")
	flag.BoolVar(&o.verbose, "v", false, "print a diff of what differs")
	flag.BoolVar(&o.strict, "strict", false, "do not allow extra JSON fields")
	flag.BoolVar(&o.list, "list", false, "list the scenarios and stop")
	flag.BoolVar(&o.all, "all", false, "go on after a step that differs, and print each one that does")
	flag.IntVar(&o.jobs, "j", 2, "how many scenarios run at a time")
	flag.Parse()
	return o
}

func main() {
	code, err := run(parseFlags())
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	os.Exit(code)
}

// run returns the exit code: 0 if all is well, 1 if a scenario failed, 2 if
// none could be run and 130 after an interrupt.
func run(o options) (int, error) {
	scenarios, err := choose(o)
	if err != nil {
		return 2, err
	}
	if o.list {
		for _, sc := range scenarios {
			fmt.Printf("%-36s %3d steps\n", sc.ID(), len(sc.Steps))
		}
		return 0, nil
	}
	if o.bin == "" {
		return 2, errors.New("-bin is missing")
	}
	path, err := exec.LookPath(o.bin)
	if err != nil {
		return 2, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return 2, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &runner{host: newHost(), bin: path, record: o.record, keep: o.keep, verbose: o.verbose, strict: o.strict,
		all: o.all, version: versions(path)}
	began := time.Now()
	passed, failed := r.runAll(ctx, scenarios, o.jobs)
	if ctx.Err() != nil {
		return 130, errors.New("interrupted")
	}
	fmt.Printf("%.0f seconds\n%d passed, %d failed\n", time.Since(began).Seconds(), passed, failed)
	if failed > 0 {
		return 1, nil
	}
	return 0, nil
}

// choose loads the scenarios that the options name; at least one.
func choose(o options) ([]*scenario, error) {
	dir := o.dir
	if dir == "" {
		var err error
		if dir, err = findScenarios(); err != nil {
			return nil, err
		}
	}
	all, err := loadScenarios(dir)
	if err != nil {
		return nil, err
	}
	var fits []func(*scenario) (bool, error)
	if o.tier != "" {
		fits = append(fits, func(sc *scenario) (bool, error) { return sc.Tier == o.tier, nil })
	}
	if o.only != "" {
		fits = append(fits, func(sc *scenario) (bool, error) { return sc.matches(o.only) })
	}
	if o.listFile != "" {
		accepted, err := readList(o.listFile)
		if err != nil {
			return nil, err
		}
		if err := accepted.covers(all); err != nil {
			return nil, fmt.Errorf("%s: %w", o.listFile, err)
		}
		fits = append(fits, accepted.has)
	}
	var chosen []*scenario
next:
	for _, sc := range all {
		for _, f := range fits {
			ok, err := f(sc)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue next
			}
		}
		chosen = append(chosen, sc)
	}
	if len(chosen) == 0 {
		return nil, errors.New("no scenario fits")
	}
	return chosen, nil
}

// findScenarios looks for the folder from where go run is usually called: the
// root of the project, or the folder of this program.
func findScenarios() (string, error) {
	for _, dir := range []string{filepath.Join("test", "conformance", "scenarios"), "scenarios"} {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			return dir, nil
		}
	}
	return "", errors.New("no folder of scenarios here: name one with -dir")
}

// runAll runs the scenarios, a few at a time, and prints a line for each.
func (r *runner) runAll(ctx context.Context, scenarios []*scenario, jobs int) (passed, failed int) {
	unwatch := context.AfterFunc(ctx, r.host.killAll)
	defer unwatch()
	var mu sync.Mutex // guards the counts and the output
	work := make(chan *scenario)
	var wg sync.WaitGroup
	for range max(1, jobs) {
		wg.Go(func() {
			for sc := range work {
				start := time.Now()
				report, err := r.run(ctx, sc)
				took := time.Since(start).Seconds()
				mu.Lock()
				if err != nil {
					failed++
					fmt.Printf("FAIL %s (%.1fs)\n%s\n", sc.ID(), took, indent(err.Error()))
				} else {
					passed++
					fmt.Printf("ok   %s (%.1fs)\n", sc.ID(), took)
				}
				if report != "" {
					fmt.Println(indent(report))
				}
				mu.Unlock()
			}
		})
	}
feed:
	for _, sc := range scenarios {
		select {
		case work <- sc:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	wg.Wait()
	return passed, failed
}

func indent(s string) string {
	return "     " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n     ")
}
