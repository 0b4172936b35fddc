// Package local keeps the services and checks of this agent: it remembers them
// on disk, runs the checks, and keeps the catalog in step (anti-entropy). For
// what is on this node the agent, not the catalog, has the last word.
package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/check"
	"muster/model"
)

// Catalog is the cluster, as far as this room speaks to it. A token of "" is
// the agent's own. Errors are judged by their model.Kind.
type Catalog interface {
	// Register must not modify the request, nor what it points to.
	Register(ctx context.Context, token string, req *model.RegisterRequest) error
	Deregister(ctx context.Context, token string, req *model.DeregisterRequest) error
	// NodeServices returns nil when the catalog does not know the node. The
	// answer must be one that a majority has agreed on.
	NodeServices(ctx context.Context, node string) (*model.NodeServices, error)
	NodeChecks(ctx context.Context, node string) ([]*model.HealthCheck, error)
}

// Config describes the agent. NodeName and Catalog are required.
type Config struct {
	NodeID          string
	NodeName        string
	Datacenter      string
	Address         string
	TaggedAddresses map[string]string
	Meta            map[string]string
	Locality        *model.Locality

	// DataDir is where registrations outlive a restart; "" keeps them in
	// memory only, and a reload then forgets those that came over the API.
	DataDir string
	Catalog Catalog
	// Checks is what the checks share.
	Checks check.Options
	// Logger defaults to one that writes nothing.
	Logger hclog.Logger
	// Rand picks in [0, 1) for the stagger of periodic work. It is called from
	// several goroutines; nil is math/rand.
	Rand func() float64
	// ClusterSize is how many nodes there are in the datacenter, which
	// stretches the time between full syncs; nil is 1.
	ClusterSize func() int

	// SyncInterval is the time between full syncs in a cluster of up to 128
	// nodes; 0 is a minute.
	SyncInterval time.Duration
	// CheckUpdateInterval is about how long a change of a check's output alone
	// is held back from the catalog; 0 pushes it at once.
	CheckUpdateInterval time.Duration
	// OutputMaxSize bounds the output of a check in bytes; 0 is
	// model.CheckOutputMaxSize.
	OutputMaxSize int
	// DiscardOutput keeps no output of checks at all.
	DiscardOutput bool
	// ScriptsLocal allows checks that run programs in definitions from
	// configuration files, ScriptsRemote in those from anywhere.
	ScriptsLocal, ScriptsRemote bool
	// SidecarMinPort to SidecarMaxPort are given to sidecars that name no port
	// of their own; with 0 there are none to give.
	SidecarMinPort, SidecarMaxPort int
}

// Source says where a definition comes from.
type Source string

// The sources of definitions. The texts are those of the files on disk.
const (
	SourceConfig Source = "local"  // configuration files
	SourceAPI    Source = "remote" // the HTTP API
)

// An Agent is the services and checks of this agent. Its methods may be called
// from anywhere at any time between New and Close.
type Agent struct {
	cfg    Config
	logger hclog.Logger
	runner *check.Runner
	store  *store

	cancel context.CancelFunc // ends the loops; nil before Start
	loops  sync.WaitGroup
	kick   chan struct{} // dirty is not empty, or a deferred output is due sooner
	resync chan time.Duration

	reload sync.Mutex // held while definitions are replaced as a whole

	mu       sync.Mutex
	closed   bool
	meta     map[string]string
	discard  bool
	services map[string]*service
	checks   map[string]*entry
	// Of the checks, those of the node itself, and those that mirror something
	// on this node.
	nodeChecks map[string]*entry
	aliases    map[string]*entry
	dirty      dirty
	deferred   deferred
	paused     int
	views      views
	await      await
}

// A service is one that is registered here. Fields are under Agent.mu.
type service struct {
	// ns is what the catalog is to say. It is replaced, never modified: its
	// tags may be the catalog's (EnableTagOverride).
	ns *model.NodeService
	// registered is what was asked for.
	registered *model.NodeService
	token      string
	source     Source
	sidecarOf  string // the ID of the service that brought this one along
	checks     map[string]*entry
}

// An entry is a check that is registered here. Fields are under Agent.mu.
type entry struct {
	hc        *model.HealthCheck // replaced, never modified
	def       *model.CheckDefinition
	token     string
	source    Source
	run       *check.Check // nil: maintenance, or a mirror of this node
	outputMax int
	critical  time.Time // since when; zero unless it is
	expires   time.Time // of the TTL state written to disk, by the wall clock; zero if none was
	reported  bool      // it has had a result; until then its state is only assumed
}

// New opens what is on disk, without registering anything yet: see Load. Close
// the agent when done.
func New(cfg Config) (*Agent, error) {
	switch {
	case cfg.NodeName == "":
		return nil, errors.New("local agent: no node name")
	case cfg.Catalog == nil:
		return nil, errors.New("local agent: no catalog")
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	if cfg.Checks.Rand == nil {
		cfg.Checks.Rand = cfg.Rand
	}
	if cfg.ClusterSize == nil {
		cfg.ClusterSize = func() int { return 1 }
	}
	if cfg.SyncInterval <= 0 {
		cfg.SyncInterval = time.Minute
	}
	if cfg.OutputMaxSize <= 0 {
		cfg.OutputMaxSize = model.CheckOutputMaxSize
	}
	runner, err := check.NewRunner(cfg.Checks)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		cfg: cfg, logger: cfg.Logger, runner: runner,
		kick: make(chan struct{}, 1), resync: make(chan time.Duration, 1),
		meta: maps.Clone(cfg.Meta), discard: cfg.DiscardOutput,
		services: map[string]*service{}, checks: map[string]*entry{},
		nodeChecks: map[string]*entry{}, aliases: map[string]*entry{},
		dirty:    newDirty(),
		deferred: deferred{due: map[string]time.Time{}},
	}
	a.dirty.node = true
	if a.store, err = openStore(cfg.DataDir, cfg.Logger); err != nil {
		return nil, fmt.Errorf("open registrations: %w", err)
	}
	return a, nil
}

// Start begins to keep the catalog in step, until Close or the end of the
// context. Checks run from the moment they are registered.
func (a *Agent) Start(ctx context.Context) {
	ctx, a.cancel = context.WithCancel(ctx)
	a.loops.Go(func() { a.syncLoop(ctx) })
	a.loops.Go(func() { a.reapLoop(ctx) })
}

// StopSync leaves the catalog alone from now on, for good: who leaves the cluster
// would otherwise come back into it. Whatever was being sent is over when it
// returns.
func (a *Agent) StopSync() {
	if a.cancel != nil {
		a.cancel()
	}
	a.loops.Wait()
}

// Close stops all checks and writes out what is not on disk yet. It leaves the
// catalog as it is.
func (a *Agent) Close() error {
	a.StopSync()
	a.mu.Lock()
	a.closed = true
	running := make([]*check.Check, 0, len(a.checks))
	for _, e := range a.checks {
		if e.run != nil {
			running = append(running, e.run)
		}
	}
	a.mu.Unlock()
	stopAll(running)
	a.runner.Close()
	return a.store.close()
}

// stopAll waits for all, but not for one after the other.
func stopAll(running []*check.Check) {
	if len(running) == 1 {
		running[0].Stop()
		return
	}
	var wg sync.WaitGroup
	for _, c := range running {
		wg.Go(c.Stop)
	}
	wg.Wait()
}

var errClosed = model.Errorf(model.Canceled, "the agent is shutting down")

// SetMeta replaces the metadata of the node.
func (a *Agent) SetMeta(meta map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !maps.Equal(a.meta, meta) {
		a.meta = maps.Clone(meta)
		a.dirty.node = true
		a.wake()
	}
}

// SetDiscardOutput switches whether outputs of checks are kept. Those that are
// there go when it is switched on.
func (a *Agent) SetDiscardOutput(discard bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.discard = discard
	if !discard {
		return
	}
	for _, e := range a.checks {
		a.setStatus(e, e.hc.Status, "")
	}
}

// wake has the sync loop look at what is dirty. It never waits.
func (a *Agent) wake() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}
