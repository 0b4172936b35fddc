package check

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/memnet"
	"muster/model"
)

const server = "10.0.0.2:80"

// serve runs a handler at server, and returns the options of who asks it.
func serve(t *testing.T, h http.HandlerFunc, secure bool) (Options, *httptest.Server) {
	t.Helper()
	network := memnet.New(1)
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = listen(t, network)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return Options{Dial: network.Host("10.0.0.1").Dial}, s
}

func listen(t *testing.T, network *memnet.Network) net.Listener {
	t.Helper()
	l, err := network.Host("10.0.0.2").Listen(80)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestHTTP(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/200", http.StatusFound)
		case "/describe":
			fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.Header.Get("X-Probe"), body)
		case "/agent":
			fmt.Fprintf(w, "%s %s", r.UserAgent(), r.Header.Get("Accept"))
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-time.After(time.Hour):
			}
		case "/endless":
			for w.Header(); ; {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
					return
				}
			}
		default:
			var code int
			fmt.Sscanf(r.URL.Path, "/%d", &code)
			w.WriteHeader(code)
			fmt.Fprintf(w, "status %d\n", code)
		}
	}
	const url = "http://" + server
	get := func(path string) model.CheckDefinition { return model.CheckDefinition{HTTP: url + path} }
	for _, tt := range []struct {
		name   string
		def    model.CheckDefinition
		status string
		output string
	}{
		{"ok", get("/200"), "passing", "HTTP GET " + url + "/200: 200 OK Output: status 200\n"},
		{"2xx", get("/299"), "passing", "HTTP GET " + url + "/299: 299 status code 299 Output: status 299\n"},
		{"429", get("/429"), "warning", "HTTP GET " + url + "/429: 429 Too Many Requests Output: status 429\n"},
		{"503", get("/503"), "critical", "HTTP GET " + url + "/503: 503 Service Unavailable Output: status 503\n"},
		{"redirect", get("/moved"), "passing", "HTTP GET " + url + "/moved: 200 OK Output: status 200\n"},
		{"no redirect", model.CheckDefinition{HTTP: url + "/moved", DisableRedirects: true, Method: "HEAD"}, "critical",
			"HTTP HEAD " + url + "/moved: 302 Found Output: "},
		{"post", model.CheckDefinition{HTTP: url + "/describe", Method: "POST", Body: "payload", Header: map[string][]string{"x-probe": {"yes"}, "host": {"web.test"}}},
			"passing", "HTTP POST " + url + "/describe: 200 OK Output: POST web.test yes payload"},
		{"headers", get("/agent"), "passing", "HTTP GET " + url + "/agent: 200 OK Output: Consul Health Check text/plain, text/*, */*"},
		{"last bytes", model.CheckDefinition{HTTP: url + "/describe", OutputMaxSize: 64, Method: "PUT", Body: strings.Repeat("a", 100) + strings.Repeat("z", 60)},
			"passing", "HTTP PUT " + url + "/describe: 200 OK Output: " + strings.Repeat("a", 4) + strings.Repeat("z", 60)},
		{"timeout", get("/slow"), "critical", `Get "http://10.0.0.2:80/slow": context deadline exceeded`},
		{"endless", get("/endless"), "passing", "HTTP GET " + url + "/endless: 200 OK Output: " + strings.Repeat("x", 64)},
		{"refused", model.CheckDefinition{HTTP: "http://10.0.0.2:81/"}, "critical", `Get "http://10.0.0.2:81/": dial tcp 10.0.0.2:81: connect: connection refused`},
		{"tls to plain", model.CheckDefinition{HTTP: "https://" + server + "/"}, "critical", `Get "https://10.0.0.2:80/": http: server gave HTTP response to HTTPS client`},
	} {
		for _, often := range []bool{true, false} { // two ways to do the same
			t.Run(fmt.Sprintf("%s, often=%v", tt.name, often), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					opt, _ := serve(t, handler, false)
					if tt.def.Interval = model.Duration(time.Minute); often {
						tt.def.Interval = model.Duration(time.Second)
					}
					status, output := makeProbe(t, opt, &tt.def)()
					if status != tt.status || output != tt.output {
						t.Errorf("got %s %q, want %s %q", status, output, tt.status, tt.output)
					}
				})
			})
		}
	}
}

func TestHTTPConnections(t *testing.T) {
	ok := func(http.ResponseWriter, *http.Request) {}
	count := func(def model.CheckDefinition, runs int) (dials int) {
		synctest.Test(t, func(t *testing.T) {
			opt, _ := serve(t, ok, false)
			dial := opt.Dial
			opt.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				dials++
				return dial(ctx, network, address)
			}
			probe := makeProbe(t, opt, &def)
			for range runs {
				if status, output := probe(); status != "passing" {
					t.Fatal(output)
				}
				time.Sleep(time.Duration(def.Interval))
			}
		})
		return dials
	}
	second := model.Duration(time.Second)
	for _, tt := range []struct {
		name string
		def  model.CheckDefinition
		want int
	}{
		{"often", model.CheckDefinition{HTTP: "http://" + server, Interval: second}, 3},
		{"seldom", model.CheckDefinition{HTTP: "http://" + server, Interval: 6 * second}, 30},
		{"not to be repeated", model.CheckDefinition{HTTP: "http://" + server, Interval: second, Method: "POST"}, 30},
	} {
		if got := count(tt.def, 30); got != tt.want {
			t.Errorf("%s: %d connections in 30 runs, want %d", tt.name, got, tt.want)
		}
	}
}

func TestHTTPDeadServerIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, s := serve(t, func(http.ResponseWriter, *http.Request) {}, false)
		probe := makeProbe(t, opt, &model.CheckDefinition{HTTP: "http://" + server, Interval: model.Duration(time.Second)})
		if status, output := probe(); status != "passing" {
			t.Fatal(output)
		}
		s.Close()
		synctest.Wait()
		if status, output := probe(); status != "critical" || !strings.Contains(output, "refused") {
			t.Errorf("after its end: %s %q", status, output)
		}
	})
}

// TestHTTPServerHangsUp has a server that closes each connection after a
// while, which must not look like a failure.
func TestHTTPServerHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(1)
		s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), IdleTimeout: 2500 * time.Millisecond}
		go s.Serve(listen(t, network))
		defer s.Close()
		opt := Options{Dial: network.Host("10.0.0.1").Dial}
		probe := makeProbe(t, opt, &model.CheckDefinition{HTTP: "http://" + server, Interval: model.Duration(time.Second)})
		for i := range 20 {
			if status, output := probe(); status != "passing" {
				t.Fatalf("run %d: %s", i, output)
			}
			time.Sleep(time.Duration(1+i%4) * time.Second)
		}
	})
}

// TestHTTPHostDisappears has the other end of a kept connection go without a
// word.
func TestHTTPHostDisappears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(1)
		s := &http.Server{Handler: http.NotFoundHandler()}
		go s.Serve(listen(t, network))
		defer s.Close()
		opt := Options{Dial: network.Host("10.0.0.1").Dial}
		probe := makeProbe(t, opt, &model.CheckDefinition{HTTP: "http://" + server, Interval: model.Duration(time.Second)})
		probe()
		network.Isolate("10.0.0.2")
		begin := time.Now()
		expect(t, "gone", probe, "critical", `Get "http://10.0.0.2:80": context deadline exceeded`)
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("noticed after %v", d)
		}
		network.Rejoin("10.0.0.2")
		expect(t, "back", probe, "critical", "404 Not Found")
	})
}

// TestHTTPStop ends a check that waits for an answer.
func TestHTTPStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Hour):
			}
		}, false)
		opt.Rand = func() float64 { return 0 }
		r := newRecorder()
		c := makeCheck(t, opt, &model.CheckDefinition{HTTP: "http://" + server, Interval: model.Duration(time.Second)}, r)
		c.Start()
		time.Sleep(5 * time.Second)
		begin := time.Now()
		c.Stop()
		if res, _ := r.take(); time.Since(begin) != 0 || len(res) != 0 {
			t.Errorf("stopped after %v with %v", time.Since(begin), res)
		}
	})
}

// TestHTTPStrangeAnswers has a server that doesn't quite speak HTTP.
func TestHTTPStrangeAnswers(t *testing.T) {
	for _, tt := range []struct{ answer, status, output string }{
		{"SSH-2.0-OpenSSH\r\n", "critical", "malformed HTTP"},
		{"", "critical", "EOF"},
		{"HTTP/1.1 200 OK\r\n", "critical", "EOF"},
		{"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "passing", "204 No Content"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "passing", "short\nread answer: unexpected EOF"},
		{"HTTP/1.0 200 OK\r\n\r\nold", "passing", "Output: old"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore", "passing", "200 OK"},
		{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", headerMax) + "\r\n\r\n", "critical", "EOF"},
	} {
		synctest.Test(t, func(t *testing.T) {
			network := memnet.New(1)
			l := listen(t, network)
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					http.ReadRequest(bufio.NewReader(conn))
					io.WriteString(conn, tt.answer)
					conn.Close()
				}
			}()
			opt := Options{Dial: network.Host("10.0.0.1").Dial}
			probe := makeProbe(t, opt, &model.CheckDefinition{HTTP: "http://" + server, Interval: model.Duration(time.Second)})
			for range 2 {
				expect(t, tt.answer[:min(30, len(tt.answer))], probe, tt.status, tt.output)
			}
		})
	}
}

func TestHTTPOverProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.String()) }, false)
		opt.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://" + server) }
		probe := makeProbe(t, opt, &model.CheckDefinition{HTTP: "http://far.example/x", Interval: model.Duration(time.Second)})
		expect(t, "by way of the proxy", probe, "passing", "Output: http://far.example/x")
	})
}

func TestHTTPPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Authorization")) }, false)
		probe := makeProbe(t, opt, &model.CheckDefinition{HTTP: "http://u:p@" + server, Interval: model.Duration(time.Second)})
		expect(t, "password", probe, "passing", "Basic dTpw")
	})
}

func TestHTTPOverTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked string
		opt, s := serve(t, func(_ http.ResponseWriter, r *http.Request) { asked = r.TLS.ServerName }, true)
		url := "https://" + server
		status, output := makeProbe(t, opt, &model.CheckDefinition{HTTP: url})()
		if status != "critical" || !strings.Contains(output, "x509") {
			t.Errorf("untrusted: %s %q", status, output)
		}
		if status, output := makeProbe(t, opt, &model.CheckDefinition{HTTP: url, TLSSkipVerify: true})(); status != "passing" {
			t.Errorf("not verified: %q", output)
		}
		opt.TLS = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
		if status, output := makeProbe(t, opt, &model.CheckDefinition{HTTP: url, TLSServerName: "example.com"})(); status != "passing" || asked != "example.com" {
			t.Errorf("server name %q: %s", asked, output)
		}
	})
}

// FuzzAnswer has a server say anything.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewRunner(Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			return &script{Reader: bytes.NewReader(b)}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		p, err := r.newHTTP(&Spec{Def: &model.CheckDefinition{HTTP: "http://" + server, DisableRedirects: true}, OutputMaxSize: 100})
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		if status, output := p.probe(t.Context()); !model.ValidStatus(status) || len(output) > 4*len(b)+200 {
			t.Errorf("%s %q", status, output)
		}
	})
}
