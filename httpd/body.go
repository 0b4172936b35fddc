package httpd

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"sync"
	"time"

	"muster/ops"
)

// gzipMin is the size from which answers are compressed, in bytes: below, one
// packet holds them anyway.
const gzipMin = 1400

// body is a rendered answer, shared by all who ask the same.
type body struct {
	json []byte
	// missing makes it a 404 with the index of what was missing.
	missing bool

	once sync.Once
	gz   []byte
}

// gzipped compresses once for all readers.
func (b *body) gzipped() []byte {
	b.once.Do(func() { b.gz = compressed(b.json) })
	return b.gz
}

func compressed(data []byte) []byte {
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	w.Write(data)
	w.Close()
	return buf.Bytes()
}

// ask answers a question with JSON, shared where it can be.
func ask[T any](c *call, qu ops.Question[T]) error {
	return askWith(c, qu, func(v T) (*body, error) {
		b, err := marshal(v)
		return &body{json: b}, err
	})
}

// askWith is ask with a rendering of its own.
func askWith[T any](c *call, qu ops.Question[T], render func(T) (*body, error)) error {
	if c.translates() {
		qu, render = translated(qu, render)
	}
	waited := c.stopwatch()
	b, meta, err := ops.Ask(c.context(), c.door.cfg.Ops, c.door.answers, &c.q, qu, func(v T) (ops.Rendered[*body], error) {
		b, err := render(v)
		if err != nil {
			return ops.Rendered[*body]{}, err
		}
		return ops.Rendered[*body]{Value: b, Size: len(b.json)}, nil
	})
	c.setMeta(meta)
	if err != nil {
		return err
	}
	c.noteCached(waited())
	if b.missing {
		return c.empty(http.StatusNotFound)
	}
	return c.sendJSON(http.StatusOK, b)
}

// stopwatch tells whether a blocking query has had to wait.
func (c *call) stopwatch() func() bool {
	if c.q.MinIndex == 0 {
		return func() bool { return false }
	}
	began := time.Now()
	return func() bool { return time.Since(began) > 10*time.Millisecond }
}

// context ends when the caller goes away or the agent stops.
func (c *call) context() context.Context { return c.r.Context() }
