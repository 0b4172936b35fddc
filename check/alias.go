package check

import (
	"context"
	"fmt"
	"time"

	"muster/model"
)

// A Mirror tells the health of something else in the catalog.
type Mirror interface {
	// HealthOf returns the checks of a node and of one of its services (""
	// for the node alone). With an index other than 0 it first waits until
	// the answer differs from the one with that index, or for as long as the
	// catalog lets a reader wait.
	HealthOf(ctx context.Context, node, service string, index uint64) (Health, error)
}

// Health is what an alias check looks at.
type Health struct {
	Index uint64
	// Found tells whether the service is registered; true for a node alone.
	Found  bool
	Checks []*model.HealthCheck
}

// How long an alias check waits after a failure, before it asks again.
const (
	aliasRetryMin = time.Second
	aliasRetryMax = time.Minute
)

// alias mirrors another node, or a service on it.
type alias struct {
	spec   Spec
	source Mirror
}

func (a *alias) run(ctx context.Context) {
	def := a.spec.Def
	var index uint64
	var last Result
	for retry := aliasRetryMin; ; {
		h, err := a.source.HealthOf(ctx, def.AliasNode, def.AliasService, index)
		if ctx.Err() != nil {
			return
		}
		result := Result{CheckID: a.spec.ID}
		if err != nil {
			result.Status, result.Output = model.HealthCritical, fmt.Sprintf("Failure checking aliased node or service: %s", err)
		} else {
			result.Status, result.Output = Mirrored(def.AliasNode, def.AliasService, h)
		}
		if result != last {
			last = result
			a.spec.Report(result)
		}
		// An answer without an index can't be waited upon: don't ask in a row.
		if err == nil && h.Index != 0 {
			index, retry = h.Index, aliasRetryMin
			continue
		}
		index = 0
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry):
		}
		retry = min(2*retry, aliasRetryMax)
	}
}

// Mirrored is the state and output of an alias check for a service on a node,
// or for the node (service ""), given its health. The first of the worst
// checks is named. Checks of other services in h do not count.
func Mirrored(node, service string, h Health) (status, output string) {
	if !h.Found {
		return model.HealthCritical, fmt.Sprintf("Service %s could not be found on node %s", service, node)
	}
	status = model.HealthPassing
	var worst *model.HealthCheck
	count := 0
	for _, c := range h.Checks {
		if c.ServiceID != "" && c.ServiceID != service {
			continue
		}
		count++
		if w := model.Worse(status, c.Status); w != status {
			status, worst = w, c
		}
	}
	switch {
	case count == 0:
		return status, "No checks found."
	case worst == nil:
		return status, "All checks passing."
	}
	return status, fmt.Sprintf("Aliased check %q failing: %s", worst.Name, worst.Output)
}
