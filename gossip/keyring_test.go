package gossip

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func key(b byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

func TestKeyRotation(t *testing.T) {
	dir := t.TempDir()
	inWorld(t, func(w *world) {
		file := func(name string) string { return filepath.Join(dir, name, "local.keyring") }
		ms := w.cluster(3, func(c *Config) {
			c.EncryptKey, c.KeyringFile = key(1), file(c.NodeName)
		})
		w.expect(ms[0], "n1 alive, n2 alive, n3 alive")
		if !ms[0].Encrypted() || ms[0].Stats()["encrypted"] != "true" {
			t.Error("not encrypted with a key")
		}
		done := func(r KeyResult, err error) {
			t.Helper()
			if err != nil || r.NumNodes != 3 || r.NumResp != 3 || r.NumErr != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		done(ms[0].InstallKey(key(2), 0))
		done(ms[1].UseKey(key(2), 2))
		list, err := ms[2].ListKeys(0)
		done(list, err)
		if want := map[string]int{key(1): 3, key(2): 3}; !reflect.DeepEqual(list.Keys, want) {
			t.Errorf("keys %v", list.Keys)
		}
		if want := map[string]int{key(2): 3}; !reflect.DeepEqual(list.PrimaryKeys, want) {
			t.Errorf("primary keys %v", list.PrimaryKeys)
		}
		done(ms[0].RemoveKey(key(1), 0))

		r, err := ms[0].RemoveKey(key(2), 0)
		if err == nil || err.Error() != "3/3 nodes reported failure" || len(r.Messages) != 3 {
			t.Errorf("remove the primary key: %+v, %v", r, err)
		}
		if r, err := ms[0].InstallKey("no base64", 0); err == nil || r.NumResp != 0 {
			t.Errorf("install nonsense: %+v, %v", r, err)
		}

		// After a restart the file counts, not the key it was configured with.
		ms[2].end()
		time.Sleep(settle)
		c := w.config(3)
		c.EncryptKey, c.KeyringFile = key(1), file("n3")
		again := w.open(c)
		w.join(again, addr(1))
		time.Sleep(settle)
		w.expect(ms[0], "n1 alive, n2 alive, n3 alive")
		checkKeyFile(t, file("n3"), key(2))
	})
}

func checkKeyFile(t *testing.T, path string, want ...string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s holds %s, want %q", path, text, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of %s: %v, %v", path, info.Mode(), err)
	}
}

func TestNoKeyring(t *testing.T) {
	inWorld(t, func(w *world) {
		m := w.open(w.config(1))
		start := time.Now()
		r, err := m.ListKeys(0)
		if err == nil || err.Error() != "1/1 nodes reported failure" ||
			r.Messages["n1"] != "Keyring is empty (encryption not enabled)" {
			t.Errorf("%+v, %v", r, err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("it took %s", d)
		}
	})
}

func TestOtherKeyIsKeptOut(t *testing.T) {
	inWorld(t, func(w *world) {
		c := w.config(1)
		c.EncryptKey = key(1)
		m := w.open(c)
		other := w.config(2)
		other.EncryptKey = key(2)
		for _, c := range []Config{other, w.config(3)} {
			x := w.open(c)
			if n, err := x.Join([]string{addr(1)}, true); n != 0 || err == nil {
				t.Errorf("%s joined: %d, %v", x.name, n, err)
			}
		}
		time.Sleep(settle)
		w.expect(m, "n1 alive")

		// While a cluster is moved to encryption, plain gossip is let in.
		move := w.config(4)
		move.EncryptKey, move.AcceptPlain, move.SendPlain = key(1), true, true
		mover := w.open(move)
		plain := w.open(w.config(5))
		w.join(mover, addr(5))
		time.Sleep(settle)
		w.expect(plain, "n4 alive, n5 alive")
	})
}

func TestOpenKeyring(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"empty": "", "object": "{}", "none": "[]", "short": `["c2hvcnQ="]`, "base64": `["!"]`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openKeyring(key(1), path); err == nil || !strings.HasPrefix(err.Error(), "load keyring "+path+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openKeyring("c2hvcnQ=", ""); err == nil || !strings.HasPrefix(err.Error(), "invalid encryption key: ") {
		t.Errorf("short key: %v", err)
	}
	if r, err := openKeyring("", filepath.Join(dir, "absent")); r != nil || err != nil {
		t.Errorf("no key at all: %v, %v", r, err)
	}
	if _, err := Open(Config{EncryptKey: "x"}); err == nil {
		t.Error("opened a pool with a bad key")
	}
}

func FuzzDecodeKeyring(f *testing.F) {
	f.Add([]byte(`["` + key(1) + `","` + key(2) + `"]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`["AAAA"]`))
	f.Add([]byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := decodeKeyring(text)
		if err != nil {
			return
		}
		if len(keys) == 0 {
			t.Fatal("neither keys nor an error")
		}
		for _, k := range keys {
			if n := len(k); n != 16 && n != 24 && n != 32 {
				t.Fatalf("a key of %d bytes", n)
			}
		}
	})
}
