package main

import (
	"bufio"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The floor is this program started once more; under go test that is the test.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "floor-server" {
		floorServer(os.Args[2], os.Args[3])
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// The floor answers every load that claims it can be run against it.
func TestFloorRunsEveryScenarioMarkedForIt(t *testing.T) {
	for _, s := range scenarios() {
		if !s.Floor {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			var figures []figure
			err := errors.New("not run")
			// On a busy machine a short time may pass without an answer.
			for opt := (options{Dur: 40 * time.Millisecond, Conns: 2}); err != nil && opt.Dur < 20*time.Second; opt.Dur *= 4 {
				figures, err = s.Run(bin{Name: "floor"}, opt)
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(figures) == 0 || figures[0].Value <= 0 {
				t.Errorf("figures are %v", figures)
			}
		})
	}
}

func TestReadResponse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		status     int
		body       string
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc"},
		{"empty", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404, ""},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, "abc\r\n"},
	} {
		br := bufio.NewReader(strings.NewReader(c.text + "next"))
		status, body, err := readResponse(br)
		if err != nil || status != c.status || string(body) != c.body {
			t.Errorf("%s: got %d %q %v", c.name, status, body, err)
		}
		if rest, _ := br.Peek(4); string(rest) != "next" {
			t.Errorf("%s: the reader stands before %q", c.name, rest)
		}
	}
	for _, text := range []string{"", "HTTP/1.1\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"} {
		if _, _, err := readResponse(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestDNSQuestion(t *testing.T) {
	var m dns.Msg
	if err := m.Unpack(dnsQuestion("web.service.consul", dns.TypeSRV)); err != nil {
		t.Fatal(err)
	}
	if q := m.Question[0]; q.Name != "web.service.consul." || q.Qtype != dns.TypeSRV || m.IsEdns0() == nil {
		t.Errorf("the question is %v", m.String())
	}
}

func TestRequestIsWhatNetHTTPReads(t *testing.T) {
	got := string(request(nil, "PUT", "/v1/kv/a", "xyz"))
	want := "PUT /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nxyz"
	if got != want {
		t.Errorf("got %q", got)
	}
}

func TestSelected(t *testing.T) {
	for _, c := range []struct {
		name, only string
		want       bool
	}{{"kv-get", "", true}, {"kv-get", "kv-get", true}, {"kv-get-stale", "kv-get", false}, {"kv-get-stale", "idle,kv-*", true}} {
		if got := selected(c.name, c.only); got != c.want {
			t.Errorf("%q with %q: %v", c.name, c.only, got)
		}
	}
}

func TestFreePortsAreFree(t *testing.T) {
	ports, err := freePorts(4)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ports {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}
