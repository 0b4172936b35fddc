package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/memnet"
)

// A function is a handler.
type function func(http.ResponseWriter, *http.Request)

func (f function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f(w, r) }
func (function) ReadIndex(context.Context, bool) (uint64, error)    { return 7, nil }

// A pair is two agents: the one at 10.0.0.2 calls the one at 10.0.0.1.
type pair struct {
	net    *memnet.Network
	client *Client
	server *Server
}

// connected runs f with two agents in virtual time.
func connected(t *testing.T, h Handler, f func(*testing.T, *pair)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pki{t: t, net: memnet.New(1)}
		l, err := p.net.Host("10.0.0.1").Listen(8300)
		if err != nil {
			t.Fatal(err)
		}
		k := &pair{p.net, p.client(nil), Serve(ServerConfig{Listener: l, Handler: h, Logger: hclog.NewNullLogger()})}
		defer k.server.Close()
		defer k.client.Close()
		f(t, k)
	})
}

func get(ctx context.Context, c *Client, uri string) (string, error) {
	r, err := c.Do(ctx, port, &Request{Method: "GET", URI: uri})
	if err != nil {
		return "", err
	}
	return string(r.Body), nil
}

// hangUp ends the connections of a client, and forgets failures.
func hangUp(c *Client) {
	c.mu.Lock()
	for _, a := range c.peers {
		a.end()
	}
	clear(c.peers)
	c.mu.Unlock()
}

// TestServersComeAndGo: nothing is kept of servers that are not there any more.
func TestServersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(1)
		p := &pki{t: t, net: network}
		c := p.client(nil)
		defer c.Close()
		kept := func() int {
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.peers)
		}
		ask := func(address string) error {
			_, err := c.Do(t.Context(), address, &Request{Method: "GET", URI: "/"})
			return err
		}
		for i := range 20 {
			ip := fmt.Sprintf("10.0.1.%d", i)
			l, err := network.Host(ip).Listen(8300)
			if err != nil {
				t.Fatal(err)
			}
			s := Serve(ServerConfig{Listener: l, Handler: function(func(http.ResponseWriter, *http.Request) {}), Logger: hclog.NewNullLogger()})
			if err := ask(ip + ":8300"); err != nil {
				t.Error(err)
			}
			s.Close()
			if n := kept(); n != 0 {
				t.Fatalf("%d connections to servers that have ended", n)
			}
			if err := ask(ip + ":8300"); !errors.Is(err, ErrUnreachable) {
				t.Error("a server that has ended:", err)
			}
			time.Sleep(2 * keepFailure)
		}
		if n := kept(); n != 1 {
			t.Errorf("%d failures are remembered, want the last", n)
		}
	})
}

// Many calls of all sizes share a connection, and none disturbs another.
func TestCallsSideBySide(t *testing.T) {
	connected(t, echo{}, func(t *testing.T, k *pair) {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				source := rand.NewChaCha8([32]byte{byte(i)})
				random := rand.New(source)
				for range 4 {
					sent := make([]byte, random.IntN(3*maxChunk<<random.IntN(3)))
					source.Read(sent)
					resp, err := k.client.Do(t.Context(), port, &Request{Method: "PUT", URI: "/", Body: sent,
						Header: http.Header{"A": {"1", "2"}, "B": {""}}})
					if err != nil || !bytes.Equal(resp.Body, sent) {
						t.Errorf("%d bytes: %v", len(sent), err)
					}
				}
			})
		}
		wg.Wait()
	})
}

// A body that nobody reads stops at the window; what else is on the connection
// goes on. Both ways.
func TestBackPressure(t *testing.T) {
	const size = 8 << 20
	release := make(chan struct{})
	var sent atomic.Int64
	h := function(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/take":
			<-release
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
		case "/give":
			for range size / maxChunk {
				w.Write(make([]byte, maxChunk))
				sent.Add(maxChunk)
			}
		}
	})
	connected(t, h, func(t *testing.T, k *pair) {
		release = make(chan struct{})
		body := &counted{left: size}
		var wg sync.WaitGroup
		wg.Go(func() {
			err := k.client.Stream(t.Context(), port, &Request{Method: "PUT", URI: "/take"}, body, func(_ *Response, r io.Reader) error {
				text, err := io.ReadAll(r)
				if string(text) != fmt.Sprint(size) {
					t.Errorf("%s bytes came, %v", text, err)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			err := k.client.Stream(t.Context(), port, &Request{Method: "GET", URI: "/give"}, http.NoBody, func(_ *Response, r io.Reader) error {
				<-release
				n, err := io.Copy(io.Discard, r)
				if n != size {
					t.Errorf("%d bytes came, %v", n, err)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if read, wrote := size-body.left, sent.Load(); read > firstWindow+maxChunk || wrote > firstWindow+maxChunk {
			t.Errorf("%d bytes are on the way to a server that reads nothing, %d from it", read, wrote)
		}
		if _, err := get(t.Context(), k.client, "/other"); err != nil {
			t.Error(err)
		}
		close(release)
		wg.Wait()
	})
}

// counted is a body of a length.
type counted struct{ left int }

func (c *counted) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), c.left)
	c.left -= n
	return n, nil
}

// Who gives up ends the handler's context, and the connection stays. The
// handler knows the deadline beforehand.
func TestCallerGivesUp(t *testing.T) {
	var deadline time.Time
	var ended sync.WaitGroup
	back := make(chan struct{}) // closed when the caller has given up: the deadline is that of both
	h := function(func(_ http.ResponseWriter, r *http.Request) {
		defer ended.Done()
		deadline, _ = r.Context().Deadline()
		<-r.Context().Done()
		<-back
		if _, err := io.ReadAll(r.Body); err == nil && r.ContentLength != 0 {
			t.Error("half a body was taken for a whole one")
		}
	})
	connected(t, h, func(t *testing.T, k *pair) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ended.Add(1)
		if _, err := get(ctx, k.client, "/"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		close(back)
		ended.Wait()
		if deadline.Sub(began) != time.Minute {
			t.Errorf("the handler was told %s", deadline.Sub(began))
		}
		ctx, cancel = context.WithCancel(t.Context())
		ended.Add(1)
		time.AfterFunc(time.Second, cancel)
		r, w := io.Pipe()
		defer w.Close()
		if err := k.client.Stream(ctx, port, &Request{Method: "PUT", URI: "/"}, r, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		ended.Wait()
		synctest.Wait()
		l, err := k.client.link(t.Context(), port)
		if err != nil || len(l.calls) != 0 || l.newest != 2 {
			t.Errorf("%v; %d calls are left", err, len(l.calls))
		}
	})
}

// A body that can't be read to its end is not taken for a whole one.
func TestBrokenBody(t *testing.T) {
	var got error
	h := function(func(_ http.ResponseWriter, r *http.Request) { _, got = io.ReadAll(r.Body) })
	connected(t, h, func(t *testing.T, k *pair) {
		body := io.MultiReader(bytes.NewReader(make([]byte, 100)), &broken{})
		err := k.client.Stream(t.Context(), port, &Request{Method: "PUT", URI: "/"}, body, func(*Response, io.Reader) error { return nil })
		synctest.Wait()
		if err == nil || got == nil {
			t.Errorf("the caller heard %v, the handler %v", err, got)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

// A peer that is cut off is given up when a call waits for it, and reached
// again afterwards; while nobody waits nothing is sent.
func TestNoSignOfLife(t *testing.T) {
	h := function(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			select {
			case <-time.After(time.Minute):
			case <-r.Context().Done():
			}
		}
		io.WriteString(w, "ok")
	})
	connected(t, h, func(t *testing.T, k *pair) {
		if text, err := get(t.Context(), k.client, "/long"); text != "ok" || err != nil {
			t.Errorf("a call of a minute: %q, %v", text, err)
		}
		for _, ends := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"10.0.0.2", "10.0.0.1"}} {
			k.net.SetLink(ends[0], ends[1], memnet.Link{Cut: true})
		}
		time.Sleep(time.Hour) // idle
		began := time.Now()
		_, err := get(t.Context(), k.client, "/long")
		if !errors.Is(err, errMute) || errors.Is(err, ErrUnreachable) || time.Since(began) != keepAlive+answerTime {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		for _, ends := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"10.0.0.2", "10.0.0.1"}} {
			k.net.SetLink(ends[0], ends[1], memnet.Link{})
		}
		if text, err := get(t.Context(), k.client, "/"); text != "ok" || err != nil {
			t.Errorf("afterwards: %q, %v", text, err)
		}
	})
}

// Close of either side ends what waits.
func TestCloseEndsCalls(t *testing.T) {
	h := function(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for _, side := range []func(*pair){func(k *pair) { k.client.Close() }, func(k *pair) { k.server.Close() }} {
		connected(t, h, func(t *testing.T, k *pair) {
			time.AfterFunc(time.Second, func() { side(k) })
			if _, err := get(t.Context(), k.client, "/"); err == nil || errors.Is(err, ErrUnreachable) {
				t.Errorf("a call that was begun: %v", err)
			}
			if _, err := get(t.Context(), k.client, "/"); !errors.Is(err, ErrUnreachable) {
				t.Errorf("a call that was not: %v", err)
			}
		})
	}
}

// A fake is a server whose other end the test plays.
func fake(t *testing.T, play func(net.Conn)) (c *Client, stop func()) {
	n := memnet.New(1)
	l, err := n.Host("10.0.0.1").Listen(8300)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				play(conn)
			})
		}
	})
	c = (&pki{t: t, net: n}).client(nil)
	return c, func() { l.Close(); c.Close(); wg.Wait() }
}

// Only what was written may have begun. What waited to be written when the
// connection broke has not, and may be sent elsewhere.
func TestNeverBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived := map[uint64]bool{}
		broke := make(chan struct{})
		c, stop := fake(t, func(conn net.Conn) {
			io.ReadFull(conn, make([]byte, 2))
			conn.Write([]byte{version})
			<-broke // it takes nothing, until so much has come that the writer waits
			frames := frameReader{r: io.LimitReader(conn, 512<<10)}
			for {
				f, err := frames.next()
				if err != nil {
					return
				}
				arrived[f.call] = true
			}
		})
		defer stop()
		var wg sync.WaitGroup
		var mu sync.Mutex
		repeatable, unknown := 0, 0
		for range 100 {
			wg.Go(func() {
				_, err := c.Do(t.Context(), port, &Request{Method: "PUT", URI: "/", Body: make([]byte, maxChunk)})
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, ErrUnreachable) {
					repeatable++
				} else {
					unknown++
				}
			})
		}
		synctest.Wait()
		close(broke)
		wg.Wait()
		if repeatable == 0 || len(arrived) == 0 || unknown < len(arrived) {
			t.Errorf("%d may be repeated, of %d nobody knows, %d arrived", repeatable, unknown, len(arrived))
		}
	})
}

// A server that does not greet takes no requests.
func TestNobodyGreets(t *testing.T) {
	for greeting, wait := range map[string]time.Duration{"": connectTimeout, "\x02": 0} {
		synctest.Test(t, func(t *testing.T) {
			c, stop := fake(t, func(conn net.Conn) {
				io.WriteString(conn, greeting)
				io.Copy(io.Discard, conn)
			})
			defer stop()
			began := time.Now()
			if _, err := get(t.Context(), c, "/"); !errors.Is(err, ErrUnreachable) || time.Since(began) != wait {
				t.Errorf("%q: %v after %s", greeting, err, time.Since(began))
			}
			// It is not tried all the time.
			if _, err := get(t.Context(), c, "/"); !errors.Is(err, ErrUnreachable) || time.Since(began) != wait {
				t.Errorf("%q: %v after %s", greeting, err, time.Since(began))
			}
		})
	}
}

// Whoever breaks the protocol is cut off; calls over the bounds are refused
// before they begin.
func TestProtocol(t *testing.T) {
	request := func(call uint64) []byte {
		b := append(beginFrame(nil), 0, 0, 0, 0)
		b = appendRequestHead(b, &Request{Method: "GET", URI: "/"}, 0, 0)
		binary.BigEndian.PutUint32(b[frameHead:], uint32(len(b)-frameHead-4))
		endFrame(b, kindRequest, call)
		return b
	}
	for name, bad := range map[string][]byte{
		"a kind that is none":     appendFrame(nil, 77, 1),
		"a frame that is long":    append(binary.BigEndian.AppendUint32(nil, 1<<31), appendFrame(nil, kindRequest, 1)[4:]...),
		"a body of no call":       appendFrame(nil, kindBody, 1),
		"a call made twice":       append(request(2), request(2)...),
		"an answer that is asked": append(request(1), appendFrame(nil, kindAnswer, 1, 0, 0, 0, 1, 0)...),
		"malformed credit":        append(request(1), appendFrame(nil, kindCredit, 1, 1)...),
		"more than the window":    append(request(1), bytes.Repeat(appendFrame(nil, kindBody, 1, make([]byte, maxChunk)...), 3)...),
	} {
		h := function(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		connected(t, h, func(t *testing.T, k *pair) {
			conn, err := k.net.Host("10.0.0.3").Dial(t.Context(), "tcp", port)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.Write(append([]byte{firstLink, version}, bad...))
			if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	l := newLink(nil, nil, func(*call, frame) { t.Error("a call over the bounds was begun") })
	for i := range uint64(maxCalls) {
		l.calls[i+10] = nil
	}
	if err := l.take(frame{kind: kindRequest, call: 1}); err != nil || l.queue[4] != kindReset || l.queue[frameHead] != resetRefused {
		t.Errorf("%v, %q", err, l.queue)
	}
	if err := resetError(l.queue[frameHead:]); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}

// Nothing that comes in brings a server down or has it keep more than its
// bounds.
func FuzzLink(f *testing.F) {
	b := append(beginFrame(nil), 0, 0, 0, 0)
	b = appendRequestHead(b, &Request{Method: "PUT", URI: "/v1/kv/a?x=1", Header: http.Header{"A": {"b"}}}, 3, time.Second)
	binary.BigEndian.PutUint32(b[frameHead:], uint32(len(b)-frameHead-4))
	b = append(b, "ab"...)
	endFrame(b, kindRequest, 1)
	b = appendFrame(b, kindBody|lastFrame, 1, 'c')
	b = appendFrame(b, kindCredit, 1, 0, 0, 1, 0)
	b = appendFrame(b, kindAsk|lastFrame, 2, 1)
	b = appendFrame(b, kindReset, 2, resetGone)
	f.Add(appendFrame(b, kindPing, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &Server{crew: newCrew(), cfg: ServerConfig{Handler: echo{}, Logger: hclog.NewNullLogger()}}
		near, far := net.Pipe()
		l := newLink(far, nil, s.begin)
		var wg sync.WaitGroup
		wg.Go(func() { _ = l.run(far) })
		wg.Go(func() { io.Copy(io.Discard, near) })
		near.Write(data) // fails when it was cut off
		near.Close()
		wg.Wait()
		s.crew.close()
		if l.unread != 0 || len(l.calls) != 0 {
			t.Errorf("%d bytes and %d calls are left", l.unread, len(l.calls))
		}
	})
}

// A link that little comes on keeps little memory, and a busy one reads much at
// once.
func TestReadAhead(t *testing.T) {
	small := appendFrame(nil, kindBody, 1, make([]byte, 100)...)
	large := appendFrame(nil, kindBody, 1, make([]byte, maxChunk)...)
	read := func(stream []byte, atOnce int) (frames int, r *frameReader) {
		source := bytes.NewReader(stream)
		r = &frameReader{r: readerFunc(func(p []byte) (int, error) { return source.Read(p[:min(len(p), atOnce)]) })}
		for {
			if f, err := r.next(); err == io.EOF {
				return frames, r
			} else if err != nil || f.kind != kindBody {
				t.Fatal(f, err)
			}
			frames++
		}
	}
	for _, c := range []struct {
		stream      []byte
		atOnce      int
		frames, buf int
	}{
		{bytes.Repeat(small, 1000), len(small), 1000, leastAhead},
		{bytes.Repeat(small, 1000), 1, 1000, leastAhead},
		{bytes.Repeat(small, 1000), 1 << 20, 1000, readAhead},
		{append(bytes.Repeat(small, 10), bytes.Repeat(large, 3)...), 1 << 20, 13, 4 * readAhead},
	} {
		if n, r := read(c.stream, c.atOnce); n != c.frames || len(r.buf) > c.buf {
			t.Errorf("%d bytes at once: %d frames of %d, a buffer of %d", c.atOnce, n, c.frames, len(r.buf))
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// What is read as a head is written the same way.
func FuzzHeads(f *testing.F) {
	f.Add(string(appendRequestHead(nil, &Request{Method: "GET", URI: "/", Header: http.Header{"A": {"1", "2"}, "B": {"3"}}}, -1, time.Minute)))
	f.Add(string(appendResponseHead(nil, 200, http.Header{"A": {"1", "2"}, "B": {""}})))
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := parseRequestHead(text); err == nil {
			again, err := parseRequestHead(string(appendRequestHead(nil, &Request{Method: h.method, URI: h.uri, Header: h.header}, h.length, h.timeout)))
			if err != nil || fmt.Sprint(again) != fmt.Sprint(h) {
				t.Errorf("%+v became %+v, %v", h, again, err)
			}
		}
		if r, err := parseResponseHead(text); err == nil {
			again, err := parseResponseHead(string(appendResponseHead(nil, r.Status, r.Header)))
			if err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
				t.Errorf("%+v became %+v, %v", r, again, err)
			}
		}
	})
}
