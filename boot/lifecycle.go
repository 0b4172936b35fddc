package boot

import (
	"time"

	"muster/config"
)

// Leave takes the agent out of the gossip pools, so that the others take it
// out of the catalog, and lets requests under way end. The agent is to be
// closed afterwards.
func (a *Agent) Leave() error {
	logger := a.log.Named("agent.server")
	logger.Info("server starting leave")
	if a.wan != nil {
		if err := a.wan.Leave(); err != nil {
			logger.Error("could not leave the WAN pool", "error", err)
		}
	}
	err := a.lan.Leave()
	if len(a.lan.Members()) > 1 {
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
func (a *Agent) Reload(load func() (*config.Config, []string, error)) error {
	next, warnings, err := load()
	logger := a.log.Named("agent")
	for _, w := range warnings {
		logger.Warn(w)
	}
	if err != nil {
		return err
	}
	logger.Info("Reloading configuration...")
	return a.apply(next)
}

func (a *Agent) apply(next *config.Config) error {
	return a.log.ChangeLevel(next.Log.Level)
}
