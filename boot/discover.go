package boot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"muster/gossip"
	"muster/internal/discover"
)

// joinAddresses are the addresses of a list to join; texts of cloud discovery
// ("provider=...") are asked anew each time. The error says what could not be
// found out, and may come with addresses.
func (a *Agent) joinAddresses(ctx context.Context, list []string) (addresses []string, err error) {
	var failed []error
	for _, text := range list {
		if !discover.Is(text) {
			addresses = append(addresses, text)
			continue
		}
		// Some take minutes, and say nothing meanwhile.
		a.log.Named("agent").Info("Discovering servers, waiting for an answer", "cluster", discover.Redact(text), "timeout", discover.Timeout)
		found, err := a.discover(ctx, text)
		if err == nil && len(found) == 0 {
			err = errors.New("no address found")
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("discover %s: %w", discover.Redact(text), err))
		} else {
			a.log.Named("agent").Info("Discovered servers", "cluster", discover.Redact(text), "servers", strings.Join(found, " "))
		}
		addresses = append(addresses, found...)
	}
	return addresses, errors.Join(failed...)
}

func (a *Agent) discover(ctx context.Context, text string) ([]string, error) {
	if a.world.Discover != nil {
		return a.world.Discover(ctx, text)
	}
	return discover.Addresses(ctx, text, a.log.Standard("agent.discover"))
}

// joinThese joins whom a list names now. It returns how many were reached; the
// error is nil only if all could be found out and one was reached.
func (a *Agent) joinThese(ctx context.Context, pool *gossip.Pool, list []string) (int, error) {
	addresses, err := a.joinAddresses(ctx, list)
	if len(addresses) == 0 {
		return 0, err
	}
	n, joinErr := pool.Join(addresses, true)
	return n, errors.Join(err, joinErr)
}
