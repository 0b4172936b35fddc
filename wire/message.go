package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"time"
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

// requestHead is what travels of a request before its body.
type requestHead struct {
	method, uri string
	header      http.Header
	length      int64         // of the body; -1: it is not known
	timeout     time.Duration // of the caller; 0: none
}

func appendRequestHead(b []byte, r *Request, length int64, timeout time.Duration) []byte {
	b = appendText(b, r.Method)
	b = appendText(b, r.URI)
	b = binary.AppendUvarint(b, uint64(length+1))
	b = binary.AppendUvarint(b, uint64(timeout))
	return appendHeader(b, r.Header)
}

func parseRequestHead(text string) (h requestHead, err error) {
	d := decoder{rest: text}
	h.method, h.uri = d.text(), d.text()
	h.length = int64(d.number(math.MaxInt64)) - 1
	h.timeout = time.Duration(d.number(math.MaxInt64))
	h.header = d.header()
	return h, d.end()
}

func appendResponseHead(b []byte, status int, h http.Header) []byte {
	return appendHeader(binary.AppendUvarint(b, uint64(status)), h)
}

func parseResponseHead(text string) (*Response, error) {
	d := decoder{rest: text}
	r := &Response{Status: int(d.number(999)), Header: d.header()}
	if err := d.end(); err != nil {
		return nil, err
	}
	if r.Status < 100 {
		return nil, errors.New("answer without a status")
	}
	return r, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendHeader(b []byte, h http.Header) []byte {
	n := 0
	for _, values := range h {
		n += len(values)
	}
	b = binary.AppendUvarint(b, uint64(n))
	for k, values := range h {
		for _, v := range values {
			b = appendText(appendText(b, k), v)
		}
	}
	return b
}

var errMalformed = errors.New("malformed message")

// decoder reads what the other side wrote, and believes none of its lengths.
// What it returns are parts of the text, so that a message is one allocation.
type decoder struct {
	rest string
	bad  bool // nothing more is read
}

func (d *decoder) fail() { d.rest, d.bad = "", true }

// end tells whether all was read, and well.
func (d *decoder) end() error {
	if d.bad || d.rest != "" {
		return errMalformed
	}
	return nil
}

// number is binary.Uvarint for text, with a limit.
func (d *decoder) number(limit uint64) uint64 {
	var v uint64
	for i := range min(len(d.rest), binary.MaxVarintLen64) {
		c := d.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break // more than 64 bits
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if v > limit {
				break
			}
			d.rest = d.rest[i+1:]
			return v
		}
	}
	d.fail()
	return 0
}

func (d *decoder) text() string {
	n := d.number(math.MaxInt32)
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

// header reads names and values. The values share one slice: most names have
// one value.
func (d *decoder) header() http.Header {
	n := int(d.number(uint64(len(d.rest)) / 2)) // a name and a value take two bytes at least
	h := make(http.Header, min(n, 64))
	values := make([]string, 0, min(n, 64))
	for range n {
		k, v := d.text(), d.text()
		if d.bad {
			return nil
		}
		if old, ok := h[k]; ok {
			h[k] = append(old, v)
			continue
		}
		values = append(values, v)
		h[k] = values[len(values)-1 : len(values) : len(values)]
	}
	return h
}
