package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"muster/config"
	"muster/gossip"
	"muster/model"
	"muster/quorum"
	"muster/relay"
	"muster/wire"
)

// startWire opens the port between agents, on a server, and the way to those
// of others.
func (a *Agent) startWire() error {
	a.inbound.id = a.id
	a.client = wire.NewClient(a.world.Dial, a.dialTLS)
	a.onStop(a.client.Close)
	if !a.cfg.Server {
		return nil
	}
	l, err := a.world.listen("tcp", a.cfg.RPC.Bind.String())
	if err != nil {
		return err
	}
	a.port = wire.Serve(wire.ServerConfig{Listener: a.guardRPC(l), Handler: &a.inbound, HandshakeTimeout: a.cfg.RPC.HandshakeTimeout,
		TLS: a.rpcTLS.Listener(), Strangers: strangers(a.cfg), RequireTLS: a.cfg.TLS.InternalRPC.VerifyIncoming, AllowRaft: a.allowRaft,
		Logger: a.log.Named("agent.rpc")})
	a.onStop(a.port.Close)
	return nil
}

// raftTransport connects the servers. They know each other by node ID: where
// one is now, gossip tells.
func (a *Agent) raftTransport() raft.Transport {
	advertise := net.TCPAddrFromAddrPort(a.cfg.RPC.Advertise)
	return a.client.RaftTransport(countedListener{a.port.Raft(), a.meter.Tally("rpc.raft_handoff")}, advertise, raft.NetworkTransportConfig{
		ServerAddressProvider: addresses{a}, MaxPool: 3, Timeout: 10 * time.Second, Logger: a.log.Named("agent.server.raft"),
	})
}

// addresses finds servers by their IDs.
type addresses struct{ a *Agent }

// ServerAddr is the present address of a server. Raft asks for this one's too,
// before gossip has begun.
func (p addresses) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if string(id) == p.a.id {
		return raft.ServerAddress(p.a.cfg.RPC.Advertise.String()), nil
	}
	if lan := p.a.pool.Load(); lan != nil {
		for _, m := range lan.Servers() {
			if m.ID() == string(id) {
				return raft.ServerAddress(m.Address), nil
			}
		}
	}
	return "", fmt.Errorf("no member with ID %s", id)
}

// inbound answers other agents. It exists before the rooms that can.
type inbound struct {
	id    string // of this agent
	door  atomic.Pointer[http.Handler]
	ready atomic.Pointer[quorum.Quorum]
}

func (i *inbound) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == vitalsPath {
		i.serveVitals(w)
		return
	}
	if h := i.door.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	w.Header().Set(relay.HeaderError, relay.NotLeader) // nothing has begun
	w.WriteHeader(http.StatusServiceUnavailable)
}

func (i *inbound) ReadIndex(ctx context.Context, consistent bool) (uint64, error) {
	q := i.ready.Load()
	if q == nil {
		return 0, model.ErrNotReady
	}
	if err := q.ConfirmRead(ctx, consistent); err != nil {
		return 0, err
	}
	return q.ReadIndex(ctx)
}

// members tells relay what it needs of the quorum.
type members struct{ q *quorum.Quorum }

func (m members) Leading() bool {
	s, _ := m.q.Status()
	return s.Ready
}

func (m members) Leader() string {
	_, address := m.q.Leader()
	return address
}

func (m members) Changed() <-chan struct{} {
	_, changed := m.q.Status()
	return changed
}

// reads is the quorum as ops sees it: a server that follows becomes current by
// asking the leader.
type reads struct {
	*quorum.Quorum
	relay *relay.Relay
}

func (r reads) ConfirmRead(ctx context.Context, consistent bool) error {
	for {
		err := r.Quorum.ConfirmRead(ctx, consistent)
		if k := model.KindOf(err); err == nil || (k != model.NotLeader && k != model.NoLeader) {
			return err
		}
		if err = r.relay.CatchUp(ctx, consistent, r.Quorum); !errors.Is(err, relay.ErrLeads) {
			return err
		}
	}
}

// serversOf are the addresses of the servers of a datacenter that are alive.
func (a *Agent) serversOf(datacenter string) (list []string, known bool) {
	pool := a.lan
	if datacenter != a.cfg.Datacenter {
		pool = a.wan
	}
	if pool == nil {
		return nil, false
	}
	for _, m := range pool.Servers() {
		if m.Datacenter() != datacenter {
			continue
		}
		known = true
		if m.Status == gossip.StatusAlive {
			list = append(list, m.Address)
		}
	}
	return list, known
}

// startJoin joins the members that the configuration names: some once, which
// must succeed, others until one answers.
func (a *Agent) startJoin() error {
	ctx, cancel := context.WithCancel(context.Background())
	a.onStop(cancel)
	if a.quorum != nil && !a.cfg.Dev {
		a.running.Go(func() { a.form(ctx) })
	}
	for _, target := range []struct {
		pool *gossip.Pool
		j    *config.JoinTarget
		name string
	}{{a.lan, &a.cfg.Join.LAN, "LAN"}, {a.wan, &a.cfg.Join.WAN, "WAN"}} {
		if target.pool == nil {
			continue
		}
		if len(target.j.Start) > 0 {
			addresses, err := a.joinAddresses(ctx, target.j.Start)
			if err != nil && len(addresses) == 0 {
				return fmt.Errorf("join %s: %w", target.name, err)
			}
			n, err := target.pool.Join(addresses, true)
			if err != nil && n == 0 {
				return fmt.Errorf("join %s: %w", target.name, err)
			}
		}
		if target.pool == a.lan && len(target.j.Retry) == 0 {
			a.askedAroundOnce.Do(func() { close(a.askedAround) })
		}
		if len(target.j.Retry) > 0 {
			a.running.Go(func() { a.retryJoin(ctx, target.pool, target.j, target.name) })
		} else if target.pool == a.lan {
			a.joinedOnce.Do(func() { close(a.joined) })
		}
	}
	if a.wan != nil {
		a.running.Go(func() { a.flood(ctx) })
	}
	return nil
}

// retryJoin tries until one address answers. Names are resolved anew each
// time. An agent that has lost all others begins again.
//
// Agents that are started together are often a moment too early for each other:
// the first attempt is made again and again within its interval, after
// firstRetry and twice as long each time.
func (a *Agent) retryJoin(ctx context.Context, pool *gossip.Pool, j *config.JoinTarget, name string) {
	logger := a.log.Named("agent")
	interval := max(j.Interval, 10*time.Millisecond)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	attempts, joined := 0, false
	soon, again := firstRetry, false // again: it is still the first attempt
	for {
		// That others have found this agent does not mean that they are all
		// there: it must reach one that it was told of, itself.
		if !joined || a.alone(pool) {
			n, err := a.joinThese(ctx, pool, j.Retry)
			if pool == a.lan {
				a.askedAroundOnce.Do(func() { close(a.askedAround) })
			}
			switch {
			case n > 0:
				logger.Info("Joined", "pool", name, "members", n)
				attempts, joined = 0, true
				if pool == a.lan {
					a.joinedOnce.Do(func() { close(a.joined) })
				}
			case again:
				logger.Debug("Could not join yet", "pool", name, "error", oneLine(err))
			default:
				attempts++
				logger.Warn("Could not join, will try again", "pool", name, "retry_interval", j.Interval, "error", oneLine(err))
				if j.Max > 0 && attempts >= j.Max {
					logger.Error("Gave up joining: retry_max is reached", "pool", name)
					a.leftOnce.Do(func() { a.failed.Store(true); close(a.left) })
					return
				}
			}
		}
		var early <-chan time.Time
		if !joined && soon < interval {
			early = time.After(soon)
			soon *= 2
		}
		select {
		case <-early:
			again = true
		case <-ticker.C:
			soon, again = interval, false
		case <-ctx.Done():
			return
		}
	}
}

// firstRetry is how soon the first attempt to join is made again.
const firstRetry = time.Second

// alone tells whether nobody is left whom this agent needs: for one without data
// that is a server, whoever else there may be.
func (a *Agent) alone(pool *gossip.Pool) bool {
	for _, m := range pool.Servers() {
		if m.Status == gossip.StatusAlive && m.Name != pool.LocalMember().Name {
			return false
		}
	}
	if a.quorum == nil {
		return true
	}
	own := pool.LocalMember().Name
	return !slices.ContainsFunc(pool.Members(), func(m gossip.Member) bool { return m.Status == gossip.StatusAlive && m.Name != own })
}

// floodEvery is how often the servers of this datacenter are looked for in the
// WAN pool.
const floodEvery = time.Second

// flood joins the servers of this datacenter to the WAN pool, so that it is
// enough to join one server of each datacenter by hand.
func (a *Agent) flood(ctx context.Context) {
	ticker := time.NewTicker(floodEvery)
	defer ticker.Stop()
	for {
		here := map[string]bool{}
		for _, m := range a.wan.Members() {
			here[m.ID()] = m.Status == gossip.StatusAlive
		}
		for _, m := range a.lan.Servers() {
			s, ok := m.Server()
			if !ok || s.WANPort == 0 || m.Status != gossip.StatusAlive || here[m.ID()] {
				continue
			}
			addr := net.JoinHostPort(m.Addr, fmt.Sprint(s.WANPort))
			if _, err := a.wan.Join([]string{addr}, true); err != nil {
				a.log.Named("agent.server").Debug("could not join a server of this datacenter over the WAN", "server", m.Name, "error", err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// callTimeout bounds a request of the agent's own that changes something.
const callTimeout = 30 * time.Second

// call makes a request of the agent's own to the servers. in is sent as JSON,
// or as it is if it is bytes; the answer is read into out, when that is given.
func (a *Agent) call(ctx context.Context, need relay.Need, method, uri, token string, in, out any) error {
	req := &wire.Request{Method: method, URI: uri, Header: http.Header{}}
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	switch b := in.(type) {
	case nil:
	case []byte:
		req.Body = b
	default:
		var err error
		if req.Body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	resp, err := a.relay.Call(ctx, need, req)
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK {
		return remoteError(resp)
	}
	if out == nil {
		return nil
	}
	if raw, ok := out.(*[]byte); ok {
		*raw = resp.Body
		return nil
	}
	return json.Unmarshal(resp.Body, out)
}

// remoteError is the error that an answer stands for.
func remoteError(resp *wire.Response) error {
	kind := model.Internal
	switch resp.Status {
	case http.StatusNotFound:
		kind = model.NotFound
	case http.StatusForbidden:
		kind = model.Denied
	case http.StatusBadRequest:
		kind = model.BadRequest
	}
	return model.Errorf(kind, "%s", resp.Body)
}
