package check

import (
	"context"
	"fmt"
	"strings"

	"muster/internal/process"
	"muster/model"
)

// osServiceProbe asks the service manager of the machine, systemd, whether a
// unit is active.
type osServiceProbe struct {
	noState
	name string
}

func (p *osServiceProbe) probe(ctx context.Context) (status, output string) {
	out := &process.Tail{Max: 256}
	// The exit code tells less than the word: anything but active is not 0.
	err := runCommand(ctx, []string{"systemctl", "is-active", "--", p.name}, out)
	state := strings.TrimSpace(out.String())
	if ctx.Err() != nil || state == "" {
		if err == nil {
			err = ctx.Err()
		}
		return model.HealthCritical, fmt.Sprintf("Service %q: ask systemd: %s", p.name, err)
	}
	return osServiceStatus(state), fmt.Sprintf("Service %q is %s", p.name, state)
}

func osServiceStatus(state string) string {
	switch state {
	case "active":
		return model.HealthPassing
	case "activating", "deactivating", "reloading", "refreshing":
		return model.HealthWarning
	}
	return model.HealthCritical
}
