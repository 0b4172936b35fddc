package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// A runner runs scenarios against one binary. Its fields do not change.
type runner struct {
	host                               *host
	bin                                string
	record, keep, verbose, strict, all bool
	version                            []string // spellings of the binary's version
}

// versions asks the binary for its version and gives the spellings in which
// it may turn up.
func versions(bin string) []string {
	out, err := exec.Command(bin, "version").Output()
	if err != nil {
		return nil
	}
	m := regexp.MustCompile(`v(\d+\.\d+\.\d+)(-?[a-z]\w*)?`).FindStringSubmatch(string(out))
	if m == nil {
		return nil
	}
	pre := strings.TrimPrefix(m[2], "-")
	var all []string
	for _, v := range []string{m[1] + "-" + pre, m[1] + pre, m[1]} {
		if strings.HasSuffix(v, "-") {
			continue
		}
		all = append(all, v+":", v)
	}
	return all
}

func (r *runner) run(ctx context.Context, sc *scenario) (report string, err error) {
	w, err := newWorld(sc, r.host, r.bin, r.keep)
	if err != nil {
		return "", err
	}
	defer w.close()
	if r.keep {
		report = "kept in " + w.dir
	}
	if err := w.setup(); err != nil {
		return report, fmt.Errorf("setup: %w", err)
	}
	if r.record {
		return report, r.recordScenario(w)
	}
	return report, r.replay(ctx, w)
}

func (r *runner) replay(ctx context.Context, w *world) error {
	e := newEnv(w.vars)
	var faults []error
	for i, st := range w.sc.Steps {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		res, trial, err := r.judge(w, e, st)
		if err == nil {
			err = w.capture(st, res)
		}
		if err == nil {
			e = trial
			continue
		}
		fault := fmt.Errorf("step %d (line %d): %s\n%w", i+1, st.Line, st.Raw, err)
		if r.verbose && res != nil && res.err == nil && res.kind != kindNone {
			fault = fmt.Errorf("%w\n%s", fault, r.diff(w, st, res, trial))
		}
		faults = append(faults, fault)
		if !r.all {
			break
		}
	}
	return errors.Join(faults...)
}

// judge performs a step, again and again where its "until" says so, and
// compares what it brought. The bindings returned are those to go on with if
// err is nil.
func (r *runner) judge(w *world, e *env, st *step) (res *result, trial *env, err error) {
	until, err := st.until()
	if err != nil {
		return nil, e, err
	}
	until.repeat(func() bool {
		trial = e.clone()
		res = w.perform(st)
		if err = check(trial, st, res, r.strict); err == nil && !until.fits(res) {
			err = fmt.Errorf("still not %s: %s", until.text, clip(res.summary()))
		}
		return err == nil
	})
	return res, trial, err
}

// diff shows the recorded expectation beside what came, line by line. What
// came is written with the symbols bound so far.
func (r *runner) diff(w *world, st *step, res *result, bound *env) string {
	rec := newRecorder(w, r.version)
	rec.known = bound
	return diffLines(st.Want, rec.expectation(st, res))
}

func (r *runner) recordScenario(w *world) error {
	sc := w.sc
	results := make([]*result, len(sc.Steps))
	for i, st := range sc.Steps {
		res, err := recordStep(w, st)
		if err == nil {
			err = w.capture(st, res)
		}
		if err != nil {
			return fmt.Errorf("step %d (line %d): %s\n%w", i+1, st.Line, st.Raw, err)
		}
		results[i] = res
	}
	// The first pass meets all indexes, the second writes them as ranks.
	rec := newRecorder(w, r.version)
	for i, st := range sc.Steps {
		rec.expectation(st, results[i])
	}
	rec.finish()
	for i, st := range sc.Steps {
		st.Want = rec.expectation(st, results[i])
	}
	return os.WriteFile(sc.Path, []byte(sc.format()), 0o644)
}

// recordStep performs a step until its own conditions hold.
func recordStep(w *world, st *step) (*result, error) {
	until, err := st.until()
	if err != nil {
		return nil, err
	}
	if until.limit > 0 && until.cond == nil {
		return nil, errors.New("recording wants a condition after until")
	}
	var res *result
	met := until.repeat(func() bool {
		res = w.perform(st)
		return until.fits(res) && conditions(st, res) == nil
	})
	switch {
	case res.err != nil:
		return nil, res.err
	case until.limit > 0 && !met:
		return nil, fmt.Errorf("still not %s: %s", until.text, clip(res.summary()))
	}
	if err := conditions(st, res); err != nil {
		return nil, err
	}
	return res, checkDuration(st, res)
}

// until is the directive that has a step repeated. The zero value means once.
type until struct {
	text  string
	limit time.Duration
	cond  func(string) bool // nil if only the expectation has to hold
}

// until reads "10s", "10s REGEXP" or "10s not REGEXP".
func (st *step) until() (until, error) {
	text, ok := st.directive("until")
	if !ok {
		return until{}, nil
	}
	first, rest, _ := strings.Cut(text, " ")
	d, err := time.ParseDuration(first)
	if err != nil {
		return until{}, fmt.Errorf("until: %w", err)
	}
	u := until{text: text, limit: d}
	if rest = strings.TrimSpace(rest); rest == "" {
		return u, nil
	}
	want := true
	if r, ok := strings.CutPrefix(rest, "not "); ok {
		rest, want = r, false
	}
	re, err := regexp.Compile("(?s)" + rest)
	if err != nil {
		return until{}, fmt.Errorf("until: %w", err)
	}
	u.cond = func(s string) bool { return re.MatchString(s) == want }
	return u, nil
}

func (u until) fits(res *result) bool { return u.cond == nil || u.cond(res.summary()) }

// repeat calls f until it returns true, at least once and as long as the limit
// lasts, with growing pauses.
func (u until) repeat(f func() bool) bool {
	deadline := time.Now().Add(u.limit)
	for pause := 40 * time.Millisecond; ; pause = min(2*pause, 300*time.Millisecond) {
		if f() {
			return true
		}
		if !time.Now().Before(deadline) {
			return false
		}
		time.Sleep(pause)
	}
}
