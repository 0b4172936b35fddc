package ops

import (
	"muster/acl"
	"muster/model"
	"muster/quorum"
)

// RaftServer is a server in the configuration of Raft.
type RaftServer struct {
	ID              string
	Node            string
	Address         string
	Leader          bool
	ProtocolVersion string
	Voter           bool
	// LastIndex is that of its log when the leader last asked; only the leader
	// knows it.
	LastIndex uint64 `json:",omitempty"`
}

// RaftConfiguration is the list of servers that agree.
type RaftConfiguration struct {
	Servers []RaftServer
	Index   uint64
}

// raftProtocol is the version of the protocol that the servers speak.
const raftProtocol = "3"

// RaftConfiguration tells who agrees.
func (o *Ops) RaftConfiguration(token string) (*RaftConfiguration, error) {
	if err := o.allow(token, acl.Operator, "", acl.Read); err != nil {
		return nil, err
	}
	servers, index, err := o.members.Configuration()
	if err != nil {
		return nil, err
	}
	conf := &RaftConfiguration{Servers: []RaftServer{}, Index: index}
	v := o.store.Current()
	last := map[string]uint64{}
	for _, s := range o.autopilot.Health().Servers {
		last[s.ID] = s.LastIndex
	}
	for _, s := range servers {
		node := "(unknown)"
		if n := v.Node(s.ID); n != nil {
			node = n.Node
		}
		conf.Servers = append(conf.Servers, RaftServer{ID: s.ID, Node: node, Address: s.Address, Leader: s.Leader,
			ProtocolVersion: raftProtocol, Voter: s.Voter, LastIndex: last[s.ID]})
	}
	return conf, nil
}

// Leader is the address of the leader, or "".
func (o *Ops) Leader() string {
	_, address := o.log.Leader()
	return address
}

// Peers are the addresses of the servers that agree.
func (o *Ops) Peers() ([]string, error) {
	servers, _, err := o.members.Configuration()
	if err != nil {
		return nil, err
	}
	peers := make([]string, len(servers))
	for i, s := range servers {
		peers[i] = s.Address
	}
	return peers, nil
}

// RaftRemove takes a server out of the configuration, by ID or by address.
func (o *Ops) RaftRemove(token, id, address string) error {
	if err := o.allow(token, acl.Operator, "", acl.Write); err != nil {
		return err
	}
	servers, _, err := o.members.Configuration()
	if err != nil {
		return err
	}
	for _, s := range servers {
		if (id != "" && s.ID == id) || (address != "" && s.Address == address) {
			return o.members.RemoveServer(s.ID)
		}
	}
	if id != "" {
		return model.Errorf(model.Internal, "id %q was not found in the Raft configuration", id)
	}
	return model.Errorf(model.Internal, "address %q was not found in the Raft configuration", address)
}

// RaftTransfer has another server lead: the one with an ID, or the one that is
// furthest along ("").
func (o *Ops) RaftTransfer(token, id string) error {
	if err := o.allow(token, acl.Operator, "", acl.Write); err != nil {
		return err
	}
	return o.members.TransferLeadership(id)
}

// Members are the servers that agree: quorum.Quorum.
type Members interface {
	Configuration() (servers []quorum.Server, index uint64, err error)
	RemoveServer(id string) error
	TransferLeadership(id string) error
}
