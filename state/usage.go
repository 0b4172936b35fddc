package state

import "muster/model"

// Usage is how much there is of everything.
type Usage struct {
	Nodes     int
	Services  int // names
	Instances int
	// Billable are the instances that are no proxies nor gateways, without those
	// of the servers themselves.
	Billable int
	// Kinds are the instances of the service mesh by their kind, and those that
	// speak for themselves as "connect-native".
	Kinds map[string]int
	Keys  int
}

// connectNative is what Usage.Kinds calls services that are part of a mesh
// without a proxy.
const connectNative = "connect-native"

// Usage counts. It takes time in proportion to the instances.
func (v *Version) Usage() Usage {
	u := Usage{Nodes: v.nodes.len(), Instances: v.services.len(), Keys: v.kv.len(), Kinds: map[string]int{}}
	last := ""
	v.names.scan("", func(_ string, i *instance) bool { // by name
		if name := fold(i.svc.Service); name != last || u.Services == 0 {
			u.Services, last = u.Services+1, name
		}
		switch {
		case i.svc.Kind != "":
			u.Kinds[string(i.svc.Kind)]++
		case i.svc.Service != model.ConsulService:
			u.Billable++
		}
		if i.svc.Connect.Native {
			u.Kinds[connectNative]++
		}
		return true
	})
	return u
}
