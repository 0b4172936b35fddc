package durable

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	// What a crash has left behind is in nobody's way.
	if err := os.WriteFile(file+TempSuffix, []byte("much longer than what comes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"one", "", "three"} {
		if err := WriteFile(file, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != content {
			t.Errorf("%q, %v, want %q", got, err, content)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v: want a file for its owner alone", info.Mode(), err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"a"}) {
		t.Errorf("left in the folder: %q", got)
	}
}

func TestFailureLeavesAllAsItWas(t *testing.T) {
	dir := t.TempDir()
	if err := WriteFile(filepath.Join(dir, "no", "folder"), nil); !os.IsNotExist(err) {
		t.Errorf("into a folder that is not there: %v", err)
	}
	// A folder with something in it cannot be replaced by a file.
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, "inside"), fs.ModePerm); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(folder, []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"folder"}) {
		t.Errorf("left in the folder: %q", got)
	}
}
