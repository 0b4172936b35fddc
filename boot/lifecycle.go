package boot

import (
	"time"

	"muster/config"
)

// Leave hands over leadership, takes the agent out of the gossip pools, so that
// the others take it out of Raft and the catalog, and lets requests under way end. The agent is to be
// closed afterwards.
func (a *Agent) Leave() error {
	logger := a.log.Named("agent.server")
	logger.Info("server starting leave")
	a.handOver()
	a.local.StopSync()
	if a.wan != nil {
		if err := a.wan.Leave(); err != nil {
			logger.Error("could not leave the WAN pool", "error", err)
		}
	}
	err := a.lan.Leave()
	if a.lan.NumMembers() > 1 {
		time.Sleep(a.cfg.Leave.DrainTime)
	}
	return err
}

// LeaveByAPI is Leave for somebody who asked over the API; whoever runs the
// agent learns of it by Left.
func (a *Agent) LeaveByAPI() error {
	err := a.Leave()
	a.leftOnce.Do(func() { close(a.left) })
	return err
}

// Reload loads the configuration again and applies what can be changed while
// the agent runs. After an error everything is as it was.
func (a *Agent) Reload() error { return a.reload() }

func (a *Agent) reload() error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	logger := a.log.Named("agent")
	logger.Info("Reloading configuration...")
	next, warnings, err := a.load()
	for _, w := range warnings {
		logger.Warn(w)
	}
	if err != nil {
		return err
	}
	if err := a.checkWatches(next.Watches); err != nil {
		return err
	}
	useTLS, err := a.readTLS(next)
	if err != nil {
		return err
	}
	if err := a.local.Reload(next.Services, next.Checks); err != nil {
		return err
	}
	if err := a.log.ChangeLevel(next.Log.Level); err != nil {
		return err
	}
	if a.quorum != nil {
		if err := a.quorum.Reload(snapshotPolicy(next)); err != nil {
			return err
		}
	}
	if a.dns != nil {
		a.dns.SetConfig(dnsConfig(next))
	}
	if err := a.watches.Set(next.Watches); err != nil {
		return err
	}
	useTLS()
	a.limits.Set(requestRates(next))
	a.httpConns.Set(next.HTTP.MaxConnsPerClient)
	a.rpcConns.Set(next.RPC.MaxConnsPerClient)
	a.meter.SetFilter(metricFilter(next))
	if a.cache != nil {
		a.cache.SetRate(next.HTTP.CacheFetchRate, next.HTTP.CacheFetchBurst)
	}
	a.local.SetMeta(nodeMeta(next.Node.Meta))
	a.local.SetDiscardOutput(next.Check.DiscardOutput)
	for _, c := range config.Diff(a.config(), next) {
		if c.Reloadable {
			logger.Info("Configuration changed", "key", c.Key, "from", c.From, "to", c.To)
		}
	}
	// What waits for a restart differs from what the agent was started with, not
	// from what the last reload found; it is told until it is done or taken back.
	for _, c := range config.Diff(a.cfg, next) {
		if !c.Reloadable {
			logger.Warn("Configuration changed, the change takes effect at the next start", "key", c.Key, "from", c.From, "to", c.To)
		}
	}
	a.now.Store(next)
	return nil
}
