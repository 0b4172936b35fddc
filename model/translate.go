package model

// ForWAN returns a copy with the WAN addresses of nodes and instances; what has
// none stays as it is.
func ForWAN(v any) any {
	switch list := v.(type) {
	case []*Node:
		return mapped(list, wanNode)
	case []*ServiceNode:
		return mapped(list, func(s *ServiceNode) *ServiceNode {
			c := *s
			if a := s.TaggedAddresses[AddressWAN]; a != "" {
				c.Address = a
			}
			if a, ok := s.ServiceTaggedAddresses[AddressWAN]; ok {
				c.ServiceAddress, c.ServicePort = a.Address, a.Port
			}
			return &c
		})
	case []*CheckServiceNode:
		return mapped(list, func(i *CheckServiceNode) *CheckServiceNode {
			return &CheckServiceNode{Node: wanNode(i.Node), Service: wanService(i.Service), Checks: i.Checks}
		})
	case *NodeServiceList:
		if list == nil {
			return v
		}
		return &NodeServiceList{Node: wanNode(list.Node), Services: mapped(list.Services, wanService)}
	}
	return v
}

func mapped[T any](list []T, f func(T) T) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

func wanNode(n *Node) *Node {
	a := n.TaggedAddresses[AddressWAN]
	if a == "" {
		return n
	}
	c := *n
	c.Address = a
	return &c
}

func wanService(s *NodeService) *NodeService {
	a, ok := s.TaggedAddresses[AddressWAN]
	if !ok {
		return s
	}
	c := *s
	c.Address, c.Port = a.Address, a.Port
	return &c
}
