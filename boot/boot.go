// Package boot builds the rooms of one agent in order from a validated
// configuration, and stops them in reverse.
package boot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"muster/acl"
	"muster/cache"
	"muster/config"
	"muster/dnsd"
	"muster/gossip"
	"muster/httpd"
	"muster/httpd/conns"
	"muster/internal/limit"
	"muster/internal/log"
	"muster/internal/meter"
	"muster/internal/tlsx"
	"muster/internal/version"
	"muster/leader"
	"muster/local"
	"muster/ops"
	"muster/quorum"
	"muster/relay"
	"muster/rexec"
	"muster/state"
	"muster/watches"
	"muster/wire"
)

// Agent is a running agent.
type Agent struct {
	cfg   *config.Config // as the agent was started
	world World
	log   *log.Log
	meter *meter.Meter
	// limits, httpConns and rpcConns bound what callers may take.
	limits    *relay.Limits
	httpConns *conns.Limit
	rpcConns  *limit.Conns
	id        string

	// load reads the configuration again; now is what it said last.
	load Loader
	now  atomic.Pointer[config.Config]
	// reloading is held by whoever reloads.
	reloading sync.Mutex

	rpcTLS  *tlsx.Door // certificates of the port between agents
	webTLS  *tlsx.Door // those of HTTPS
	client  *wire.Client
	port    *wire.Server // nil on clients
	inbound inbound
	store   *state.Store                // nil on clients
	quorum  *quorum.Quorum              // nil on clients
	pool    atomic.Pointer[gossip.Pool] // lan, for those who may come before it
	poolWAN atomic.Pointer[gossip.Pool] // wan, likewise
	lan     *gossip.Pool
	wan     *gossip.Pool // nil on clients and where the WAN pool is off
	ops     *ops.Ops
	events  *ops.Events
	relay   *relay.Relay
	leader  *leader.Leader
	// membersChanged has the leader's duty look at the members again.
	membersChanged func()
	lookAgain      atomic.Pointer[func()] // membersChanged, for who may come before it
	local          *local.Agent
	rexec          *rexec.Runner // nil unless it is allowed
	door           *httpd.Door
	cache          *cache.Cache // nil on servers
	dns            *dnsd.Server // nil where DNS is off
	api            net.Addr     // where door listens first; nil where HTTP is off
	watches        *watches.Watches

	// askedAround is closed when joining the LAN pool was tried once, with success
	// or not.
	askedAround     chan struct{}
	askedAroundOnce sync.Once
	// joined is closed when the agent is in the LAN pool that it is to join.
	joined     chan struct{}
	joinedOnce sync.Once
	// left is closed when somebody asked the agent to leave over the API.
	left     chan struct{}
	leftOnce sync.Once
	failed   atomic.Bool // left is closed because the agent cannot go on

	running sync.WaitGroup // goroutines of this room
	stops   []func()       // in the order of starting
	stopped sync.Once
}

// Loader reads the configuration and tells what is to be warned of.
type Loader func() (*config.Config, []string, error)

// Start builds and starts an agent. What was started before an error is
// stopped again. load is used when the agent is told to reload.
func Start(cfg *config.Config, logs *log.Log, load Loader) (*Agent, error) {
	return StartIn(World{}, cfg, logs, load)
}

// StartIn is Start in another world than that of this machine.
func StartIn(world World, cfg *config.Config, logs *log.Log, load Loader) (_ *Agent, err error) {
	if err := refuse(cfg); err != nil {
		return nil, err
	}
	if err := watches.Check(cfg.Watches); err != nil {
		return nil, err
	}
	a := &Agent{cfg: cfg, world: world, log: logs, load: load, left: make(chan struct{}), joined: make(chan struct{}), askedAround: make(chan struct{})}
	a.now.Store(cfg)
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	if err := writePid(cfg.PidFile); err != nil {
		return nil, err
	}
	a.onStop(func() { removePid(cfg.PidFile) })
	if a.id, err = nodeID(cfg); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		name  string
		start func() error
	}{
		{"metrics", a.startMeter},
		{"TLS", a.startTLS},
		{"certificate", a.startEnroll},
		{"server port", a.startWire},
		{"presence", a.startPresence},
		{"state", a.startState},
		{"gossip", a.startGossip},
		{"operations", a.startOps},
		{"leader's duties", a.startLeader},
		{"local registrations", a.startLocal},
		{"remote exec", a.startRexec},
		{"events", a.startEvents},
		{"DNS", a.startDNS},
		{"HTTP", a.startHTTP},
		{"certificates for agents", a.startEnrolling},
		{"watches", a.startWatches},
		{"joining", a.startJoin},
		{"coordinates", a.startCoordinates},
		{"watching the configuration", a.startAutoReload},
	} {
		if err := step.start(); err != nil {
			return nil, fmt.Errorf("start %s: %w", step.name, err)
		}
	}
	a.watchGauges()
	a.onStop(a.handOver) // stopped first
	return a, nil
}

// NodeID is the UUID of the agent's node.
func (a *Agent) NodeID() string { return a.id }

// Joined is closed when the agent has joined one of the members of the LAN
// that the configuration names; at once if it names none.
func (a *Agent) Joined() <-chan struct{} { return a.joined }

// Left is closed when the agent is to be closed: somebody has had it leave over the
// API, or it cannot go on.
func (a *Agent) Left() <-chan struct{} { return a.left }

// Failed tells, once Left is closed, whether the agent cannot go on. The log says why.
func (a *Agent) Failed() bool { return a.failed.Load() }

// Close stops everything in reverse order. It does not leave the cluster.
func (a *Agent) Close() {
	a.stopped.Do(func() {
		for i := len(a.stops) - 1; i >= 0; i-- {
			a.stops[i]()
		}
		a.running.Wait()
	})
}

// config is the configuration in force.
func (a *Agent) config() *config.Config { return a.now.Load() }

func (a *Agent) onStop(f func()) { a.stops = append(a.stops, f) }

// startState opens the replicated data of a server.
func (a *Agent) startState() error {
	if !a.cfg.Server {
		return nil
	}
	a.store = state.New()
	dir := ""
	if a.cfg.DataDir != "" {
		dir = filepath.Join(a.cfg.DataDir, "raft")
	}
	q, err := quorum.Open(quorum.Config{
		ID: a.id, Address: a.cfg.RPC.Advertise.String(), Dir: dir,
		Storage:     a.world.Storage,
		Transport:   a.raftTransport(),
		Bootstrap:   a.cfg.Dev || a.cfg.Bootstrap && !a.joinsLAN(), // else form does
		Multiplier:  a.cfg.Raft.Multiplier,
		Snapshots:   snapshotPolicy(a.cfg),
		SegmentSize: a.cfg.Raft.SegmentSize, NoRecent: a.cfg.Raft.DisableLogCache,
		Meter:  a.meter,
		Gone:   func(ctx context.Context, _, address string) error { return a.client.Gone(ctx, address) },
		Logger: a.log.Named("agent.server"),
	}, measureMachine(machine{a.store, a.restored}, a.meter))
	if err != nil {
		return err
	}
	a.quorum = q
	a.inbound.ready.Store(q)
	a.onStop(func() {
		if err := q.Close(); err != nil {
			a.log.Error("could not stop Raft", "error", err)
		}
	})
	return nil
}

func snapshotPolicy(cfg *config.Config) quorum.SnapshotPolicy {
	return quorum.SnapshotPolicy{Threshold: cfg.Raft.SnapshotThreshold, Interval: cfg.Raft.SnapshotInterval,
		Trailing: cfg.Raft.TrailingLogs}
}

func (a *Agent) startOps() error {
	resolver := acl.Open{}
	a.events = ops.NewEvents(resolver, a.broadcast, a.concerns)
	rc := relay.Config{Datacenter: a.cfg.Datacenter, NodeName: a.cfg.Node.Name, Servers: a.serversOf, Client: a.client, Hold: a.cfg.RPC.HoldTimeout,
		Limits: a.limits, Meter: a.meter}
	if a.quorum != nil {
		rc.Cluster = members{a.quorum}
	}
	a.relay = relay.New(rc)
	a.onStop(a.relay.Close)
	return nil
}

func (a *Agent) startLeader() error {
	a.membersChanged = func() {}
	if a.quorum == nil {
		return nil
	}
	logger := a.log.Named("agent.leader")
	sessions := leader.NewSessions(a.quorum, a.store, logger)
	catalog := leader.NewMembers(a.quorum, a.store, a.lan, a.cfg.Datacenter, logger)
	pilot := a.newAutopilot()
	a.ops = ops.New(ops.Config{
		Store: a.store, Log: measure(reads{a.quorum, a.relay}, a.meter), Members: a.quorum, Snapshots: a.quorum, Autopilot: pilot, ACL: acl.Open{}, Datacenter: a.cfg.Datacenter,
		Limits: ops.Limits{
			KVValue: a.cfg.Limits.KVMaxValueSize, TxnBody: max(a.cfg.Limits.TxnMaxReqLen, a.cfg.Limits.KVMaxValueSize),
			SessionTTL: a.cfg.SessionTTLMin, QueryTime: a.cfg.HTTP.DefaultQueryTime, MaxQueryTime: a.cfg.HTTP.MaxQueryTime,
		},
		Jitter:  jitter,
		Renewed: sessions.Renew,

		Elsewhere: elsewhere{a}, Shuffle: rand.Shuffle,
	})
	catalog.Measure(a.meter)
	tombstones := leader.NewTombstones(a.quorum, a.store, logger)
	tombstones.Measure(a.meter)
	a.watchAutopilot(pilot)
	a.meter.Watch("session_ttl.active", func() float64 { return float64(sessions.Active()) })
	peers := leader.NewServers(a.quorum, a.lan, a.vouch, a.id, logger)
	duties := []leader.Duty{catalog, peers, pilot, sessions, tombstones}
	if a.cfg.Connect.Enabled {
		duties = append(duties, leader.NewAuthority(a.quorum, a.store, a.cfg.Connect.CAConfig, ops.NewUUID, logger))
	}
	l := leader.Start(a.quorum, logger, duties...)
	a.leader = l
	a.onStop(l.Close)
	a.membersChanged = func() {
		catalog.Changed()
		peers.Changed()
	}
	a.lookAgain.Store(&a.membersChanged)
	return nil
}

func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// build is what the agent tells others of its version.
func build() string { return version.Full() + ":" + version.ReadBuild().Revision }
