package main

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// The ports handed out lie below the range from which the kernel takes
// those of outgoing connections, and all have five digits.
const portLow, portHigh = 15000, 32000

// host hands out what scenarios that run at the same time must not share, and
// knows the processes that run now, so that an interrupt ends them too.
type host struct {
	mu      sync.Mutex
	ports   map[int]bool
	running map[int]bool // process groups by the id of their leader
}

func newHost() *host {
	return &host{ports: map[int]bool{}, running: map[int]bool{}}
}

// freePorts reserves n ports on which nothing listens, on TCP or UDP.
func (h *host) freePorts(n int) ([]int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var got []int
	for tries := 0; len(got) < n; tries++ {
		if tries > 10000 {
			return nil, errors.New("no free ports")
		}
		p := portLow + rand.IntN(portHigh-portLow)
		if h.ports[p] || !isFree(p) {
			continue
		}
		h.ports[p] = true
		got = append(got, p)
	}
	return got, nil
}

func isFree(port int) bool {
	addr := "127.0.0.1:" + strconv.Itoa(port)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	u.Close()
	return true
}

func (h *host) release(ports map[string]int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range ports {
		delete(h.ports, p)
	}
}

func (h *host) started(pid int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[pid] = true
}

func (h *host) ended(pid int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, pid)
}

// killAll ends every process group that a scenario has started.
func (h *host) killAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for pid := range h.running {
		syscall.Kill(-pid, syscall.SIGKILL)
	}
}
