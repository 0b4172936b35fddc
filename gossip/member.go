package gossip

import (
	"net"
	"strconv"
	"strings"

	"github.com/hashicorp/serf/serf"
)

// Status of a member, numbered as the API shows it.
type Status int

// A failed member may come back; one that left is not expected to.
const (
	StatusNone Status = iota
	StatusAlive
	StatusLeaving
	StatusLeft
	StatusFailed
)

func (s Status) String() string {
	switch s {
	case StatusAlive, StatusLeaving, StatusLeft, StatusFailed:
		return serf.MemberStatus(s).String()
	}
	return "none"
}

// A Member is what a pool knows of one agent. Its JSON is that of
// /v1/agent/members. Tags are shared: do not modify them.
type Member struct {
	Name   string
	Addr   string // IP address
	Port   uint16
	Tags   map[string]string
	Status Status
	// The versions of the gossip protocol (Protocol) and of what it carries
	// (Delegate) that the member understands and speaks.
	ProtocolMin, ProtocolMax, ProtocolCur uint8
	DelegateMin, DelegateMax, DelegateCur uint8
}

// IsServer tells whether the member is a server.
func (m *Member) IsServer() bool { return m.Tags[TagRole] == RoleServer }

// Datacenter of the member.
func (m *Member) Datacenter() string { return m.Tags[TagDatacenter] }

// ID is the member's node id, a UUID.
func (m *Member) ID() string { return m.Tags[TagID] }

// Server is what a server told about itself; false for a client, and for a
// server that told no port.
func (m *Member) Server() (s Server, ok bool) {
	port, err := strconv.ParseUint(m.Tags[TagPort], 10, 16)
	if !m.IsServer() || err != nil || port == 0 {
		return Server{}, false
	}
	s.Port = int(port)
	if wan, err := strconv.ParseUint(m.Tags[tagWANPort], 10, 16); err == nil {
		s.WANPort = int(wan)
	}
	if n, err := strconv.ParseUint(m.Tags["expect"], 10, 16); err == nil {
		s.Expect = int(n)
	}
	_, s.Bootstrap = m.Tags["bootstrap"]
	_, s.ReadReplica = m.Tags["read_replica"]
	return s, true
}

// ServerAddr is "ip:port" for requests to a server; "" if Server is false.
func (m *Member) ServerAddr() string {
	if s, ok := m.Server(); ok {
		return net.JoinHostPort(m.Addr, strconv.Itoa(s.Port))
	}
	return ""
}

// NodeName is the member's name in its own datacenter: the one in the catalog.
func (m *Member) NodeName(wan bool) string {
	if wan {
		return strings.TrimSuffix(m.Name, "."+m.Datacenter())
	}
	return m.Name
}

func memberOf(m *serf.Member) Member {
	return Member{
		Name: m.Name, Addr: m.Addr.String(), Port: m.Port, Tags: m.Tags, Status: Status(m.Status),
		ProtocolMin: m.ProtocolMin, ProtocolMax: m.ProtocolMax, ProtocolCur: m.ProtocolCur,
		DelegateMin: m.DelegateMin, DelegateMax: m.DelegateMax, DelegateCur: m.DelegateCur,
	}
}
