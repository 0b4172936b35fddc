// Command mutants puts known bugs into muster, one at a time, and has the
// simulation of test/cluster look for each: a suite that finds nothing may be
// one that cannot find anything. The tree is not touched: the compiler is given
// changed files as an overlay.
//
//	go run ./test/cluster/mutants [-seeds 60] [-only NAME]
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
}

var mutants = []mutant{
	{"a deposed leader answers reads", "quorum/reads.go",
		"	if g == nil || !g.ready || !q.stillLeads(g) || !q.holds(g) {\n		return 0\n	}",
		"	if g == nil || !g.ready {\n		return 0\n	}"},
	{"a follower answers default reads without asking", "relay/reads.go",
		"	round := r.reads.join(",
		"	if !consistent {\n		return nil\n	}\n	round := r.reads.join("},
	{"a follower misses a replicated entry", "quorum/transport.go",
		"	err := t.Transport.AppendEntries(id, target, args, resp)",
		"	sane := args.Entries\n	args.Entries = nil\n	for _, e := range sane {\n		if e.Index%41 == 0 && isCommand(e) {\n" +
			"			c := *e\n			c.Data = nil\n			e = &c\n		}\n		args.Entries = append(args.Entries, e)\n	}\n" +
			"	err := t.Transport.AppendEntries(id, target, args, resp)"},
	{"lock-delays are forgotten", "ops/lockdelay.go",
		"			l.until[r.Key] = now.Add(r.Session.LockDelay)",
		"			_ = now"},
	{"an fsync is skipped", "internal/memdisk/memdisk.go",
		"		if !h.user.disk.lazy {",
		"		if false {"},
	{"a write is repeated although it may have happened", "relay/relay.go",
		"	return !need.Write && !need.Stream",
		"	return !need.Stream"},
	{"sessions end before their TTL", "leader/sessions.go",
		"	t.deadline = time.Now().Add(t.life)",
		"	t.deadline = time.Now().Add(t.life / 8)"},
	{"anti-entropy forgets what was deregistered", "local/sync.go",
		"	for id, token := range d.goneServices {",
		"	for id, token := range map[string]string{} {\n		_ = d.goneServices"},
	{"a change wakes only some of those who wait", "state/watch.go",
		"			if n <= len(t.name) {",
		"			if n <= len(t.name) && n%5 != 0 {"},
	{"a cut-off log cannot be read after a restart", "quorum/wal.go",
		"	if info.IndexStart != 0 {",
		"	if true {"},
}

func main() {
	seeds := flag.Int("seeds", 60, "how many seeds may be needed")
	only := flag.String("only", "", "a part of a name")
	flag.Parse()
	if err := run(*seeds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(seeds int, only string) error {
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
		found, err := m.hunt(dir, seeds)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if found == "" {
			missed++
			found = fmt.Sprintf("NOT FOUND with %d seeds", seeds)
		}
		fmt.Printf("%-50s %s (%.0f s)\n", m.name, found, time.Since(began).Seconds())
	}
	if missed > 0 {
		return fmt.Errorf("%d bugs were not found", missed)
	}
	return nil
}

// hunt tells how the bug was found; "" says that it was not.
func (m *mutant) hunt(dir string, seeds int) (string, error) {
	binary, err := m.build(dir)
	if err != nil {
		return "", err
	}
	for seed := 1; seed <= seeds; seed++ {
		c := exec.Command(binary, "-test.run", "^TestSim$", "-test.timeout", "5m", "-seed", fmt.Sprint(seed), "-seeds", "1", "-failures", dir)
		c.Dir = "test/cluster"
		c.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=300")
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case err == nil:
		case errors.As(err, &exit):
			return fmt.Sprintf("seed %d: %s", seed, symptom(string(out))), nil
		default:
			return "", err
		}
	}
	return "", nil
}

// build makes the test program with the bug in it.
func (m *mutant) build(dir string) (string, error) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	if strings.Count(string(text), m.was) != 1 {
		return "", fmt.Errorf("%s does not contain once what is to be changed: bring the list of mutants up to date", m.file)
	}
	file, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.was, m.is, 1)), 0o644); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
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
