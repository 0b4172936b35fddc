package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Dial opens a connection to another agent's port.
type Dial func(ctx context.Context, address string) (net.Conn, error)

// ErrUnreachable says that a request provably never began: no connection could
// be had, or it broke before the request was written, or the other side took
// it for one too many.
var ErrUnreachable = errors.New("server cannot be reached")

// Client sends requests to other agents' ports, over one connection each.
type Client struct {
	dial Dial
	tls  func(address string) *tls.Config

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // for attempts, and the links that come of them

	mu    sync.Mutex
	peers map[string]*attempt // the newest of each address; guarded by mu
}

// An attempt to connect, and what came of it.
type attempt struct {
	over  chan struct{} // closed when one of the next two is set
	link  *link
	err   error
	retry time.Time     // after err: when the next attempt may begin
	pause time.Duration // before that
}

const (
	// connectTimeout bounds an attempt to connect, with TLS.
	connectTimeout = 3 * time.Second
	// After an attempt that failed the next one waits so long, and then twice
	// as long; meanwhile requests fail at once.
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
	// keepFailure is how long a failure is remembered after that.
	keepFailure = time.Minute
)

// NewClient makes a client. dial nil is the network. tlsFor, when not nil, is
// asked before each connection for the configuration of TLS; nil is none.
func NewClient(dial Dial, tlsFor func(address string) *tls.Config) *Client {
	if dial == nil {
		dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	c := &Client{dial: dial, tls: tlsFor, peers: map[string]*attempt{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends all connections and waits for that.
func (c *Client) Close() {
	c.mu.Lock()
	c.stop()
	for _, a := range c.peers {
		a.end()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// end closes the link, if there is one by now.
func (a *attempt) end() {
	select {
	case <-a.over:
		if a.link != nil {
			a.link.fail(errClosed)
		}
	default:
	}
}

// open connects, with TLS where that is wanted.
func (c *Client) open(ctx context.Context, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, address)
	if err != nil || c.tls == nil {
		return conn, err
	}
	config := c.tls(address)
	if config == nil {
		return conn, nil
	}
	t := tls.Client(conn, config)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}

// link returns the connection to an address and makes one if need be, once for
// all who want it. Its errors wrap ErrUnreachable, or are ctx's.
func (c *Client) link(ctx context.Context, address string) (*link, error) {
	a := c.attempt(address)
	select {
	case <-a.over:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if a.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, a.err)
	}
	return a.link, nil
}

// attempt returns the newest attempt to connect, or a new one.
func (c *Client) attempt(address string) *attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.peers[address]
	if old != nil && !old.spent(time.Now()) {
		return old
	}
	a := &attempt{over: make(chan struct{}), pause: firstPause}
	if old != nil && old.err != nil {
		a.pause = min(2*old.pause, lastPause)
	}
	if c.ctx.Err() != nil {
		a.err = errClosed
		close(a.over)
		return a
	}
	c.forgetFailures(time.Now())
	c.peers[address] = a
	c.wg.Go(func() { c.connect(a, address) })
	return a
}

// forgetFailures drops what is known of addresses that nobody has tried for a
// while: servers come and go, and may come back elsewhere. c.mu is held.
func (c *Client) forgetFailures(now time.Time) {
	for address, a := range c.peers {
		select {
		case <-a.over:
			if a.err != nil && now.Sub(a.retry) > keepFailure {
				delete(c.peers, address)
			}
		default:
		}
	}
}

// spent tells whether a new attempt may replace this one.
func (a *attempt) spent(now time.Time) bool {
	select {
	case <-a.over:
	default:
		return false
	}
	if a.err != nil {
		return now.After(a.retry)
	}
	select {
	case <-a.link.done:
		return true
	default:
		return false
	}
}

// connect makes a connection, and keeps it running.
func (c *Client) connect(a *attempt, address string) {
	ctx, cancel := context.WithTimeout(c.ctx, connectTimeout)
	conn, err := c.open(ctx, address)
	if err == nil {
		err = greet(ctx, conn)
	}
	cancel()
	c.mu.Lock()
	if a.err = err; err != nil {
		a.retry = time.Now().Add(a.pause)
	} else {
		a.link = newLink(conn, nil, nil)
	}
	close(a.over)
	gone := c.ctx.Err() != nil
	c.mu.Unlock()
	if a.link == nil {
		return
	}
	if gone {
		a.link.fail(errClosed)
	}
	_ = a.link.run(conn) // its calls were told why
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers[address] == a {
		delete(c.peers, address)
	}
}

// greet tells what the connection is for, and waits until the other side has
// agreed: what is sent afterwards may be begun.
func greet(ctx context.Context, conn net.Conn) (err error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		if !stop() && err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			conn.Close()
		}
	}()
	if _, err := conn.Write([]byte{firstLink, version}); err != nil {
		return err
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return fmt.Errorf("it does not let us in: %w", err)
	}
	if answer[0] != version {
		return fmt.Errorf("it speaks version %d of the protocol, not %d", answer[0], version)
	}
	return nil
}

// call queues the frame that opens a call. payload appends what is in it; credit
// is how much more body may follow.
func (l *link) call(ctx context.Context, kind byte, credit int, payload func([]byte) []byte) (*call, error) {
	buf := l.scratch.Get().(*[]byte)
	defer l.recycle(buf)
	*buf = payload(beginFrame((*buf)[:0]))
	if len(*buf)-frameHead > int(longest(kind&^lastFrame)) {
		return nil, errTooLong
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.room(ctx.Done(), maxQueued); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if len(l.calls) >= maxCalls {
		return nil, fmt.Errorf("%w: %d requests are under way", ErrUnreachable, maxCalls)
	}
	l.newest++
	c := &call{link: l, id: l.newest, batch: l.taken, arrived: make(chan struct{}, 1),
		allowed: firstWindow, window: firstWindow, credit: credit}
	if l.calls[c.id] = c; len(l.calls) == 1 {
		signal(l.busy)
	}
	endFrame(*buf, kind, c.id)
	l.queue = append(l.queue, *buf...)
	signal(l.wake)
	return c, nil
}

// request opens a call with a request, whose body has the given length (-1: not
// known). r.Body is the whole body, or none of it.
func (l *link) request(ctx context.Context, r *Request, length int64, whole bool) (*call, error) {
	kind := byte(kindRequest)
	if whole {
		kind |= lastFrame
	}
	return l.call(ctx, kind, firstWindow-len(r.Body), func(b []byte) []byte {
		b = append(b, 0, 0, 0, 0)
		b = appendRequestHead(b, r, length, timeoutOf(ctx))
		binary.BigEndian.PutUint32(b[frameHead:], uint32(len(b)-frameHead-4))
		return append(b, r.Body...)
	})
}

// answer waits for the head of the answer. Most answers come at once: then
// whole is true, and the body is there.
func (c *call) answer(ctx context.Context) (r *Response, whole bool, err error) {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	for c.head == "" {
		switch {
		case c.err != nil:
			return nil, false, c.err
		case c.ended:
			return nil, false, errMalformed
		}
		if err := c.wait(ctx, &c.arrived); err != nil {
			return nil, false, err
		}
	}
	if r, err = parseResponseHead(c.head); err != nil {
		return nil, false, err
	}
	if c.ended {
		r.Body = c.in
		l.unread -= len(c.in)
		c.in = nil
	}
	return r, c.ended, nil
}

// Do sends a request and waits for the whole answer. An error that wraps
// ErrUnreachable means that the request has not been begun; after any other it
// may have been.
func (c *Client) Do(ctx context.Context, address string, r *Request) (*Response, error) {
	if len(r.Body) > maxChunk {
		return c.doLong(ctx, address, r)
	}
	l, err := c.link(ctx, address)
	if err != nil {
		return nil, err
	}
	call, err := l.request(ctx, r, int64(len(r.Body)), true)
	if err != nil {
		return nil, err
	}
	defer call.close()
	resp, whole, err := call.answer(ctx)
	if err == nil && !whole {
		err = resp.collect(body{call, ctx})
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// doLong is Do for a body of more than one frame. The answer may begin before
// all of it was taken.
func (c *Client) doLong(ctx context.Context, address string, r *Request) (resp *Response, err error) {
	head := &Request{Method: r.Method, URI: r.URI, Header: r.Header}
	err = c.stream(ctx, address, head, bytes.NewReader(r.Body), int64(len(r.Body)), func(r *Response, rest io.Reader) error {
		resp = r
		return resp.collect(rest)
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// collect reads the body of an answer.
func (r *Response) collect(rest io.Reader) (err error) {
	r.Body, err = io.ReadAll(io.LimitReader(rest, maxMessage+1))
	if err == nil && len(r.Body) > maxMessage {
		err = fmt.Errorf("answer of more than %d bytes", maxMessage)
	}
	return err
}

// ReadIndex asks a leader up to where a follower must have applied the log.
func (c *Client) ReadIndex(ctx context.Context, address string, consistent bool) (uint64, error) {
	l, err := c.link(ctx, address)
	if err != nil {
		return 0, err
	}
	how := byte(0)
	if consistent {
		how = 1
	}
	call, err := l.call(ctx, kindAsk|lastFrame, 0, func(b []byte) []byte { return append(b, how) })
	if err != nil {
		return 0, err
	}
	defer call.close()
	return call.index(ctx)
}

// index waits for the answer to a question for the read index.
func (c *call) index(ctx context.Context) (uint64, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	for !c.ended {
		if c.err != nil {
			return 0, c.err
		}
		if err := c.wait(ctx, &c.arrived); err != nil {
			return 0, err
		}
	}
	if len(c.in) != 8 {
		return 0, errMalformed
	}
	return binary.BigEndian.Uint64(c.in), nil
}

// Stream sends a request whose body and answer may be long, and hands the
// answer to respond: status and header, then the body. It may return before
// body was read to its end, while a call of its Read is still under way.
func (c *Client) Stream(ctx context.Context, address string, r *Request, body io.Reader, respond func(*Response, io.Reader) error) error {
	return c.stream(ctx, address, r, body, -1, respond)
}

func (c *Client) stream(ctx context.Context, address string, r *Request, from io.Reader, length int64, respond func(*Response, io.Reader) error) error {
	l, err := c.link(ctx, address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	call, err := l.request(ctx, r, length, false)
	if err != nil {
		return err
	}
	defer call.close()
	c.mu.Lock()
	if c.ctx.Err() == nil { // else Close may be waiting already
		c.wg.Go(func() { call.sendBody(ctx, from) })
	}
	c.mu.Unlock()
	resp, whole, err := call.answer(ctx)
	if err != nil {
		return err
	}
	if whole {
		return respond(resp, bytes.NewReader(resp.Body))
	}
	return respond(resp, body{call, ctx})
}

// sendBody sends all that can be read, for as long as the call lasts.
func (c *call) sendBody(ctx context.Context, from io.Reader) {
	buf := make([]byte, maxChunk)
	for {
		n, err := from.Read(buf)
		if c.writeBody(ctx, buf[:n], err == io.EOF) != nil || err == io.EOF {
			return
		}
		if err != nil { // the callee must not take what it has for the whole
			c.link.mu.Lock()
			defer c.link.mu.Unlock()
			if c.err == nil {
				c.reset(resetGone, "")
				c.end(fmt.Errorf("read body: %w", err))
			}
			return
		}
	}
}

// RaftTransport connects the servers of a cluster for Raft. in accepts what
// Server.Raft gives.
func (c *Client) RaftTransport(in net.Listener, advertise net.Addr, config raft.NetworkTransportConfig) raft.Transport {
	config.Stream = &raftStream{Listener: in, client: c, advertise: advertise}
	return raft.NewNetworkTransportWithConfig(&config)
}

// raftStream is the stream layer of Raft over the port between agents.
type raftStream struct {
	net.Listener
	client    *Client
	advertise net.Addr
}

// Addr is where the other servers reach this one.
func (s *raftStream) Addr() net.Addr { return s.advertise }

// Dial opens a stream to another server.
func (s *raftStream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := s.client.open(ctx, string(address))
	if err != nil {
		return nil, err
	}
	conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := conn.Write([]byte{firstRaft}); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetWriteDeadline(time.Time{})
	return conn, nil
}
