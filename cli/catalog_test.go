package cli

import "testing"

func TestCatalog(t *testing.T) {
	nodes := `[
		{"ID": "", "Node": "ext", "Address": "10.0.0.9", "Datacenter": "dc1", "TaggedAddresses": null, "Meta": null},
		{"ID": "085147db-9339-3906-768c-c8be8cf96e9f", "Node": "c1", "Address": "127.0.0.1", "Datacenter": "dc1",
		 "TaggedAddresses": {"wan": "127.0.0.1", "lan": "127.0.0.1"}, "Meta": {"rack": "r1", "a": ""}}]`
	instances := `[
		{"ID": "085147db-9339", "Node": "c1", "Address": "127.0.0.1", "Datacenter": "dc1", "ServiceID": "db1"},
		{"ID": "085147db-9339", "Node": "c1", "Address": "127.0.0.1", "Datacenter": "dc1", "ServiceID": "db2"}]`
	noNodes := "No nodes match the given query - try expanding your search.\n"
	noServices := "No services match the given query - try expanding your search.\n"
	services := map[string]string{"GET /v1/catalog/services": `{"web": ["v2", "blue", "v1"], "consul": []}`}
	runSteps(t, []step{
		{args: "catalog datacenters", answers: map[string]string{"GET /v1/catalog/datacenters": `["dc1", "dc2"]`}, out: "dc1\ndc2\n"},
		{args: "catalog datacenters x", code: 1, err: "Too many arguments (expected 0, got 1)\n"},
		{
			args: "catalog nodes", answers: map[string]string{"GET /v1/catalog/nodes": nodes},
			out: "Node  ID        Address    DC\next             10.0.0.9   dc1\nc1    085147db  127.0.0.1  dc1\n",
		},
		{
			args: "catalog nodes -detailed", answers: map[string]string{"GET /v1/catalog/nodes": nodes},
			out: "Node  ID                                    Address    DC   TaggedAddresses               Meta\n" +
				"ext                                         10.0.0.9   dc1                                \n" +
				"c1    085147db-9339-3906-768c-c8be8cf96e9f  127.0.0.1  dc1  lan=127.0.0.1, wan=127.0.0.1  a=, rack=r1\n",
		},
		{
			args: "catalog nodes -service=db", answers: map[string]string{"GET /v1/catalog/service/db": instances},
			out: "Node  ID        Address    DC\nc1    085147db  127.0.0.1  dc1\n",
		},
		{args: "catalog nodes -service=none", answers: map[string]string{"GET /v1/catalog/service/none": "[]"}, err: noNodes},
		{
			args: "catalog nodes -near=_agent -node-meta=rack:b -filter=x", answers: map[string]string{"GET /v1/catalog/nodes": "[]"}, err: noNodes,
			asked: []string{"GET /v1/catalog/nodes?filter=x&near=_agent&node-meta=rack%3Ab"},
		},
		{args: "catalog nodes extra", code: 1, err: "Too many arguments (expected 0, got 1)\n"},
		{
			args: "catalog nodes", answers: map[string]string{"GET /v1/catalog/nodes": "500 no"}, code: 1,
			err: "Error listing nodes: Unexpected response code: 500 (no)\n",
		},
		{args: "catalog services", answers: services, out: "consul\nweb\n"},
		{args: "catalog services -tags", answers: services, out: "consul\nweb      blue,v1,v2\n"},
		{
			args: "catalog services -node=n2", out: "db\nweb\n",
			answers: map[string]string{"GET /v1/catalog/node/n2": `{"Node": {"Node": "n2"}, "Services": {"web1": {"Service": "web"}, "web2": {"Service": "web"}, "db": {"Service": "db"}}}`},
		},
		{args: "catalog services -node=absent", answers: map[string]string{"GET /v1/catalog/node/absent": "null"}, err: noServices},
		{
			args: "catalog services", answers: map[string]string{"GET /v1/catalog/services": "500 no"}, code: 1,
			err: "Error listing services: Unexpected response code: 500 (no)\n",
		},
	})
	wantUsage(t, `invalid value "x" for flag -node-meta: missing "=" in argument: "x"`, "catalog", "nodes", "-node-meta=x")
}
