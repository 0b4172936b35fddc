// Package gossip answers "who is there?". A Pool is one agent's membership in
// a gossip cluster: every agent has one for its datacenter (LAN), every server
// another one for the servers of all datacenters (WAN). It finds out who joins,
// leaves and fails, carries user events, rotates the encryption keys and keeps
// network coordinates. It does not know the catalog.
//
// The protocol is that of hashicorp/serf; this package gives it the settings,
// tags, texts and safety rules of an agent.
package gossip
