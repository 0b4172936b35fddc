package ops

import (
	"muster/acl"
	"muster/model"
	"muster/state"
)

// Usage counts what is in the catalog of a datacenter.
type Usage struct {
	Nodes                   int
	Services                int // names
	ServiceInstances        int
	ConnectServiceInstances map[string]int // by kind; "connect-native" too
	// BillableServiceInstances are those of applications: no proxies, no
	// gateways, and not the servers themselves.
	BillableServiceInstances int
}

// connectNative is where Usage counts applications that speak to the mesh themselves.
const connectNative = "connect-native"

// connectKinds are the kinds that Usage counts one by one.
func connectKinds() []string {
	return []string{connectNative, string(model.KindConnectProxy), string(model.KindIngressGateway),
		string(model.KindMeshGateway), string(model.KindTerminatingGateway), string(model.KindAPIGateway)}
}

// Usage counts what is in the catalog.
func (o *Ops) Usage(token string) (Question[*Usage], error) {
	if err := o.allow(token, acl.Operator, "", acl.Read); err != nil {
		return Question[*Usage]{}, err
	}
	return Question[*Usage]{Eval: func(v *state.Version) (uint64, *Usage, error) {
		index, nodes := v.Nodes()
		u := &Usage{Nodes: len(nodes), ConnectServiceInstances: map[string]int{}}
		for _, k := range connectKinds() {
			u.ConnectServiceInstances[k] = 0
		}
		names := map[string]bool{}
		v.EachInstance(func(_ *model.Node, s *model.NodeService) bool {
			u.ServiceInstances++
			names[s.Service] = true
			switch {
			case s.Connect.Native:
				u.ConnectServiceInstances[connectNative]++
			case s.Kind != "":
				u.ConnectServiceInstances[string(s.Kind)]++
			}
			if s.Kind == "" && s.Service != model.ConsulService {
				u.BillableServiceInstances++
			}
			return true
		})
		u.Services = len(names)
		return max(index, v.ServicesIndex()), u, nil
	}}, nil
}
