package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A call is one request with its answer, at either end of a link. Its fields
// are guarded by link.mu, except those that never change.
type call struct {
	link *link
	id   uint64

	// Of the callee: ends the handler's context.
	ctx    context.Context
	cancel context.CancelFunc

	// arrived holds a value when there is news for who reads, credited for who
	// writes. A callee has them only while somebody waits.
	arrived, credited chan struct{}

	batch uint64 // at the caller: the value of link.taken when it was queued
	head  string // of the answer, at the caller

	in      []byte // body that came
	read    int    // how much of in was handed out
	ended   bool   // no more body comes
	allowed int    // how much more of it may come
	window  int    // how far it may be ahead of who reads it
	granted int    // bytes handed out that the other side was not told of
	credit  int    // how much more body may be sent
	err     error  // why the call ended before its time
}

var (
	errGone    = errors.New("the caller does not wait any more")
	errFlooded = fmt.Errorf("%w: body without leave", errProtocol)
)

// end makes an error known to those who wait. It needs the lock.
func (c *call) end(err error) {
	if c.err == nil {
		c.err = err
	}
	if c.cancel != nil {
		c.cancel()
	}
	c.wake()
}

func (c *call) wake() {
	signal(c.arrived)
	signal(c.credited)
}

// take takes in a frame for this call. An error ends the link. It needs the lock.
func (c *call) take(f frame) error {
	switch f.kind {
	case kindAnswer:
		head, body, ok := cutHead(f.payload)
		if !ok || c.cancel != nil || c.head != "" {
			return fmt.Errorf("%w: misplaced answer", errProtocol)
		}
		c.head = string(head)
		return c.takeBody(body, f.last)
	case kindIndex:
		return c.takeBody(f.payload, true)
	case kindBody:
		if c.cancel == nil && c.head == "" {
			return fmt.Errorf("%w: body without head", errProtocol)
		}
		return c.takeBody(f.payload, f.last)
	case kindCredit:
		if len(f.payload) != 4 {
			return fmt.Errorf("%w: malformed credit", errProtocol)
		}
		c.credit = min(c.credit+int(binary.BigEndian.Uint32(f.payload)), 2*lastWindow)
		signal(c.credited)
		return nil
	}
	c.end(resetError(f.payload)) // the only kind that is left
	return nil
}

// cutHead takes a payload apart that begins with a head.
func cutHead(payload []byte) (head, body []byte, ok bool) {
	if len(payload) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(payload)
	if n == 0 || n > maxHead || int(n) > len(payload)-4 {
		return nil, nil, false
	}
	return payload[4 : 4+n], payload[4+n:], true
}

func resetError(payload []byte) error {
	if len(payload) == 0 {
		return errGone
	}
	switch text := string(payload[1:]); payload[0] {
	case resetRefused:
		return fmt.Errorf("%w: %s", ErrUnreachable, text)
	case resetFailed:
		return errors.New(text)
	}
	return errGone
}

func (c *call) takeBody(p []byte, last bool) error {
	if c.ended || len(p) > c.allowed {
		return errFlooded
	}
	c.ended = last
	c.allowed -= len(p)
	if len(p) > 0 {
		c.link.unread += len(p)
		c.in = append(c.in, p...)
	}
	signal(c.arrived)
	if c.link.unread > maxUnread {
		c.reset(resetFailed, "too much on its way")
		c.end(errors.New("too much on its way"))
	}
	return nil
}

// reset tells the other side that the call is no more. It needs the lock.
func (c *call) reset(reason byte, text string) {
	c.link.put(kindReset, c.id, append([]byte{reason}, text[:min(len(text), maxResetText)]...)...)
}

// readBody reads the body that comes. The callee's handler calls it, or the caller.
func (c *call) readBody(ctx context.Context, p []byte) (int, error) {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	for c.read == len(c.in) {
		switch {
		case c.ended:
			return 0, io.EOF
		case c.err != nil:
			return 0, c.err
		}
		if err := c.wait(ctx, &c.arrived); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.in[c.read:])
	c.read += n
	if c.read == len(c.in) {
		c.in, c.read = c.in[:0], 0
	}
	c.handedOut(n)
	return n, nil
}

// wait waits for a signal. It needs the lock, and gives it up meanwhile.
func (c *call) wait(ctx context.Context, news *chan struct{}) error {
	if *news == nil {
		*news = make(chan struct{}, 1)
	}
	signalled := *news
	c.link.mu.Unlock()
	defer c.link.mu.Lock()
	select {
	case <-signalled:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// handedOut lets the other side send more. Who reads as fast as the window
// allows gets a wider one: over a long way that is what throughput depends on.
// It needs the lock.
func (c *call) handedOut(n int) {
	c.link.unread -= n
	c.granted += n
	if c.ended || c.err != nil || c.granted < c.window/2 {
		return
	}
	wider := min(2*c.window, lastWindow)
	more := c.granted + wider - c.window
	c.window, c.granted = wider, 0
	c.allowed += more
	c.link.put(kindCredit, c.id, binary.BigEndian.AppendUint32(nil, uint32(more))...)
}

// writeBody sends a piece of the body, as fast as the other side takes it. last
// ends the body.
func (c *call) writeBody(ctx context.Context, p []byte, last bool) error {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := l.room(ctx.Done(), maxQueued); err != nil {
			return err
		}
		if c.err != nil {
			return c.err
		}
		if c.credit == 0 && len(p) > 0 {
			if err := c.wait(ctx, &c.credited); err != nil {
				return err
			}
			continue
		}
		n := min(len(p), c.credit, maxChunk)
		c.credit -= n
		kind := byte(kindBody)
		if last && n == len(p) {
			kind |= lastFrame
		}
		l.put(kind, c.id, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			return nil
		}
	}
}

// close forgets the call. An end that the other side does not know of is told:
// by the caller that it waits no more.
func (c *call) close() {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.calls[c.id]; !open {
		return
	}
	delete(l.calls, c.id)
	l.unread -= len(c.in) - c.read
	if c.cancel != nil {
		c.cancel()
		c.end(errClosed) // for a body that is read too late
	} else if !c.ended && c.err == nil && l.err == nil {
		c.reset(resetGone, "")
		c.err = errGone
	}
}
