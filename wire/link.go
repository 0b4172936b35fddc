package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A link is one connection between two agents, as one of its ends sees it. It
// carries any number of calls at a time. Whoever has something to send appends
// it to a queue that one goroutine writes: what comes up while it writes shares
// the next system call.
type link struct {
	conn net.Conn
	peer *tls.ConnectionState // nil without TLS
	// serve answers a call of the other side. nil on the side that calls.
	serve func(*call, frame)

	wake     chan struct{} // holds a value when there is something to write
	busy     chan struct{} // holds a value when there are calls, again
	done     chan struct{} // closed when err is set
	received atomic.Uint64 // frames
	scratch  sync.Pool     // of *[]byte, for frames that are being made

	mu     sync.Mutex
	queue  []byte           // frames to write
	taken  uint64           // how often the queue was taken to be written
	space  chan struct{}    // when set: closed when the queue is taken
	calls  map[uint64]*call // that are under way
	newest uint64           // the highest number of a call
	unread int              // bytes of bodies that nobody has read yet
	err    error            // why the link is no more
}

const (
	// writeTimeout is how long the other side may take nothing.
	writeTimeout = 30 * time.Second
	// A link on which calls wait and nothing comes is asked for a sign of life
	// after keepAlive and given up answerTime later.
	keepAlive  = 10 * time.Second
	answerTime = 5 * time.Second
)

var (
	errLost   = errors.New("the connection to the other agent broke")
	errClosed = errors.New("the port between agents is closed")
	errMute   = errors.New("the other agent gives no sign of life")
)

func newLink(conn net.Conn, peer *tls.ConnectionState, serve func(*call, frame)) *link {
	l := &link{
		conn: conn, peer: peer, serve: serve,
		wake: make(chan struct{}, 1), busy: make(chan struct{}, 1), done: make(chan struct{}),
		calls: map[uint64]*call{},
	}
	l.scratch.New = func() any { return new([]byte) }
	return l
}

// run reads and writes until the link fails, which it says. r is what the
// connection is read from.
func (l *link) run(r io.Reader) error {
	var wg sync.WaitGroup
	wg.Go(l.write)
	if l.serve == nil {
		wg.Go(l.watch)
	}
	l.fail(l.read(r))
	wg.Wait()
	return l.err
}

// fail ends the link and all its calls.
func (l *link) fail(err error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = err
	close(l.done)
	for _, c := range l.calls {
		if c.batch == l.taken && c.cancel == nil {
			c.end(fmt.Errorf("%w: %w", ErrUnreachable, err)) // its request was not written
		} else {
			c.end(err)
		}
	}
	l.mu.Unlock()
	l.conn.Close() // may take a while: TLS says goodbye
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write writes what is queued. Before it takes the queue it lets those run who
// are about to add to it: with 32 callers that halves the system calls.
func (l *link) write() {
	var spare []byte
	for {
		select {
		case <-l.wake:
		case <-l.done:
			return
		}
		runtime.Gosched()
		l.mu.Lock()
		out := l.queue
		l.queue = spare[:0]
		l.taken++
		if l.space != nil {
			close(l.space)
			l.space = nil
		}
		l.mu.Unlock()
		l.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := l.conn.Write(out); err != nil {
			l.fail(fmt.Errorf("%w: %w", errLost, err))
			return
		}
		spare = nil
		if cap(out) <= maxChunk {
			spare = out
		}
	}
}

// room waits until the queue is shorter than limit. It must be called with the
// lock, which it gives up meanwhile.
func (l *link) room(stop <-chan struct{}, limit int) error {
	for len(l.queue) > limit && l.err == nil {
		if l.space == nil {
			l.space = make(chan struct{})
		}
		space := l.space
		l.mu.Unlock()
		select {
		case <-space:
		case <-stop:
			l.mu.Lock()
			return context.Canceled
		case <-l.done:
		}
		l.mu.Lock()
	}
	return l.err
}

// put queues a frame of the link itself. It needs the lock.
func (l *link) put(kind byte, call uint64, payload ...byte) {
	l.queue = appendFrame(l.queue, kind, call, payload...)
	signal(l.wake)
}

// watch asks for a sign of life while calls wait.
func (l *link) watch() {
	timer := time.NewTimer(keepAlive)
	defer timer.Stop()
	pause := func(d time.Duration) bool {
		timer.Reset(d)
		select {
		case <-timer.C:
			return true
		case <-l.done:
			return false
		}
	}
	for {
		select {
		case <-l.busy:
		case <-l.done:
			return
		}
		for l.inUse() {
			seen := l.received.Load()
			if !pause(keepAlive) {
				return
			}
			if l.received.Load() != seen || !l.inUse() {
				continue
			}
			l.mu.Lock()
			l.put(kindPing, 0)
			l.mu.Unlock()
			if !pause(answerTime) {
				return
			}
			if l.received.Load() == seen {
				l.fail(errMute)
				return
			}
		}
	}
}

func (l *link) inUse() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls) > 0
}

// read takes in frames until something is wrong.
func (l *link) read(r io.Reader) error {
	frames := frameReader{r: r}
	for {
		f, err := frames.next()
		if err != nil {
			return fmt.Errorf("%w: %w", errLost, err)
		}
		l.received.Add(1)
		if err := l.take(f); err != nil {
			return err
		}
	}
}

var errProtocol = errors.New("the other agent breaks the protocol")

// take takes in one frame. An error ends the link.
func (l *link) take(f frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Who sends much that is to be answered must take the answers.
	if err := l.room(nil, 4*maxQueued); err != nil {
		return err
	}
	switch f.kind {
	case kindRequest, kindAsk:
		return l.accept(f)
	case kindPing:
		l.put(kindPong, 0)
		return nil
	case kindPong:
		return nil
	case kindAnswer, kindIndex, kindBody, kindCredit, kindReset:
	default:
		return fmt.Errorf("%w: frame of kind %d", errProtocol, f.kind)
	}
	c := l.calls[f.call]
	if c == nil {
		if f.call == 0 || f.call > l.newest {
			return fmt.Errorf("%w: frame of kind %d for a call that was not made", errProtocol, f.kind)
		}
		return nil // it has ended here, and the other side does not know yet
	}
	return c.take(f)
}

// accept begins a call of the other side. It needs the lock.
func (l *link) accept(f frame) error {
	if l.serve == nil || f.call <= l.newest {
		return fmt.Errorf("%w: call out of order", errProtocol)
	}
	l.newest = f.call
	if len(l.calls) >= maxCalls || l.unread > maxUnread/2 {
		l.put(kindReset, f.call, append([]byte{resetRefused}, "too many calls at a time"...)...)
		return nil
	}
	c := &call{link: l, id: f.call, allowed: firstWindow, window: firstWindow, credit: firstWindow}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	l.calls[f.call] = c
	l.serve(c, f)
	return nil
}
