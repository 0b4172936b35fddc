package gossip

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

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
}

// A place is where a node id is in use.
type place struct{ name, addr string }

func placeOf(name, ip string, port uint16) place {
	return place{name, net.JoinHostPort(ip, strconv.Itoa(int(port)))}
}

// NotifyMerge is called with everybody the other side of a join knows, and
// with each single member that is said to be alive. The first kind is refused
// as a whole; a conflict between two others is not reason enough for that, as
// the news of the single member will be refused. memberlist holds a lock.
func (g *guard) NotifyMerge(members []*serf.Member) error {
	for _, m := range members {
		if m.Status == serf.StatusLeft {
			continue
		}
		if err := g.checkKind(m); err != nil {
			return err
		}
		if err := g.checkID(m, len(members) == 1); err != nil {
			return err
		}
	}
	return nil
}

// checkKind refuses what belongs in another pool.
func (g *guard) checkKind(m *serf.Member) error {
	role, dc := m.Tags[TagRole], m.Tags[TagDatacenter]
	wanName := strings.HasSuffix(m.Name, "."+dc)
	switch {
	case role != RoleServer && role != RoleClient || dc == "":
		return refuse(m, "it is not an agent (another gossip cluster on the same port?)")
	case g.wan && role != RoleServer:
		return refuse(m, "only servers join the WAN pool: let it join the LAN port of a server")
	case g.wan && !wanName:
		return refuse(m, "it came from a LAN pool: let it join the LAN port of a server, or join its WAN port")
	case !g.wan && dc != g.datacenter:
		return refuse(m, "it belongs to datacenter %q, not to %q: join its servers over the WAN", dc, g.datacenter)
	case !g.wan && role == RoleServer && wanName && m.Tags[tagWANPort] == "":
		// Members of the WAN pool don't publish that port, servers of a LAN
		// do; a server may well be called web.dc1.
		return refuse(m, "it came from the WAN pool: join its LAN port")
	}
	return nil
}

// checkID refuses a node id that somebody else uses, which happens when a
// machine is cloned with its data directory. When not all are to be looked at,
// only a clone of this agent is refused.
func (g *guard) checkID(m *serf.Member, all bool) error {
	id := m.Tags[TagID]
	if id == "" || m.Name == g.name {
		return nil
	}
	at := placeOf(m.Name, m.Addr.String(), m.Port)
	g.mu.Lock()
	used, ok := g.byID[id]
	g.mu.Unlock()
	switch {
	case !ok || used.name == at.name:
	case used.addr == at.addr: // renamed: it took the place of its former self
	case used.name == g.name:
		// Whether it is alive can't be told here.
		return refuse(m, "it has the node ID of this agent, %s: delete the file node-id in the data directory of one "+
			"of them, or force-leave %q if it is gone", id, m.Name)
	case all:
		return refuse(m, "its node ID %s is in use by member %q (%s): delete the file node-id in the data directory "+
			"of one of them, or force-leave %q if it is gone", id, used.name, used.addr, used.name)
	}
	return nil
}

func refuse(m *serf.Member, format string, args ...any) error {
	at := placeOf(m.Name, m.Addr.String(), m.Port)
	return fmt.Errorf("member %q (%s) is refused: %s", at.name, at.addr, fmt.Sprintf(format, args...))
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
