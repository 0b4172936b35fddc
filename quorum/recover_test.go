package quorum

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// A logged is what a server logs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// take returns what was logged of a recovery, without times, and forgets it.
func (l *logged) take() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if _, after, ok := strings.Cut(line, "recovery: "); ok {
			lines = append(lines, strings.TrimSpace(after))
		}
	}
	l.text.Reset()
	return lines
}

func writePeers(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, peersFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func peersGone(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, peersFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file is still there:", err)
	}
}

// Two of three servers are lost for good. The third goes on with all that it has,
// alone first, then with new ones, and says all that before it does it.
func TestRecovery(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		t.Run(fmt.Sprint("snapshot=", snapshot), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testRecovery(t, snapshot) })
		})
	}
}

func testRecovery(t *testing.T, snapshot bool) {
	root, log := t.TempDir(), &logged{}
	c := newCluster(t, 3, func(i int, cfg *Config) {
		cfg.Dir = filepath.Join(root, cfg.ID)
		cfg.SegmentSize = 1 << 20
		if i == 2 {
			cfg.Logger = hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Warn})
		}
	})
	defer c.close()
	left := c.servers[2]
	if info, err := os.ReadFile(filepath.Join(left.cfg.Dir, peersInfoFile)); err != nil || string(info) != peersInfo {
		t.Errorf("%s, %v", info, err)
	}
	write := func(from, to int) {
		t.Helper()
		leader, last := c.leader(), uint64(0)
		for i := from; i < to; i++ {
			_, index, err := leader.Propose(t.Context(), fmt.Append(nil, i))
			if err != nil {
				t.Fatal(err)
			}
			last = index
		}
		if err := left.WaitApplied(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	write(0, 20)
	if snapshot {
		_, r, err := left.TakeSnapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	}
	write(20, 40)
	for _, s := range c.servers {
		c.stop(s)
	}
	c.servers = []*server{left}
	c.start(left)
	time.Sleep(time.Minute)
	if left.IsLeader() || len(left.machine.all()) == 40 {
		t.Fatal("a server leads without a majority")
	}
	last := left.LastIndex()
	c.stop(left)
	log.take()

	file := filepath.Join(left.cfg.Dir, peersFile)
	// The second time is what happens when the machine dies before the file is
	// removed; the third is a start like any other.
	for run := range 3 {
		if run < 2 {
			writePeers(t, left.cfg.Dir, `[{"id": "s3", "address": "10.0.0.3:8300"}]`)
		}
		c.start(left)
		c.leader()
		checkAll(t, left, 40+min(run, 1))
		servers, _, err := left.Configuration()
		if want := []Server{{ID: "s3", Address: "10.0.0.3:8300", Voter: true, Leader: true}}; err != nil || !slices.Equal(servers, want) {
			t.Error(servers, err)
		}
		peersGone(t, left.cfg.Dir)
		if run == 0 {
			inSnapshot := uint64(0)
			if snapshot {
				inSnapshot = last - 20
			}
			want := []string{
				"the members of the cluster will be those that this file names: file=" + file,
				"member until now: id=s1 address=10.0.0.1:8300 suffrage=Voter it=\"is removed\"",
				"member until now: id=s2 address=10.0.0.2:8300 suffrage=Voter it=\"is removed\"",
				"member until now: id=s3 address=10.0.0.3:8300 suffrage=Voter it=stays",
				"member from now on: id=s3 address=10.0.0.3:8300 suffrage=Voter it=\"is this server\"",
				fmt.Sprintf("what this server has on disk counts as agreed on: last_index=%d last_term=2 in_snapshot=%d in_log=%d", last, inSnapshot, last-inSnapshot),
				fmt.Sprintf("done, the file is removed: file=%s index=%d", file, last),
			}
			got := log.take()
			for i := range got { // which term it was depends on the elections
				if before, after, ok := strings.Cut(got[i], "last_term="); ok {
					_, after, _ = strings.Cut(after, " ")
					got[i] = before + "last_term=2 " + after
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			write(40, 41)
		} else if told := log.take(); (run == 1) != (len(told) > 0) {
			t.Errorf("run %d: told %q", run, told)
		}
		if run < 2 {
			c.stop(left)
		}
	}

	fresh := &server{ip: "10.0.0.4", cfg: Config{ID: "s4", Address: "10.0.0.4:8300", Multiplier: 1, Dir: filepath.Join(root, "s4")}}
	c.servers = append(c.servers, fresh)
	c.start(fresh)
	if err := left.AddVoter("s4", "10.0.0.4:8300"); err != nil {
		t.Fatal(err)
	}
	if err := fresh.WaitApplied(t.Context(), left.LastIndex()); err != nil {
		t.Fatal(err)
	}
	checkAll(t, fresh, 41)
}

// checkAll looks whether s has applied the commands 0 to n-1.
func checkAll(t *testing.T, s *server, n int) {
	t.Helper()
	if err := s.WaitApplied(t.Context(), s.CommitIndex()); err != nil {
		t.Fatal(err)
	}
	all := s.machine.all()
	for i := range n {
		if i >= len(all) || all[i] != fmt.Sprint(i) {
			t.Fatalf("%s has %v, want 0 to %d", s.cfg.ID, all, n-1)
		}
	}
	if len(all) != n {
		t.Errorf("%s has %v, want 0 to %d", s.cfg.ID, all, n-1)
	}
}

// Two of five are left. Both get the same file, and go on with what the one that
// has more of it has.
func TestRecoveryOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		c := newCluster(t, 5, func(_ int, cfg *Config) {
			cfg.Dir, cfg.SegmentSize = filepath.Join(root, cfg.ID), 1<<20
		})
		defer c.close()
		c.leader()
		c.stop(c.servers[4]) // it misses what follows
		behind := c.servers[4]
		for i := range 30 {
			if _, _, err := c.leader().Propose(t.Context(), fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		ahead := c.servers[3]
		if err := ahead.WaitApplied(t.Context(), c.leader().LastIndex()); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.servers[:4] {
			c.stop(s)
		}
		c.servers = []*server{behind, ahead}
		for _, s := range c.servers {
			writePeers(t, s.cfg.Dir, `[{"id": "s5", "address": "10.0.0.5:8300"}, {"id": "s4", "address": "10.0.0.4:8300"}]`)
			c.start(s)
		}
		if leader := c.leader(); leader != ahead {
			t.Error(leader.cfg.ID, "leads")
		}
		if err := behind.WaitApplied(t.Context(), ahead.CommitIndex()); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.servers {
			checkAll(t, s, 30)
			peersGone(t, s.cfg.Dir)
		}
	})
}

// A file that is wrong stops the start, says what to write instead, and changes nothing.
func TestWrongPeers(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{ID: "a", Address: "a:8300", Dir: dir, Bootstrap: true, SegmentSize: 1 << 16}
	q, err := Open(cfg, &machine{})
	if err != nil {
		t.Fatal(err)
	}
	waitReady(t, q)
	proposeAll(t, q, "x", "y")
	closeQuorum(t, q)

	const self = `{"id": "a", "address": "10.0.0.1:8300"}`
	for text, want := range map[string]string{
		``:                                `not a list in JSON, such as [{"id": "a", "address": "10.0.0.1:8300"}]: unexpected end`,
		self:                              `not a list in JSON`,
		`[`:                               `not a list in JSON`,
		`[] []`:                           `not a list in JSON`,
		`[]`:                              `the list is empty: name the servers that are left, this one among them`,
		`null`:                            `the list is empty`,
		`[null]`:                          `entry 1: no id: write what is in the file node-id`,
		`[` + self + `, "10.0.0.2:8300"]`: `entry 2: "10.0.0.2:8300" is an address alone, as in the format of Raft protocol 2: write {"id": "(the node-id of that server)", "address": "10.0.0.2:8300"}`,
		`[` + self + `, {"id": "b", "address": "10.0.0.2:8300", "voter": true}]`:  `entry 2: unknown field "voter"; the keys are id, address and non_voter`,
		`[` + self + `, {"id": "b", "address": "10.0.0.2:8300", "non_voter": 1}]`: `entry 2: cannot unmarshal number`,
		`[` + self + `, {"id": "b"}]`:                                             `entry 2: no address for the server b: write its IP and the port between servers`,
		`[` + self + `, {"address": "10.0.0.2:8300"}]`:                            `entry 2: no id`,
		`[` + self + `, {"id": "a", "address": "10.0.0.2:8300"}]`:                 `entries 1 and 2 have the same id, a: remove one`,
		`[` + self + `, {"id": "b", "address": "10.0.0.1:8300"}]`:                 `entries 1 and 2 have the same address, 10.0.0.1:8300: remove one`,
		`[{"id": "b", "address": "10.0.0.1:8300"}]`:                               `no entry has the id of this server, a (its file node-id): add it`,
		`[{"id": "a", "address": "10.0.0.1:8300", "non_voter": true}]`:            `no entry has a vote`,
		`[{"id": "a", "address": "10.0.0.1"}]`:                                    `entry 1: address "10.0.0.1" of the server a is not where it can be reached: write its IP and the port between servers, such as 10.0.0.1:8300`,
		`[{"id": "a", "address": "0.0.0.0:8300"}]`:                                `entry 1: address "0.0.0.0:8300"`,
		`[{"id": "a", "address": "10.0.0.1:0"}]`:                                  `entry 1: address "10.0.0.1:0"`,
		`[{"id": "a", "address": "server1:8300"}]`:                                `entry 1: address "server1:8300"`,
		`[` + strings.Repeat(" ", maxPeersFile) + `]`:                             `larger than 1048576 bytes`,
	} {
		writePeers(t, dir, text)
		before := tree(t, dir)
		q, err := Open(cfg, &machine{})
		if err == nil {
			closeQuorum(t, q)
		}
		if len(text) > 200 {
			text = text[:200]
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Join(dir, peersFile)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if after := tree(t, dir); !maps.Equal(before, after) {
			t.Errorf("%s: files were changed", text)
		}
	}

	if err := os.Remove(filepath.Join(dir, peersFile)); err != nil {
		t.Fatal(err)
	}
	m := &machine{}
	if q, err = Open(cfg, m); err != nil {
		t.Fatal(err)
	}
	waitReady(t, q)
	if !slices.Equal(m.all(), []string{"x", "y"}) {
		t.Error(m.all())
	}
	closeQuorum(t, q)
}

// Without data there is nothing to recover; somebody has mistaken the folder.
func TestRecoveryOfNothing(t *testing.T) {
	dir := t.TempDir()
	writePeers(t, dir, `[{"id": "a", "address": "10.0.0.1:8300"}]`)
	q, err := Open(Config{ID: "a", Address: "a:8300", Dir: dir, Bootstrap: true}, &machine{})
	if err == nil {
		closeQuorum(t, q)
	}
	if err == nil || !strings.Contains(err.Error(), "but no data of a cluster: put the data directory back, or remove the file") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, peersFile)); err != nil {
		t.Error(err)
	}
}

// tree is what is in the files of a folder.
func tree(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	files := map[string][32]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = sha256.Sum256(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// What is accepted is a configuration that Raft accepts, with this server in it.
func FuzzPeers(f *testing.F) {
	for _, text := range []string{
		`[{"id": "a", "address": "10.0.0.1:8300"}]`,
		`[{"id": "a", "address": "[::1]:8300", "non_voter": true}, {"id": "b", "address": "10.0.0.2:8300"}]`,
		`["10.0.0.1:8300"]`, `[{}]`, `[[]]`, `{`, `[1]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parsePeers(text, "a")
		if err != nil {
			return
		}
		ids, voters := map[raft.ServerID]bool{}, 0
		for _, s := range c.Servers {
			ids[s.ID] = true
			if s.Suffrage == raft.Voter {
				voters++
			}
		}
		if !ids["a"] || voters == 0 || len(ids) != len(c.Servers) {
			t.Errorf("%s: %v", text, c)
		}
	})
}
