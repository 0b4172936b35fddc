package boot

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-multierror"
)

func lanAddress(a *Agent) string {
	m := a.lan.LocalMember()
	return net.JoinHostPort(m.Addr, strconv.Itoa(int(m.Port)))
}

// TestNoSecondCluster: a server that is to begin a cluster, and finds one where it
// is to join, becomes a member of that.
func TestNoSecondCluster(t *testing.T) {
	for _, retry := range []bool{true, false} {
		first, socket := devConfig(t, "")
		a := startOnFreePort(t, first)
		defer a.Close()
		ask(t, socket, "PUT", "/v1/kv/k", "v", is("true"))

		second, socket := devConfig(t, "")
		second.Node.Name, second.Dev, second.Bootstrap = "m", false, true
		if retry {
			second.Join.LAN.Retry, second.Join.LAN.Interval = []string{lanAddress(a)}, 10*time.Millisecond
		} else {
			second.Join.LAN.Start = []string{lanAddress(a)}
		}
		b := startOnFreePort(t, second)
		defer b.Close()
		ask(t, socket, "GET", "/v1/kv/k?raw", "", is("v"))
		for _, of := range []*Agent{a, b} {
			if servers, _, err := of.quorum.Configuration(); err != nil || len(servers) != 2 {
				t.Errorf("retry %t: %s has the servers %v, %v", retry, of.cfg.Node.Name, servers, err)
			}
		}
	}
}

// TestBootstrapAlone: nobody is where such a server is to join.
func TestBootstrapAlone(t *testing.T) {
	cfg, socket := devConfig(t, "")
	cfg.Dev, cfg.Bootstrap = false, true
	cfg.Join.LAN.Retry, cfg.Join.LAN.Interval = []string{"127.0.0.1:1"}, time.Hour
	a := startOnFreePort(t, cfg)
	defer a.Close()
	ask(t, socket, "PUT", "/v1/kv/k", "v", is("true"))
}

// TestTwoClustersMeet: neither takes in the other's server, whose data would be lost.
func TestTwoClustersMeet(t *testing.T) {
	first, socket := devConfig(t, "")
	a := startOnFreePort(t, first)
	defer a.Close()
	ask(t, socket, "PUT", "/v1/kv/k", "a", is("true"))
	second, otherSocket := devConfig(t, "")
	second.Node.Name, second.Bootstrap = "m", false // the mark is not what tells
	b := startOnFreePort(t, second)
	defer b.Close()
	ask(t, otherSocket, "PUT", "/v1/kv/k", "b", is("true"))
	if _, err := b.lan.Join([]string{lanAddress(a)}, true); err != nil {
		t.Fatal(err)
	}
	for of, other := range map[*Agent]*Agent{a: b, b: a} {
		theirs := other.lan.LocalMember()
		err := of.vouch(t.Context(), &theirs)
		if err == nil || !strings.Contains(err.Error(), "it has a cluster of its own (servers: 1, none of them of this one)") {
			t.Errorf("%s lets %s in: %v", of.cfg.Node.Name, other.cfg.Node.Name, err)
		}
		if servers, _, err := of.quorum.Configuration(); err != nil || len(servers) != 1 {
			t.Errorf("%s has the servers %v, %v", of.cfg.Node.Name, servers, err)
		}
	}
}

// TestClusterIsSeen: whoever is about to begin a cluster sees those that there are.
func TestClusterIsSeen(t *testing.T) {
	first, socket := devConfig(t, "")
	a := startOnFreePort(t, first)
	defer a.Close()
	ask(t, socket, "PUT", "/v1/kv/k", "a", is("true"))
	second, _ := devConfig(t, "")
	second.Node.Name, second.Dev, second.Bootstrap, second.BootstrapExpect = "m", false, false, 2
	b := startOnFreePort(t, second)
	defer b.Close()
	for of, want := range map[*Agent]int{a: 1, b: 0} {
		if n, err := b.peersOf(t.Context(), of.cfg.RPC.Advertise.String()); err != nil || n != want {
			t.Errorf("%s is said to have %d peers, %v, want %d", of.cfg.Node.Name, n, err, want)
		}
	}
	if _, err := b.lan.Join([]string{lanAddress(a)}, true); err != nil {
		t.Fatal(err)
	}
	if state, err := b.tryForm(t.Context()); err != nil || !strings.HasPrefix(state, "waiting to be taken in: ") {
		t.Errorf("%q, %v", state, err)
	}
}

// TestOneLine: what an operator is to do stands in the line that says what is wrong.
func TestOneLine(t *testing.T) {
	refused := fmt.Errorf("member %q is refused", "n2")
	for want, err := range map[string]error{
		`member "n2" is refused`:           multierror.Append(nil, refused),
		`member "n2" is refused; away`:     multierror.Append(refused, errors.New("away\n")),
		`no cloud; member "n2" is refused`: errors.Join(errors.New("no cloud"), multierror.Append(nil, refused)),
		`nobody answered`:                  nil,
		`away`:                             errors.New("away"),
	} {
		if got := oneLine(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
