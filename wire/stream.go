package wire

import (
	"errors"
	"io"
	"net/http"

	"google.golang.org/grpc"
)

// chunkBytes is the size of the pieces of a stream.
const chunkBytes = 64 << 10

// serveStream answers a request whose body or answer may be long: the first
// message is the request without its body, then comes the body in pieces; back
// goes the answer without its body, then its body in pieces.
func serveStream(srv any, stream grpc.ServerStream) error {
	var in Request
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	r, err := newHTTP(stream.Context(), &in, nil)
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = &streamReader{recv: stream.RecvMsg}, -1
	w := &streamWriter{header: http.Header{}, send: stream.SendMsg}
	srv.(Handler).ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	return w.err
}

// streamReader reads the pieces of a body.
type streamReader struct {
	recv func(any) error
	rest []byte
}

func (r *streamReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		var c chunk
		if err := r.recv(&c); err != nil {
			if errors.Is(err, io.EOF) {
				return 0, io.EOF
			}
			return 0, err
		}
		r.rest = c.data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *streamReader) Close() error { return nil }

// streamWriter sends an answer in pieces.
type streamWriter struct {
	header http.Header
	send   func(any) error
	wrote  bool
	err    error
}

func (w *streamWriter) Header() http.Header { return w.header }

func (w *streamWriter) WriteHeader(status int) {
	if w.wrote {
		return
	}
	w.wrote = true
	w.err = w.send(&Response{Status: status, Header: w.header})
}

func (w *streamWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	for sent := 0; sent < len(p) && w.err == nil; sent += chunkBytes {
		w.err = w.send(&chunk{p[sent:min(sent+chunkBytes, len(p))]})
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// Flush is for handlers that stream: every piece is sent at once anyway.
func (w *streamWriter) Flush() {}
