package sink

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// A clock moves when told to.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Unix(1_700_000_000, 0)} }

func write(t *testing.T, f *File, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if _, err := f.LevelWrite(hclog.Info, []byte(l+"\n")); err != nil {
			t.Fatal(err)
		}
	}
}

// files returns name: content of a directory, sorted by name.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Name()+": "+strings.ReplaceAll(string(text), "\n", ";"))
	}
	return out
}

func check(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func open(t *testing.T, c FileConfig, k *clock) *File {
	t.Helper()
	f, err := OpenFile(c, k.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestFileRotatesBySize(t *testing.T) {
	dir, k := t.TempDir(), newClock()
	f := open(t, FileConfig{Path: filepath.Join(dir, "a.txt"), Bytes: 6}, k)
	write(t, f, "11", "22", "33", "44", "a line longer than a file", "55")
	check(t, dir,
		"a-1700000000000000000.txt: 11;22;",
		"a-1700000000000000001.txt: 33;44;",
		"a-1700000000000000002.txt: a line longer than a file;",
		"a.txt: 55;")
}

func TestFileRotatesByAge(t *testing.T) {
	dir, k := t.TempDir(), newClock()
	f := open(t, FileConfig{Path: dir, Every: time.Hour}, k)
	write(t, f, "1")
	k.t = k.t.Add(time.Hour)
	write(t, f, "2")
	check(t, dir, "consul-1700000000000000000.log: 1;", "consul-1700003600000000000.log: 2;")
}

func TestFileContinues(t *testing.T) {
	dir, k := t.TempDir(), newClock()
	path := filepath.Join(dir, "new", "agent")
	write(t, open(t, FileConfig{Path: path, Bytes: 5}, k), "1")
	f := open(t, FileConfig{Path: path, Bytes: 5}, k)
	write(t, f, "2", "3")
	check(t, filepath.Dir(path), "agent-1700000000000000000.log: 1;2;", "agent.log: 3;")
	f.Close()
	write(t, f, "dropped")
	check(t, filepath.Dir(path), "agent-1700000000000000000.log: 1;2;", "agent.log: 3;")
}

func TestFileKeep(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "agent-audit.log")
	for _, c := range []struct {
		keep int
		want []string
	}{
		{-1, []string{"agent-audit.log: ", "agent.log: 4;"}},
		{1, []string{"agent-1700000000000000002.log: 3;", "agent-audit.log: ", "agent.log: 4;"}},
	} {
		os.RemoveAll(dir)
		os.Mkdir(dir, 0o700)
		os.WriteFile(mine, nil, 0o600)
		f := open(t, FileConfig{Path: filepath.Join(dir, "agent.log"), Bytes: 1, Keep: c.keep}, newClock())
		write(t, f, "1", "2", "3", "4")
		check(t, dir, c.want...)
		f.Close()
	}
	os.Remove(mine)
	os.Remove(filepath.Join(dir, "agent.log"))
	os.Remove(filepath.Join(dir, "agent-1700000000000000002.log"))
	f := open(t, FileConfig{Path: dir, Bytes: 1, Keep: 1}, newClock())
	write(t, f, "1", "2", "3")
	check(t, dir, "consul-1700000000000000001.log: 2;", "consul-1700000000000000002.log: 3;")
}

func TestFileRecovers(t *testing.T) {
	dir, k := filepath.Join(t.TempDir(), "logs"), newClock()
	f := open(t, FileConfig{Path: filepath.Join(dir, "agent.log"), Bytes: 1}, k)
	write(t, f, "1")
	os.RemoveAll(dir)
	if _, err := f.LevelWrite(hclog.Info, []byte("2\n")); err == nil {
		t.Error("wrote to a directory that is gone")
	}
	os.Mkdir(dir, 0o700)
	write(t, f, "3")
	check(t, dir, "agent.log: 3;")
}

func TestSyslogUnknownFacility(t *testing.T) {
	for _, name := range []string{"local8", "-", ""} {
		if _, err := OpenSyslog(SyslogConfig{Facility: name}); err == nil {
			t.Errorf("facility %q was accepted", name)
		}
	}
}
