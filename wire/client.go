package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// Dial opens a connection to another agent's port.
type Dial func(ctx context.Context, address string) (net.Conn, error)

// ErrUnreachable says that a request never left: no connection could be had.
var ErrUnreachable = errors.New("server cannot be reached")

// Client sends requests to other agents' ports, over one connection each.
type Client struct {
	dial Dial
	tls  func(address string) *tls.Config

	mu    sync.Mutex
	conns map[string]*grpc.ClientConn // by address; guarded by mu
}

// NewClient makes a client. dial nil is the network. tlsFor, when not nil, is
// asked before each connection for the configuration of TLS; nil is none.
func NewClient(dial Dial, tlsFor func(address string) *tls.Config) *Client {
	if dial == nil {
		d := &net.Dialer{Timeout: 3 * time.Second}
		dial = func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	}
	return &Client{dial: dial, tls: tlsFor, conns: map[string]*grpc.ClientConn{}}
}

// Close ends all connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = map[string]*grpc.ClientConn{}
}

// Forget closes the connection to an address that is not needed any more.
func (c *Client) Forget(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn, ok := c.conns[address]; ok {
		conn.Close()
		delete(c.conns, address)
	}
}

func (c *Client) open(ctx context.Context, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, address)
	if err != nil || c.tls == nil {
		return conn, err
	}
	config := c.tls(address)
	if config == nil {
		return conn, nil
	}
	t := tls.Client(conn, config)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}

func (c *Client) conn(address string) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn, ok := c.conns[address]; ok {
		return conn, nil
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // TLS is below, in open
		grpc.WithContextDialer(c.open),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{}), grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 3 * time.Second,
			Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}}),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig())
	if err != nil {
		return nil, err
	}
	c.conns[address] = conn
	return conn, nil
}

// Do sends a request and waits for the whole answer. An error that wraps
// ErrUnreachable means that the request has not been begun; after any other it
// may have been.
func (c *Client) Do(ctx context.Context, address string, r *Request) (*Response, error) {
	conn, err := c.conn(address)
	if err != nil {
		return nil, err
	}
	var out Response
	if err := conn.Invoke(ctx, "/muster.Wire/Do", r, &out); err != nil {
		return nil, explain(err)
	}
	return &out, nil
}

// ReadIndex asks a leader up to where a follower must have applied the log.
func (c *Client) ReadIndex(ctx context.Context, address string, consistent bool) (uint64, error) {
	conn, err := c.conn(address)
	if err != nil {
		return 0, err
	}
	var in, out number
	if consistent {
		in.n = 1
	}
	if err := conn.Invoke(ctx, "/muster.Wire/ReadIndex", &in, &out); err != nil {
		return 0, explain(err)
	}
	return out.n, nil
}

// explain tells failures before a request left from those after. gRPC fails
// calls at once, with this text, while it has no connection.
func explain(err error) error {
	s, ok := status.FromError(err)
	if ok && s.Code() == codes.Unavailable && connectFailed(s.Message()) {
		return fmt.Errorf("%w: %s", ErrUnreachable, s.Message())
	}
	return err
}

func connectFailed(text string) bool {
	const prefix = "connection error: "
	return len(text) >= len(prefix) && text[:len(prefix)] == prefix
}

// Stream sends a request whose body and answer may be long, and hands the
// answer to respond: status and header, then the body.
func (c *Client) Stream(ctx context.Context, address string, r *Request, body io.Reader, respond func(*Response, io.Reader) error) error {
	conn, err := c.conn(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &serviceDesc.Streams[0], "/muster.Wire/Stream")
	if err != nil {
		return explain(err)
	}
	if err := stream.SendMsg(r); err != nil {
		return explain(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- sendBody(stream, body) }()
	var head Response
	if err := stream.RecvMsg(&head); err != nil {
		return explain(err)
	}
	err = respond(&head, &streamReader{recv: stream.RecvMsg})
	cancel()
	<-sent
	return err
}

func sendBody(stream grpc.ClientStream, body io.Reader) error {
	buf := make([]byte, chunkBytes)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if err := stream.SendMsg(&chunk{buf[:n]}); err != nil {
				return err
			}
		}
		if err != nil {
			return stream.CloseSend()
		}
	}
}

// RaftTransport connects the servers of a cluster for Raft. in accepts what
// Server.Raft gives.
func (c *Client) RaftTransport(in net.Listener, advertise net.Addr, config raft.NetworkTransportConfig) raft.Transport {
	config.Stream = &raftStream{Listener: in, client: c, advertise: advertise}
	return raft.NewNetworkTransportWithConfig(&config)
}

// raftStream is the stream layer of Raft over the port between agents.
type raftStream struct {
	net.Listener
	client    *Client
	advertise net.Addr
}

// Addr is where the other servers reach this one.
func (s *raftStream) Addr() net.Addr { return s.advertise }

// Dial opens a stream to another server.
func (s *raftStream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := s.client.open(ctx, string(address))
	if err != nil {
		return nil, err
	}
	conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := conn.Write([]byte{firstRaft}); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetWriteDeadline(time.Time{})
	return conn, nil
}

var _ http.ResponseWriter = (*answerWriter)(nil)
