// Command mutants puts known bugs into muster, one at a time, and has the
// simulation of test/cluster look for each: a suite that finds nothing may be
// one that cannot find anything. The tree is not touched: the compiler is given
// changed files as an overlay.
//
//	go run ./test/cluster/mutants [-count 20] [-seeds 60] [-only NAME]
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A mutant is a bug: in file, what was is replaced by what will be.
type mutant struct {
	name, file, was, is string
	more                *mutant // what must change with it
}

var mutants = []mutant{
	{"a deposed leader answers reads", "quorum/reads.go",
		"	if g == nil || !g.ready || !q.stillLeads(g) || !q.holds(g) {\n		return 0\n	}",
		"	if g == nil || !g.ready {\n		return 0\n	}",
		&mutant{"", "quorum/lease.go",
			"	defer l.mu.Unlock()\n	l.term = 0\n	l.publish()\n",
			"	defer l.mu.Unlock()\n	l.term = 0\n", nil}},
	{"a leader that hands over answers reads", "quorum/lease.go",
		"	l.suspended = true\n	l.publish()\n	return l.term",
		"	l.publish()\n	return l.term",
		&mutant{"", "quorum/lease.go",
			"	if l.term == 0 || !l.suspended {\n",
			"	if l.term == 0 {\n", nil}},
	{"a follower answers default reads without asking", "relay/reads.go",
		"	round := r.reads.join(",
		"	if !consistent {\n		return nil\n	}\n	round := r.reads.join(", nil},
	{"a follower misses a replicated entry", "quorum/transport.go",
		"	err := t.Transport.AppendEntries(id, target, args, resp)",
		"	sane := args.Entries\n	args.Entries = nil\n	for _, e := range sane {\n		if e.Index%41 == 0 && isCommand(e) {\n" +
			"			c := *e\n			c.Data = nil\n			e = &c\n		}\n		args.Entries = append(args.Entries, e)\n	}\n" +
			"	err := t.Transport.AppendEntries(id, target, args, resp)", nil},
	{"lock-delays are forgotten", "ops/lockdelay.go",
		"			l.until[r.Key] = now.Add(r.Session.LockDelay)",
		"			_ = now", nil},
	{"an fsync is skipped", "internal/memdisk/memdisk.go",
		"		if !h.user.disk.lazy {",
		"		if false {", nil},
	{"a write is repeated although it may have happened", "relay/relay.go",
		"	return !need.Write && !need.Stream",
		"	return !need.Stream", nil},
	{"sessions end before their TTL", "leader/sessions.go",
		"life := ttl * model.SessionTTLMultiply\n",
		"life := ttl * model.SessionTTLMultiply / 8\n", nil},
	{"anti-entropy forgets what was deregistered", "local/sync.go",
		"	for id, token := range d.goneServices {",
		"	for id, token := range map[string]string{} {\n		_ = d.goneServices", nil},
	{"a change wakes only some of those who wait", "state/watch.go",
		"			if n <= len(t.name) {",
		"			if n <= len(t.name) && n%5 != 0 {", nil},
	{"a cut-off log cannot be read after a restart", "quorum/wal.go",
		"	if info.IndexStart != 0 {",
		"	if true {", nil},
}

func main() {
	count := flag.Int("count", 20, "how many seeds to try even after one has found the bug")
	seeds := flag.Int("seeds", 60, "how many to try until one has")
	only := flag.String("only", "", "a part of a name")
	flag.Parse()
	if err := run(*count, *seeds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(count, seeds int, only string) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	missed := 0
	for _, m := range mutants {
		if !strings.Contains(m.name, only) {
			continue
		}
		began := time.Now()
		r, err := m.hunt(dir, count, seeds)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if r.found == 0 {
			missed++
		}
		fmt.Printf("%-50s %s (%.0f s)\n", m.name, r, time.Since(began).Seconds())
	}
	if missed > 0 {
		return fmt.Errorf("%d bugs were not found", missed)
	}
	return nil
}

// A result is what became of the hunt for one bug.
type result struct {
	tried, found, first int
	symptom             string // of the first seed that found it
}

func (r result) String() string {
	if r.found == 0 {
		return fmt.Sprintf("NOT FOUND by %d seeds", r.tried)
	}
	return fmt.Sprintf("found by %d of %d seeds, first %d: %s", r.found, r.tried, r.first, r.symptom)
}

// hunt tries count seeds, and more while none has found the bug.
func (m *mutant) hunt(dir string, count, seeds int) (r result, err error) {
	binary, err := m.build(dir)
	if err != nil {
		return r, err
	}
	for seed := 1; seed <= count || r.found == 0 && seed <= seeds; seed++ {
		c := exec.Command(binary, "-test.run", "^TestSim$", "-test.timeout", "5m", "-seed", fmt.Sprint(seed), "-seeds", "1", "-failures", dir)
		c.Dir = "test/cluster"
		c.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=300")
		out, err := c.CombinedOutput()
		r.tried++
		var exit *exec.ExitError
		switch {
		case err == nil:
		case errors.As(err, &exit):
			if r.found++; r.found == 1 {
				r.first, r.symptom = seed, symptom(string(out))
			}
		default:
			return r, err
		}
	}
	return r, nil
}

// build makes the test program with the bug in it.
func (m *mutant) build(dir string) (string, error) {
	texts := map[string]string{} // by file
	for ; m != nil; m = m.more {
		if _, ok := texts[m.file]; !ok {
			b, err := os.ReadFile(m.file)
			if err != nil {
				return "", err
			}
			texts[m.file] = string(b)
		}
		if strings.Count(texts[m.file], m.was) != 1 {
			return "", fmt.Errorf("%s does not contain once what is to be changed: bring the list of mutants up to date", m.file)
		}
		texts[m.file] = strings.Replace(texts[m.file], m.was, m.is, 1)
	}
	replace := map[string]string{}
	for name, text := range texts {
		file, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		replace[file] = filepath.Join(dir, fmt.Sprint("changed", len(replace), ".go"))
		if err := os.WriteFile(replace[file], []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "sim.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", binary, "./test/cluster").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
}

// symptom is the first line that tells what is wrong.
func symptom(out string) string {
	for _, line := range strings.Split(out, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic:") || strings.Contains(line, "_test.go:") && !strings.Contains(line, "again:") {
			return line[:min(len(line), 160)]
		}
	}
	return "failed"
}
