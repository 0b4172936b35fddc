package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"sort"
	"strconv"
	"sync"
	"time"
)

// A loadResult is what one load phase measured.
type loadResult struct {
	Ops      int
	Errors   int
	FirstErr string
	Elapsed  time.Duration
	CPU      time.Duration // of the agents
	P50, P99 time.Duration
}

func (r loadResult) figures() []figure {
	return []figure{
		{Name: "ops/s", Value: float64(r.Ops) / r.Elapsed.Seconds()},
		{Name: "cpu us/op", Value: float64(r.CPU.Microseconds()) / float64(max(r.Ops, 1))},
		{Name: "p50 us", Value: float64(r.P50.Microseconds())},
		{Name: "p99 us", Value: float64(r.P99.Microseconds())},
	}
}

// loadHTTP has conns keep-alive connections send requests made by next, one at a
// time each, to the addresses in turn, for dur.
func loadHTTP(c *cluster, addrs []string, conns int, dur time.Duration, next func(r *rand.Rand, buf []byte) []byte) (loadResult, error) {
	// A short warm-up fills caches and connection pools on both sides.
	if _, err := httpPhase(c, addrs, conns, dur/4, next); err != nil {
		return loadResult{}, err
	}
	return httpPhase(c, addrs, conns, dur, next)
}

func httpPhase(c *cluster, addrs []string, conns int, dur time.Duration, next func(r *rand.Rand, buf []byte) []byte) (loadResult, error) {
	type part struct {
		lat  []time.Duration
		errs int
		msg  string
	}
	parts := make([]part, conns)
	var wg sync.WaitGroup
	cpu0, t0 := c.cpu(), time.Now()
	end := t0.Add(dur)
	for i := 0; i < conns; i++ {
		wg.Go(func() {
			p := &parts[i]
			conn, err := net.Dial("tcp", addrs[i%len(addrs)])
			if err != nil {
				p.errs, p.msg = 1, err.Error()
				return
			}
			defer conn.Close()
			conn.SetDeadline(end.Add(30 * time.Second)) // an agent that hangs must not hang us
			br := bufio.NewReaderSize(conn, 64<<10)
			rnd := rand.New(rand.NewSource(int64(i) + 1))
			buf := make([]byte, 0, 4096)
			for {
				start := time.Now()
				if start.After(end) {
					return
				}
				buf = next(rnd, buf[:0])
				if _, err := conn.Write(buf); err != nil {
					p.errs++
					p.msg = err.Error()
					return
				}
				status, body, err := readResponse(br)
				if err != nil {
					p.errs++
					p.msg = err.Error()
					return
				}
				if status/100 != 2 {
					p.errs++
					p.msg = fmt.Sprintf("status %d: %.200s", status, body)
					if p.errs > 100 {
						return
					}
					continue
				}
				p.lat = append(p.lat, time.Since(start))
			}
		})
	}
	wg.Wait()
	res := loadResult{Elapsed: time.Since(t0), CPU: c.cpu() - cpu0}
	var all []time.Duration
	for _, p := range parts {
		all = append(all, p.lat...)
		res.Errors += p.errs
		if p.msg != "" {
			res.FirstErr = p.msg
		}
	}
	res.Ops = len(all)
	if res.Ops == 0 {
		return res, fmt.Errorf("no request succeeded: %s", res.FirstErr)
	}
	if res.Errors > res.Ops/1000 {
		return res, fmt.Errorf("%d of %d requests failed: %s", res.Errors, res.Ops+res.Errors, res.FirstErr)
	}
	res.P50, res.P99 = percentiles(all)
	return res, nil
}

func percentiles(all []time.Duration) (p50, p99 time.Duration) {
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return all[len(all)/2], all[len(all)*99/100]
}

// readResponse reads one HTTP/1.1 response: enough of the protocol for the agents
// measured here, and cheap, so that the generator leaves the processor to them.
func readResponse(br *bufio.Reader) (status int, body []byte, err error) {
	line, err := br.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, errors.New("short status line")
	}
	status, err = strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, nil, err
	}
	length, chunked := -1, false
	for {
		line, err = br.ReadSlice('\n')
		if err != nil {
			return status, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if k, v, ok := bytes.Cut(line, []byte(":")); ok {
			v = bytes.TrimSpace(v)
			switch {
			case bytes.EqualFold(k, []byte("Content-Length")):
				length, _ = strconv.Atoi(string(v))
			case bytes.EqualFold(k, []byte("Transfer-Encoding")):
				chunked = bytes.EqualFold(v, []byte("chunked"))
			}
		}
	}
	if !chunked {
		if length <= 0 {
			return status, nil, nil
		}
		body, err = readBody(br, length)
		return status, body, err
	}
	for {
		line, err = br.ReadSlice('\n')
		if err != nil {
			return status, nil, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 64)
		if err != nil {
			return status, nil, err
		}
		part, err := readBody(br, int(n)+2)
		if err != nil {
			return status, nil, err
		}
		if n == 0 {
			return status, body, nil
		}
		if body == nil {
			body = part
		}
	}
}

// readBody consumes n bytes and returns the first few of them.
func readBody(br *bufio.Reader, n int) ([]byte, error) {
	keep := make([]byte, min(n, 256))
	if _, err := io.ReadFull(br, keep); err != nil {
		return nil, err
	}
	_, err := br.Discard(n - len(keep))
	return keep, err
}

func request(buf []byte, method, path, body string) []byte {
	buf = append(buf, method...)
	buf = append(buf, ' ')
	buf = append(buf, path...)
	buf = append(buf, " HTTP/1.1\r\nHost: localhost\r\n"...)
	if method != "GET" {
		buf = append(buf, "Content-Length: "...)
		buf = strconv.AppendInt(buf, int64(len(body)), 10)
		buf = append(buf, "\r\n"...)
	}
	buf = append(buf, "\r\n"...)
	return append(buf, body...)
}

// loadDNS has conns UDP sockets ask the packed questions, one at a time each.
func loadDNS(c *cluster, addr string, conns int, dur time.Duration, question []byte) (loadResult, error) {
	if _, err := dnsPhase(c, addr, conns, dur/4, question); err != nil {
		return loadResult{}, err
	}
	return dnsPhase(c, addr, conns, dur, question)
}

func dnsPhase(c *cluster, addr string, conns int, dur time.Duration, question []byte) (loadResult, error) {
	lats := make([][]time.Duration, conns)
	errs := make([]error, conns)
	var wg sync.WaitGroup
	cpu0, t0 := c.cpu(), time.Now()
	end := t0.Add(dur)
	for i := 0; i < conns; i++ {
		wg.Go(func() {
			conn, err := net.Dial("udp", addr)
			if err != nil {
				errs[i] = err
				return
			}
			defer conn.Close()
			q := append([]byte(nil), question...)
			buf := make([]byte, 8192)
			for n := uint16(0); ; n++ {
				start := time.Now()
				if start.After(end) {
					return
				}
				q[0], q[1] = byte(n>>8), byte(n)
				if _, err := conn.Write(q); err != nil {
					errs[i] = err
					return
				}
				conn.SetReadDeadline(start.Add(2 * time.Second))
				m, err := conn.Read(buf)
				if err != nil {
					errs[i] = err
					continue
				}
				if m < 12 || buf[3]&0xf != 0 || buf[6] == 0 && buf[7] == 0 {
					errs[i] = fmt.Errorf("bad answer: rcode %d, %d answers", buf[3]&0xf, int(buf[6])<<8|int(buf[7]))
					continue
				}
				lats[i] = append(lats[i], time.Since(start))
			}
		})
	}
	wg.Wait()
	res := loadResult{Elapsed: time.Since(t0), CPU: c.cpu() - cpu0}
	var all []time.Duration
	for i := range lats {
		all = append(all, lats[i]...)
		if errs[i] != nil {
			res.Errors++
			res.FirstErr = errs[i].Error()
		}
	}
	res.Ops = len(all)
	if res.Ops == 0 || res.Errors > 0 {
		return res, fmt.Errorf("%d answers, %d sockets failed: %s", res.Ops, res.Errors, res.FirstErr)
	}
	res.P50, res.P99 = percentiles(all)
	return res, nil
}

// dnsQuestion packs one question with an EDNS0 record of 4096 bytes.
func dnsQuestion(name string, qtype uint16) []byte {
	q := []byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1}
	for _, label := range bytes.Split([]byte(name), []byte(".")) {
		q = append(q, byte(len(label)))
		q = append(q, label...)
	}
	q = append(q, 0, byte(qtype>>8), byte(qtype), 0, 1)
	return append(q, 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0)
}
