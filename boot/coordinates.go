package boot

import (
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/serf/coordinate"

	"muster/gossip"
	"muster/model"
)

const (
	// coordinatesRate is how many agents of a datacenter send their coordinate
	// in a second, all together: the servers' load does not grow with it.
	coordinatesRate = 64
	// coordinatesEvery is how often an agent sends its own at most. It waits
	// up to twice as long, so that agents that started together do not send
	// together.
	coordinatesEvery = 15 * time.Second
	// coordinateTimeout bounds one sending.
	coordinateTimeout = 10 * time.Second
)

// coordinates keeps the catalog informed where this agent is in the network.
type coordinates struct {
	size   func() int // of the datacenter, in agents
	own    func() (*coordinate.Coordinate, error)
	send   func(ctx context.Context, v *model.Vector) error
	jitter func(time.Duration) time.Duration
	logger hclog.Logger
}

// run sends until ctx ends.
func (c *coordinates) run(ctx context.Context) {
	timer := time.NewTimer(c.wait())
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if err := c.update(ctx); err != nil && ctx.Err() == nil {
			c.logger.Warn("Coordinate update error", "error", err)
		}
		timer.Reset(c.wait())
	}
}

func (c *coordinates) wait() time.Duration {
	interval := max(coordinatesEvery, time.Duration(c.size())*time.Second/coordinatesRate)
	return interval + c.jitter(interval)
}

func (c *coordinates) update(ctx context.Context) error {
	own, err := c.own()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, coordinateTimeout)
	defer cancel()
	return c.send(ctx, &model.Vector{Vec: own.Vec, Error: own.Error, Adjustment: own.Adjustment, Height: own.Height})
}

// startCoordinates begins to send this agent's coordinate, unless it has none.
func (a *Agent) startCoordinates() error {
	if a.cfg.DisableCoordinates {
		return nil
	}
	c := &coordinates{
		size: a.lan.NumMembers, own: a.lan.Coordinate, send: a.sendCoordinate,
		jitter: jitter, logger: a.log.Named("agent"),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(ctx)
	}()
	a.onStop(func() {
		cancel()
		<-done
	})
	return nil
}

// sendCoordinate tells the catalog, as any request does, by way of relay.
func (a *Agent) sendCoordinate(ctx context.Context, v *model.Vector) error {
	c := &model.Coordinate{Node: a.cfg.Node.Name, Coord: v}
	if !a.relay.Here(write) {
		return a.call(ctx, write, http.MethodPut, "/v1/coordinate/update", catalog{a}.token(), c, nil)
	}
	return a.ops.CoordinateUpdate(ctx, catalog{a}.token(), c)
}

// areaCoordinates is what /v1/coordinate/datacenters tells of a datacenter.
type areaCoordinates struct {
	Datacenter  string
	AreaID      string
	Coordinates []nodeCoordinate
}

type nodeCoordinate struct {
	Node    string
	Segment string
	Coord   *coordinate.Coordinate
}

// newcomersWait bounds how long a question about the WAN waits for the
// coordinates of servers that have just come.
const newcomersWait = time.Second

// WANCoordinates tells where the servers of each datacenter are, the own one
// first. Servers are called as in their own datacenter; those whose coordinate
// is not known are left out.
func (s self) WANCoordinates(ctx context.Context) any {
	list := []areaCoordinates{}
	if s.a.wan == nil {
		return list
	}
	if !s.a.cfg.DisableCoordinates {
		ctx, cancel := context.WithTimeout(ctx, newcomersWait)
		defer cancel()
		s.a.wan.AwaitCoordinates(ctx)
	}
	for _, dc := range s.Datacenters() {
		list = append(list, areaCoordinates{Datacenter: dc, AreaID: "wan", Coordinates: []nodeCoordinate{}})
	}
	own := s.a.wan.LocalMember().Name
	for _, m := range s.a.wan.Members() {
		coord, ok := s.a.wan.CachedCoordinate(m.Name)
		if m.Name == own {
			c, err := s.a.wan.Coordinate()
			coord, ok = c, err == nil
		}
		if !ok || m.Status == gossip.StatusLeft {
			continue
		}
		for i := range list {
			if list[i].Datacenter == m.Datacenter() {
				list[i].Coordinates = append(list[i].Coordinates, nodeCoordinate{Node: m.NodeName(true), Coord: coord})
			}
		}
	}
	return list
}
