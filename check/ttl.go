package check

import (
	"context"
	"sync"
	"time"

	"muster/model"
)

// A ttl turns critical when its owner was not heard of for a while. It does
// not report what the owner says: whoever calls renew knows that already.
type ttl struct {
	spec    Spec
	ttl     time.Duration
	renewed chan struct{} // tells run that it may sleep again

	mu       sync.Mutex
	deadline time.Time
	output   string
	expired  bool
}

func newTTL(spec Spec) *ttl {
	return &ttl{spec: spec, ttl: time.Duration(spec.Def.TTL), renewed: make(chan struct{}, 1)}
}

// renew only notes the new deadline, which run looks at when the old one is
// over: a heartbeat costs no more than that.
func (t *ttl) renew(output string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deadline, t.output = time.Now().Add(t.ttl), output
	if t.expired {
		t.expired = false
		select {
		case t.renewed <- struct{}{}:
		default:
		}
	}
}

func (t *ttl) run(ctx context.Context) {
	t.mu.Lock()
	if t.deadline.IsZero() {
		t.deadline = time.Now().Add(t.ttl)
	}
	timer := time.NewTimer(time.Until(t.deadline))
	t.mu.Unlock()
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.renewed:
		case <-timer.C:
		}
		left, output := t.look()
		if left > 0 {
			timer.Reset(left)
			continue
		}
		t.spec.Report(Result{CheckID: t.spec.ID, Status: model.HealthCritical, Output: output})
	}
}

// look returns how long the check still lives, or what to say at its end.
func (t *ttl) look() (left time.Duration, output string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if left = time.Until(t.deadline); left > 0 {
		return left, ""
	}
	t.expired = true
	if t.output == "" {
		return 0, "TTL expired"
	}
	return 0, "TTL expired (last output before timeout follows): " + t.output
}
