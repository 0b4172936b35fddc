package main

import (
	"fmt"
	"strings"
	"time"
)

// runPropagation flips a check on a client agent and takes the time until a
// blocked reader at a follower sees it.
func runPropagation(b bin, opt options) ([]figure, error) {
	const flips = 40
	c, err := startCluster(b, opt, 3, 1)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	l, err := c.leader()
	if err != nil {
		return nil, err
	}
	client, follower := c.Nodes[3], c.Nodes[(l+1)%3]
	if _, err := client.put("/v1/agent/service/register",
		`{"ID":"web","Name":"web","Port":80,"Check":{"CheckID":"ttl","TTL":"1h","Status":"passing"}}`); err != nil {
		return nil, err
	}
	const path = "/v1/health/service/web"
	for range 100 {
		if body, err := follower.get(path); err == nil && strings.Contains(string(body), `"ttl"`) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	var lats []time.Duration
	cpu0 := c.cpu()
	states := []string{"fail", "pass"}
	for i := range flips {
		critical := i%2 == 0
		index, err := follower.currentIndex(path)
		if err != nil {
			return nil, err
		}
		done := make(chan error, 1)
		go func() { done <- waitForState(follower, path, index, critical) }()
		time.Sleep(30 * time.Millisecond)
		t0 := time.Now()
		if _, err := client.put("/v1/agent/check/"+states[i%2]+"/ttl", ""); err != nil {
			return nil, err
		}
		if err := <-done; err != nil {
			return nil, fmt.Errorf("waiting for the check to %s: %w", states[i%2], err)
		}
		lats = append(lats, time.Since(t0))
	}
	p50, p99 := percentiles(lats)
	return []figure{
		{Name: "p50 ms", Value: float64(p50.Microseconds()) / 1000},
		{Name: "max ms", Value: float64(p99.Microseconds()) / 1000},
		{Name: "cpu ms/flip", Value: float64((c.cpu() - cpu0).Microseconds()) / 1000 / flips},
	}, nil
}

// waitForState reads blocked until the service is critical, or no longer.
func waitForState(n *node, path, index string, critical bool) error {
	for {
		body, err := n.get(path + "?wait=10s&index=" + index)
		if err != nil {
			return err
		}
		if strings.Contains(string(body), `"critical"`) == critical {
			return nil
		}
		if index, err = n.currentIndex(path); err != nil {
			return err
		}
	}
}
