package boot

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A change counts once, when it has stood for a look.
func TestOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		look, changes := []string{"a", "a", "b", "c", "c", "c", "a", "d", "a", "c"}, 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			i := 0
			onChange(ctx, func() string {
				now := look[min(i, len(look)-1)]
				i++
				return now
			}, func() { changes++ })
		}()
		time.Sleep(autoReloadEvery*5 + autoReloadEvery/2)
		synctest.Wait()
		if changes != 1 {
			t.Errorf("%d changes after c", changes)
		}
		time.Sleep(10 * autoReloadEvery)
		cancel()
		<-done
		if changes != 1 {
			t.Errorf("%d changes at the end: what did not stand counted", changes)
		}
	})
}

func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	file, conf := filepath.Join(dir, "f.hcl"), filepath.Join(dir, "conf")
	paths := []string{file, conf}
	seen := map[string]string{}
	step := func(what string) {
		t.Helper()
		f := fingerprint(paths)
		if f != fingerprint(paths) {
			t.Errorf("%s: it changes by itself", what)
		}
		if before, ok := seen[f]; ok {
			t.Errorf("%s looks like %s", what, before)
		}
		seen[f] = what
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	step("nothing")
	write(file, "a = 1")
	step("a file")
	write(file, "a = 10")
	step("a longer file")
	if err := os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	step("an older file")
	if err := os.Mkdir(conf, 0o700); err != nil {
		t.Fatal(err)
	}
	step("a folder")
	write(filepath.Join(conf, "x.json"), "{}")
	step("a file in the folder")
}
