package boot

import (
	"context"
	"errors"
	"net"

	"muster/config"
	"muster/watches"
)

// startWatches carries out the watches of the configuration, once there is an
// API to ask.
func (a *Agent) startWatches() error {
	a.watches = watches.New(watches.Config{Dial: a.dialAPI, Logger: a.log.Named("agent")})
	a.onStop(a.watches.Close)
	if err := a.checkWatches(a.cfg.Watches); err != nil {
		return err
	}
	return a.watches.Set(a.cfg.Watches)
}

// checkWatches says what is wrong with watches before any of them is set.
func (a *Agent) checkWatches(list []config.Watch) error {
	if a.api == nil && len(list) > 0 {
		return errors.New("watches need the HTTP API, which is off")
	}
	return watches.Check(list)
}

// dialAPI opens a connection to this agent's HTTP API.
func (a *Agent) dialAPI(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, a.api.Network(), a.api.String())
}
