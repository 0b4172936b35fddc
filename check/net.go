package check

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/net/http2"

	"muster/model"
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// connect dials, with TLS when a configuration is given, and makes the
// deadline of the context that of the connection.
func connect(ctx context.Context, dial dialFunc, network, address string, config *tls.Config) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if config == nil {
		return conn, nil
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// tcpProbe connects and hangs up.
type tcpProbe struct {
	noState
	address string
	dial    dialFunc
	tls     *tls.Config
}

func (p *tcpProbe) probe(ctx context.Context) (status, output string) {
	conn, err := connect(ctx, p.dial, "tcp", p.address, p.tls)
	if err != nil {
		return model.HealthCritical, err.Error()
	}
	conn.Close()
	if p.tls != nil {
		return model.HealthPassing, fmt.Sprintf("TCP+TLS connect %s: Success", p.address)
	}
	return model.HealthPassing, fmt.Sprintf("TCP connect %s: Success", p.address)
}

// udpProbe sends a datagram; any answer is passing.
type udpProbe struct {
	noState
	address string
	dial    dialFunc
}

func (p *udpProbe) probe(ctx context.Context) (status, output string) {
	conn, err := connect(ctx, p.dial, "udp", p.address, nil)
	if err != nil {
		return model.HealthCritical, err.Error()
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := conn.Write([]byte("test")); err != nil {
		return model.HealthCritical, err.Error()
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return model.HealthCritical, err.Error()
	}
	return model.HealthPassing, fmt.Sprintf("UDP connect %s: Success", p.address)
}

// h2pingProbe sends an HTTP/2 PING and waits for its acknowledgement.
type h2pingProbe struct {
	noState
	address string
	dial    dialFunc
	tls     *tls.Config
}

func (p *h2pingProbe) probe(ctx context.Context) (status, output string) {
	config := p.tls
	if config != nil {
		config = config.Clone()
		config.NextProtos = []string{http2.NextProtoTLS}
	}
	conn, err := connect(ctx, p.dial, "tcp", p.address, config)
	if err != nil {
		return model.HealthCritical, fmt.Sprintf("Failed to dial %s: %s", p.address, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := ping(conn); err != nil {
		return model.HealthCritical, fmt.Sprintf("HTTP2 ping failed: %s", err)
	}
	return model.HealthPassing, "HTTP2 ping was successful"
}

// framesMax bounds what a server may send before it answers a ping.
const framesMax = 64

func ping(conn net.Conn) error {
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return err
	}
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	var data [8]byte
	binary.BigEndian.PutUint64(data[:], 0x6d75737465720a01)
	if err := f.WritePing(false, data); err != nil {
		return err
	}
	for range framesMax {
		frame, err := f.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.PingFrame:
			if frame.IsAck() && frame.Data == data {
				return nil
			}
		case *http2.SettingsFrame:
			if frame.IsAck() {
				continue
			}
			if err := f.WriteSettingsAck(); err != nil {
				return err
			}
		case *http2.GoAwayFrame:
			return fmt.Errorf("server is going away: %s", frame.ErrCode)
		}
	}
	return errors.New("the server talks but does not answer")
}
