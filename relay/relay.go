// Package relay decides where a request runs: here, on the leader, on another
// server, in another datacenter. It is the only code that forwards or repeats.
package relay

import (
	"context"
	"time"

	"muster/model"
)

// Place is where a request must run.
type Place uint8

const (
	// Agent: on the agent that was asked, whatever it is.
	Agent Place = iota
	// Server: on any server of the datacenter.
	Server
	// Leader: on the leader of the datacenter.
	Leader
)

// Cluster is what relay needs to know of the other servers.
type Cluster interface {
	// Leading tells whether this server leads and may take writes.
	Leading() bool
	// Changed is closed when Leading may have another answer.
	Changed() <-chan struct{}
}

// Relay routes the requests of one agent.
type Relay struct {
	datacenter string
	cluster    Cluster
	hold       time.Duration
}

// New makes the relay of an agent. hold is how long a request waits for a
// leader before it is refused (rpc_hold_timeout).
func New(datacenter string, cluster Cluster, hold time.Duration) *Relay {
	return &Relay{datacenter: datacenter, cluster: cluster, hold: hold}
}

// Admit returns when a request may run on this agent, or an error why it can
// run nowhere. A request without a datacenter is for this one. Requests that
// need a leader wait while there is none.
func (r *Relay) Admit(ctx context.Context, place Place, datacenter string) error {
	if datacenter != "" && datacenter != r.datacenter {
		return model.ErrNoDatacenter
	}
	if place != Leader || r.cluster.Leading() {
		return nil
	}
	timeout := time.NewTimer(r.hold)
	defer timeout.Stop()
	for {
		changed := r.cluster.Changed()
		if r.cluster.Leading() {
			return nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return model.ErrNoLeader
		case <-ctx.Done():
			return model.Errorf(model.Canceled, "%w", context.Cause(ctx))
		}
	}
}
