// Package process runs programs so that nothing of them outlives whoever
// started them.
package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"
)

// drainTime is how long output is waited for after a program has ended: what
// it left running in the background may hold it open.
const drainTime = time.Second

// Run runs cmd, which must not be started and have no context, to its end as
// the first of a process group. When ctx ends the group is asked to end, and
// killed after the grace. The error is that of cmd.Run.
func Run(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ownGroup(cmd)
	cmd.WaitDelay = drainTime
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-exited:
			return
		case <-ctx.Done():
		}
		terminateGroup(cmd)
		patience := time.NewTimer(grace)
		defer patience.Stop()
		select {
		case <-exited:
		case <-patience.C:
			killGroup(cmd)
		}
	})
	err := cmd.Wait()
	close(exited)
	watcher.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return err
}

// A Tail keeps the last Max bytes of what is written to it. It may be written
// to from several goroutines.
type Tail struct {
	Max int

	mu    sync.Mutex
	kept  []byte
	total int64
}

// Write never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total += int64(len(b))
	n := len(b)
	if len(b) >= t.Max {
		t.kept = append(t.kept[:0], b[len(b)-t.Max:]...)
		return n, nil
	}
	if over := len(t.kept) + len(b) - t.Max; over > 0 {
		t.kept = t.kept[:copy(t.kept, t.kept[over:])]
	}
	t.kept = append(t.kept, b...)
	return n, nil
}

// String is what was kept, and a word about what was not.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.total == int64(len(t.kept)) {
		return string(t.kept)
	}
	return fmt.Sprintf("Captured %d of %d bytes\n...\n%s", len(t.kept), t.total, t.kept)
}
