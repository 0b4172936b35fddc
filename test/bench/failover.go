package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const failoverWriters = 16

// failoverLoad writes keys through the servers that will survive, and keeps
// what was acknowledged.
type failoverLoad struct {
	survivors []*node
	stop      chan struct{}
	wg        sync.WaitGroup
	acked     [failoverWriters][]string // each element belongs to one writer until wg is done

	killed          atomic.Bool
	lastOK, firstOK atomic.Int64 // UnixNano of the last write before the outage and the first after
}

func (l *failoverLoad) write(w int) {
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return
		default:
		}
		key := fmt.Sprintf("failover/%d/%d", w, i)
		body, err := l.survivors[w%2].put("/v1/kv/"+key, "x")
		if err != nil || strings.TrimSpace(string(body)) != "true" {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		l.acked[w] = append(l.acked[w], key)
		now := time.Now().UnixNano()
		if !l.killed.Load() {
			l.lastOK.Store(now)
		} else if now > l.lastOK.Load()+int64(200*time.Millisecond) {
			l.firstOK.CompareAndSwap(0, now)
		}
	}
}

// lost counts the acknowledged writes, and those that a consistent read lacks.
func (l *failoverLoad) lost() (total, lost int, err error) {
	body, err := l.survivors[0].get("/v1/kv/failover?keys&consistent")
	if err != nil {
		return 0, 0, err
	}
	have := map[string]bool{}
	for _, k := range strings.Split(strings.Trim(strings.TrimSpace(string(body)), "[]"), ",") {
		have[strings.Trim(strings.TrimSpace(k), `"`)] = true
	}
	for _, keys := range l.acked {
		for _, k := range keys {
			total++
			if !have[k] {
				lost++
			}
		}
	}
	return total, lost, nil
}

func runFailover(b bin, opt options) ([]figure, error) {
	c, err := startCluster(b, opt, 3, 0)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	leader, err := c.leader()
	if err != nil {
		return nil, err
	}
	load := &failoverLoad{stop: make(chan struct{})}
	for i, n := range c.Nodes {
		if i != leader {
			load.survivors = append(load.survivors, n)
		}
	}
	for w := range failoverWriters {
		load.wg.Go(func() { load.write(w) })
	}
	time.Sleep(2 * time.Second)
	t0 := time.Now()
	c.Nodes[leader].kill()
	load.killed.Store(true)
	load.lastOK.Store(time.Now().UnixNano())
	for load.firstOK.Load() == 0 && time.Since(t0) < 40*time.Second {
		time.Sleep(10 * time.Millisecond)
	}
	back := load.firstOK.Load() != 0
	if back {
		time.Sleep(time.Second)
	}
	close(load.stop)
	load.wg.Wait()
	if !back {
		return nil, errors.New("no write succeeded within 40 s of the leader's death")
	}
	total, lost, err := load.lost()
	if err != nil {
		return nil, err
	}
	return []figure{
		{Name: "outage ms", Value: float64(load.firstOK.Load()-t0.UnixNano()) / 1e6},
		{Name: "acked writes", Value: float64(total)},
		{Name: "lost writes", Value: float64(lost)},
	}, nil
}
