package conns

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// A client with too many connections is told so, and when to come again, whether
// it uses TLS or not; one more connection closed makes room.
func TestLimit(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "in") }))
		l := New(2, hclog.NewNullLogger(), nil)
		s.Listener = l.Serve(s.Config, s.Listener)
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		defer s.Close()
		ask := func() (*http.Transport, int, string) {
			t.Helper()
			tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a connection of its own
			t.Cleanup(tr.CloseIdleConnections)
			resp, err := (&http.Client{Transport: tr}).Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if over := resp.StatusCode == http.StatusTooManyRequests; over != (resp.Header.Get("Retry-After") == "1") || over && !resp.Close {
				t.Errorf("%d with %v, close %t", resp.StatusCode, resp.Header, resp.Close)
			}
			return tr, resp.StatusCode, string(body)
		}
		first, status, _ := ask()
		if status != http.StatusOK {
			t.Fatalf("the first connection gets %d", status)
		}
		ask()
		if _, status, body := ask(); status != http.StatusTooManyRequests || body != tooMany {
			t.Errorf("the third connection gets %d %q", status, body)
		}
		first.CloseIdleConnections()
		for deadline := time.Now().Add(20 * time.Second); ; { // the server hears of it when it does
			if _, status, _ = ask(); status == http.StatusOK || time.Now().After(deadline) {
				break
			}
		}
		if status != http.StatusOK {
			t.Error("no room after one has gone")
		}
		l.Set(0)
		if _, status, _ = ask(); status != http.StatusOK {
			t.Error("no limit is one")
		}
	}
}

// When there are too many even to be told one by one, the answer is written
// without hearing the question.
func TestLimitOverrun(t *testing.T) {
	l := New(1, hclog.NewNullLogger(), nil)
	ours, theirs := net.Pipe()
	go l.refuse(ours)
	theirs.SetReadDeadline(time.Now().Add(20 * time.Second))
	text, err := io.ReadAll(theirs)
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 429 Too Many Requests\r\n") || !strings.Contains(string(text), "Retry-After: 1\r\n") {
		t.Errorf("%q, %v", text, err)
	}
}
