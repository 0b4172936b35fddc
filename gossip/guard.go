package gossip

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
)

// A guard keeps agents out of the pool that do not belong there. What it says
// stands in the log of the agent that refuses and in the answer to a join.
//
// That two members have one name is settled by memberlist: the first stays.
type guard struct {
	wan        bool
	datacenter string
	name       string // of this agent

	mu   sync.Mutex
	byID map[string]place // alive members, from their events
	// inquiries are the questions to members that are under way.
	inquiries map[*inquiry]struct{}
	// dec reads tags. What serf offers makes a map of all of them of each message
	// about a member, of which every news is heard dozens of times: in a pool of
	// hundreds that was a quarter of what an agent allocated.
	dec *codec.Decoder
}

func newGuard(c *Config) *guard {
	return &guard{wan: c.WAN, datacenter: c.Datacenter, name: c.memberName(), byID: map[string]place{}, inquiries: map[*inquiry]struct{}{},
		dec: codec.NewDecoderBytes(nil, &codec.MsgpackHandle{})}
}

// A place is where a node id is in use.
type place struct{ name, addr string }

func placeOf(name, ip string, port uint16) place {
	return place{name, net.JoinHostPort(ip, strconv.Itoa(int(port)))}
}

// A badge is those tags of a member that decide whether it may come in.
type badge struct {
	Role       string `codec:"role"`
	Datacenter string `codec:"dc"`
	ID         string `codec:"id"`
	WANPort    string `codec:"wan_join_port"`
}

// tagsFollow is the first byte where tags are sent; without it all is the role.
const tagsFollow = 255

func (g *guard) badge(meta []byte) (b badge, err error) {
	if len(meta) == 0 || meta[0] != tagsFollow {
		return badge{Role: string(meta)}, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dec.ResetBytes(meta[1:])
	err = g.dec.Decode(&b)
	return b, err
}

// NotifyMerge implements memberlist.MergeDelegate: it is called with everybody
// the other side of a join knows. All are refused for one that belongs elsewhere.
// A conflict between two others is not reason enough for that, as the news of the
// single member will be refused.
func (g *guard) NotifyMerge(nodes []*memberlist.Node) error {
	g.testify(nodes)
	for _, n := range nodes {
		if err := g.check(n, len(nodes) == 1); err != nil {
			return err
		}
	}
	return nil
}

// NotifyAlive implements memberlist.AliveDelegate: it is called with each member
// that is said to be alive, and refuses that one. memberlist holds a lock.
func (g *guard) NotifyAlive(n *memberlist.Node) error { return g.check(n, true) }

// check refuses who does not belong here. When not all of the pool are to be
// looked at, only a clone of this agent is refused for its node id.
func (g *guard) check(n *memberlist.Node, all bool) error {
	if len(n.Addr) != net.IPv4len && len(n.Addr) != net.IPv6len {
		return fmt.Errorf("member %q is refused: its address has %d bytes: 4 or 16 are an IP address", n.Name, len(n.Addr))
	}
	if len(n.Meta) > memberlist.MetaMaxSize {
		return refuse(n, "its tags have %d bytes: %d are the limit", len(n.Meta), memberlist.MetaMaxSize)
	}
	if n.State == memberlist.StateLeft {
		return nil
	}
	b, err := g.badge(n.Meta)
	if err != nil {
		return refuse(n, "its tags cannot be read: %v", err)
	}
	if err := g.checkKind(n, &b); err != nil {
		return err
	}
	return g.checkID(n, b.ID, all)
}

// checkKind refuses what belongs in another pool.
func (g *guard) checkKind(n *memberlist.Node, b *badge) error {
	name, ofDatacenter := strings.CutSuffix(n.Name, b.Datacenter)
	wanName := ofDatacenter && strings.HasSuffix(name, ".")
	switch {
	case b.Role != RoleServer && b.Role != RoleClient || b.Datacenter == "":
		return refuse(n, "it is not an agent (another gossip cluster on the same port?)")
	case g.wan && b.Role != RoleServer:
		return refuse(n, "only servers join the WAN pool: let it join the LAN port of a server")
	case g.wan && !wanName:
		return refuse(n, "it came from a LAN pool: let it join the LAN port of a server, or join its WAN port")
	case !g.wan && b.Datacenter != g.datacenter:
		return refuse(n, "it belongs to datacenter %q, not to %q: join its servers over the WAN", b.Datacenter, g.datacenter)
	case !g.wan && b.Role == RoleServer && wanName && b.WANPort == "":
		// Members of the WAN pool don't publish that port, servers of a LAN
		// do; a server may well be called web.dc1.
		return refuse(n, "it came from the WAN pool: join its LAN port")
	}
	return nil
}

// checkID refuses a node id that somebody else uses, which happens when a
// machine is cloned with its data directory. When not all are to be looked at,
// only a clone of this agent is refused.
func (g *guard) checkID(n *memberlist.Node, id string, all bool) error {
	if id == "" || n.Name == g.name {
		return nil
	}
	g.mu.Lock()
	used, ok := g.byID[id]
	g.mu.Unlock()
	switch {
	case !ok || used.name == n.Name:
	case used.addr == n.Address(): // renamed: it took the place of its former self
	case used.name == g.name:
		// Whether it is alive can't be told here.
		return refuse(n, "it has the node ID of this agent, %s: delete the file node-id in the data directory of one "+
			"of them, or force-leave %q if it is gone", id, n.Name)
	case all:
		return refuse(n, "its node ID %s is in use by member %q (%s): delete the file node-id in the data directory "+
			"of one of them, or force-leave %q if it is gone", id, used.name, used.addr, used.name)
	}
	return nil
}

func refuse(n *memberlist.Node, format string, args ...any) error {
	return fmt.Errorf("member %q (%s) is refused: %s", n.Name, n.Address(), fmt.Sprintf(format, args...))
}

// saw keeps the table of node ids.
func (g *guard) saw(e *Event) {
	id := e.Member.ID()
	if id == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch e.Type {
	case EventJoin, EventUpdate:
		g.byID[id] = placeOf(e.Member.Name, e.Member.Addr, e.Member.Port)
	default:
		if g.byID[id].name == e.Member.Name {
			delete(g.byID, id)
		}
	}
}

// ReconnectTimeout implements serf.ReconnectTimeoutOverrider.
func (g *guard) ReconnectTimeout(m *serf.Member, timeout time.Duration) time.Duration {
	if d, err := time.ParseDuration(m.Tags[tagReconnect]); err == nil && d > 0 {
		return d
	}
	return timeout
}
