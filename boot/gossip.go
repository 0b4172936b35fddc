package boot

import (
	"encoding/base64"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"

	"muster/config"
	"muster/gossip"
	"muster/model"
	"muster/ops"
	"muster/rexec"
)

func (a *Agent) startGossip() error {
	lan, err := a.openPool(&a.cfg.Gossip.LAN, false)
	if err != nil {
		return err
	}
	a.lan = lan
	a.pool.Store(lan)
	a.onStop(func() { lan.Close() })
	if !a.cfg.Server || !a.cfg.Gossip.WAN.Bind.IsValid() {
		return nil
	}
	wan, err := a.openPool(&a.cfg.Gossip.WAN, true)
	if err != nil {
		return err
	}
	a.wan = wan
	a.poolWAN.Store(wan)
	a.running.Go(func() { drain(wan.Events()) })
	a.onStop(func() { wan.Close() })
	return nil
}

func (a *Agent) openPool(p *config.Pool, wan bool) (*gossip.Pool, error) {
	c := a.poolConfig(p, wan)
	if a.world.Gossip != nil {
		var err error
		if c.Transport, err = a.world.Gossip(p.Bind); err != nil {
			return nil, err
		}
	}
	return gossip.Open(c)
}

// drain takes what nobody needs yet.
func drain(events <-chan gossip.Event) {
	for range events {
	}
}

func (a *Agent) poolConfig(p *config.Pool, wan bool) gossip.Config {
	c := gossip.Config{
		WAN: wan, NodeName: a.cfg.Node.Name, NodeID: a.id, Datacenter: a.cfg.Datacenter, Build: build(),
		Protocol: a.cfg.RPC.Protocol, BindAddr: p.Bind.Addr().String(), BindPort: int(p.Bind.Port()),
		AdvertiseAddr: p.Advertise.Addr().String(), AdvertisePort: int(p.Advertise.Port()),
		Tuning: gossip.Tuning{GossipNodes: p.Nodes, GossipInterval: p.Interval, ProbeInterval: p.ProbeInterval,
			ProbeTimeout: p.ProbeTimeout, SuspicionMult: p.SuspicionMult, RetransmitMult: p.RetransmitMult},
		ReconnectTimeout: p.ReconnectTimeout, AdvertiseReconnectTimeout: a.cfg.Gossip.AdvertisedReconnectTimeout,
		DisableCoordinates: a.cfg.DisableCoordinates, RejoinAfterLeave: a.cfg.Leave.RejoinAfterLeave,
		AcceptPlain: !a.cfg.Gossip.VerifyIncoming, SendPlain: !a.cfg.Gossip.VerifyOutgoing,
		TLS:          a.rpcTLS.HasCertificate(),
		AllowedCIDRs: texts(p.AllowedCIDRs), Logger: a.log.Named("agent"),
	}
	if len(a.cfg.Gossip.Key) > 0 {
		c.EncryptKey = base64.StdEncoding.EncodeToString(a.cfg.Gossip.Key)
	}
	name := "local"
	if wan {
		name = "remote"
	}
	if a.cfg.DataDir != "" {
		c.SnapshotPath = filepath.Join(a.cfg.DataDir, "serf", name+".snapshot")
		if !a.cfg.Gossip.DisableKeyringFile {
			c.KeyringFile = filepath.Join(a.cfg.DataDir, "serf", name+".keyring")
		}
	}
	if a.cfg.Server {
		c.Server = &gossip.Server{Port: int(a.cfg.RPC.Advertise.Port()), WANPort: int(a.cfg.Gossip.WAN.Advertise.Port()),
			Bootstrap: a.cfg.Bootstrap, Expect: a.cfg.BootstrapExpect, ReadReplica: a.cfg.ReadReplica}
	}
	return c
}

func texts(prefixes []netip.Prefix) []string {
	var out []string
	for _, p := range prefixes {
		out = append(out, p.String())
	}
	return out
}

// startEvents begins to listen to gossip, once everybody is there who is told.
func (a *Agent) startEvents() error {
	a.running.Go(a.followGossip)
	return nil
}

// followGossip hands on what the pool of this datacenter tells.
func (a *Agent) followGossip() {
	for e := range a.lan.Events() {
		if e.Type != gossip.EventUser {
			a.membersChanged()
			continue
		}
		ev, err := ops.DecodeEvent(e.User.Payload)
		if err != nil {
			a.log.Named("agent").Error("could not read a user event", "name", e.User.Name, "error", err)
			continue
		}
		ev.Name, ev.LTime = e.User.Name, e.User.LTime
		if ev.Name != rexec.EventName {
			a.events.Receive(ev)
		} else if a.concerns(ev) && a.rexec != nil {
			a.rexec.Handle(ev)
		}
	}
}

// broadcast hands a user event to all agents of the datacenter.
func (a *Agent) broadcast(ev *model.UserEvent) error {
	payload, err := ops.EncodeEvent(ev)
	if err != nil {
		return err
	}
	return a.lan.UserEvent(ev.Name, payload)
}

// concerns tells whether an event's filters match this agent: its name, and
// one of its own services with one of its tags.
func (a *Agent) concerns(ev *model.UserEvent) bool {
	if ev.NodeFilter != "" && !matches(ev.NodeFilter, a.cfg.Node.Name) {
		return false
	}
	if ev.ServiceFilter == "" {
		return true
	}
	for _, s := range a.local.Services() {
		if matches(ev.ServiceFilter, s.Service) && (ev.TagFilter == "" ||
			slices.ContainsFunc(s.Tags, func(t string) bool { return matches(ev.TagFilter, t) })) {
			return true
		}
	}
	return false
}

func matches(expr, s string) bool {
	re, err := regexp.Compile(expr)
	return err == nil && re.MatchString(s)
}
