package check

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"muster/internal/memnet"
	"muster/model"
)

func expect(t *testing.T, what string, probe func() (string, string), wantStatus, wantOutput string) {
	t.Helper()
	if status, output := probe(); status != wantStatus || !strings.Contains(output, wantOutput) {
		t.Errorf("%s: got %s %q, want %s %q", what, status, output, wantStatus, wantOutput)
	}
}

func TestTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, s := serve(t, func(http.ResponseWriter, *http.Request) {}, true)
		expect(t, "up", makeProbe(t, opt, &model.CheckDefinition{TCP: server}), "passing", "TCP connect 10.0.0.2:80: Success")
		expect(t, "down", makeProbe(t, opt, &model.CheckDefinition{TCP: "10.0.0.2:81"}), "critical", "dial tcp 10.0.0.2:81: connect: connection refused")
		expect(t, "untrusted", makeProbe(t, opt, &model.CheckDefinition{TCP: server, TCPUseTLS: true}), "critical", "x509")
		opt.TLS = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
		expect(t, "wrong name", makeProbe(t, opt, &model.CheckDefinition{TCP: server, TCPUseTLS: true}), "critical", "10.0.0.2")
		expect(t, "tls", makeProbe(t, opt, &model.CheckDefinition{TCP: server, TCPUseTLS: true, TLSServerName: "example.com"}), "passing", "TCP+TLS connect 10.0.0.2:80: Success")
	})
}

func TestUDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reply := true
		opt := Options{Dial: func(_ context.Context, network, address string) (net.Conn, error) {
			if network != "udp" {
				t.Errorf("dialled %s", network)
			}
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				b := make([]byte, 4)
				if _, err := io.ReadFull(far, b); err == nil && reply {
					far.Write(b)
				}
				io.Copy(io.Discard, far)
			}()
			return near, nil
		}}
		probe := makeProbe(t, opt, &model.CheckDefinition{UDP: "10.0.0.2:53"})
		expect(t, "answers", probe, "passing", "UDP connect 10.0.0.2:53: Success")
		reply = false
		begin := time.Now()
		expect(t, "silent", probe, "critical", "")
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("gave up after %v", d)
		}
	})
}

func TestGRPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(1)
		states := health.NewServer()
		states.SetServingStatus("sick", healthpb.HealthCheckResponse_NOT_SERVING)
		run := func() *grpc.Server {
			s := grpc.NewServer()
			healthpb.RegisterHealthServer(s, states)
			l := listen(t, network)
			go s.Serve(l)
			return s
		}
		s := run()
		dials := 0
		opt := Options{Dial: func(ctx context.Context, n, address string) (net.Conn, error) {
			dials++
			return network.Host("10.0.0.1").Dial(ctx, n, address)
		}}
		def := &model.CheckDefinition{GRPC: server, Interval: model.Duration(time.Second)}
		probe := makeProbe(t, opt, def)
		expect(t, "serving", probe, "passing", "gRPC check 10.0.0.2:80: success")
		expect(t, "again", probe, "passing", "gRPC check 10.0.0.2:80: success")
		if dials != 1 {
			t.Errorf("%d connections for two runs", dials)
		}
		sick := makeProbe(t, opt, &model.CheckDefinition{GRPC: server + "/sick", Interval: model.Duration(time.Minute)})
		expect(t, "sick", sick, "critical", "gRPC 10.0.0.2:80/sick serving status: NOT_SERVING")
		expect(t, "unknown", makeProbe(t, opt, &model.CheckDefinition{GRPC: server + "/none"}), "critical", "unknown service")
		s.Stop()
		synctest.Wait()
		expect(t, "dead", probe, "critical", "refused")
		s = run()
		defer s.Stop()
		expect(t, "back", probe, "passing", "success")
	})
}

func TestH2Ping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(1)
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		s := &http.Server{Protocols: &protocols}
		go s.Serve(listen(t, network))
		defer s.Close()
		opt := Options{Dial: network.Host("10.0.0.1").Dial}
		expect(t, "up", makeProbe(t, opt, &model.CheckDefinition{H2PING: server}), "passing", "HTTP2 ping was successful")
		expect(t, "down", makeProbe(t, opt, &model.CheckDefinition{H2PING: "10.0.0.2:81"}), "critical", "refused")
	})
	synctest.Test(t, func(t *testing.T) {
		opt, s := serve(t, func(http.ResponseWriter, *http.Request) {}, false)
		expect(t, "HTTP/1", makeProbe(t, opt, &model.CheckDefinition{H2PING: server}), "critical", "HTTP2 ping failed: ")
		s.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(1)
		l := tls.NewListener(listen(t, network), &tls.Config{Certificates: certificates(t), NextProtos: []string{http2.NextProtoTLS}})
		h := &http.Server{Handler: http.NotFoundHandler()}
		var protocols http.Protocols
		protocols.SetHTTP2(true)
		h.Protocols = &protocols
		go h.Serve(l)
		defer h.Close()
		opt := Options{Dial: network.Host("10.0.0.1").Dial}
		expect(t, "tls", makeProbe(t, opt, &model.CheckDefinition{H2PING: server, H2PingUseTLS: true, TLSSkipVerify: true}), "passing", "HTTP2 ping was successful")
	})
}

// certificates borrows those of an httptest server.
func certificates(t *testing.T) []tls.Certificate {
	_, s := serve(t, nil, true)
	defer s.Close()
	return s.TLS.Certificates
}

// FuzzPing has a server say anything.
func FuzzPing(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 6, 1, 0, 0, 0, 0, 'm', 'u', 's', 't', 'e', 'r', 0x0a, 1})
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ping(&script{Reader: strings.NewReader(string(b))})
	})
}

// A script is a connection on which everything was said beforehand.
type script struct {
	io.Reader
	net.Conn
}

func (s *script) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s *script) Write(b []byte) (int, error) { return len(b), nil }
func (s *script) SetDeadline(time.Time) error { return nil }
func (s *script) Close() error                { return nil }

func loopback(tb testing.TB) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return l
}
