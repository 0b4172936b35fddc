package wire

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A server whose port is closed is gone; one that only ends a connection, or
// does not answer at all, is not.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPKI(t)
		s, _ := p.serve(nil, false)
		c := p.client(nil)
		defer c.Close()
		watch := func() <-chan error {
			told := make(chan error, 1)
			go func() { told <- c.Gone(t.Context(), port) }()
			time.Sleep(time.Second)
			synctest.Wait()
			return told
		}
		told := watch()
		hangUp(c) // the connection ends
		if err := <-told; !errors.Is(err, errThere) {
			t.Errorf("a server that is there: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Gone(ctx, port); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after a while: %v", err)
		}
		told = watch()
		s.Close()
		if err := <-told; err != nil {
			t.Errorf("a server that is gone: %v", err)
		}
		if err := c.Gone(t.Context(), port); err == nil {
			t.Error("one that was never met counts as gone")
		}

		// The system takes a killed one apart, its connections before its port.
		s, _ = p.serve(nil, false)
		hangUp(c)
		time.Sleep(time.Minute) // it may be tried again
		told = watch()
		hangUp(c)
		time.Sleep(lastLook)
		s.Close()
		if err := <-told; err != nil {
			t.Errorf("a server whose port is closed last: %v", err)
		}
	})
}
