package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/memnet"
)

// echo answers with what it is sent, or with what fmt writes. Both write out
// of buffers that are used again.
type echo struct{ names }

func (echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/print" {
		for i := range 100 {
			fmt.Fprintf(w, "line %d\n", i)
		}
		return
	}
	buf := make([]byte, 100_000)
	for {
		n, err := r.Body.Read(buf)
		if _, bad := w.Write(buf[:n]); err != nil || bad != nil {
			return
		}
		clear(buf)
	}
}

// withEcho connects two agents far from each other, so that what is written
// waits for a while.
func withEcho(t *testing.T, f func(ctx context.Context, t *testing.T, c *Client)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pki{t: t, net: memnet.New(1)}
		p.net.SetLink("10.0.0.1", "10.0.0.2", memnet.Link{Delay: 20 * time.Millisecond})
		p.net.SetLink("10.0.0.2", "10.0.0.1", memnet.Link{Delay: 20 * time.Millisecond})
		l, err := p.net.Host("10.0.0.1").Listen(8300)
		if err != nil {
			t.Fatal(err)
		}
		s := Serve(ServerConfig{Listener: l, Handler: echo{}, HandshakeTimeout: 5 * time.Second, Logger: hclog.NewNullLogger()})
		defer s.Close()
		c := p.client(nil)
		defer c.Close()
		f(t.Context(), t, c)
	})
}

// Writers may use their buffers again as soon as Write has returned, readers
// hand out theirs for one call only.
func TestBuffersAreTheirOwners(t *testing.T) {
	withEcho(t, func(ctx context.Context, t *testing.T, c *Client) {
		random := rand.NewChaCha8([32]byte{})
		sent := make([]byte, 3_000_000)
		random.Read(sent)
		for name, body := range map[string]io.Reader{
			"large pieces": bytes.NewReader(sent), "odd pieces": iotest.HalfReader(bytes.NewReader(sent)),
		} {
			var got []byte
			err := c.Stream(ctx, port, &Request{Method: "PUT", URI: "/"}, body, func(_ *Response, r io.Reader) (err error) {
				got, err = io.ReadAll(r)
				return err
			})
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%s: %d of %d bytes came back, changed: %t, %v", name, len(got), len(sent), !bytes.Equal(got, sent[:len(got)]), err)
			}
		}
		var want bytes.Buffer
		for i := range 100 {
			fmt.Fprintf(&want, "line %d\n", i)
		}
		resp, err := c.Do(ctx, port, &Request{Method: "GET", URI: "/print"})
		if err != nil || !bytes.Equal(resp.Body, want.Bytes()) {
			t.Errorf("%q, %v", resp.Body, err)
		}
	})
}
