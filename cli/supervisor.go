package cli

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
)

// A supervisor is the service manager that runs the agent, such as systemd for
// a unit of Type=notify (sd_notify(3)). Without one nothing is told.
type supervisor struct {
	logger hclog.Logger
	// watchdog ticks twice as often as the manager wants a sign of life; nil
	// if it wants none.
	watchdog <-chan time.Time
	stop     func()
}

func newSupervisor(logger hclog.Logger) *supervisor {
	s := &supervisor{logger: logger, stop: func() {}}
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		logger.Warn("The service manager's watchdog is not understood", "error", err)
	}
	if every > 0 {
		ticker := time.NewTicker(max(every/2, time.Millisecond))
		s.watchdog, s.stop = ticker.C, ticker.Stop
	}
	return s
}

// tell sends a state, one of the daemon package's constants.
func (s *supervisor) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.logger.Warn("Could not notify the service manager", "state", state, "error", err)
	}
}
