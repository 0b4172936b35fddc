package state

import "muster/model"

// Coordinates returns all coordinates in the order of node names and segments.
func (v *Version) Coordinates() (uint64, []*model.Coordinate) {
	return v.index(tableCoordinates), v.coordinates.collect("")
}

// NodeCoordinates returns the coordinates of a node, one a segment.
func (v *Version) NodeCoordinates(node string) (uint64, []*model.Coordinate) {
	return v.index(tableCoordinates), v.coordinates.collect(fold(node) + sep)
}

// applyCoordinates skips nodes that are not in the catalog: the gossip layer
// may know more than that.
func (tx *txn) applyCoordinates(index uint64, c *model.CoordinatesCommand) any {
	changed := false
	for i := range c.Updates {
		u := &c.Updates[i]
		n, ok := tx.nodes.get(fold(u.Node))
		if !ok || u.Coord == nil {
			continue
		}
		u.Node = n.Node
		tx.coordinates.mut(tx.gen).Set(key2(fold(u.Node), u.Segment), u)
		changed = true
	}
	if changed {
		tx.touch(index, tableCoordinates)
		tx.fire(TopicCoordinates)
	}
	return nil
}
