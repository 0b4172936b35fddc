package wire

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// conn is a connection of which the first byte was looked at.
type conn struct {
	net.Conn
	r     *bufio.Reader
	first byte
	peer  *tls.ConnectionState // nil without TLS
}

// errSilent says that nothing came: somebody looks whether the port is open.
var errSilent = errors.New("it says nothing")

// peek waits for the first byte of a connection.
func peek(c net.Conn, state *tls.ConnectionState) (*conn, error) {
	r := bufio.NewReaderSize(c, 512)
	first, err := r.Peek(1)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	return &conn{Conn: c, r: r, first: first[0], peer: state}, nil
}

// Read reads what was looked at first, and then straight from the connection.
func (c *conn) Read(b []byte) (int, error) {
	if c.r.Buffered() > 0 {
		return c.r.Read(b)
	}
	return c.Conn.Read(b)
}
