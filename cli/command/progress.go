package command

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// progressEvery is how often a person is told how far long work has come.
const progressEvery = 200 * time.Millisecond

// Progress tells people on standard error how far long work has come: what it is,
// and how much of total, which is 0 where that is not known. It writes over its own
// line, and removes it when the returned function is called. Whoever is not at a
// terminal sees nothing.
func (c *Call) Progress(what string, total int64, unit func(int64) string) (advance func(n int64), end func()) {
	if !IsTerminal(c.Stderr) {
		return func(int64) {}, func() {}
	}
	return progress(c.Stderr, what, total, unit)
}

func progress(to io.Writer, what string, total int64, unit func(int64) string) (advance func(n int64), end func()) {
	var done atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		const clear = "\r\x1b[K"
		for {
			select {
			case <-ticker.C:
			case <-stop:
				io.WriteString(to, clear)
				return
			}
			n := done.Load()
			if total > 0 {
				fmt.Fprintf(to, "%s%s: %s of %s (%d%%)", clear, what, unit(n), unit(total), min(n*100/total, 100))
			} else {
				fmt.Fprintf(to, "%s%s: %s", clear, what, unit(n))
			}
		}
	}()
	return func(n int64) { done.Add(n) }, func() {
		close(stop)
		<-stopped
	}
}

// Advancing is a reader that tells how much was read.
func Advancing(r io.Reader, advance func(n int64)) io.Reader { return advancing{r, advance} }

type advancing struct {
	io.Reader
	advance func(n int64)
}

func (a advancing) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	a.advance(int64(n))
	return n, err
}
