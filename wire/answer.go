package wire

import (
	"context"
	"encoding/binary"
	"net/http"
	"time"
)

// begin has the crew answer a call that came on a link. It is called with the lock of the link.
func (s *Server) begin(c *call, f frame) {
	c.ended = f.last
	if f.kind == kindAsk {
		consistent := len(f.payload) > 0 && f.payload[0] != 0
		s.crew.run(func() { s.answerIndex(c, consistent) })
		return
	}
	head, body, ok := cutHead(f.payload)
	if ok {
		c.allowed -= len(body)
		c.link.unread += len(body)
		c.in = append(c.in, body...)
	}
	text := string(head) // without one it is malformed
	s.crew.run(func() { s.answer(c, text) })
}

func (s *Server) answerIndex(c *call, consistent bool) {
	defer c.close()
	index, err := s.cfg.Handler.ReadIndex(c.ctx, consistent)
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.err != nil:
	case err != nil:
		c.reset(resetFailed, err.Error())
	default:
		l.put(kindIndex|lastFrame, c.id, binary.BigEndian.AppendUint64(nil, index)...)
	}
}

func (s *Server) answer(c *call, text string) {
	defer c.close()
	head, err := parseRequestHead(text)
	var r *http.Request
	if err == nil {
		r, err = c.request(&head)
	}
	if err != nil {
		c.link.mu.Lock()
		c.reset(resetFailed, err.Error())
		c.link.mu.Unlock()
		return
	}
	if head.timeout > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), head.timeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	a := &answerer{call: c, header: http.Header{}}
	s.cfg.Handler.ServeHTTP(a, r)
	a.finish()
}

// request is what a handler sees.
func (c *call) request(h *requestHead) (*http.Request, error) {
	r, err := http.NewRequestWithContext(c.ctx, h.method, h.uri, nil)
	if err != nil {
		return nil, err
	}
	r.Header = h.header
	r.RequestURI = h.uri
	r.TLS = c.link.peer
	r.Body, r.ContentLength = http.NoBody, h.length
	if h.length != 0 {
		r.Body = body{c, c.ctx}
	}
	return r, nil
}

// body is the body that comes on a call.
type body struct {
	call *call
	ctx  context.Context
}

func (b body) Read(p []byte) (int, error) { return b.call.readBody(b.ctx, p) }

func (b body) Close() error { return nil }

// An answerer sends what a handler answers: in one frame if it is short, else
// in pieces, as fast as the caller takes them.
type answerer struct {
	call   *call
	header http.Header
	frame  *[]byte // with the head and the beginning of the body, until it is sent
	body   int     // bytes of body in frame
	wrote  bool    // the status is decided
	err    error
}

// Header is part of http.ResponseWriter.
func (a *answerer) Header() http.Header { return a.header }

// WriteHeader is part of http.ResponseWriter.
func (a *answerer) WriteHeader(status int) {
	if a.wrote {
		return
	}
	a.wrote = true
	a.frame = a.call.link.scratch.Get().(*[]byte)
	b := append(beginFrame((*a.frame)[:0]), 0, 0, 0, 0)
	b = appendResponseHead(b, status, a.header)
	binary.BigEndian.PutUint32(b[frameHead:], uint32(len(b)-frameHead-4))
	*a.frame = b
}

// Write is part of http.ResponseWriter.
func (a *answerer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.frame != nil && a.body+len(p) <= maxChunk {
		*a.frame = append(*a.frame, p...)
		a.body += len(p)
		return len(p), nil
	}
	a.Flush()
	if a.err == nil {
		a.err = a.call.writeBody(a.call.ctx, p, false)
	}
	if a.err != nil {
		return 0, a.err
	}
	return len(p), nil
}

// Flush is part of http.Flusher.
func (a *answerer) Flush() {
	a.WriteHeader(http.StatusOK)
	if a.frame != nil {
		a.send(kindAnswer)
	}
}

// finish ends the answer.
func (a *answerer) finish() {
	a.WriteHeader(http.StatusOK)
	switch {
	case a.frame != nil:
		a.send(kindAnswer | lastFrame)
	case a.err == nil:
		a.err = a.call.writeBody(a.call.ctx, nil, true)
	}
}

// send sends the frame that was begun. Its body is always within the credit
// that a call begins with.
func (a *answerer) send(kind byte) {
	c, l := a.call, a.call.link
	endFrame(*a.frame, kind, c.id)
	l.mu.Lock()
	if a.err = l.room(c.ctx.Done(), maxQueued); a.err == nil {
		a.err = c.err
	}
	if a.err == nil {
		c.credit -= a.body
		l.queue = append(l.queue, *a.frame...)
		signal(l.wake)
	}
	l.mu.Unlock()
	l.recycle(a.frame)
	a.frame = nil
}

// recycle keeps a frame's memory for another, unless it is large.
func (l *link) recycle(frame *[]byte) {
	if cap(*frame) <= maxChunk {
		l.scratch.Put(frame)
	}
}

// timeoutOf is how long a caller waits; 0: for ever.
func timeoutOf(ctx context.Context) time.Duration {
	if t, ok := ctx.Deadline(); ok {
		return max(time.Until(t), 1)
	}
	return 0
}
