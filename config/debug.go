package config

import (
	"math"
	"net/netip"
	"reflect"
	"time"
)

// hidden stands in Debug for secrets that are set.
const hidden = "hidden"

// Debug is the configuration as /v1/agent/self shows it under DebugConfig: all
// options by their names there, resolved addresses, durations as texts,
// secrets hidden. The caller owns the result.
func (c *Config) Debug() map[string]any {
	out := map[string]any{}
	for _, o := range Options() {
		if o.For != "" || o.Removed {
			continue
		}
		value, said := c.values.said[o.Key]
		if !said || o.Mark == Internal {
			value, _ = preset(c.values.rows[o.Key], c.Dev)
		}
		if name := o.debugName(); name != "-" {
			place(out, name, show(&o, value))
		}
	}
	c.debugResolved(out)
	return out
}

// show is a value as Debug has it.
func show(o *Option, value any) any {
	if f, ok := value.(float64); ok && math.IsInf(f, 1) {
		return math.MaxFloat64 // JSON has no infinity
	}
	v := reflect.ValueOf(value)
	if o.Secret {
		if !v.IsValid() || v.IsZero() {
			return value
		}
		return hidden
	}
	if s, ok := value.(string); ok && o.Type == Duration {
		if d, err := toDuration(o.Key, s); err == nil {
			return d.String()
		}
	}
	if list, ok := value.([]map[string]any); ok {
		out := make([]any, len(list))
		for i, m := range list {
			out[i] = hideTokens(m)
		}
		return out
	}
	if v.IsValid() && (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.IsNil() {
		if v.Kind() == reflect.Map {
			return map[string]any{}
		}
		return []any{}
	}
	return value
}

// hideTokens copies what a definition holds, without its secrets.
func hideTokens(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			if s, ok := e.(string); ok && s != "" && (key == "Token" || key == "token") {
				e = hidden
			}
			out[key] = hideTokens(e)
		}
		return out
	case []map[string]any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = hideTokens(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = hideTokens(e)
		}
		return out
	}
	return v
}

// debugResolved overwrites what Load resolved.
func (c *Config) debugResolved(out map[string]any) {
	endpoints := func(all []Endpoint) []string {
		texts := make([]string, len(all))
		for i, e := range all {
			texts[i] = e.Net + "://" + e.Addr
		}
		return texts
	}
	tcp := func(a netip.AddrPort) string {
		if !a.IsValid() {
			return ""
		}
		return "tcp://" + a.String()
	}
	dns := make([]string, 0, 2*len(c.DNS.Addrs))
	for _, a := range c.DNS.Addrs {
		dns = append(dns, tcp(a), "udp://"+a.String())
	}
	ttls := make(map[string]string, len(c.DNS.ServiceTTL))
	for name, d := range c.DNS.ServiceTTL {
		ttls[name] = d.String()
	}
	text := func(d time.Duration) string { return d.String() }
	for name, value := range map[string]any{
		"DevMode": c.Dev, "ServerMode": c.Server, "Bootstrap": c.Bootstrap, "BootstrapExpect": c.BootstrapExpect,
		"Datacenter": c.Datacenter, "PrimaryDatacenter": c.PrimaryDatacenter, "DataDir": c.DataDir,
		"NodeName": c.Node.Name, "NodeID": c.Node.ID, "TaggedAddresses": c.Node.TaggedAddresses,
		"BindAddr": c.RPC.Bind.Addr().String(), "AdvertiseAddrLAN": c.RPC.Advertise.Addr().String(),
		"AdvertiseAddrWAN": c.RPC.AdvertiseWAN.Addr().String(),
		"RPCBindAddr":      tcp(c.RPC.Bind), "RPCAdvertiseAddr": tcp(c.RPC.Advertise),
		"SerfBindAddrLAN": tcp(c.Gossip.LAN.Bind), "SerfBindAddrWAN": tcp(c.Gossip.WAN.Bind),
		"SerfAdvertiseAddrLAN": tcp(c.Gossip.LAN.Advertise), "SerfAdvertiseAddrWAN": tcp(c.Gossip.WAN.Advertise),
		"ClientAddrs": c.ClientAddrs, "DNSAddrs": dns, "HTTPAddrs": endpoints(c.HTTP.Addrs), "HTTPSAddrs": endpoints(c.HTTP.TLSAddrs),
		"GRPCAddrs": endpoints(c.GRPC.Addrs), "GRPCTLSAddrs": endpoints(c.GRPC.TLSAddrs),
		"DNSDomain": c.DNS.Domain, "DNSAltDomain": c.DNS.AltDomain, "DNSRecursors": c.DNS.Recursors, "DNSServiceTTL": ttls,
		"DNSPort": c.DNS.Port, "HTTPPort": c.HTTP.Port, "HTTPSPort": c.HTTP.TLSPort, "GRPCPort": c.GRPC.Port, "GRPCTLSPort": c.GRPC.TLSPort,
		"LeaveOnTerm": c.Leave.OnTerminate, "SkipLeaveOnInt": c.Leave.SkipOnInterrupt, "Logging.LogLevel": c.Log.Level,
		"ServerName": c.TLS.ServerName, "ConnectEnabled": c.Connect.Enabled, "UIConfig.ContentPath": c.UI.ContentPath,
		"RetryJoinLAN": c.Join.LAN.Retry, "RetryJoinWAN": c.Join.WAN.Retry,
		"StartJoinAddrsLAN": c.Join.LAN.Start, "StartJoinAddrsWAN": c.Join.WAN.Start,
		"ConsulRaftHeartbeatTimeout": text(c.Raft.HeartbeatTimeout), "ConsulRaftElectionTimeout": text(c.Raft.ElectionTimeout),
		"ConsulRaftLeaderLeaseTimeout": text(c.Raft.LeaderLeaseTimeout),
	} {
		place(out, name, value)
	}
}
