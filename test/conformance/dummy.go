package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// dummies are the small servers that scenarios point checks, watches and
// recursors at: an HTTP server, a gRPC health service, a DNS resolver, a
// bare TCP listener and a port where nothing listens.
type dummies struct {
	ports map[string]int
	stops []func()
	wg    sync.WaitGroup // the goroutines that serve

	mu   sync.Mutex
	code int      // what /toggle answers
	seen []string // bodies received at /record
}

func startDummies(ports map[string]int) (*dummies, error) {
	d := &dummies{ports: ports, code: http.StatusOK}
	addr := func(name string) string { return fmt.Sprintf("127.0.0.1:%d", ports[name]) }
	for _, start := range []func() error{
		func() error { return d.serve(&http.Server{Handler: d.pages()}, addr("http")) },
		func() error { return d.serve(healthService(), addr("grpc")) },
		func() error { return d.listen(addr("tcp")) },
		func() error { return d.resolver("udp", addr("dns")) },
		func() error { return d.resolver("tcp", addr("dns")) },
	} {
		if err := start(); err != nil {
			d.stop()
			return nil, fmt.Errorf("dummy server: %w", err)
		}
	}
	return d, nil
}

// pages are what the HTTP server answers.
func (d *dummies) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/status/", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/status/"))
		if err != nil {
			n = http.StatusBadRequest
		}
		w.WriteHeader(n)
		fmt.Fprintf(w, "status %d\n", n)
	})
	mux.HandleFunc("/describe", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "method=%s x-probe=%s body=%s", r.Method, r.Header.Get("X-Probe"), body)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(5 * time.Second):
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/status/200", http.StatusFound)
	})
	mux.HandleFunc("/toggle", d.toggle)
	mux.HandleFunc("/record", d.record)
	return mux
}

// toggle answers with the status that the last ?set= gave.
func (d *dummies) toggle(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q := r.URL.Query().Get("set"); q != "" {
		d.code, _ = strconv.Atoi(q)
	}
	w.WriteHeader(d.code)
	fmt.Fprintf(w, "toggle %d", d.code)
}

// record keeps what is sent to it, and shows it to a GET.
func (d *dummies) record(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == http.MethodGet {
		io.WriteString(w, strings.Join(d.seen, "\n"))
		return
	}
	body, _ := io.ReadAll(r.Body)
	d.seen = append(d.seen, r.Method+" "+strings.TrimSpace(string(body)))
}

// healthService answers grpc.health.v1 questions: a service is well unless
// its name has "sick" in it.
func healthService() *http.Server {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		msg, _ := io.ReadAll(r.Body)
		state := byte(1) // SERVING
		if strings.Contains(string(msg), "sick") {
			state = 2
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		w.Write([]byte{0, 0, 0, 0, 2, 8, state})
		w.Header().Set("Grpc-Status", "0")
	})
	return &http.Server{Handler: answer, Protocols: &protocols}
}

// listen accepts connections and closes them.
func (d *dummies) listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	d.stops = append(d.stops, func() { l.Close() })
	d.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	})
	return nil
}

func (d *dummies) resolver(network, addr string) error {
	up := make(chan struct{})
	s := &dns.Server{Addr: addr, Net: network, Handler: dns.HandlerFunc(resolve),
		NotifyStartedFunc: func() { close(up) }}
	failed := make(chan error, 1)
	d.wg.Go(func() { failed <- s.ListenAndServe() })
	select {
	case <-up:
	case err := <-failed:
		return err
	}
	d.stops = append(d.stops, func() { s.Shutdown() })
	return nil
}

func (d *dummies) serve(s *http.Server, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	d.wg.Go(func() { s.Serve(l) })
	d.stops = append(d.stops, func() { s.Close() })
	return nil
}

func (d *dummies) stop() {
	for _, f := range d.stops {
		f()
	}
	d.wg.Wait()
}

// resolve is the dummy upstream resolver.
func resolve(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.RecursionAvailable = true
	zone := map[string][]string{
		"host.example.":            {"host.example. 60 IN A 192.0.2.10", "host.example. 60 IN AAAA 2001:db8::10"},
		"www.example.":             {"www.example. 60 IN CNAME host.example.", "host.example. 60 IN A 192.0.2.10"},
		"ext.example.":             {"ext.example. 60 IN A 192.0.2.20"},
		"text.example.":            {`text.example. 60 IN TXT "hello"`},
		"10.2.0.192.in-addr.arpa.": {"10.2.0.192.in-addr.arpa. 60 IN PTR host.example."},
	}
	q := r.Question[0]
	name := strings.ToLower(q.Name)
	switch {
	case name == "broken.example.":
		m.Rcode = dns.RcodeServerFailure
	case zone[name] == nil:
		m.Rcode = dns.RcodeNameError
	default:
		for _, text := range zone[name] {
			rr, err := dns.NewRR(text)
			if err != nil {
				continue
			}
			if t := rr.Header().Rrtype; t == q.Qtype || t == dns.TypeCNAME || q.Qtype == dns.TypeANY ||
				(name == "www.example." && t == q.Qtype) {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	w.WriteMsg(m)
}
