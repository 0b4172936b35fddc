package check

import (
	"fmt"
	"sync"
)

// A tail keeps the last bytes of what is written to it. The zero value keeps
// none. It may be written to from several goroutines.
type tail struct {
	mu    sync.Mutex
	max   int
	kept  []byte // at most max bytes, wrapped around at next
	next  int
	total int64
}

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	t.total += int64(n)
	if len(b) > t.max {
		b = b[len(b)-t.max:]
	}
	if room := t.max - len(t.kept); room > 0 {
		fit := min(room, len(b))
		t.kept = append(t.kept, b[:fit]...)
		b = b[fit:]
	}
	for len(b) > 0 {
		c := copy(t.kept[t.next:], b)
		b, t.next = b[c:], (t.next+c)%t.max
	}
	return n, nil
}

// String is what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept[t.next:]) + string(t.kept[:t.next])
}

// Report is what was kept, and a word about what was not.
func (t *tail) Report() string {
	s := t.String()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.total <= int64(len(s)) {
		return s
	}
	return fmt.Sprintf("Captured %d of %d bytes\n...\n%s", len(s), t.total, s)
}
