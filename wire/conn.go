package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
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

// credsFromSort tells gRPC what sort found out about a caller.
type credsFromSort struct{}

// authInfo is what handlers find of it.
type authInfo struct{ peer *tls.ConnectionState }

func (authInfo) AuthType() string { return "muster" }

func (credsFromSort) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c, authInfo{c.(*conn).peer}, nil
}

func (credsFromSort) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("only for servers")
}

func (credsFromSort) Info() credentials.ProtocolInfo { return credentials.ProtocolInfo{} }

func (c credsFromSort) Clone() credentials.TransportCredentials { return c }

func (credsFromSort) OverrideServerName(string) error { return nil }

// peerOf is what TLS says of who made a call; nil without TLS.
func peerOf(ctx context.Context) *tls.ConnectionState {
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(authInfo); ok {
			return info.peer
		}
	}
	return nil
}
