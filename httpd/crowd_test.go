package httpd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/httpd/conns"
	"muster/internal/memnet"
)

// crowdSize is how many readers wait at a time. The race detector takes 8,128
// goroutines, and a waiting reader is two.
const crowdSize = 2000

// A crowd waits at the door of a rig, over a network in memory.
type crowd struct {
	*rig
	network *memnet.Network
	serving context.CancelFunc
	server  *http.Server
	served  chan struct{}
	conns   []net.Conn
}

func newCrowd(t *testing.T) *crowd {
	k := &crowd{rig: newRig(t), network: memnet.New(1), served: make(chan struct{})}
	l, err := k.network.Host("10.0.0.1").Listen(8500)
	if err != nil {
		t.Fatal(err)
	}
	// As an agent serves.
	ctx, cancel := context.WithCancel(context.Background())
	k.serving = cancel
	k.server = &http.Server{Handler: k.door, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		defer close(k.served)
		k.server.Serve(conns.New(2*crowdSize, hclog.NewNullLogger(), nil).Serve(k.server, l))
	}()
	t.Cleanup(k.close)
	return k
}

func (k *crowd) close() {
	k.serving()
	k.server.Shutdown(context.Background())
	<-k.served
}

// gather has all ask their question, and waits until they wait.
func (k *crowd) gather(n int, url func(i int) string) {
	host := k.network.Host("10.0.0.2")
	for i := range n {
		c, err := host.Dial(k.t.Context(), "tcp", "10.0.0.1:8500")
		if err != nil {
			k.t.Fatal(err)
		}
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: agent\r\n\r\n", url(i)); err != nil {
			k.t.Fatal(err)
		}
		k.conns = append(k.conns, c)
		if i%100 == 99 { // as many as the backlog of a listener holds
			synctest.Wait()
		}
	}
	synctest.Wait()
}

// answers reads what everybody got, and goes.
func (k *crowd) answers(status int) {
	k.t.Helper()
	for i, c := range k.conns {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			k.t.Fatalf("reader %d: %v", i, err)
		}
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != status || err != nil || status == http.StatusOK && len(body) == 0 {
			k.t.Errorf("reader %d: %s, %q, %v", i, resp.Status, body, err)
		}
	}
	k.leave()
}

// leave closes all connections from the outside.
func (k *crowd) leave() {
	for _, c := range k.conns {
		c.Close()
	}
	k.conns = nil
	synctest.Wait()
}

// used is what is in use now.
func used() (goroutines int, heap uint64) {
	for range 3 { // the first ones only empty the pools
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}

// Thousands of blocked readers leave nothing behind, however they are let go.
func TestCrowdLeavesNothingBehind(t *testing.T) {
	t.Run("one service", func(t *testing.T) {
		testCrowd(t, http.StatusOK, 1, 1, // the shared answer keeps its watch
			func(int) string { return "/v1/health/service/web?passing" },
			func(k *crowd) { k.register("n2", "web", "web") })
	})
	t.Run("a key each", func(t *testing.T) {
		testCrowd(t, http.StatusNotFound, crowdSize, 0,
			func(i int) string { return fmt.Sprintf("/v1/kv/key/%d?dc=dc1", i) },
			func(k *crowd) {
				for i := range crowdSize {
					k.put(fmt.Sprintf("key/%d", i), "v")
				}
			})
	})
}

// testCrowd lets a crowd go in every way. before is what they get without a
// change; watches are how many there are while they wait, keeps afterwards.
func testCrowd(t *testing.T, before int, watches, keeps int64, url func(i int) string, change func(*crowd)) {
	synctest.Test(t, func(t *testing.T) {
		k := newCrowd(t)
		k.register("n1", "web", "web")
		wait := func(index int) {
			t.Helper()
			k.gather(crowdSize, func(i int) string { return fmt.Sprintf("%s&wait=10m&index=%d", url(i), index) })
			if n := k.log.Store.Watches(); n != watches {
				t.Errorf("%d watches while they wait, want %d", n, watches)
			}
		}
		wait(1)
		k.leave() // the first ones fill the pools of the libraries
		goroutines, heap := used()
		check := func(how string) {
			t.Helper()
			now, heapNow := used()
			if now > goroutines {
				t.Errorf("%s: %d goroutines, before %d", how, now, goroutines)
			}
			if grown := int64(heapNow) - int64(heap); grown > 512*crowdSize {
				t.Errorf("%s: the heap has grown by %d KiB", how, grown>>10)
			}
			if n := k.log.Store.Watches(); n != keeps {
				t.Errorf("%s: %d watches are left, want %d", how, n, keeps)
			}
		}

		wait(1)
		k.leave()
		check("they went")

		wait(1)
		time.Sleep(10 * time.Minute)
		k.answers(before)
		check("their time was over")

		wait(1)
		change(k)
		k.answers(http.StatusOK)
		k.leave()
		if now, _ := used(); now > goroutines || k.log.Store.Watches() != keeps {
			t.Errorf("a change came: %d goroutines, before %d; %d watches", now, goroutines, k.log.Store.Watches())
		}
		_, heap = used() // what they waited for stays

		wait(1_000_000)
		k.close()
		k.leave()
		goroutines-- // that of Serve
		check("the server ended")
	})
}
