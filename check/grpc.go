package check

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"muster/model"
)

// grpcProbe asks grpc.health.v1. The connection is kept as that of an HTTP
// check is, and dropped on the first failure so that a server that comes back
// is not kept waiting by a back-off.
type grpcProbe struct {
	target  string // as defined: host:port[/service]
	address string
	service string
	options []grpc.DialOption
	keep    bool
	runs    int
	conn    *grpc.ClientConn // nil when there is none
}

func newGRPC(spec *Spec, opt *Options) *grpcProbe {
	def := spec.Def
	p := &grpcProbe{target: def.GRPC, keep: time.Duration(def.Interval) <= keepInterval}
	p.address, p.service, _ = strings.Cut(strings.TrimPrefix(def.GRPC, "dns:///"), "/")
	transport := insecure.NewCredentials()
	if config := tlsFor(opt.TLS, def, def.GRPCUseTLS); config != nil {
		transport = credentials.NewTLS(config)
	}
	p.options = []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return opt.Dial(ctx, "tcp", address)
		}),
		grpc.WithUserAgent(userAgent),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithIdleTimeout(0),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Second, MaxDelay: time.Second}}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 10)),
	}
	return p
}

func (p *grpcProbe) probe(ctx context.Context) (status, output string) {
	state, err := p.ask(ctx)
	p.runs++
	if err != nil || !p.keep || p.runs%keepRuns == 0 {
		p.close()
	}
	switch {
	case err != nil:
		return model.HealthCritical, err.Error()
	case state != healthpb.HealthCheckResponse_SERVING:
		return model.HealthCritical, fmt.Sprintf("gRPC %s serving status: %s", p.target, state)
	}
	return model.HealthPassing, fmt.Sprintf("gRPC check %s: success", p.target)
}

func (p *grpcProbe) ask(ctx context.Context) (healthpb.HealthCheckResponse_ServingStatus, error) {
	if p.conn == nil {
		conn, err := grpc.NewClient("passthrough:///"+p.address, p.options...)
		if err != nil {
			return 0, err
		}
		p.conn = conn
	}
	resp, err := healthpb.NewHealthClient(p.conn).Check(ctx, &healthpb.HealthCheckRequest{Service: p.service})
	if err != nil {
		return 0, err
	}
	return resp.GetStatus(), nil
}

func (p *grpcProbe) close() {
	if p.conn != nil {
		p.conn.Close()
		p.conn = nil
	}
}
