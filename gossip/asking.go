package gossip

import (
	"context"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	// askTimeout bounds how long a member is asked.
	askTimeout = 5 * time.Second
	// askTries is how often, where a connection is refused or breaks.
	askTries = 3
	// askPause is the time between two of them.
	askPause = 300 * time.Millisecond
)

// Ask asks a member, at its address, whether it is there, whatever the pool says of
// it, and returns the node ID that it has. An agent that leaves says that it does
// not stay as soon as the others can know that it leaves. Who is not reached in 5
// seconds, or at once if nobody listens at the address, is not there.
//
// The question is the exchange of all that two agents know of the members, which
// those who join begin with. So whatever wrong was said of the member is put right
// by it: it hears that, and refutes it before everybody.
func (p *Pool) Ask(ctx context.Context, m *Member) (id string, here bool) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for try := range askTries {
		if try > 0 {
			select {
			case <-time.After(askPause):
			case <-ctx.Done():
				return "", false
			}
		}
		q := p.guard.ask(m)
		err := p.exchange(ctx, placeOf(m.Name, m.Addr, m.Port).addr)
		here, certain := p.guard.heard(q)
		switch {
		case err != nil: // it was not reached, or does not belong here any more
		case certain, try == askTries-1:
			return q.id, here
		}
	}
	return "", false
}

// exchange tells the agent at an address all that is known here, and hears what it
// knows.
func (p *Pool) exchange(ctx context.Context, addr string) error {
	done := make(chan error, 1)
	p.loops.Go(func() { // it cannot be broken off; memberlist bounds it
		_, err := p.serf.Memberlist().Join([]string{addr})
		done <- err
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// An inquiry is a question to a member. Everybody whose knowledge comes in
// meanwhile is heard, since memberlist does not tell from whom it comes: the member
// is certainly among them once the exchange with it has succeeded.
type inquiry struct {
	place
	yes, no int // how many said that the member is there, or is not
	meta    []byte
	id      string // of who said yes; set by heard
}

// ask begins an inquiry, heard ends it.
func (g *guard) ask(m *Member) *inquiry {
	q := &inquiry{place: placeOf(m.Name, m.Addr, m.Port)}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inquiries[q] = struct{}{}
	return q
}

// heard tells whether the member is there. It is certain when all said the same. In
// doubt it is there: it can be asked again.
func (g *guard) heard(q *inquiry) (here, certain bool) {
	g.mu.Lock()
	delete(g.inquiries, q)
	g.mu.Unlock()
	if b, err := g.badge(q.meta); err == nil && q.yes > 0 {
		q.id = b.ID
	}
	return q.yes > 0, q.yes == 0 || q.no == 0
}

// testify hears what somebody knows of the members that are asked.
func (g *guard) testify(nodes []*memberlist.Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for q := range g.inquiries {
		if meta, here := q.among(nodes); here {
			q.yes, q.meta = q.yes+1, meta
		} else {
			q.no++
		}
	}
}

// among tells whether the member is one of those that are alive. An agent that has
// come to its address may still believe that, but knows better of the address.
func (q *inquiry) among(nodes []*memberlist.Node) (meta []byte, here bool) {
	for _, n := range nodes {
		switch {
		case n.State != memberlist.StateAlive && n.State != memberlist.StateSuspect:
		case n.Name == q.name:
			meta, here = n.Meta, true
		case n.Address() == q.addr:
			return nil, false
		}
	}
	return meta, here
}
