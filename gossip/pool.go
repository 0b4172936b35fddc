package gossip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-multierror"
	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/coordinate"
	"github.com/hashicorp/serf/serf"

	"muster/model"
)

const (
	// broadcastTimeout bounds how long a leave waits for its news to go out.
	broadcastTimeout = 5 * time.Second
	// reclaimAfter is how long a member must have failed before another
	// address may take its name, as happens when a container is replaced.
	reclaimAfter = 30 * time.Second
	// maxUserEvent is the size of a user event in bytes: its name in the
	// gossip and its payload, before and after encoding.
	maxUserEvent = 512
)

// A Pool is this agent's membership in a gossip cluster. Its methods may be
// called from anywhere; none may be called after Close, except Close.
type Pool struct {
	serf      *serf.Serf
	guard     *guard
	log       hclog.Logger
	name      string
	directory directory
	// propagate is how long a leaving member stays to answer probes.
	propagate time.Duration

	// turn holds a token while Leave, SetTags or Close is at work. A mutex
	// would do, but waiting for one stops virtual time.
	turn chan struct{}

	in     chan serf.Event // from serf to pump
	out    chan Event
	stop   chan struct{} // closed by Close, after serf ended
	pumped chan struct{} // closed by pump when it ended
	loops  sync.WaitGroup
	closed bool // read and written in turn
}

// Open starts to listen, with this agent as the only member, unless a
// snapshot knows others: they are then looked for in the background.
func Open(c Config) (*Pool, error) {
	if c.WAN && c.Server == nil {
		return nil, errors.New("only servers join the WAN pool")
	}
	kind, tuning := "lan", DefaultLAN()
	if c.WAN {
		kind, tuning = "wan", DefaultWAN()
	}
	tuning = c.Tuning.or(tuning)
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	p := &Pool{
		log:       c.Logger.Named("gossip").Named(kind),
		name:      c.memberName(),
		propagate: 5 * tuning.GossipInterval,
		turn:      make(chan struct{}, 1),
		guard:     newGuard(&c),
		in:        make(chan serf.Event, 1024),
		out:       make(chan Event),
		stop:      make(chan struct{}),
		pumped:    make(chan struct{}),
	}
	conf, err := p.serfConfig(&c, tuning, kind)
	if err != nil {
		return nil, err
	}
	// serf blocks while nobody takes its events, so the pump comes first.
	go p.pump()
	if p.serf, err = serf.Create(conf); err != nil {
		p.stopPump()
		return nil, fmt.Errorf("start %s gossip: %w", strings.ToUpper(kind), err)
	}
	// The pump will do that too, perhaps only after a first join.
	p.guard.saw(&Event{Type: EventJoin, Member: p.LocalMember()})
	p.loops.Go(func() { p.watchLeaving(c.Server != nil) })
	return p, nil
}

func (p *Pool) serfConfig(c *Config, t Tuning, kind string) (*serf.Config, error) {
	ml := memberlist.DefaultLANConfig()
	if c.WAN {
		ml = memberlist.DefaultWANConfig()
	}
	ml.GossipNodes, ml.GossipInterval = t.GossipNodes, t.GossipInterval
	ml.ProbeInterval, ml.ProbeTimeout = t.ProbeInterval, t.ProbeTimeout
	ml.SuspicionMult, ml.RetransmitMult = t.SuspicionMult, t.RetransmitMult
	ml.DeadNodeReclaimTime = reclaimAfter
	// Hardly a message gets shorter, and trying took a third of what an agent
	// that has nothing to do needs. What others compress is understood.
	ml.EnableCompression = false
	ml.BindAddr, ml.BindPort = c.BindAddr, c.BindPort
	ml.AdvertiseAddr, ml.AdvertisePort = c.AdvertiseAddr, first(c.AdvertisePort, c.BindPort)
	ml.GossipVerifyIncoming, ml.GossipVerifyOutgoing = !c.AcceptPlain, !c.SendPlain
	ml.Transport = c.Transport
	ml.LogOutput, ml.Logger = nil, p.logger(c.Logger.Named("memberlist").Named(kind))
	var err error
	if ml.CIDRsAllowed, err = memberlist.ParseCIDRs(c.AllowedCIDRs); err != nil {
		return nil, fmt.Errorf("read allowed networks: %w", err)
	}
	if ml.Keyring, err = openKeyring(c.EncryptKey, c.KeyringFile); err != nil {
		return nil, err
	}
	if c.SnapshotPath != "" {
		if err := os.MkdirAll(filepath.Dir(c.SnapshotPath), 0o755); err != nil {
			return nil, fmt.Errorf("make snapshot directory: %w", err)
		}
	}
	s := serf.DefaultConfig()
	s.NodeName, s.Tags = p.name, c.tags()
	s.MemberlistConfig = ml
	s.LogOutput, s.Logger = nil, p.logger(c.Logger.Named("serf").Named(kind))
	s.EventCh = p.in
	ml.Merge, ml.Alive, s.ReconnectTimeoutOverride = p.guard, p.guard, p.guard
	s.BroadcastTimeout = broadcastTimeout
	s.LeavePropagateDelay = 0 // see Leave
	s.ReconnectTimeout = first(c.ReconnectTimeout, 72*time.Hour)
	s.MinQueueDepth = 4096
	s.UserEventSizeLimit = maxUserEvent
	// A vote on who keeps a name would end the loser's membership for good,
	// behind our back.
	s.EnableNameConflictResolution = false
	s.SnapshotPath, s.RejoinAfterLeave = c.SnapshotPath, c.RejoinAfterLeave
	s.KeyringFile = c.KeyringFile
	s.DisableCoordinates = c.DisableCoordinates
	return s, nil
}

// Members returns everybody that is not forgotten, sorted by name.
func (p *Pool) Members() []Member {
	from := p.serf.Members()
	members := make([]Member, len(from))
	for i := range from {
		members[i] = memberOf(&from[i])
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	return members
}

// NumMembers is how many Members would return.
func (p *Pool) NumMembers() int { return p.serf.NumNodes() }

// NumAlive is how many of them are alive.
func (p *Pool) NumAlive() (servers, clients int) {
	members := p.serf.Members()
	for i := range members {
		switch m := &members[i]; {
		case m.Status != serf.StatusAlive:
		case m.Tags[TagRole] == RoleServer:
			servers++
		default:
			clients++
		}
	}
	return servers, clients
}

// LocalMember returns this agent.
func (p *Pool) LocalMember() Member {
	if p.serf.State() == serf.SerfAlive {
		m := p.serf.LocalMember()
		return memberOf(&m)
	}
	// Once it left, serf may have forgotten it.
	for _, m := range p.serf.Members() {
		if m.Name == p.name {
			return memberOf(&m)
		}
	}
	return Member{Name: p.name, Status: StatusLeft}
}

// Join contacts agents ("host", "host:port" or "name/host:port") and becomes a
// member of their cluster. It returns how many were reached; the error is nil
// if one was. With ignoreOld, user events fired before are not delivered.
func (p *Pool) Join(addrs []string, ignoreOld bool) (int, error) {
	n, err := p.serf.Join(addrs, ignoreOld)
	return n, joinError(err)
}

// joinError words the errors of memberlist as clients know them: "Failed to
// join HOST: CAUSE", without the port.
func joinError(err error) error {
	var all *multierror.Error
	if !errors.As(err, &all) {
		return err
	}
	out := &multierror.Error{}
	for _, e := range all.Errors {
		text := e.Error()
		if addr, cause, ok := strings.Cut(strings.TrimPrefix(text, "failed to join "), ": "); ok {
			if host, _, err := net.SplitHostPort(addr); err == nil {
				text = "failed to join " + host + ": " + cause
			}
		}
		out = multierror.Append(out, errors.New(strings.Replace(text, "failed to ", "Failed to ", 1)))
	}
	return out
}

// Leave tells the others that this agent goes, so that they do not take it
// for failed. It takes some seconds, and no time at all if nobody is there.
// Afterwards Close is the only thing left to do. Calls after the first, or
// after Close, wait for it and do nothing.
func (p *Pool) Leave() error {
	defer p.takeTurn()()
	if p.serf.State() != serf.SerfAlive {
		return nil
	}
	alone := !p.othersAlive()
	if err := p.serf.Leave(); err != nil {
		return fmt.Errorf("leave gossip: %w", err)
	}
	if alone {
		return nil
	}
	stay := time.NewTimer(p.propagate) // whoever has not heard of it yet still probes us
	defer stay.Stop()
	// Whoever synchronised with us between our decision and our message has
	// taken the time of that message for the time of our joining, ignores the
	// message as old and sees us fail. To these we say it again, at a later
	// time.
	if err := p.serf.RemoveFailedNode(p.name); err != nil {
		return fmt.Errorf("leave gossip: %w", err)
	}
	<-stay.C
	return nil
}

func (p *Pool) othersAlive() bool {
	return slices.ContainsFunc(p.serf.Members(), func(m serf.Member) bool {
		return m.Status == serf.StatusAlive && m.Name != p.name
	})
}

// ForceLeave makes a failed member one that left; prune forgets it at once. A
// member that is alive comes back. An unknown name is an error.
func (p *Pool) ForceLeave(name string, prune bool) error {
	known := slices.ContainsFunc(p.serf.Members(), func(m serf.Member) bool { return m.Name == name })
	if !known {
		return model.Errorf(model.Internal, "agent: No node found with name '%s'", name)
	}
	if prune {
		return p.serf.RemoveFailedNodePrune(name)
	}
	return p.serf.RemoveFailedNode(name)
}

// UserEvent fires an event that every member, this one too, delivers once
// through Events. Name and payload are limited to about 480 bytes together.
func (p *Pool) UserEvent(name string, payload []byte) error {
	if err := p.serf.UserEvent(userPrefix+name, payload, false); err != nil {
		return multierror.Append(nil, fmt.Errorf("error broadcasting event to segment %q: %w", "", err))
	}
	return nil
}

// AnnounceLeader tells every member which server leads now, as servers of the
// original do. It is not delivered through Events.
func (p *Pool) AnnounceLeader(name string) error {
	return p.serf.UserEvent(newLeader, []byte(name), false)
}

// Coordinate is where this agent is in the network; an error if coordinates
// are disabled.
func (p *Pool) Coordinate() (*coordinate.Coordinate, error) { return p.serf.GetCoordinate() }

// CachedCoordinate is what this agent last heard from another.
func (p *Pool) CachedCoordinate(name string) (*coordinate.Coordinate, bool) {
	return p.serf.GetCachedCoordinate(name)
}

// lookForCoordinates is how often AwaitCoordinates looks.
const lookForCoordinates = 10 * time.Millisecond

// AwaitCoordinates waits until this agent has heard a coordinate of every
// member that is alive, or ctx ends: the first comes with the first answer to a
// probe, some probe intervals after the member.
func (p *Pool) AwaitCoordinates(ctx context.Context) {
	ticker := time.NewTicker(lookForCoordinates)
	defer ticker.Stop()
	for slices.ContainsFunc(p.serf.Members(), p.unheard) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *Pool) unheard(m serf.Member) bool {
	_, ok := p.serf.GetCachedCoordinate(m.Name)
	return !ok && m.Status == serf.StatusAlive && m.Name != p.name
}

// Stats describes the pool for people.
func (p *Pool) Stats() map[string]string { return p.serf.Stats() }

// Encrypted tells whether this agent encrypts its gossip.
func (p *Pool) Encrypted() bool { return p.serf.EncryptionEnabled() }

// SetTags changes some of this agent's tags, takes others away, and tells the
// members.
func (p *Pool) SetTags(set map[string]string, remove ...string) error {
	defer p.takeTurn()()
	tags := maps.Clone(p.LocalMember().Tags)
	maps.Copy(tags, set)
	for _, name := range remove {
		delete(tags, name)
	}
	return p.serf.SetTags(tags)
}

// Close stops at once, or after a Leave that is under way. Without a Leave
// before, the others will see this agent fail. Events is closed.
func (p *Pool) Close() error {
	defer p.takeTurn()() // memberlist must not end within a Leave
	if p.closed {
		return nil
	}
	p.closed = true
	err := p.serf.Shutdown()
	p.stopPump()
	return err
}

// takeTurn waits for its turn and returns what ends it.
func (p *Pool) takeTurn() (end func()) {
	p.turn <- struct{}{}
	return func() { <-p.turn }
}

func (p *Pool) stopPump() {
	close(p.stop)
	<-p.pumped
	p.loops.Wait()
}
