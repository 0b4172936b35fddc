package command

import (
	"context"

	"github.com/hashicorp/consul/api"
)

// Logs hands on the lines of an agent's log, as they are written, until the
// context or the log ends. The level is one of the agent's; asJSON has every
// line be a JSON object.
func Logs(ctx context.Context, agent *api.Agent, level string, asJSON bool, line func(string)) error {
	ctx, cancel := context.WithCancel(ctx)
	open := agent.Monitor
	if asJSON {
		open = agent.MonitorJSON
	}
	stop := make(chan struct{})
	lines, err := open(level, stop, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		cancel()
		return err
	}
	defer func() {
		close(stop)
		cancel()
		for range lines { // until the library's reader has ended
		}
	}()
	for {
		select {
		case text := <-lines:
			if text == "" { // the log has ended
				return nil
			}
			line(text)
		case <-ctx.Done():
			return nil
		}
	}
}
