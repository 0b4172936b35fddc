package gossip

import (
	"math/rand/v2"
	"time"

	"github.com/hashicorp/serf/serf"
)

const (
	// leavingFor is longer than a member can need to leave: two broadcasts, and
	// the time in which others hear of it.
	leavingFor = 15 * time.Second
	// leavingSpread is within which time after the servers the others ask.
	leavingSpread = time.Minute
	// leavingLook is how often members that leave are looked at.
	leavingLook = 5 * time.Second
)

// watchLeaving asks members whether they leave that do not get done with it. A
// member that was forced to leave, and is back at another address, may refute
// that before some who will still hear of it have heard of the member: for them
// it leaves for ever, and it does not know. Forced to leave once more it refutes
// that, too, for all. It runs until Close; servers ask first.
func (p *Pool) watchLeaving(server bool) {
	patience := leavingFor
	if !server {
		patience += rand.N(leavingSpread)
	}
	look := time.NewTicker(leavingLook)
	defer look.Stop()
	since := map[string]time.Time{}
	for {
		select {
		case <-look.C:
		case <-p.stop:
			return
		}
		for _, m := range p.serf.Members() {
			began, seen := since[m.Name]
			switch {
			case m.Status != serf.StatusLeaving || m.Name == p.name:
				delete(since, m.Name)
				if seen && m.Status == serf.StatusAlive { // which serf does not tell
					p.changed(m)
				}
			case !seen:
				since[m.Name] = time.Now()
			case time.Since(began) >= patience:
				p.log.Info("a member says that it leaves and does not: asking it", "member", m.Name)
				if err := p.serf.RemoveFailedNode(m.Name); err != nil {
					p.log.Warn("could not ask a member whether it leaves", "member", m.Name, "error", err)
				}
				since[m.Name] = time.Now()
			}
		}
	}
}

// changed puts an update of a member among the events.
func (p *Pool) changed(m serf.Member) {
	select {
	case p.in <- serf.MemberEvent{Type: serf.EventMemberUpdate, Members: []serf.Member{m}}:
	case <-p.stop:
	}
}
