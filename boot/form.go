package boot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/hashicorp/raft"

	"muster/gossip"
	"muster/quorum"
	"muster/wire"
)

// joinsLAN tells whether this agent is to join others of its datacenter.
func (a *Agent) joinsLAN() bool { return len(a.cfg.Join.LAN.Start)+len(a.cfg.Join.LAN.Retry) > 0 }

// formEvery is how often a server without a cluster looks for the others.
const formEvery = 200 * time.Millisecond

// form makes this server part of a cluster: it waits for as many servers as
// are expected and begins one with them, unless one of them has one already;
// then it waits to be taken in.
func (a *Agent) form(ctx context.Context) {
	logger := a.log.Named("agent.server")
	ticker := time.NewTicker(formEvery)
	defer ticker.Stop()
	told := ""
	for {
		servers, _, err := a.quorum.Configuration()
		if err == nil && len(servers) > 0 {
			return
		}
		state, err := a.tryForm(ctx)
		if err != nil {
			state = err.Error()
		}
		if state != told {
			logger.Info("no cluster yet", "state", state)
			told = state
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) tryForm(ctx context.Context) (state string, err error) {
	if a.cfg.Bootstrap {
		return a.tryBootstrap(ctx)
	}
	if a.cfg.BootstrapExpect == 0 || a.cfg.ReadReplica {
		return "waiting to be taken in", nil
	}
	var servers []quorum.Server
	for _, m := range a.serversHere() {
		s, _ := m.Server()
		if s.Bootstrap {
			return "waiting to be taken in by " + m.Name, nil
		}
		// A server that expects none waits for whoever does: it counts.
		if s.Expect != 0 && s.Expect != a.cfg.BootstrapExpect && !s.ReadReplica {
			return "", fmt.Errorf("server %s expects %d servers, this one %d: set bootstrap_expect alike", m.Name, s.Expect, a.cfg.BootstrapExpect)
		}
		if s.ReadReplica {
			continue
		}
		servers = append(servers, quorum.Server{ID: m.ID(), Address: m.ServerAddr(), Voter: true})
	}
	if len(servers) < a.cfg.BootstrapExpect {
		return fmt.Sprintf("%d of %d servers are here", len(servers), a.cfg.BootstrapExpect), nil
	}
	for _, s := range servers {
		if s.ID == a.id {
			continue
		}
		peers, err := a.peersOf(ctx, s.Address)
		if err != nil {
			return "", fmt.Errorf("ask %s whether it has a cluster: %w", s.Address, err)
		}
		if peers > 0 {
			return "waiting to be taken in: " + s.Address + " has a cluster", nil
		}
	}
	slices.SortFunc(servers, func(a, b quorum.Server) int { return cmp.Compare(a.ID, b.ID) })
	if err := a.quorum.Bootstrap(servers); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return "", err
	}
	return fmt.Sprintf("beginning with %d servers", len(servers)), nil
}

// tryBootstrap begins a cluster of this server alone, unless one is found where it
// is to join: with both there would be two, each with data of its own.
func (a *Agent) tryBootstrap(ctx context.Context) (state string, err error) {
	select {
	case <-a.askedAround:
	default:
		return "looking for one to join before beginning one", nil
	}
	for _, m := range a.serversHere() {
		if m.ID() == a.id {
			continue
		}
		peers, err := a.peersOf(ctx, m.ServerAddr())
		if err != nil {
			return "", fmt.Errorf("ask %s whether it has a cluster before beginning one: %w", m.ServerAddr(), err)
		}
		if peers > 0 {
			return "not beginning one, since " + m.Name + " has one: waiting to be taken in there (remove bootstrap, or bootstrap_expect = 1, from the configuration)", nil
		}
	}
	if err := a.quorum.Bootstrap([]quorum.Server{{ID: a.id, Address: a.cfg.RPC.Advertise.String(), Voter: true}}); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return "", err
	}
	return "beginning with this server alone", nil
}

// serversHere are the servers of this datacenter that are alive, this one too.
func (a *Agent) serversHere() []gossip.Member {
	return slices.DeleteFunc(a.lan.Members(), func(m gossip.Member) bool {
		_, ok := m.Server()
		return !ok || m.Status != gossip.StatusAlive || m.Datacenter() != a.cfg.Datacenter
	})
}

// peersOf asks another server how many servers its cluster has.
func (a *Agent) peersOf(ctx context.Context, address string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	resp, err := a.client.Do(ctx, address, &wire.Request{Method: http.MethodGet, URI: "/v1/status/peers"})
	if err != nil {
		return 0, err
	}
	var peers []string
	if resp.Status != http.StatusOK {
		return 0, fmt.Errorf("it answers %d", resp.Status)
	}
	err = json.Unmarshal(resp.Body, &peers)
	return len(peers), err
}

// oneLine is an error of joining as one line of the log; nil is that nobody answered.
func oneLine(err error) string {
	if err == nil {
		return "nobody answered"
	}
	var several *multierror.Error
	if errors.As(err, &several) {
		several.ErrorFormat = func(list []error) string {
			texts := make([]string, len(list))
			for i, e := range list {
				texts[i] = strings.TrimSpace(e.Error())
			}
			return strings.Join(texts, "; ")
		}
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
