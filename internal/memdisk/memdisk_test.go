package memdisk

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"
)

func create(t *testing.T, u *User, name string) *handle {
	t.Helper()
	f, err := u.Create("", name, 8)
	if err != nil {
		t.Fatal(err)
	}
	return f.(*handle)
}

func content(t *testing.T, d *Disk, name string) []byte {
	t.Helper()
	f, err := d.Open().OpenReader("", name)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// What was synced outlives every crash; what was not, sometimes does not.
func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, lost, torn := 0, 0, 0
		for seed := range uint64(100) {
			d := New(seed)
			f := create(t, d.Open(), "f")
			f.WriteAt([]byte("abcd"), 0)
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			f.WriteAt([]byte("efgh"), 4)
			d.Crash(true)
			got := content(t, d, "f")
			if !bytes.HasPrefix(got, []byte("abcd")) {
				t.Fatalf("seed %d: what was synced is %q", seed, got)
			}
			switch string(got[4:]) {
			case "efgh":
				kept++
			case "\x00\x00\x00\x00":
				lost++
			default:
				torn++
			}
		}
		if kept == 0 || lost == 0 || torn == 0 {
			t.Error(kept, lost, torn)
		}
	})
}

func TestCrashOfProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(1)
		u := d.Open()
		f := create(t, u, "f")
		f.WriteAt([]byte("abcdefgh"), 0)
		d.Crash(false)
		for _, err := range []error{
			f.Sync(), u.SetStable(nil, nil), u.Delete("", "f"),
			func() error { _, err := f.WriteAt([]byte("x"), 0); return err }(),
			func() error { _, err := u.ListDir(""); return err }(),
		} {
			if !errors.Is(err, ErrCrashed) {
				t.Error(err)
			}
		}
		if got := content(t, d, "f"); string(got) != "abcdefgh" {
			t.Errorf("%q", got)
		}
	})
}

func TestLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := 0
		for seed := range uint64(20) {
			d := New(seed)
			d.SetLazy(true)
			f := create(t, d.Open(), "f")
			f.WriteAt([]byte("abcdefgh"), 0)
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			d.Crash(true)
			if string(content(t, d, "f")) != "abcdefgh" {
				lost++
			}
		}
		if lost == 0 {
			t.Error("nothing was ever lost")
		}
	})
}

// A stall holds syncs up, not reads, until it ends.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(1)
		u := d.Open()
		f := create(t, u, "f")
		d.Stall()
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			d.Resume()
		}()
		if _, err := f.ReadAt(make([]byte, 4), 0); err != nil || time.Since(began) != 0 {
			t.Error(err, time.Since(began))
		}
		if err := f.Sync(); err != nil || time.Since(began) != time.Second {
			t.Error(err, time.Since(began))
		}
		d.Stall()
		go d.Crash(false)
		if err := u.SetStable([]byte("k"), []byte("v")); !errors.Is(err, ErrCrashed) {
			t.Error(err)
		}
	})
}

func TestValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(1)
		if err := d.Open().SetStable([]byte("k"), []byte("v")); err != nil {
			t.Fatal(err)
		}
		d.Crash(true)
		if v, err := d.Open().GetStable([]byte("k")); err != nil || string(v) != "v" {
			t.Error(v, err)
		}
		if _, err := d.Open().OpenWriter("", "none"); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
}
