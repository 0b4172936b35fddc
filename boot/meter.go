package boot

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/config"
	"muster/httpd/conns"
	"muster/internal/limit"
	"muster/internal/meter"
	"muster/internal/version"
	"muster/model"
	"muster/ops"
	"muster/quorum"
	"muster/relay"
	"muster/state"
)

func (a *Agent) startMeter() error {
	t := a.cfg.Telemetry
	host, err := os.Hostname()
	if err != nil {
		host = a.cfg.Node.Name
	}
	m, err := meter.Start(meter.Config{Prefix: t.Prefix, Hostname: host, DisableHostname: t.DisableHostname,
		PrometheusRetention: t.PrometheusRetention, Filter: metricFilter(a.cfg),
		StatsdAddr: t.StatsdAddr, StatsiteAddr: t.StatsiteAddr, DogstatsdAddr: t.DogstatsdAddr, DogstatsdTags: t.DogstatsdTags,
		RetryFailed: t.RetryFailedConnection, HostMetrics: t.EnableHostMetrics, DataDir: a.cfg.DataDir, Logger: a.log.Named("agent.metrics")})
	if err != nil {
		return err
	}
	a.meter = m
	a.onStop(m.Close)
	a.limits = relay.NewLimits(requestRates(a.cfg), a.log.Named("agent.rpc"), m)
	a.httpConns = conns.New(a.cfg.HTTP.MaxConnsPerClient, a.log.Named("agent.http"), m)
	a.rpcConns = limit.NewConns(a.cfg.RPC.MaxConnsPerClient, 0)
	return nil
}

func metricFilter(cfg *config.Config) meter.Filter {
	t := cfg.Telemetry
	return meter.Filter{Allowed: t.AllowedPrefixes, Blocked: t.BlockedPrefixes, Default: t.FilterDefault}
}

func requestRates(cfg *config.Config) relay.Rates {
	l := cfg.Limits
	return relay.Rates{Mode: relay.Mode(l.RequestMode), Reads: l.ReadRate, Writes: l.WriteRate, Sent: l.RPCRate, Burst: l.RPCMaxBurst,
		Timeout: l.RPCClientTimeout, MaxWait: cfg.HTTP.MaxQueryTime}
}

// watchGauges tells what is known only to who looks. It is called when everybody
// is there who is looked at.
func (a *Agent) watchGauges() {
	release := version.Full()
	number, pre, _ := strings.Cut(release, "-")
	a.meter.Watch("version", func() float64 { return 1 }, meter.Label{Name: "version", Value: number}, meter.Label{Name: "pre_release", Value: pre})
	a.meter.Watch("agent.tls.cert.expiry", func() float64 {
		if expires := a.rpcTLS.Expires(); !expires.IsZero() {
			return time.Until(expires).Seconds()
		}
		return 0
	})
	a.meter.Watch("members.clients", func() float64 { _, clients := a.lan.NumAlive(); return float64(clients) })
	a.meter.Watch("members.servers", func() float64 { servers, _ := a.lan.NumAlive(); return float64(servers) })
	if a.quorum == nil {
		return
	}
	a.meter.Watch("server.isLeader", func() float64 {
		if a.quorum.IsLeader() {
			return 1
		}
		return 0
	})
	stat := func(name string) func() float64 {
		return func() float64 {
			n, _ := strconv.ParseFloat(a.quorum.Stats()[name], 64)
			return n
		}
	}
	a.meter.Watch("raft.last_index", stat("last_log_index"))
	a.meter.Watch("raft.applied_index", stat("applied_index"))
	a.meter.Watch("raft.leader.oldestLogAge", func() float64 {
		if oldest := a.quorum.OldestEntry(); a.quorum.IsLeader() && !oldest.IsZero() {
			return float64(time.Since(oldest).Milliseconds())
		}
		return 0
	})
	a.watchUsage()
}

// watchUsage tells how much there is of everything.
func (a *Agent) watchUsage() {
	u := &usage{store: a.store}
	dc := meter.Label{Name: "datacenter", Value: a.cfg.Datacenter}
	a.meter.Watch("state.nodes", func() float64 { return float64(u.get().Nodes) }, dc)
	a.meter.Watch("state.services", func() float64 { return float64(u.get().Services) }, dc)
	a.meter.Watch("state.service_instances", func() float64 { return float64(u.get().Instances) }, dc)
	a.meter.Watch("state.billable_service_instances", func() float64 { return float64(u.get().Billable) }, dc)
	a.meter.Watch("state.kv_entries", func() float64 { return float64(u.get().Keys) }, dc)
	for _, kind := range []string{"connect-native", "connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"} {
		a.meter.Watch("state.connect_instances", func() float64 { return float64(u.get().Kinds[kind]) }, dc, meter.Label{Name: "kind", Value: kind})
	}
}

// usage counts once for all who ask about the same version.
type usage struct {
	store *state.Store

	mu  sync.Mutex
	of  *state.Version
	has state.Usage
}

func (u *usage) get() state.Usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	if v := u.store.Current(); v != u.of {
		u.of, u.has = v, v.Usage()
	}
	return u.has
}

// measured is the log as ops sees it, with the time that each kind of command takes.
type measured struct {
	ops.Log
	took [256]*meter.Timer // by model.CommandType
	read *meter.Timer
}

func measure(log ops.Log, m *meter.Meter) ops.Log {
	l := &measured{Log: log, read: m.Timer("rpc.consistentRead")}
	l.took[model.CmdKV] = m.Timer("kvs.apply")
	l.took[model.CmdTxn] = m.Timer("txn.apply")
	l.took[model.CmdSession] = m.Timer("session.apply")
	l.took[model.CmdQuery] = m.Timer("prepared-query.apply")
	l.took[model.CmdRegister] = m.Timer("catalog.register")
	l.took[model.CmdDeregister] = m.Timer("catalog.deregister")
	return l
}

// Propose has a command agreed on and applied.
func (l *measured) Propose(ctx context.Context, data []byte) (any, uint64, error) {
	if len(data) > 0 {
		defer l.took[data[0]].Since(time.Now())
	}
	return l.Log.Propose(ctx, data)
}

// ConfirmRead returns when this server is current.
func (l *measured) ConfirmRead(ctx context.Context, consistent bool) error {
	defer l.read.Since(time.Now())
	return l.Log.ConfirmRead(ctx, consistent)
}

// measuredMachine is the state machine, with the time that applying takes: of a
// batch each entry has its share.
type measuredMachine struct {
	machine
	took    [256]*meter.Timer // by model.CommandType
	persist *meter.Timer
}

func measureMachine(to machine, m *meter.Meter) *measuredMachine {
	k := &measuredMachine{machine: to, persist: m.Timer("fsm.persist")}
	k.took[model.CmdRegister] = m.Timer("fsm.register")
	k.took[model.CmdDeregister] = m.Timer("fsm.deregister")
	k.took[model.CmdKV] = m.Timer("fsm.kvs")
	k.took[model.CmdSession] = m.Timer("fsm.session")
	k.took[model.CmdTxn] = m.Timer("fsm.txn")
	k.took[model.CmdQuery] = m.Timer("fsm.prepared-query")
	k.took[model.CmdTombstone] = m.Timer("fsm.tombstone")
	k.took[model.CmdCoordinates] = m.Timer("fsm.coordinate.batch-update")
	return k
}

// Apply takes in entries in order.
func (k *measuredMachine) Apply(batch []quorum.Entry) []any {
	start := time.Now()
	results := k.machine.Apply(batch)
	share := time.Since(start) / time.Duration(max(len(batch), 1))
	for i := range batch {
		if len(batch[i].Data) > 0 {
			k.took[batch[i].Data[0]].Took(share)
		}
	}
	return results
}

// Snapshot returns the state as it is.
func (k *measuredMachine) Snapshot() (quorum.Snapshot, error) {
	s, err := k.machine.Snapshot()
	if err != nil {
		return nil, err
	}
	return measuredSnapshot{s, k.persist}, nil
}

type measuredSnapshot struct {
	quorum.Snapshot
	took *meter.Timer
}

// Persist writes the state.
func (s measuredSnapshot) Persist(w io.Writer) error {
	defer s.took.Since(time.Now())
	return s.Snapshot.Persist(w)
}

// countRequests counts the requests of other agents.
func (a *Agent) countRequests(next http.Handler) http.Handler {
	requests := a.meter.Tally("rpc.request")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Inc()
		next.ServeHTTP(w, r)
	})
}

// guardRPC bounds the connections of each agent to this server, and counts them.
func (a *Agent) guardRPC(l net.Listener) net.Listener {
	logger, notice := a.log.Named("agent.rpc"), limit.Notice{Every: time.Second}
	l = a.rpcConns.Listener(l, func(c net.Conn) {
		a.meter.Count("rpc.conns.refused")
		if dropped, ok := notice.Pass(); ok {
			logger.Warn("An agent has too many connections (limits.rpc_max_conns_per_client)", "agent", limit.IP(c.RemoteAddr()), "not_logged", dropped)
		}
		c.Close()
	})
	return countedListener{l, a.meter.Tally("rpc.accept_conn")}
}

type countedListener struct {
	net.Listener
	accepted *meter.Tally
}

// Accept returns the next connection.
func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Inc()
	}
	return c, err
}
