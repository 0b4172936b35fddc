package cli

import "testing"

func TestRaft(t *testing.T) {
	peers := `{"Servers": [
		{"ID": "82b1122a", "Node": "s1", "Address": "10.0.0.1:8300", "Leader": true, "ProtocolVersion": "3", "Voter": true, "LastIndex": 100},
		{"ID": "0d7e2345", "Node": "server2", "Address": "10.0.0.2:8300", "Leader": false, "ProtocolVersion": "", "Voter": false, "LastIndex": 99},
		{"ID": "77777777", "Node": "s3", "Address": "10.0.0.3:8300", "ProtocolVersion": "3", "Voter": true, "LastIndex": 90}]}`
	answers := map[string]string{"GET /v1/operator/raft/configuration": peers}
	runSteps(t, []step{
		{
			args: "operator raft list-peers", answers: answers,
			out: "Node     ID        Address        State     Voter  RaftProtocol\n" +
				"s1       82b1122a  10.0.0.1:8300  leader    true   3\n" +
				"server2  0d7e2345  10.0.0.2:8300  follower  false  <=1\n" +
				"s3       77777777  10.0.0.3:8300  follower  true   3\n",
		},
		{
			args: "operator raft list-peers -detailed -stale", answers: map[string]string{"GET /v1/operator/raft/configuration?stale=": peers},
			out: "Node     ID        Address        State     Voter  RaftProtocol  Commit Index  Trails Leader By\n" +
				"s1       82b1122a  10.0.0.1:8300  leader    true   3             100           -\n" +
				"server2  0d7e2345  10.0.0.2:8300  follower  false  <=1           99            1 commit\n" +
				"s3       77777777  10.0.0.3:8300  follower  true   3             90            10 commits\n",
		},
		{
			args: "operator raft list-peers", answers: map[string]string{"GET /v1/operator/raft/configuration": "500 No cluster leader"}, code: 1,
			err: "Error getting peers: Failed to retrieve raft configuration: Unexpected response code: 500 (No cluster leader)\n",
		},
		{
			args: "operator raft remove-peer -address=10.0.0.9:8300", answers: map[string]string{"DELETE /v1/operator/raft/peer?address=10.0.0.9%3A8300": ""},
			out: "Removed peer with address \"10.0.0.9:8300\"\n",
		},
		{
			args: "operator raft remove-peer -id=x", answers: map[string]string{"DELETE /v1/operator/raft/peer?id=x": ""},
			out: "Removed peer with id \"x\"\n",
		},
		{
			args: "operator raft remove-peer -id=none", code: 1,
			answers: map[string]string{"DELETE /v1/operator/raft/peer": `500 id "none" was not found in the Raft configuration`},
			err:     "Error removing peer: Unexpected response code: 500 (id \"none\" was not found in the Raft configuration)\n",
		},
		{
			args: "operator raft transfer-leader -id=x", answers: map[string]string{"POST /v1/operator/raft/transfer-leader?id=x": `{"Success": true}`},
			out: "Success\n",
		},
		{
			args: "operator raft transfer-leader", answers: map[string]string{"POST /v1/operator/raft/transfer-leader": `{"Success": false}`}, code: 1,
			err: "Error transferring leadership: the leader refused\n",
		},
	})
	wantUsage(t, "Error removing peer: an address or id is required for the peer to remove", "operator", "raft", "remove-peer")
	wantUsage(t, "Error removing peer: cannot give both an address and id", "operator", "raft", "remove-peer", "-id=a", "-address=b")
}

func TestAutopilot(t *testing.T) {
	config := `{"CleanupDeadServers": true, "LastContactThreshold": "200ms", "MaxTrailingLogs": 250, "MinQuorum": 0,
		"ServerStabilizationTime": "10s", "RedundancyZoneTag": "", "DisableUpgradeMigration": false, "UpgradeVersionTag": "",
		"CreateIndex": 4, "ModifyIndex": 7}`
	answers := map[string]string{"GET /v1/operator/autopilot/configuration": config, "PUT /v1/operator/autopilot/configuration?cas=7": "true"}
	runSteps(t, []step{
		{
			args: "operator autopilot get-config", answers: answers,
			out: "CleanupDeadServers = true\nLastContactThreshold = 200ms\nMaxTrailingLogs = 250\nMinQuorum = 0\n" +
				"ServerStabilizationTime = 10s\nRedundancyZoneTag = \"\"\nDisableUpgradeMigration = false\nUpgradeVersionTag = \"\"\n",
		},
		{
			args: "operator autopilot set-config -cleanup-dead-servers=false -min-quorum=3 -last-contact-threshold=1s", answers: answers,
			out: "Configuration updated!\n",
			asked: []string{
				"GET /v1/operator/autopilot/configuration",
				`PUT /v1/operator/autopilot/configuration?cas=7 {"CleanupDeadServers":false,"LastContactThreshold":"1s",` +
					`"MaxTrailingLogs":250,"MinQuorum":3,"ServerStabilizationTime":"10s","RedundancyZoneTag":"",` +
					`"DisableUpgradeMigration":false,"UpgradeVersionTag":"","CreateIndex":4,"ModifyIndex":7}`,
			},
		},
		{
			args: "operator autopilot set-config", code: 1, err: "Configuration could not be atomically updated, please try again\n",
			answers: map[string]string{"GET /v1/operator/autopilot/configuration": config, "PUT /v1/operator/autopilot/configuration": "false"},
		},
		{
			args: "operator autopilot get-config", answers: map[string]string{"GET /v1/operator/autopilot/configuration": "403 no"}, code: 1,
			err: "Error querying Autopilot configuration: Unexpected response code: 403 (no)\n",
		},
	})
	wantUsage(t, `invalid value "-1s" for flag -last-contact-threshold: negative duration`,
		"operator", "autopilot", "set-config", "-last-contact-threshold=-1s")
}

func TestAutopilotState(t *testing.T) {
	state := `{"Healthy": true, "FailureTolerance": 0, "OptimisticFailureTolerance": 0, "Leader": "82b1122a", "Voters": ["82b1122a"],
		"Servers": {"82b1122a": {"ID": "82b1122a", "Name": "s1", "Address": "127.0.0.1:21502", "NodeStatus": "alive", "Version": "1.22.0",
		"LastContact": "0s", "LastTerm": 2, "LastIndex": 17, "Healthy": true, "StableSince": "2026-11-22T10:00:00Z", "ReadReplica": false,
		"Status": "leader", "Meta": {"consul-network-segment": ""}, "NodeType": "voter"}}}`
	answers := map[string]string{"GET /v1/operator/autopilot/state": state}
	runSteps(t, []step{
		{
			args: "operator autopilot state", answers: answers,
			out: `Healthy:                      true
Failure Tolerance:            0
Optimistic Failure Tolerance: 0
Leader:                       82b1122a
Voters:
   82b1122a
Servers:
   82b1122a
      Name:            s1
      Address:         127.0.0.1:21502
      Version:         1.22.0
      Status:          leader
      Node Type:       voter
      Node Status:     alive
      Healthy:         true
      Last Contact:    0s
      Last Term:       2
      Last Index:      17
      Meta
         "consul-network-segment": ""
`,
		},
		{
			args: "operator autopilot state -format=json", answers: map[string]string{"GET /v1/operator/autopilot/state": `{"Healthy": true}`},
			out: "{\n    \"Healthy\": true,\n    \"FailureTolerance\": 0,\n    \"OptimisticFailureTolerance\": 0,\n    \"Servers\": null,\n" +
				"    \"Leader\": \"\",\n    \"Voters\": null\n}\n",
		},
		{args: "operator autopilot state -format=xml", code: 1, err: "Unknown format \"xml\", must be one of: pretty, json\n"},
	})
}

func TestUsageInstances(t *testing.T) {
	one := `"dc1": {"Nodes": 3, "Services": 2, "ServiceInstances": 5, "BillableServiceInstances": 4, "ConnectServiceInstances": {"mesh-gateway": 1, "connect-native": 0}}`
	two := `"dc2": {"Nodes": 10, "Services": 1, "ServiceInstances": 30, "BillableServiceInstances": 20, "ConnectServiceInstances": {"connect-native": 2}}`
	answers := map[string]string{
		"GET /v1/operator/usage":         `{"Usage": {` + one + `}}`,
		"GET /v1/operator/usage?global=": `{"Usage": {` + two + `,` + one + `}}`,
	}
	runSteps(t, []step{
		{
			args: "operator usage instances", answers: answers,
			out: "Billable Service Instances Total: 4\n\nNodes\nNodes\n3\n\nBillable Services\nServices  Service instances\n2         4\n\n" +
				"Connect Services\nType            Service instances\nconnect-native  0\nmesh-gateway    1\n",
		},
		{
			args: "operator usage instances -all-datacenters -billable", answers: answers,
			out: "Billable Service Instances Total: 24\n\nBillable Services\nDatacenter  Services  Service instances\n" +
				"dc1         2         4\ndc2         1         20\nTotal       3         24\n",
		},
		{
			args: "operator usage instances -all-datacenters -connect", answers: answers,
			out: "Connect Services\nDatacenter  Type            Service instances\n" +
				"dc1         connect-native  0\ndc1         mesh-gateway    1\ndc2         connect-native  2\nTotal                       3\n",
		},
		{
			args: "operator usage instances", answers: map[string]string{"GET /v1/operator/usage": "500 No cluster leader"}, code: 1,
			err: "Error fetching usage information: Unexpected response code: 500 (No cluster leader)\n",
		},
	})
}
