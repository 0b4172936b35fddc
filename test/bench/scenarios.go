package main

type scenario struct {
	Name  string
	Doc   string
	Floor bool // the bare responder can run it too
	Run   func(b bin, opt options) ([]figure, error)
}

// scenarios is everything that can be measured. figures.md has the goals.
func scenarios() []scenario {
	return []scenario{
		{"idle", "one server: start to ready, memory and processor time at rest", false, runIdle},
		{"kv-put", "one durable server: set one of 10,000 keys to 256 bytes", true, single(nil, kvPut)},
		{"kv-get", "one server: read one of 10,000 keys, default consistency", true, single(seedKV(10000), kvGet(""))},
		{"kv-get-stale", "the same with ?stale", true, single(seedKV(10000), kvGet("?stale"))},
		{"kv-get-consistent", "the same with ?consistent", true, single(seedKV(10000), kvGet("?consistent"))},
		{"kv-list-100", "one server: ?recurse over 100 keys", true, single(seedKV(10000), kvList)},
		{"txn-16", "one durable server: /v1/txn of 16 sets", true, single(nil, txn16)},
		{"register", "one durable server: /v1/catalog/register of a node, a service and a check", true, single(nil, catalogRegister)},
		{"agent-register", "one durable server: /v1/agent/service/register of one of 500 services", true, single(nil, agentRegister)},
		{"health-10", "one server: passing instances of a service with 10", true, single(seedService("web", 10), healthService(10))},
		{"health-500", "the same with 500 instances", true, single(seedService("web", 500), healthService(500))},
		{"services-1000", "one server: /v1/catalog/services with 1,000 services", true, single(seedServices(1000), services1000)},
		{"dns-a-5", "one server: A records of a service with 5 instances", true, singleDNS(5, 1)},
		{"dns-srv-3", "one server: SRV records of a service with 3 instances", true, singleDNS(3, 33)},
		{"dns-a-500", "one server: A records of a service with 500 instances", true, singleDNS(500, 1)},
		{"watch-fanout", "one server: 2,000 blocked readers of one service with 50 instances; it changes 10 times", false, runFanout},
		{"watch-keys", "one server: 2,000 blocked readers of one key each, while other keys are written", false, runWatchKeys},
		{"load-20k", "one durable server: 2,000 nodes with 10 services and checks each; memory, kill -9, time to ready", false, runLoad20k},
		{"load-100k-keys", "one durable server: 100,000 keys of 256 bytes; memory, kill -9, time to ready", false, runLoadKeys},
		{"checks-500", "one server running 500 HTTP checks, one a second each: processor time", false, runChecks},
		{"cluster-put-leader", "three durable servers: kv-put sent to the leader", true, clusterLoad(kvPut, "leader")},
		{"cluster-put-follower", "three durable servers: kv-put sent to a follower", true, clusterLoad(kvPut, "follower")},
		{"cluster-get-follower", "three servers: kv-get sent to a follower, default consistency", true, clusterLoad(kvGet(""), "follower")},
		{"cluster-get-stale", "three servers: kv-get?stale sent to all three", true, clusterLoad(kvGet("?stale"), "all")},
		{"client-get", "three servers and a client agent: kv-get sent to the client agent", true, clusterLoad(kvGet(""), "client")},
		{"client-health-10", "three servers and a client agent: health-10 sent to the client agent", true, clusterLoad(healthService(10), "client")},
		{"propagation", "three servers and a client agent: a check flips on the client until a follower's blocked reader sees it", false, runPropagation},
		{"failover", "three durable servers, 16 writers: kill -9 of the leader; time without writes, acknowledged writes lost", false, runFailover},
	}
}

// single starts one durable server, seeds it and loads it.
func single(seed func(*node) error, next func(bool) nextFunc) func(bin, options) ([]figure, error) {
	return func(b bin, opt options) ([]figure, error) {
		c, err := startCluster(b, opt, 1, 0)
		if err != nil {
			return nil, err
		}
		defer c.stop()
		floor := b.Name == "floor"
		if seed != nil && !floor {
			if err := seed(c.Nodes[0]); err != nil {
				return nil, err
			}
		}
		res, err := loadHTTP(c, []string{c.Nodes[0].HTTP}, opt.Conns, opt.Dur, next(floor))
		if err != nil {
			return nil, err
		}
		return res.figures(), nil
	}
}

func singleDNS(instances int, qtype uint16) func(bin, options) ([]figure, error) {
	return func(b bin, opt options) ([]figure, error) {
		c, err := startCluster(b, opt, 1, 0)
		if err != nil {
			return nil, err
		}
		defer c.stop()
		if b.Name != "floor" {
			if err := seedService("web", instances)(c.Nodes[0]); err != nil {
				return nil, err
			}
		}
		res, err := loadDNS(c, c.Nodes[0].DNS, opt.Conns, opt.Dur, dnsQuestion("web.service.consul", qtype))
		if err != nil {
			return nil, err
		}
		return res.figures(), nil
	}
}

func clusterLoad(next func(bool) nextFunc, to string) func(bin, options) ([]figure, error) {
	return func(b bin, opt options) ([]figure, error) {
		if b.Name == "floor" { // one answer, whoever made it
			return single(nil, next)(b, opt)
		}
		clients := 0
		if to == "client" {
			clients = 1
		}
		c, err := startCluster(b, opt, 3, clients)
		if err != nil {
			return nil, err
		}
		defer c.stop()
		l, err := c.leader()
		if err != nil {
			return nil, err
		}
		if err := seedKV(10000)(c.Nodes[l]); err != nil {
			return nil, err
		}
		if err := seedService("web", 10)(c.Nodes[l]); err != nil {
			return nil, err
		}
		var addrs []string
		switch to {
		case "leader":
			addrs = []string{c.Nodes[l].HTTP}
		case "follower":
			addrs = []string{c.Nodes[(l+1)%3].HTTP}
		case "client":
			addrs = []string{c.Nodes[3].HTTP}
		default:
			for _, n := range c.Nodes {
				addrs = append(addrs, n.HTTP)
			}
		}
		res, err := loadHTTP(c, addrs, opt.Conns, opt.Dur, next(false))
		if err != nil {
			return nil, err
		}
		return res.figures(), nil
	}
}
