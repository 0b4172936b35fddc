package boot

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"muster/gossip"
	"muster/leader"
	"muster/model"
	"muster/ops"
	"muster/quorum"
	"muster/wire"
)

// newAutopilot makes the duty that looks after the servers.
func (a *Agent) newAutopilot() *leader.Autopilot {
	c := a.cfg.Autopilot
	return leader.NewAutopilot(leader.AutopilotConfig{
		Log: a.quorum, Peers: a.quorum, Store: a.store, Pool: a.lan, Own: a.id, Ask: a.askHealth, Logger: a.log.Named("agent.leader"),
		Initial: model.AutopilotConfig{CleanupDeadServers: c.CleanupDeadServers, LastContactThreshold: c.LastContactThreshold,
			MaxTrailingLogs: c.MaxTrailingLogs, MinQuorum: c.MinQuorum, ServerStabilizationTime: c.ServerStabilizationTime},
	})
}

// vitalsPath is where a server tells other agents its vitals. It is no part of
// the API: only the port between agents knows it.
const vitalsPath = "/vitals"

// vitals are who a server is and how far its log has come.
type vitals struct {
	ID                  string
	LastContact         time.Duration // below 0: it never heard of a leader
	LastTerm, LastIndex uint64
	Members             []string // IDs of the servers of its cluster; none: it has no cluster
}

// vitalsOf asks a server who it is.
func (a *Agent) vitalsOf(ctx context.Context, address string) (*vitals, error) {
	resp, err := a.client.Do(ctx, address, &wire.Request{Method: http.MethodGet, URI: vitalsPath, Header: http.Header{}})
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, fmt.Errorf("it answers %d", resp.Status)
	}
	var v vitals
	if err := json.Unmarshal(resp.Body, &v); err != nil {
		return nil, fmt.Errorf("it answers what cannot be read: %w", err)
	}
	return &v, nil
}

// serveVitals tells another agent who this server is.
func (i *inbound) serveVitals(w http.ResponseWriter) {
	q := i.ready.Load()
	if q == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	h := q.Health()
	members, err := membersOf(q)
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_ = json.NewEncoder(w).Encode(vitals{i.id, h.LastContact, h.LastTerm, h.LastIndex, members}) // who asked may be gone
}

// membersOf are the IDs of the servers that agree.
func membersOf(q *quorum.Quorum) ([]string, error) {
	servers, _, err := q.Configuration()
	ids := make([]string, len(servers))
	for i, s := range servers {
		ids[i] = s.ID
	}
	return ids, err
}

// askHealth asks a server how far it has come.
func (a *Agent) askHealth(ctx context.Context, id, address string) (quorum.Health, error) {
	if id == a.id {
		return a.quorum.Health(), nil
	}
	v, err := a.vitalsOf(ctx, address)
	if err != nil {
		return quorum.Health{}, err
	}
	if v.ID != id {
		return quorum.Health{}, fmt.Errorf("at %s is another server, with ID %s", address, v.ID)
	}
	return quorum.Health{LastContact: v.LastContact, LastTerm: v.LastTerm, LastIndex: v.LastIndex}, nil
}

// vouch is leader.Vouch. Where servers have to prove by their certificates that
// they are servers (verify_server_hostname), the connection is had only with one
// that does: a member that has but an agent's certificate is not let in. Nor is one
// that brings another cluster's data.
func (a *Agent) vouch(ctx context.Context, m *gossip.Member) error {
	v, err := a.vitalsOf(ctx, m.ServerAddr())
	if err != nil {
		return fmt.Errorf("its port for other agents, %s, does not prove that it is a server: %w", m.ServerAddr(), err)
	}
	if v.ID != m.ID() {
		return fmt.Errorf("at its address %s is a server with the ID %s, not %s", m.ServerAddr(), v.ID, m.ID())
	}
	ours, err := membersOf(a.quorum)
	if err != nil {
		return err
	}
	if len(v.Members) > 0 && !slices.ContainsFunc(v.Members, func(id string) bool { return slices.Contains(ours, id) }) {
		return fmt.Errorf("it has a cluster of its own (servers: %d, none of them of this one), whose data would be lost: "+
			"stop it, remove its data directory, and start it without bootstrap", len(v.Members))
	}
	return nil
}

// watchAutopilot tells how the servers are, where that is known: on the leader.
func (a *Agent) watchAutopilot(pilot ops.Autopilot) {
	known := func(value func(ops.AutopilotHealth) float64) func() float64 {
		return func() float64 {
			if h := pilot.Health(); len(h.Servers) > 0 {
				return value(h)
			}
			return math.NaN()
		}
	}
	a.meter.Watch("autopilot.healthy", known(func(h ops.AutopilotHealth) float64 {
		if h.Healthy {
			return 1
		}
		return 0
	}))
	a.meter.Watch("autopilot.failure_tolerance", known(func(h ops.AutopilotHealth) float64 { return float64(h.FailureTolerance) }))
}
