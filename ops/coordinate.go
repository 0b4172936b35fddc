package ops

import (
	"cmp"
	"context"
	"math"
	"net/netip"
	"slices"

	"muster/acl"
	"muster/model"
	"muster/state"
)

// Coordinates asks for the network coordinates of all nodes in a segment.
func (o *Ops) Coordinates(segment string) Question[[]*model.Coordinate] {
	return Question[[]*model.Coordinate]{
		Key:    questionKey("coordinates", segment),
		Topics: []state.Topic{state.TopicCoordinates},
		Eval: func(v *state.Version) (uint64, []*model.Coordinate, error) {
			index, list := v.Coordinates()
			return index, keep(list, func(c *model.Coordinate) bool { return c.Segment == segment }), nil
		},
		Filter: coordinateFilter,
	}
}

// NodeCoordinates asks for the coordinates of one node.
func (o *Ops) NodeCoordinates(node string) Question[[]*model.Coordinate] {
	return Question[[]*model.Coordinate]{
		Key:    questionKey("node-coordinates", node),
		Topics: []state.Topic{state.TopicCoordinates},
		Eval: func(v *state.Version) (uint64, []*model.Coordinate, error) {
			index, list := v.NodeCoordinates(node)
			return index, list, nil
		},
		Filter: coordinateFilter,
	}
}

func coordinateFilter(list []*model.Coordinate, authz acl.Authorizer) []*model.Coordinate {
	return keep(list, func(c *model.Coordinate) bool { return authz.Allowed(acl.Node, c.Node, acl.Read) })
}

// CoordinateUpdate sets the coordinate of a node.
func (o *Ops) CoordinateUpdate(ctx context.Context, token string, c *model.Coordinate) error {
	if c.Node == "" {
		return model.Errorf(model.BadRequest, "Must provide Node")
	}
	if c.Coord == nil {
		return model.Errorf(model.BadRequest, "Must provide Coord")
	}
	if err := c.Coord.Validate(); err != nil {
		return err
	}
	authz, err := o.acl.Resolve(token)
	if err != nil {
		return err
	}
	if err := o.permitNode(authz, acl.Node, acl.Write, c.Node, ""); err != nil {
		return err
	}
	_, err = o.propose(ctx, model.CmdCoordinates, &model.CoordinatesCommand{Updates: []model.Coordinate{*c}})
	return err
}

// nearNode is the node from which a question wants lists to be sorted, or "".
func nearNode(v *state.Version, near, ip string) string {
	if near != model.NearIP {
		return near
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	_, nodes := v.Nodes()
	for _, n := range nodes {
		if isAddress(n.Address, addr.Unmap()) {
			return n.Node
		}
	}
	return ""
}

// sortNear orders a list by the estimated round trip to a node; what has no
// coordinate comes last. Without such a node, or a coordinate of it, the order
// stays.
func sortNear[T any](v *state.Version, near, ip string, list []T, nodeOf func(T) string) {
	if near = nearNode(v, near, ip); near == "" {
		return
	}
	_, from := v.NodeCoordinates(near)
	if len(from) == 0 {
		return
	}
	type item struct {
		rtt float64
		v   T
	}
	items := make([]item, len(list))
	for i, x := range list {
		items[i] = item{math.Inf(1), x}
		_, to := v.NodeCoordinates(nodeOf(x))
		for _, a := range from {
			for _, b := range to {
				if a.Segment == b.Segment {
					items[i].rtt = a.Coord.RTT(b.Coord)
				}
			}
		}
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.rtt, b.rtt) })
	for i := range items {
		list[i] = items[i].v
	}
}
