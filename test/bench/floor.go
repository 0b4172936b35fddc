package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// startFloor starts this program again as the bare responder.
func startFloor(dir string, client *http.Client) (*node, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n := &node{Name: "floor", bin: self, log: filepath.Join(dir, "floor.log"), client: client,
		HTTP: fmt.Sprintf("127.0.0.1:%d", ports[0]), DNS: fmt.Sprintf("127.0.0.1:%d", ports[1]),
		args: []string{"floor-server", strconv.Itoa(ports[0]), strconv.Itoa(ports[1])}}
	if err := n.start(); err != nil {
		return nil, err
	}
	for range 200 {
		if _, err := n.get("/"); err == nil {
			return n, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	n.kill()
	return nil, errors.New("the floor server did not start")
}

// floorServer answers any HTTP request with ?n= bytes (default 4) and any DNS
// question with one A record: what net/http and a UDP socket cost by themselves.
// It runs until it is killed.
func floorServer(httpPort, dnsPort string) error {
	pc, err := net.ListenPacket("udp", "127.0.0.1:"+dnsPort)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- answerDNS(pc) }()
	go func() { failed <- http.ListenAndServe("127.0.0.1:"+httpPort, floorPages()) }()
	return <-failed
}

func answerDNS(pc net.PacketConn) error {
	buf := make([]byte, 4096)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return err
		}
		end := 12
		for end < n && buf[end] != 0 {
			end += int(buf[end]) + 1
		}
		end += 5
		if end > n {
			continue
		}
		reply := append([]byte(nil), buf[:end]...)
		reply[2], reply[3] = 0x85, 0x80
		reply[6], reply[7], reply[10], reply[11] = 0, 1, 0, 0
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
		if _, err := pc.WriteTo(reply, from); err != nil {
			return err
		}
	}
}

func floorPages() http.Handler {
	blob := make([]byte, 1<<20)
	for i := range blob {
		blob[i] = 'x'
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 4
		if v := r.URL.Query().Get("n"); v != "" {
			n, _ = strconv.Atoi(v)
		}
		n = min(max(n, 0), len(blob))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Consul-Index", "1")
		w.Header().Set("Content-Length", strconv.Itoa(n))
		w.Write(blob[:n])
	})
}
