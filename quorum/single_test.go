package quorum

import (
	"context"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		for i := range 2 {
			m := &machine{}
			start := time.Now()
			q, err := Open(Config{ID: "a", Address: "a:8300", Dir: dir, Bootstrap: true}, m)
			if err != nil {
				t.Fatal(err)
			}
			waitReady(t, q)
			if err := q.ConfirmRead(context.Background(), false); err != nil {
				t.Fatal(err)
			}
			t.Log(i, "ready after", time.Since(start), m.all(), q.ReadOK())
			start = time.Now()
			r, index, err := q.Propose(context.Background(), []byte("x"))
			t.Log(r, index, err, time.Since(start))
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// waitReady waits until q leads and is ready.
func waitReady(t testing.TB, q *Quorum) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		status, changed := q.Status()
		if status.Ready {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatal("not ready after a minute")
		}
	}
}
