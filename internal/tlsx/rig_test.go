package tlsx

import (
	"crypto/tls"
	"io"
	"net"
	"testing"

	"muster/internal/memnet"
	"muster/internal/tlsx/tlstest"
)

func files(ca *tlstest.Authority, p tlstest.Pair) Files {
	f := Files{CertFile: p.Cert, KeyFile: p.Key}
	if ca != nil {
		f.CAFile = ca.File
	}
	return f
}

func open(t *testing.T, rules Rules, f Files) *Door {
	t.Helper()
	rules.Name = "tls.door"
	d, err := Open(rules, f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// greet is what the side that listens says when it has let somebody in.
const greet = "in"

// meet connects two sides. err is nil when both agreed and the greeting came
// through; peers are what each side knows of the other then.
func meet(t *testing.T, listener, dialer *tls.Config) (accepted, dialed tls.ConnectionState, err error) {
	t.Helper()
	n := memnet.New(1)
	l, err := n.Host("10.0.0.1").Listen(8300)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := l.Accept()
		if err != nil {
			return
		}
		c := tls.Server(raw, listener)
		if c.Handshake() == nil {
			accepted = c.ConnectionState()
			io.WriteString(c, greet)
		}
		c.Close()
	}()
	raw, err := n.Host("10.0.0.2").Dial(t.Context(), "tcp", "10.0.0.1:8300")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Client(raw, dialer)
	err = converse(c)
	raw.Close()
	<-done
	return accepted, c.ConnectionState(), err
}

func converse(c net.Conn) error {
	got := make([]byte, len(greet))
	_, err := io.ReadFull(c, got) // makes the handshake first
	return err
}
