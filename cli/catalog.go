package cli

import (
	"cmp"
	"flag"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type catalogDatacenters struct{ command.NoFlags }

func (d *catalogDatacenters) Doc() command.Doc {
	return command.Doc{
		Usage:    "catalog datacenters [options]",
		Synopsis: "List the datacenters",
		Text: `
Lists the datacenters that the servers know, their own first.

    $ muster catalog datacenters`,
		Groups: command.HTTP | command.Server,
	}
}

func (d *catalogDatacenters) Run(c *command.Call) int {
	if !c.NoArgs() {
		return command.ExitError
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	names, err := client.Catalog().Datacenters()
	if err != nil {
		return c.Fail("Error listing datacenters: %s", err)
	}
	for _, name := range names {
		c.Println(name)
	}
	return 0
}

type catalogNodes struct {
	detailed              bool
	filter, near, service string
	meta                  map[string]string
}

func (n *catalogNodes) Doc() command.Doc {
	return command.Doc{
		Usage:    "catalog nodes [options]",
		Synopsis: "List the nodes",
		Text: `
Lists the nodes of a datacenter: all of them, or those that offer a service,
have certain metadata or match a filter.

    $ muster catalog nodes -service=web -near=_agent
    $ muster catalog nodes -filter='Meta.rack == r1'`,
		Groups: command.HTTP | command.Server,
	}
}

func (n *catalogNodes) Flags(f *flag.FlagSet) {
	f.BoolVar(&n.detailed, "detailed", false, "Print whole ids, tagged addresses and metadata.")
	f.StringVar(&n.filter, "filter", "", "An `expression` that nodes have to match.")
	f.StringVar(&n.near, "near", "", "Sort by distance from this `node`; _agent is the agent that is asked.")
	command.PairsVar(f, &n.meta, true, "node-meta", "`Metadata`, as key=value, that nodes have to have. "+
		"It may be given several times.")
	f.StringVar(&n.service, "service", "", "The `name` of a service that nodes have to offer.")
}

func (n *catalogNodes) Run(c *command.Call) int {
	if !c.NoArgs() {
		return command.ExitError
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	query := c.Query()
	query.Near, query.NodeMeta, query.Filter = n.near, n.meta, n.filter
	nodes, err := n.list(client.Catalog(), query)
	if err != nil {
		return c.Fail("Error listing nodes: %s", err)
	}
	if len(nodes) == 0 {
		c.Warn("No nodes match the given query - try expanding your search.")
		return 0
	}
	c.Table(n.rows(nodes))
	return 0
}

// list gets the nodes, each once, however many instances of the service it has.
func (n *catalogNodes) list(catalog *api.Catalog, query *api.QueryOptions) ([]*api.Node, error) {
	if n.service == "" {
		nodes, _, err := catalog.Nodes(query)
		return nodes, err
	}
	instances, _, err := catalog.Service(n.service, "", query)
	if err != nil {
		return nil, err
	}
	var nodes []*api.Node
	seen := map[string]bool{}
	for _, s := range instances {
		if !seen[s.Node] {
			seen[s.Node] = true
			nodes = append(nodes, &api.Node{
				ID: s.ID, Node: s.Node, Address: s.Address, Datacenter: s.Datacenter,
				TaggedAddresses: s.TaggedAddresses, Meta: s.NodeMeta,
			})
		}
	}
	return nodes, nil
}

func (n *catalogNodes) rows(nodes []*api.Node) [][]string {
	header := []string{"Node", "ID", "Address", "DC"}
	if n.detailed {
		header = append(header, "TaggedAddresses", "Meta")
	}
	rows := [][]string{header}
	for _, node := range nodes {
		id := node.ID
		if !n.detailed {
			id, _, _ = strings.Cut(id, "-")
		}
		row := []string{node.Node, id, node.Address, node.Datacenter}
		if n.detailed {
			row = append(row, joinPairs(node.TaggedAddresses, ", "), joinPairs(node.Meta, ", "))
		}
		rows = append(rows, row)
	}
	return rows
}

// joinPairs writes a map as k=v, sorted by key.
func joinPairs(m map[string]string, separator string) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, k+"="+m[k])
	}
	return strings.Join(pairs, separator)
}

type catalogServices struct {
	node string
	meta map[string]string
	tags bool
}

func (s *catalogServices) Doc() command.Doc {
	return command.Doc{
		Usage:    "catalog services [options]",
		Synopsis: "List the services",
		Text: `
Lists the names of the services of a datacenter, or of one node, perhaps with
their tags.

    $ muster catalog services -tags
    $ muster catalog services -node=db1`,
		Groups: command.HTTP | command.Server,
	}
}

func (s *catalogServices) Flags(f *flag.FlagSet) {
	f.StringVar(&s.node, "node", "", "The `name` or id of a node, to list only its services.")
	command.PairsVar(f, &s.meta, true, "node-meta", "`Metadata`, as key=value, that the services' nodes have to have. "+
		"It may be given several times.")
	f.BoolVar(&s.tags, "tags", false, "Print the tags of each service as well.")
}

func (s *catalogServices) Run(c *command.Call) int {
	if !c.NoArgs() {
		return command.ExitError
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	query := c.Query()
	query.NodeMeta = s.meta
	services, err := s.list(client.Catalog(), query)
	if err != nil {
		return c.Fail("Error listing services: %s", err)
	}
	if len(services) == 0 {
		c.Warn("No services match the given query - try expanding your search.")
		return 0
	}
	s.print(c, services)
	return 0
}

// list gets the services' names and tags.
func (s *catalogServices) list(catalog *api.Catalog, query *api.QueryOptions) (map[string][]string, error) {
	if s.node == "" {
		services, _, err := catalog.Services(query)
		return services, err
	}
	node, _, err := catalog.Node(s.node, query)
	if err != nil || node == nil {
		return nil, err
	}
	services := map[string][]string{}
	for _, instance := range node.Services {
		services[instance.Service] = append(services[instance.Service], instance.Tags...)
	}
	return services, nil
}

func (s *catalogServices) print(c *command.Call, services map[string][]string) {
	names := slices.Sorted(maps.Keys(services))
	if !s.tags {
		for _, name := range names {
			c.Println(name)
		}
		return
	}
	width := len(slices.MaxFunc(names, func(a, b string) int { return cmp.Compare(len(a), len(b)) })) + 3
	for _, name := range names {
		tags := slices.Compact(slices.Sorted(slices.Values(services[name])))
		c.Println(strings.TrimRight(name+strings.Repeat(" ", width-len(name))+strings.Join(tags, ","), " "))
	}
}
