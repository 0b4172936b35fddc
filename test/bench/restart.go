package main

import (
	"fmt"
	"strings"
	"time"
)

// restartFigures ends the only agent as a power cut would and starts it again. It
// counts as back when it leads and a consistent read has all the data: complete
// says whether a body does. It also notes the worst that a default read showed
// meanwhile: a read served from a half-replayed log is data that looks lost.
func restartFigures(c *cluster, path string, complete func(body string) bool) ([]figure, error) {
	nd := c.Nodes[0]
	time.Sleep(2 * time.Second)
	rss := c.rss()
	nd.kill()
	t0 := time.Now()
	if err := nd.start(); err != nil {
		return nil, err
	}
	partial := 0.0
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	for {
		if body, err := nd.get(path); err == nil && !complete(string(body)) {
			partial++
		}
		body, err := nd.get(path + sep + "consistent")
		if err == nil && complete(string(body)) {
			break
		}
		if time.Since(t0) > 120*time.Second {
			return nil, fmt.Errorf("not all data is back 120 s after the restart: %v %.200s", err, body)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return []figure{
		{Name: "rss MiB", Value: rss},
		{Name: "restart ms", Value: float64(time.Since(t0).Milliseconds())},
		{Name: "partial reads", Value: partial},
	}, nil
}

func runLoad20k(b bin, opt options) ([]figure, error) {
	c, err := startCluster(b, opt, 1, 0)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	nd := c.Nodes[0]
	t0, cpu0 := time.Now(), c.cpu()
	err = parallel(32, 20000, func(i int) error {
		s := fmt.Sprintf("service-%d", i%500)
		_, err := nd.put("/v1/catalog/register", registration(fmt.Sprintf("ext%d", i/10), s, fmt.Sprintf("%s-%d", s, i), 1024+i))
		return err
	})
	if err != nil {
		return nil, err
	}
	load, cpu := time.Since(t0), c.cpu()-cpu0
	fs, err := restartFigures(c, "/v1/health/service/service-7?passing", func(body string) bool {
		return strings.Count(body, `"Service":"service-7"`) == 40
	})
	if err != nil {
		return nil, err
	}
	return append(fs, figure{Name: "load s", Value: load.Seconds()}, figure{Name: "load cpu us/op", Value: float64(cpu.Microseconds()) / 20000}), nil
}

func runLoadKeys(b bin, opt options) ([]figure, error) {
	c, err := startCluster(b, opt, 1, 0)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	nd := c.Nodes[0]
	t0 := time.Now()
	if err := seedKV(100000)(nd); err != nil {
		return nil, err
	}
	load := time.Since(t0)
	fs, err := restartFigures(c, "/v1/kv/bench?keys", func(body string) bool {
		return strings.Count(body, "bench/") == 100000
	})
	if err != nil {
		return nil, err
	}
	return append(fs, figure{Name: "load s", Value: load.Seconds()}), nil
}
