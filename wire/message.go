package wire

import (
	"encoding/binary"
	"errors"
	"net/http"
)

// Request is an HTTP request on its way to another agent, unopened.
type Request struct {
	Method string
	URI    string // path and query
	Header http.Header
	Body   []byte
}

// Response is the answer to a Request.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

var errShort = errors.New("message ends early")

func appendBytes[T string | []byte](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendHeader(b []byte, h http.Header) []byte {
	n := 0
	for _, values := range h {
		n += len(values)
	}
	b = binary.AppendUvarint(b, uint64(n))
	for k, values := range h {
		for _, v := range values {
			b = appendBytes(b, k)
			b = appendBytes(b, v)
		}
	}
	return b
}

func (r *Request) marshal() []byte {
	b := make([]byte, 0, 256+len(r.URI)+len(r.Body))
	b = appendBytes(b, r.Method)
	b = appendBytes(b, r.URI)
	b = appendHeader(b, r.Header)
	return append(b, r.Body...)
}

func (r *Request) unmarshal(b []byte) error {
	d := decoder{b: b}
	r.Method, r.URI = d.text(), d.text()
	r.Header = d.header()
	r.Body = d.b
	return d.err
}

func (r *Response) marshal() []byte {
	b := make([]byte, 0, 256+len(r.Body))
	b = binary.AppendUvarint(b, uint64(r.Status))
	b = appendHeader(b, r.Header)
	return append(b, r.Body...)
}

func (r *Response) unmarshal(b []byte) error {
	d := decoder{b: b}
	r.Status = int(d.number(999))
	r.Header = d.header()
	r.Body = d.b
	return d.err
}

// decoder reads what the other side wrote, and believes none of its lengths.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) number(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > limit {
		d.b, d.err = nil, errShort
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.number(uint64(len(d.b)))
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errShort
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) header() http.Header {
	n := d.number(uint64(len(d.b)) / 2) // a name and a value take two bytes at least
	h := make(http.Header, min(n, 16))
	for range n {
		k, v := d.text(), d.text()
		if d.err != nil {
			return nil
		}
		h[k] = append(h[k], v)
	}
	return h
}
