package process

import (
	"fmt"
	"sync"
)

// A Tail keeps the last Max bytes of what is written to it. It may be written
// to from several goroutines.
type Tail struct {
	Max int

	mu    sync.Mutex
	kept  []byte // at most Max bytes, wrapped around at next
	next  int
	total int64
}

// Write never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	t.total += int64(n)
	if len(b) > t.Max {
		b = b[len(b)-t.Max:]
	}
	if room := t.Max - len(t.kept); room > 0 {
		fit := min(room, len(b))
		t.kept = append(t.kept, b[:fit]...)
		b = b[fit:]
	}
	for len(b) > 0 {
		c := copy(t.kept[t.next:], b)
		b, t.next = b[c:], (t.next+c)%t.Max
	}
	return n, nil
}

// String is what was kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text()
}

func (t *Tail) text() string { return string(t.kept[t.next:]) + string(t.kept[:t.next]) }

// Report is what was kept, and a word about what was not.
func (t *Tail) Report() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.total <= int64(len(t.kept)) {
		return t.text()
	}
	return fmt.Sprintf("Captured %d of %d bytes\n...\n%s", len(t.kept), t.total, t.text())
}
