package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A watcher is one connection with a blocking query on it.
type watcher struct {
	conn net.Conn
	br   *bufio.Reader
}

func dialWatchers(addr string, n int) ([]*watcher, error) {
	ws := make([]*watcher, n)
	err := parallel(32, n, func(i int) error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		ws[i] = &watcher{conn, bufio.NewReaderSize(conn, 4096)}
		return nil
	})
	return ws, err
}

func runFanout(b bin, opt options) ([]figure, error) {
	const n, changes = 2000, 10
	c, err := startCluster(b, opt, 1, 0)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	nd := c.Nodes[0]
	if err := seedService("web", 50)(nd); err != nil {
		return nil, err
	}
	ws, err := dialWatchers(nd.HTTP, n)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, w := range ws {
			w.conn.Close()
		}
	}()
	rss0 := c.rss()
	var rssBlocked float64
	var worst []float64
	var cpu time.Duration
	for ch := 0; ch < changes; ch++ {
		index, err := nd.currentIndex("/v1/health/service/web?passing")
		if err != nil {
			return nil, err
		}
		req := request(nil, "GET", "/v1/health/service/web?passing&wait=60s&index="+index, "")
		for _, w := range ws {
			if _, err := w.conn.Write(req); err != nil {
				return nil, err
			}
		}
		time.Sleep(1500 * time.Millisecond)
		rssBlocked = max(rssBlocked, c.rss())
		cpu0 := c.cpu()
		t0 := time.Now()
		if _, err := nd.put("/v1/catalog/register", registration("ext7", "web", "web", 20000+ch)); err != nil {
			return nil, err
		}
		var wg sync.WaitGroup
		var bad atomic.Int64
		for _, w := range ws {
			wg.Go(func() {
				w.conn.SetReadDeadline(time.Now().Add(50 * time.Second))
				if status, _, err := readResponse(w.br); err != nil || status != 200 {
					bad.Add(1)
				}
			})
		}
		wg.Wait()
		if bad.Load() > 0 {
			return nil, fmt.Errorf("%d watchers got no answer", bad.Load())
		}
		worst = append(worst, float64(time.Since(t0).Milliseconds()))
		time.Sleep(100 * time.Millisecond)
		cpu += c.cpu() - cpu0
	}
	w, _ := median(worst)
	return []figure{
		{Name: "last seen ms", Value: w},
		{Name: "cpu us/delivery", Value: float64(cpu.Microseconds()) / (n * changes)},
		{Name: "rss KiB/watcher", Value: (rssBlocked - rss0) * 1024 / n},
	}, nil
}

func runWatchKeys(b bin, opt options) ([]figure, error) {
	const n = 2000
	c, err := startCluster(b, opt, 1, 0)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	nd := c.Nodes[0]
	if err := seedKV(10000)(nd); err != nil {
		return nil, err
	}
	index, err := nd.currentIndex("/v1/kv/bench/1")
	if err != nil {
		return nil, err
	}
	max, _ := strconv.Atoi(index)
	ws, err := dialWatchers(nd.HTTP, n)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, w := range ws {
			w.conn.Close()
		}
	}()
	rss0 := c.rss()
	for i, w := range ws {
		// Far ahead of any key's own index, yet not of the store's: blocked until this key changes.
		w.conn.Write(request(nil, "GET", fmt.Sprintf("/v1/kv/bench/%d?wait=120s&index=%d", i, max+1000000), ""))
	}
	time.Sleep(2 * time.Second)
	rss1 := c.rss()
	res, err := httpPhase(c, []string{nd.HTTP}, 8, opt.Dur, func(r *rand.Rand, buf []byte) []byte {
		return request(buf, "PUT", "/v1/kv/bench/"+strconv.Itoa(n+r.Intn(10000-n)), value256)
	})
	if err != nil {
		return nil, err
	}
	return []figure{
		{Name: "rss KiB/watcher", Value: (rss1 - rss0) * 1024 / n},
		{Name: "put ops/s", Value: float64(res.Ops) / res.Elapsed.Seconds()},
		{Name: "put cpu us/op", Value: float64(res.CPU.Microseconds()) / float64(res.Ops)},
	}, nil
}
