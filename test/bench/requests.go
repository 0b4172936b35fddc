package main

import (
	"encoding/base64"
	"fmt"
	"math/rand"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

type nextFunc func(r *rand.Rand, buf []byte) []byte

var value256 = strings.Repeat("v", 256)

func kvPut(floor bool) nextFunc {
	return func(r *rand.Rand, buf []byte) []byte {
		return request(buf, "PUT", "/v1/kv/bench/"+strconv.Itoa(r.Intn(10000)), value256)
	}
}

func kvGet(query string) func(bool) nextFunc {
	return func(floor bool) nextFunc {
		if floor {
			return fixed("/?n=470")
		}
		return func(r *rand.Rand, buf []byte) []byte {
			return request(buf, "GET", "/v1/kv/bench/"+strconv.Itoa(r.Intn(10000))+query, "")
		}
	}
}

func kvList(floor bool) nextFunc {
	if floor {
		return fixed("/?n=48000")
	}
	return func(r *rand.Rand, buf []byte) []byte {
		return request(buf, "GET", "/v1/kv/bench/"+strconv.Itoa(10+r.Intn(90))+"?recurse", "")
	}
}

func fixed(path string) nextFunc {
	return func(r *rand.Rand, buf []byte) []byte { return request(buf, "GET", path, "") }
}

func txn16(floor bool) nextFunc {
	v := base64.StdEncoding.EncodeToString([]byte(value256))
	return func(r *rand.Rand, buf []byte) []byte {
		ops := make([]string, 16)
		for i := range ops {
			ops[i] = fmt.Sprintf(`{"KV":{"Verb":"set","Key":"bench/%d","Value":"%s"}}`, r.Intn(10000), v)
		}
		return request(buf, "PUT", "/v1/txn", "["+strings.Join(ops, ",")+"]")
	}
}

func registration(node, service, id string, port int) string {
	return fmt.Sprintf(`{"Node":"%s","Address":"10.0.%d.%d","Service":{"ID":"%s","Service":"%s","Tags":["v1","primary"],"Port":%d,"Meta":{"version":"1.2.3"}},"Check":{"Node":"%s","CheckID":"service:%s","Name":"http","Status":"passing","ServiceID":"%s"}}`,
		node, port/256%256, port%256, id, service, port, node, id, id)
}

func catalogRegister(floor bool) nextFunc {
	return func(r *rand.Rand, buf []byte) []byte {
		n := r.Intn(10000)
		return request(buf, "PUT", "/v1/catalog/register", registration(fmt.Sprintf("ext%d", n), "web"+strconv.Itoa(n%100), "web", 1+r.Intn(60000)))
	}
}

func agentRegister(floor bool) nextFunc {
	return func(r *rand.Rand, buf []byte) []byte {
		body := fmt.Sprintf(`{"ID":"svc%d","Name":"svc","Port":%d,"Tags":["a"]}`, r.Intn(500), 1+r.Intn(60000))
		return request(buf, "PUT", "/v1/agent/service/register", body)
	}
}

func healthService(n int) func(bool) nextFunc {
	return func(floor bool) nextFunc {
		if floor {
			return fixed(fmt.Sprintf("/?n=%d", n*1100))
		}
		return fixed("/v1/health/service/web?passing")
	}
}

func services1000(floor bool) nextFunc {
	if floor {
		return fixed("/?n=27000")
	}
	return fixed("/v1/catalog/services")
}

func seedKV(n int) func(n *node) error {
	return func(nd *node) error {
		return parallel(16, n, func(i int) error {
			_, err := nd.put("/v1/kv/bench/"+strconv.Itoa(i), value256)
			return err
		})
	}
}

func seedService(name string, n int) func(n *node) error {
	return func(nd *node) error {
		return parallel(16, n, func(i int) error {
			_, err := nd.put("/v1/catalog/register", registration(fmt.Sprintf("ext%d", i), name, name, 8000+i))
			return err
		})
	}
}

func seedServices(n int) func(n *node) error {
	return func(nd *node) error {
		return parallel(16, n, func(i int) error {
			s := fmt.Sprintf("service-%d", i)
			_, err := nd.put("/v1/catalog/register", registration(fmt.Sprintf("ext%d", i%100), s, s, 8000+i))
			return err
		})
	}
}

func parallel(workers, n int, f func(i int) error) error {
	var next atomic.Int64
	var first atomic.Value
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || first.Load() != nil {
					return
				}
				if err := f(i); err != nil {
					first.CompareAndSwap(nil, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err, ok := first.Load().(error); ok {
		return err
	}
	return nil
}
