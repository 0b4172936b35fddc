package gossip

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Peer is a server of the pool, and "ip:port" for requests to it.
type Peer struct {
	Member
	Address string
}

// directory keeps the servers among the members at hand: every request that is
// forwarded asks for them, and in a large pool they are few among many.
type directory struct {
	changes atomic.Uint64 // member events so far
	kept    atomic.Pointer[listing]
	mu      sync.Mutex // held while a listing is made
}

// A listing is the servers as they were.
type listing struct {
	peers   []Peer
	changes uint64 // when it was made, like made
	made    time.Time
}

// listingAge is how long a listing is kept although no event came: serf may
// drop events under extreme load.
const listingAge = time.Second

// Servers returns the members that are servers, whatever their status, sorted
// by name. They are shared: do not modify them.
func (p *Pool) Servers() []Peer {
	d := &p.directory
	if l := d.kept.Load(); d.current(l) {
		return l.peers
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.kept.Load(); d.current(l) {
		return l.peers
	}
	l := &listing{changes: d.changes.Load(), made: time.Now()} // before it looks
	members := p.serf.Members()
	for i := range members {
		if members[i].Tags[TagRole] != RoleServer {
			continue
		}
		m := memberOf(&members[i])
		if address := m.ServerAddr(); address != "" {
			l.peers = append(l.peers, Peer{m, address})
		}
	}
	slices.SortFunc(l.peers, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	d.kept.Store(l)
	return l.peers
}

func (d *directory) current(l *listing) bool {
	return l != nil && l.changes == d.changes.Load() && time.Since(l.made) < listingAge
}
