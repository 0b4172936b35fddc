package model

import "maps"

// RaftIndex tells when an object was created and last changed: indexes of the
// log entries that did it. Both are 0 before the object is stored.
type RaftIndex struct {
	CreateIndex uint64
	ModifyIndex uint64
}

// Names of the consensus of addresses that a node or service may be tagged with.
const (
	AddressLAN     = "lan"
	AddressLANIPv4 = "lan_ipv4"
	AddressLANIPv6 = "lan_ipv6"
	AddressWAN     = "wan"
	AddressWANIPv4 = "wan_ipv4"
	AddressWANIPv6 = "wan_ipv6"
)

// Node is a machine, or anything else with an address, in the catalog.
// Names are compared without regard to case and are unique in a datacenter.
type Node struct {
	ID              string // UUID, or "" for a node registered by hand
	Node            string
	Address         string
	Datacenter      string
	TaggedAddresses map[string]string
	Meta            map[string]string
	Locality        *Locality `json:",omitempty" codec:",omitempty"`
	RaftIndex       `bexpr:"-"`
}

// Locality says where something runs.
type Locality struct {
	Region string `json:",omitempty"`
	Zone   string `json:",omitempty"`
}

// Clone returns a copy that can be modified.
func (n *Node) Clone() *Node {
	c := *n
	c.TaggedAddresses = maps.Clone(n.TaggedAddresses)
	c.Meta = maps.Clone(n.Meta)
	return &c
}

// Same tells whether two nodes are equal but for their indexes.
func (n *Node) Same(o *Node) bool {
	return n.ID == o.ID && n.Node == o.Node && n.Address == o.Address && n.Datacenter == o.Datacenter &&
		maps.Equal(n.TaggedAddresses, o.TaggedAddresses) && maps.Equal(n.Meta, o.Meta) && equalPtr(n.Locality, o.Locality)
}

func equalPtr[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
