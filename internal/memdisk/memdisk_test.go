package memdisk

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"
)

func create(t *testing.T, u *User, name string) *handle {
	t.Helper()
	f, err := u.Create("", name, 8)
	if err != nil {
		t.Fatal(err)
	}
	return f.(*handle)
}

func put(t *testing.T, h *handle, text string, off int64) {
	t.Helper()
	if _, err := h.WriteAt([]byte(text), off); err != nil {
		t.Fatal(err)
	}
}

func persist(t *testing.T, h *handle) {
	t.Helper()
	if err := h.Sync(); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, u *User, name string) string {
	t.Helper()
	f, err := u.OpenReader("", name)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What was synced outlives every crash; what was not, sometimes does not.
func TestCrash(t *testing.T) {
	kept, lost, torn := 0, 0, 0
	for seed := range uint64(100) {
		d := New(seed)
		f := create(t, d.Open(), "f")
		put(t, f, "abcd", 0)
		persist(t, f)
		put(t, f, "efgh", 4)
		d.Crash(true)
		got := content(t, d.Open(), "f")
		switch got {
		case "abcdefgh":
			kept++
		case "abcd\x00\x00\x00\x00":
			lost++
		default:
			torn++
			if got[:4] != "abcd" {
				t.Fatalf("seed %d: what was synced is %q", seed, got)
			}
		}
	}
	if kept == 0 || lost == 0 || torn == 0 {
		t.Error(kept, lost, torn)
	}
}

// When only the process dies nothing is lost, and what is left of it changes
// nothing any more.
func TestCrashOfProcess(t *testing.T) {
	d := New(1)
	u := d.Open()
	f := create(t, u, "f")
	put(t, f, "abcdefgh", 0)
	d.Crash(false)
	put(t, f, "zzzzzzzz", 0)
	if err := errors.Join(u.SetStable([]byte("k"), []byte("v")), u.Delete("", "f")); err != nil {
		t.Error(err)
	}
	if got := content(t, d.Open(), "f"); got != "abcdefgh" {
		t.Errorf("%q", got)
	}
	if v, err := d.Open().GetStable([]byte("k")); v != nil || err != nil {
		t.Error(v, err)
	}
}

func TestCrashAfter(t *testing.T) {
	d := New(1)
	f := create(t, d.Open(), "f")
	crashed := false
	d.CrashAfter(2, false, func() { crashed = true })
	put(t, f, "ab", 0)
	if crashed {
		t.Error("it crashes at once")
	}
	put(t, f, "cd", 2)
	if !crashed {
		t.Error("it does not crash")
	}
	put(t, f, "ef", 4)
	if got := content(t, d.Open(), "f"); got != "abcd\x00\x00\x00\x00" {
		t.Errorf("%q", got)
	}
}

func TestLazy(t *testing.T) {
	lost := 0
	for seed := range uint64(20) {
		d := New(seed)
		d.SetLazy(true)
		f := create(t, d.Open(), "f")
		put(t, f, "abcdefgh", 0)
		persist(t, f)
		d.Crash(true)
		if content(t, d.Open(), "f") != "abcdefgh" {
			lost++
		}
	}
	if lost == 0 {
		t.Error("nothing was ever lost")
	}
}

func TestValues(t *testing.T) {
	d := New(1)
	if err := d.Open().SetStable([]byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	d.Crash(true)
	if v, err := d.Open().GetStable([]byte("k")); err != nil || !bytes.Equal(v, []byte("v")) {
		t.Error(v, err)
	}
	if _, err := d.Open().OpenWriter("", "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
