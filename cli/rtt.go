package cli

import (
	"flag"
	"strings"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/serf/coordinate"

	"muster/cli/command"
)

type rtt struct{ wan bool }

func (r *rtt) Doc() command.Doc {
	return command.Doc{
		Usage:    "rtt [options] NODE1 [NODE2]",
		Synopsis: "Estimate the round-trip time between nodes",
		Text: `
Estimates how long a message takes from one node to another and back, from
their network coordinates. The second node is that of the agent if it is left
out.

    $ muster rtt web1 db1
    $ muster rtt -wan s1.dc1 s2.dc2`,
		Groups: command.HTTP,
	}
}

func (r *rtt) Flags(f *flag.FlagSet) {
	f.BoolVar(&r.wan, "wan", false, "Between servers of different datacenters, each named node.datacenter.")
}

func (r *rtt) Run(c *command.Call) int {
	if len(c.Args) != 1 && len(c.Args) != 2 {
		return c.Usage("One or two node names must be specified")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	nodes, err := r.nodes(c, client)
	if err != nil {
		return c.Fail("Unable to look up local node name: %s", err)
	}
	pool, find := "LAN", findLAN
	if r.wan {
		pool, find = "WAN", findWAN
		for _, node := range nodes {
			if strings.Count(node, ".") != 1 || strings.HasPrefix(node, ".") || strings.HasSuffix(node, ".") {
				return c.Fail("Node names must be specified as <node name>.<datacenter> with -wan")
			}
		}
	}
	found, missing, err := find(client.Coordinate(), nodes)
	switch {
	case err != nil:
		return c.Fail("Error getting coordinates: %s", err)
	case missing != "":
		return c.Fail("Could not find a coordinate for node %q", missing)
	case !found[0].IsCompatibleWith(found[1]):
		return c.Fail("The coordinates of %q and %q do not compare", nodes[0], nodes[1])
	}
	ms := found[0].DistanceTo(found[1]).Seconds() * 1000
	c.Printf("Estimated %s <-> %s rtt: %0.3f ms (using %s coordinates)", nodes[0], nodes[1], ms, pool)
	return 0
}

// nodes are the two nodes, the second perhaps that of the agent.
func (r *rtt) nodes(c *command.Call, client *api.Client) ([2]string, error) {
	if len(c.Args) == 2 {
		return [2]string{c.Args[0], c.Args[1]}, nil
	}
	node, datacenter, err := command.Self(client)
	if r.wan {
		node += "." + datacenter
	}
	return [2]string{c.Args[0], node}, err
}

// both are the coordinates of two nodes.
type both [2]*coordinate.Coordinate

// findLAN finds the coordinates of two nodes of the agent's datacenter, or
// names the first that has none.
func findLAN(coordinates *api.Coordinate, nodes [2]string) (found both, missing string, err error) {
	entries, _, err := coordinates.Nodes(nil)
	if err != nil {
		return both{}, "", err
	}
	for i, node := range nodes {
		for _, e := range entries {
			if e.Node == node {
				found[i] = e.Coord
			}
		}
		if found[i] == nil {
			return both{}, node, nil
		}
	}
	return found, "", nil
}

// findWAN finds the coordinates of two servers, each named node.datacenter.
// They compare only within an area: a set of servers that gossip with each
// other.
func findWAN(coordinates *api.Coordinate, nodes [2]string) (found both, missing string, err error) {
	datacenters, err := coordinates.Datacenters()
	if err != nil {
		return both{}, "", err
	}
	areas := map[string]*both{}
	for _, dc := range datacenters {
		area := areas[dc.AreaID]
		if area == nil {
			area = new(both)
			areas[dc.AreaID] = area
		}
		for i, node := range nodes {
			for _, e := range dc.Coordinates {
				if node == e.Node+"."+dc.Datacenter {
					area[i] = e.Coord
				}
			}
		}
		if area[0] != nil && area[1] != nil {
			return *area, "", nil
		}
	}
	// No area knows both. As the original does, name the first node, whichever
	// it is that is missing.
	return both{}, nodes[0], nil
}
