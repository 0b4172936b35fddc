package local

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"muster/model"
)

const (
	// After a failure the next full sync comes after a second, then two, then
	// four, and so on up to this long; in large clusters all of it longer.
	retryMin = time.Second
	retryMax = 15 * time.Second
	// When servers have come back, agents ask them within this time.
	serversStagger = 3 * time.Second
	// syncTimeout bounds one request to the catalog.
	syncTimeout = 30 * time.Second
	// pushers is how many requests are on their way at a time: enough for
	// servers to agree on them together.
	pushers = 16
	// checksMax is how many checks go in one request.
	checksMax = 128
	// From this size of the cluster on, full syncs become rarer.
	scaleFrom = 128
)

// syncScale is by how much the time between syncs is stretched in a cluster of
// n nodes, so that the load on its servers grows with the logarithm of n only.
func syncScale(n int) time.Duration {
	if n <= scaleFrom {
		return 1
	}
	return time.Duration(1 + math.Ceil(math.Log2(float64(n)/scaleFrom)))
}

// SyncNow has a full sync happen at once.
func (a *Agent) SyncNow() { a.syncWithin(0) }

// ServersUp tells that servers can be reached again, or others than before. A
// sync that failed is then tried again sooner than it would be, but not by all
// agents at once.
func (a *Agent) ServersUp() { a.syncWithin(serversStagger * syncScale(a.cfg.ClusterSize())) }

func (a *Agent) syncWithin(d time.Duration) {
	select {
	case a.resync <- time.Duration(a.cfg.Rand() * float64(d)):
	default: // one is asked for already
	}
}

// Pause holds back all changes of the catalog until Resume was called as often.
func (a *Agent) Pause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paused++
}

// Resume ends a Pause.
func (a *Agent) Resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.paused--; a.paused == 0 {
		a.wake()
	}
}

func (a *Agent) isPaused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.paused > 0
}

// syncLoop is the only one who changes the catalog. It compares everything at
// the start and then about once a minute, and pushes what has changed at once.
// Nothing is pushed before the first comparison: the catalog may have tags that
// win over ours.
func (a *Agent) syncLoop(ctx context.Context) {
	var (
		compared bool // everything, once
		failures int
		full     = time.NewTimer(0)
		fullAt   = time.Now()
		due      = time.NewTimer(math.MaxInt64)
	)
	defer full.Stop()
	defer due.Stop()
	for {
		isFull := false
		select {
		case <-ctx.Done():
			return
		case <-a.kick:
		case <-due.C:
		case <-full.C:
			isFull = true
		case d := <-a.resync:
			if at := time.Now().Add(d); at.Before(fullAt) {
				fullAt = at
				full.Reset(d)
			}
			continue
		}
		if a.isPaused() {
			if isFull {
				fullAt = time.Now().Add(a.retryAfter(0))
				full.Reset(time.Until(fullAt))
			}
			continue
		}
		var err error
		if isFull {
			err = a.compare(ctx)
			compared = compared || err == nil
		}
		if err == nil && compared {
			err = a.push(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		a.setInStep(err == nil && compared)
		if wait, again := a.nextFull(err, isFull, &failures, time.Until(fullAt)); again {
			fullAt = time.Now().Add(wait)
			full.Reset(wait)
		}
		due.Reset(a.nextDeferred())
	}
}

// nextFull says when the next full sync is to be, if that is to change: sooner
// after a failure, and some time after a full one.
func (a *Agent) nextFull(err error, wasFull bool, failures *int, left time.Duration) (time.Duration, bool) {
	if err != nil {
		a.logger.Error("Failed to sync with the catalog", "error", err)
		retry := a.retryAfter(*failures)
		*failures++
		return retry, wasFull || retry < left
	}
	if !wasFull {
		return 0, false
	}
	*failures = 0
	interval := a.cfg.SyncInterval * syncScale(a.cfg.ClusterSize())
	return time.Duration((0.75 + a.cfg.Rand()/2) * float64(interval)), true
}

func (a *Agent) retryAfter(failures int) time.Duration {
	wait := retryMax
	if failures < 4 {
		wait = min(retryMin<<failures, retryMax)
	}
	return time.Duration((0.5 + a.cfg.Rand()) * float64(wait*syncScale(a.cfg.ClusterSize())))
}

// nextDeferred is how long until the first held back output is due.
func (a *Agent) nextDeferred() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.deferred.next.IsZero() {
		return math.MaxInt64
	}
	return time.Until(a.deferred.next)
}

// A push is one request to the catalog.
type push struct {
	token string
	reg   *model.RegisterRequest // or
	dereg *model.DeregisterRequest
}

// push tells the catalog what is dirty: first who we are, if that has changed,
// then services, then the checks that don't go with theirs. What fails is left
// to the next full sync, which finds out what is missing. The error is that of
// a request worth trying again.
func (a *Agent) push(ctx context.Context) error {
	node, services, checks := a.takeDirty()
	defer a.pushed()
	if err := a.sendAll(ctx, node); err != nil {
		a.mu.Lock()
		a.dirty.node = true
		a.mu.Unlock()
		return err
	}
	return errors.Join(a.sendAll(ctx, services), a.sendAll(ctx, checks))
}

// sendAll makes requests side by side and returns one of their errors.
func (a *Agent) sendAll(ctx context.Context, pushes []push) error {
	if len(pushes) == 1 {
		return a.send(ctx, pushes[0])
	}
	var (
		next   = make(chan push)
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	for range min(pushers, len(pushes)) {
		wg.Go(func() {
			for p := range next {
				if err := a.send(ctx, p); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	for _, p := range pushes {
		next <- p
	}
	close(next)
	wg.Wait()
	return failed
}

// takeDirty empties what is dirty into requests.
func (a *Agent) takeDirty() (node, services, checks []push) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range a.deferred.take(time.Now()) {
		a.dirty.addCheck(id)
	}
	d := &a.dirty
	if d.node {
		req := a.request()
		req.SkipNodeUpdate = false
		node = []push{{reg: req}}
	}
	for id, token := range d.goneServices {
		services = append(services, push{token: token, dereg: &model.DeregisterRequest{
			Datacenter: a.cfg.Datacenter, Node: a.cfg.NodeName, ServiceID: id,
		}})
	}
	for id, token := range d.goneChecks {
		services = append(services, push{token: token, dereg: &model.DeregisterRequest{
			Datacenter: a.cfg.Datacenter, Node: a.cfg.NodeName, CheckID: id,
		}})
	}
	for id := range d.services {
		s := a.services[id]
		req := a.request()
		req.Service = s.ns
		services = append(services, push{token: s.token, reg: req})
		for check, e := range s.checks {
			if d.checks[check] && e.token == s.token && len(req.Checks) < checksMax {
				req.Checks = append(req.Checks, a.takeCheck(e))
			}
		}
	}
	checks = a.takeChecks()
	a.dirty = newDirty()
	a.await.take()
	return node, services, checks
}

// takeChecks are requests for the dirty checks that are left, several of one
// service and token in one.
func (a *Agent) takeChecks() (pushes []push) {
	type of struct{ service, token string }
	open := map[of]*model.RegisterRequest{}
	for id := range a.dirty.checks {
		e := a.checks[id]
		key := of{e.hc.ServiceID, e.token}
		req := open[key]
		if req == nil || len(req.Checks) >= checksMax {
			req = a.request()
			open[key] = req
			pushes = append(pushes, push{token: e.token, reg: req})
		}
		req.Checks = append(req.Checks, a.takeCheck(e))
	}
	return pushes
}

// takeCheck notes that a check is on its way.
func (a *Agent) takeCheck(e *entry) *model.HealthCheck {
	delete(a.dirty.checks, e.hc.CheckID)
	a.deferred.drop(e.hc.CheckID)
	return e.hc
}

// request is a registration of the node alone that does not change it.
func (a *Agent) request() *model.RegisterRequest {
	return &model.RegisterRequest{
		Datacenter: a.cfg.Datacenter, ID: a.cfg.NodeID, Node: a.cfg.NodeName, Address: a.cfg.Address,
		TaggedAddresses: a.cfg.TaggedAddresses, NodeMeta: a.meta, Locality: a.cfg.Locality, SkipNodeUpdate: true,
	}
}

// send makes a request. Its error is nil where trying again soon would not
// help: the next full sync tries anyway.
func (a *Agent) send(ctx context.Context, p push) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	var err error
	if p.reg != nil {
		err = a.cfg.Catalog.Register(ctx, p.token, p.reg)
	} else {
		err = a.cfg.Catalog.Deregister(ctx, p.token, p.dereg)
	}
	if err == nil {
		a.logPush(p)
		return nil
	}
	switch model.KindOf(err) {
	case model.Denied, model.NoToken:
		a.logRefused(p, "blocked by ACLs", err)
		return nil
	case model.NotFound:
		if p.dereg != nil {
			return nil // it is not there: that is what was wanted
		}
		fallthrough
	case model.BadRequest, model.TooLarge, model.Conflict:
		a.logRefused(p, "refused by the catalog", err)
		return nil
	}
	return err
}

func (a *Agent) logPush(p push) {
	switch {
	case p.dereg != nil && p.dereg.ServiceID != "":
		a.logger.Info("Deregistered service", "service", p.dereg.ServiceID)
	case p.dereg != nil:
		a.logger.Info("Deregistered check", "check", p.dereg.CheckID)
	case p.reg.Service != nil:
		a.logger.Info("Synced service", "service", p.reg.Service.ID)
	case len(p.reg.Checks) == 0:
		a.logger.Info("Synced node info")
	default:
		for _, c := range p.reg.Checks {
			a.logger.Info("Synced check", "check", c.CheckID)
		}
	}
}

func (a *Agent) logRefused(p push, why string, err error) {
	switch {
	case p.dereg != nil && p.dereg.ServiceID != "":
		a.logger.Warn("Service deregistration "+why, "service", p.dereg.ServiceID, "error", err)
	case p.dereg != nil:
		a.logger.Warn("Check deregistration "+why, "check", p.dereg.CheckID, "error", err)
	case p.reg.Service != nil:
		a.logger.Warn("Service registration "+why, "service", p.reg.Service.ID, "error", err)
	case len(p.reg.Checks) == 0:
		a.logger.Warn("Node info update "+why, "node", p.reg.Node, "error", err)
	default:
		for _, c := range p.reg.Checks {
			a.logger.Warn("Check registration "+why, "check", c.CheckID, "error", err)
		}
	}
}
