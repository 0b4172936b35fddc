package meter

import (
	"slices"
	"strings"
)

// Kind is what a metric's values mean.
type Kind uint8

// The kinds of metrics.
const (
	// Gauge is a value that goes up and down.
	Gauge Kind = iota
	// Counter counts events.
	Counter
	// Sample summarizes single values: how many, their sum, the quantiles.
	// Durations are in milliseconds.
	Sample
)

func (k Kind) String() string { return [...]string{"gauge", "counter", "sample"}[k] }

// Metric is one row of the table of all metrics.
type Metric struct {
	// Name is without the prefix of the configuration, with dots.
	Name string
	Kind Kind
	Help string
	// Seldom: it is set only while something is amiss, under way or switched on,
	// or labels stand behind it: tests of a quiet agent do not wait for it.
	Seldom bool
}

// Table is the table of all metrics that an agent gives, by what emits them.
// Prometheus shows each of them from the start.
func Table() []Metric {
	return slices.Concat(agentTable(), catalogTable(), rpcTable(), leaderTable(), stateTable(), runtimeTable(),
		raftTable(), serfTable(), memberlistTable())
}

func agentTable() []Metric {
	return []Metric{
		{"api.http", Sample, "Time to serve a request of the HTTP API, in ms, by method and path; names in paths are underscores.", true},
		{"http.conns.refused", Counter, "Connections above limits.http_max_conns_per_client.", true},
		{"client.rpc", Counter, "Requests that this agent sent to servers.", true},
		{"client.rpc.exceeded", Counter, "Requests of this agent that were refused by limits.rpc_rate.", true},
		{"client.rpc.failed", Counter, "Requests of this agent that servers did not answer.", true},
		{"dns.domain_query", Sample, "Time to answer a DNS question below the agent's domain, in ms.", true},
		{"dns.ptr_query", Sample, "Time to answer a reverse DNS question, in ms.", true},
		{"cache.entries_count", Gauge, "Rendered answers that are kept.", false},
		{"cache.fetch_success", Counter, "Answers that were rendered anew.", true},
		{"cache.hit", Counter, "Answers that were taken from those rendered before.", true},
		{"version", Gauge, "1, with the version and the prerelease as labels.", false},
		{"members.clients", Gauge, "Client agents of the datacenter that are alive.", false},
		{"members.servers", Gauge, "Servers of the datacenter that are alive.", false},
		{"agent.tls.cert.expiry", Gauge, "Seconds until the certificate of the port between agents expires.", true},
		{"server.isLeader", Gauge, "1 on the server that leads, 0 on the others.", false},
	}
}

func catalogTable() []Metric {
	return []Metric{
		{"kvs.apply", Sample, "Time to write a key, from the proposal to the result, in ms.", true},
		{"txn.apply", Sample, "Time to commit a transaction, in ms.", true},
		{"session.apply", Sample, "Time to create or end a session, in ms.", true},
		{"session.renew", Sample, "Time to renew a session, in ms.", true},
		{"prepared-query.apply", Sample, "Time to write a prepared query, in ms.", true},
		{"session_ttl.active", Gauge, "Sessions with a TTL that the leader watches over.", false},
		{"catalog.register", Sample, "Time to register in the catalog, in ms.", true},
		{"catalog.deregister", Sample, "Time to deregister from the catalog, in ms.", true},
		{"catalog.service.query", Counter, "Questions about the instances of a service, by service.", true},
		{"health.service.query", Counter, "Questions about the health of a service, by service.", true},
	}
}

func rpcTable() []Metric {
	return []Metric{
		{"rpc.accept_conn", Counter, "Connections of other agents that this server accepted.", true},
		{"rpc.raft_handoff", Counter, "Connections that were for Raft.", true},
		{"rpc.request", Counter, "Requests that this server was asked by other agents.", true},
		{"rpc.query", Counter, "Reads that this server answered.", true},
		{"rpc.queries_blocking", Gauge, "Blocking queries that wait on this server.", true},
		{"rpc.cross-dc", Counter, "Requests that were sent to another datacenter, by datacenter.", true},
		{"rpc.consistentRead", Sample, "Time to confirm that a read is current, in ms.", true},
		{"rpc.rate_limit.exceeded", Counter, "Requests above limits.request_limits, by what was exceeded, operation and mode.", true},
		{"rpc.rate_limit.log_dropped", Counter, "Lines about such requests that were not logged.", true},
		{"rpc.conns.refused", Counter, "Connections above limits.rpc_max_conns_per_client.", true},
	}
}

func leaderTable() []Metric {
	return []Metric{
		{"autopilot.healthy", Gauge, "1 if all servers are healthy, else 0; NaN on servers that do not lead.", false},
		{"autopilot.failure_tolerance", Gauge, "Servers that may fail before writes stop; NaN on servers that do not lead.", false},
		{"leader.reconcile", Sample, "Time to bring the catalog in step with all members, in ms.", true},
		{"leader.reconcileMember", Sample, "Time to bring the catalog in step with one member, in ms.", true},
		{"leader.reapTombstones", Sample, "Time to forget old deletions, in ms.", true},
	}
}

func stateTable() []Metric {
	return []Metric{
		{"state.nodes", Gauge, "Nodes in the catalog.", false},
		{"state.services", Gauge, "Names of services in the catalog.", false},
		{"state.service_instances", Gauge, "Instances of services in the catalog.", false},
		{"state.billable_service_instances", Gauge, "Instances that are neither proxies nor the servers themselves.", false},
		{"state.connect_instances", Gauge, "Instances of the service mesh, by kind.", false},
		{"state.kv_entries", Gauge, "Keys in the KV store.", false},
		{"fsm.register", Sample, "Time to apply a registration, in ms.", true},
		{"fsm.deregister", Sample, "Time to apply a deregistration, in ms.", true},
		{"fsm.kvs", Sample, "Time to apply a write of a key, in ms.", true},
		{"fsm.session", Sample, "Time to apply a change of a session, in ms.", true},
		{"fsm.txn", Sample, "Time to apply a transaction, in ms.", true},
		{"fsm.prepared-query", Sample, "Time to apply a change of a prepared query, in ms.", true},
		{"fsm.tombstone", Sample, "Time to apply that deletions are forgotten, in ms.", true},
		{"fsm.coordinate.batch-update", Sample, "Time to apply network coordinates, in ms.", true},
		{"fsm.persist", Sample, "Time to write a snapshot, in ms.", true},
	}
}

func runtimeTable() []Metric {
	return []Metric{
		{"runtime.num_goroutines", Gauge, "Goroutines.", false},
		{"runtime.alloc_bytes", Gauge, "Bytes allocated on the heap.", false},
		{"runtime.sys_bytes", Gauge, "Bytes obtained from the system.", false},
		{"runtime.malloc_count", Gauge, "Objects ever allocated.", false},
		{"runtime.free_count", Gauge, "Objects ever freed.", false},
		{"runtime.heap_objects", Gauge, "Objects on the heap.", false},
		{"runtime.total_gc_pause_ns", Gauge, "Time that collections have ever stopped the process, in ns.", false},
		{"runtime.total_gc_runs", Gauge, "Collections ever run.", false},
		{"runtime.gc_pause_ns", Sample, "Time that a collection stopped the process, in ns.", true},
	}
}

// samples are those of the table, by name.
func samples() map[string]*Metric {
	list := map[string]*Metric{}
	for _, row := range Table() {
		if row.Kind == Sample {
			list[row.Name] = &row
		}
	}
	return list
}

// path is the name of a metric in the parts that go-metrics makes of it.
func (m *Metric) path(c *Config) []string {
	var parts []string
	if c.Prefix != "" {
		parts = append(parts, c.Prefix)
	}
	if m.Kind == Gauge && !c.DisableHostname && c.Hostname != "" {
		parts = append(parts, c.Hostname)
	}
	return append(parts, strings.Split(m.Name, ".")...)
}
