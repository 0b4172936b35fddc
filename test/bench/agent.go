package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

func runIdle(b bin, opt options) ([]figure, error) {
	t0 := time.Now()
	c, err := startCluster(b, opt, 1, 0)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	ready := time.Since(t0)
	time.Sleep(2 * time.Second)
	cpu0, t1 := c.cpu(), time.Now()
	time.Sleep(6 * time.Second)
	var size float64
	if st, err := os.Stat(b.Path); err == nil {
		size = float64(st.Size()) / (1 << 20)
	}
	return []figure{
		{Name: "ready ms", Value: float64(ready.Milliseconds())},
		{Name: "rss MiB", Value: c.rss()},
		{Name: "cpu ms/s", Value: float64((c.cpu() - cpu0).Milliseconds()) / time.Since(t1).Seconds()},
		{Name: "binary MiB", Value: size},
	}, nil
}

func runChecks(b bin, opt options) ([]figure, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var hits atomic.Int64
	target := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) })}
	var serving sync.WaitGroup
	serving.Go(func() { target.Serve(l) })
	defer serving.Wait()
	defer target.Close()
	c, err := startCluster(b, opt, 1, 0)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	nd := c.Nodes[0]
	err = parallel(8, 500, func(i int) error {
		_, err := nd.put("/v1/agent/service/register",
			fmt.Sprintf(`{"ID":"svc%d","Name":"svc","Port":80,"Check":{"HTTP":"http://%s/%d","Interval":"1s","Status":"passing"}}`, i, l.Addr(), i))
		return err
	})
	if err != nil {
		return nil, err
	}
	time.Sleep(3 * time.Second)
	h0, cpu0, t0 := hits.Load(), c.cpu(), time.Now()
	time.Sleep(8 * time.Second)
	el := time.Since(t0).Seconds()
	rate := float64(hits.Load()-h0) / el
	if rate < 450 {
		return nil, fmt.Errorf("only %.0f checks a second ran, want 500", rate)
	}
	return []figure{
		{Name: "cpu us/check", Value: float64((c.cpu() - cpu0).Microseconds()) / (rate * el)},
		{Name: "rss MiB", Value: c.rss()},
	}, nil
}
