package wire

import (
	"context"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// BenchmarkDo is what a request costs both agents together, with 32 under way,
// over the loopback. It says also what processor time that is, since the time
// on the clock depends on who else runs.
func BenchmarkDo(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	answer := make([]byte, 450) // a key of 256 bytes
	s := Serve(ServerConfig{Listener: l, Handler: key(answer), Logger: hclog.NewNullLogger()})
	defer s.Close()
	c := NewClient(nil, nil)
	defer c.Close()
	b.ReportAllocs()
	b.SetParallelism(16)
	before := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req := &Request{Method: "GET", URI: "/v1/kv/some/key/1234", Header: http.Header{
				"User-Agent": {"Go-http-client/1.1"}, "Accept-Encoding": {"gzip"}, "X-Muster-Node": {"node3"}}}
			if _, err := c.Do(context.Background(), l.Addr().String(), req); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// key answers as a server does that is asked for a key.
type key []byte

func (k key) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Content-Type"], h["X-Consul-Index"] = []string{"application/json"}, []string{"1234"}
	w.Write(k)
}

func (key) ReadIndex(context.Context, bool) (uint64, error) { return 7, nil }

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
