package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// headerMax bounds the header of an answer, in bytes.
const headerMax = 64 << 10

// A direct asks a plain HTTP server on a connection of its own, again and
// again. net/http hands each request to a goroutine that writes and another
// one that reads; for a check that runs every second that handing over is half
// of the work.
type direct struct {
	dial    dialFunc
	address string
	request *http.Request
	wire    []byte // the request, as it is sent

	conn  net.Conn // nil when there is none
	uses  int      // of conn
	limit io.LimitedReader
	read  *bufio.Reader
}

// newDirect returns nil for requests that need more than this.
func newDirect(req *http.Request, opt *Options) *direct {
	u := req.URL
	if u.Scheme != "http" || u.User != nil || u.Hostname() == "" || strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' }) {
		return nil
	}
	for name, values := range req.Header {
		for _, v := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(v) {
				return nil
			}
		}
	}
	if opt.Proxy != nil {
		if by, err := opt.Proxy(req); by != nil || err != nil {
			return nil
		}
	}
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	d := &direct{dial: opt.Dial, address: net.JoinHostPort(u.Hostname(), port), request: req, wire: wire.Bytes()}
	d.read = bufio.NewReaderSize(&d.limit, 2048)
	return d
}

// ask sends the request and hands the answer to f, which tells whether it has
// read the body to its end. The connection is kept if that is possible and it
// isn't old yet. Errors are as those of an http.Client.
func (d *direct) ask(ctx context.Context, f func(*http.Response) (ended bool)) error {
	if d.uses >= keepRuns {
		d.close()
	}
	kept := d.conn != nil
	resp, stop, err := d.send(ctx)
	if kept && err != nil && !errors.As(err, new(malformed)) && !errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		// The server has closed the connection meanwhile, as it may.
		stop()
		d.close()
		resp, stop, err = d.send(ctx)
	}
	defer stop()
	if err == nil {
		if ended := f(resp); !ended || resp.Close || d.read.Buffered() > 0 || resp.StatusCode == http.StatusSwitchingProtocols {
			d.close()
		}
		return nil
	}
	d.close()
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = context.DeadlineExceeded
	}
	method := d.request.Method
	return &url.Error{Op: method[:1] + strings.ToLower(method[1:]), URL: d.request.URL.String(), Err: err}
}

// malformed is the error of an answer that can't be read. Others come before
// there is any.
type malformed struct{ error }

func (m malformed) Unwrap() error { return m.error }

// send sends the request and returns the header of the answer. stop ends the
// watch over the context; it is never nil.
func (d *direct) send(ctx context.Context) (resp *http.Response, stop func() bool, err error) {
	stop = func() bool { return true }
	if d.conn == nil {
		if d.conn, err = d.dial(ctx, "tcp", d.address); err != nil {
			d.conn = nil
			return nil, stop, err
		}
		d.uses, d.limit.R = 0, d.conn
		d.read.Reset(&d.limit)
	}
	d.uses++
	conn := d.conn
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, stop, err
	}
	stop = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	if _, err := conn.Write(d.wire); err != nil {
		return nil, stop, err
	}
	d.limit.N = headerMax
	if _, err := d.read.Peek(1); err != nil {
		return nil, stop, err
	}
	for {
		resp, err := http.ReadResponse(d.read, d.request)
		if err != nil {
			return nil, stop, malformed{err}
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			d.limit.N = headerMax + bodyMax
			return resp, stop, nil
		}
	}
}

func (d *direct) close() {
	if d.conn != nil {
		d.conn.Close()
		d.conn = nil
	}
}
