package httpd

import (
	"muster/model"
	"muster/ops"
	"muster/relay"
)

// HeaderTranslate is sent along by an agent that wants the addresses of
// another datacenter as they are for callers from afar (translate_wan_addrs).
const HeaderTranslate = "X-Muster-Translate"

// askToTranslate marks a request that goes to another datacenter.
func (c *call) askToTranslate(need *relay.Need) {
	if c.wantsTranslation(*need) {
		c.r.Header.Set(HeaderTranslate, "1")
	}
}

func (c *call) wantsTranslation(need relay.Need) bool {
	return c.door.cfg.TranslateWAN && need.Datacenter != "" && need.Datacenter != c.door.cfg.Datacenter
}

// translates tells whether addresses are to be those for callers from afar.
func (c *call) translates() bool { return c.forwarded && c.r.Header.Get(HeaderTranslate) != "" }

// translated is a question whose answer has WAN addresses.
func translated[T any](qu ops.Question[T], render func(T) (*body, error)) (ops.Question[T], func(T) (*body, error)) {
	if qu.Key != "" {
		qu.Key += "\x00wan"
	}
	return qu, func(v T) (*body, error) { return render(wan(v).(T)) }
}

// wan returns a copy with the WAN addresses of nodes and instances; what has
// none stays as it is.
func wan(v any) any {
	switch list := v.(type) {
	case []*model.Node:
		return mapped(list, wanNode)
	case []*model.ServiceNode:
		return mapped(list, func(s *model.ServiceNode) *model.ServiceNode {
			c := *s
			if a := s.TaggedAddresses[model.AddressWAN]; a != "" {
				c.Address = a
			}
			if a, ok := s.ServiceTaggedAddresses[model.AddressWAN]; ok {
				c.ServiceAddress, c.ServicePort = a.Address, a.Port
			}
			return &c
		})
	case []*model.CheckServiceNode:
		return mapped(list, func(i *model.CheckServiceNode) *model.CheckServiceNode {
			return &model.CheckServiceNode{Node: wanNode(i.Node), Service: wanService(i.Service), Checks: i.Checks}
		})
	case *model.NodeServiceList:
		if list == nil {
			return v
		}
		return &model.NodeServiceList{Node: wanNode(list.Node), Services: mapped(list.Services, wanService)}
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

func wanNode(n *model.Node) *model.Node {
	a := n.TaggedAddresses[model.AddressWAN]
	if a == "" {
		return n
	}
	c := *n
	c.Address = a
	return &c
}

func wanService(s *model.NodeService) *model.NodeService {
	a, ok := s.TaggedAddresses[model.AddressWAN]
	if !ok {
		return s
	}
	c := *s
	c.Address, c.Port = a.Address, a.Port
	return &c
}
