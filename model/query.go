package model

import (
	"maps"
	"slices"
)

// QueryTemplatePrefix is the one type of template there is: the query answers
// for every name that begins with its own and that no other query has.
const QueryTemplatePrefix = "name_prefix_match"

// The special places from which a query sorts (Near).
const (
	NearAgent = "_agent" // the agent that was asked
	NearIP    = "_ip"    // the node with the address of whoever asks
)

// PreparedQuery is a question about a service that is kept under a name: which
// instances count, from where they are sorted, and which datacenters are asked
// when there are none here. Names are compared without regard to case.
type PreparedQuery struct {
	ID   string // UUID
	Name string
	// Session, unless "", is the session that the query ends with. A query
	// without a name, other than a template, must have one.
	Session string
	// Token, unless "", is the one with whose permissions the query runs.
	Token    string
	Template QueryTemplate
	Service  QueryService
	DNS      QueryDNS
	RaftIndex
}

// QueryTemplate makes a query one for many names. ${name.full}, ${name.prefix},
// ${name.suffix}, ${match(N)} and ${agent.segment} are replaced in all texts of
// its Service.
type QueryTemplate struct {
	Type string // "" (no template) or QueryTemplatePrefix
	// Regexp is matched with the whole name (RE2); ${match(N)} is its group N.
	Regexp string
	// RemoveEmptyTags leaves out tags that have become empty.
	RemoveEmptyTags bool
}

// QueryService says what a query looks for.
type QueryService struct {
	Service  string
	Failover QueryFailover
	// OnlyPassing leaves out instances with warnings, too.
	OnlyPassing bool
	// IgnoreCheckIDs are checks that do not count.
	IgnoreCheckIDs []string
	// Near is a node, NearAgent or NearIP: the nearest instance comes first.
	Near string
	// Tags an instance must have, or, after a "!", must not have.
	Tags        []string
	NodeMeta    map[string]string
	ServiceMeta map[string]string
	// Connect asks for instances that take part in the mesh.
	Connect bool
}

// QueryFailover says which datacenters are asked, one after the other, when no
// instance is left here: the NearestN nearest and then Datacenters, or else
// Targets.
type QueryFailover struct {
	NearestN    int
	Datacenters []string
	Targets     []QueryTarget `json:",omitempty" codec:",omitempty"`
}

// Wanted tells whether any other datacenter is to be asked.
func (f *QueryFailover) Wanted() bool {
	return f.NearestN > 0 || len(f.Datacenters) > 0 || len(f.Targets) > 0
}

// QueryTarget is a datacenter or a peer.
type QueryTarget struct {
	Peer       string
	Datacenter string
}

// QueryDNS says how answers are served by DNS.
type QueryDNS struct {
	TTL string // a duration, or "" for that of the service
}

// IsTemplate tells whether the query answers for more than its own name.
func (q *PreparedQuery) IsTemplate() bool { return q.Template.Type != "" }

// Clone returns a copy that can be modified.
func (q *PreparedQuery) Clone() *PreparedQuery {
	c := *q
	s := &c.Service
	s.Failover.Datacenters = slices.Clone(s.Failover.Datacenters)
	s.Failover.Targets = slices.Clone(s.Failover.Targets)
	s.IgnoreCheckIDs = slices.Clone(s.IgnoreCheckIDs)
	s.Tags = slices.Clone(s.Tags)
	s.NodeMeta = maps.Clone(s.NodeMeta)
	s.ServiceMeta = maps.Clone(s.ServiceMeta)
	return &c
}

// Same tells whether two queries are equal but for their indexes.
func (q *PreparedQuery) Same(o *PreparedQuery) bool {
	a, b := &q.Service, &o.Service
	return q.ID == o.ID && q.Name == o.Name && q.Session == o.Session && q.Token == o.Token &&
		q.Template == o.Template && q.DNS == o.DNS &&
		a.Service == b.Service && a.OnlyPassing == b.OnlyPassing && a.Near == b.Near && a.Connect == b.Connect &&
		a.Failover.NearestN == b.Failover.NearestN && slices.Equal(a.Failover.Datacenters, b.Failover.Datacenters) &&
		slices.Equal(a.Failover.Targets, b.Failover.Targets) && slices.Equal(a.IgnoreCheckIDs, b.IgnoreCheckIDs) &&
		slices.Equal(a.Tags, b.Tags) && maps.Equal(a.NodeMeta, b.NodeMeta) && maps.Equal(a.ServiceMeta, b.ServiceMeta)
}

// QueryOp is what a QueryCommand does.
type QueryOp string

// The operations on prepared queries.
const (
	QueryCreate QueryOp = "create"
	QueryUpdate QueryOp = "update"
	QueryDelete QueryOp = "delete"
)

// QueryCommand creates, replaces or deletes a prepared query, by its ID.
type QueryCommand struct {
	Op    QueryOp
	Query PreparedQuery
}
