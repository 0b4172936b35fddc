package cli

import (
	"strings"
	"testing"

	"muster/cli/clitest"
)

// self is what an agent says about itself.
const self = `{"Config": {"NodeName": "n1", "Datacenter": "dc1"},
	"Stats": {"raft": {"state": "Leader"}, "agent": {"checks": "0", "check_ttls": "1"}}}`

func TestMembers(t *testing.T) {
	lan := `[
		{"Name": "c1", "Addr": "10.0.0.2", "Port": 8301, "Status": 4, "Tags": {"role": "node", "build": "1.22.0:", "vsn": "2", "dc": "dc1", "segment": ""}},
		{"Name": "s2", "Addr": "fd00::1", "Port": 8301, "Status": 3, "Tags": {"role": "consul", "build": "1.22.0+muster.0.1.0:abc", "vsn": "2", "dc": "dc1"}},
		{"Name": "s1", "Addr": "10.0.0.1", "Port": 8301, "Status": 1, "Tags": {"role": "consul", "build": "1.22.0:", "vsn": "2", "dc": "dc1", "segment": ""}},
		{"Name": "x", "Addr": "10.0.0.9", "Port": 1, "Status": 9}]`
	answer := map[string]string{"GET /v1/agent/members?segment=_all": lan}
	runSteps(t, []step{
		{
			args: "members", answers: answer,
			out: "Node  Address         Status   Type     Build                Protocol  DC   Segment\n" +
				"s1    10.0.0.1:8301   alive    server   1.22.0               2         dc1  <all>\n" +
				"s2    [fd00::1]:8301  left     server   1.22.0+muster.0.1.0  2         dc1  <all>\n" +
				"c1    10.0.0.2:8301   failed   client   1.22.0               2         dc1  <default>\n" +
				"x     10.0.0.9:1      unknown  unknown                                      <default>\n",
		},
		{
			args: "members -detailed -status=alive", answers: answer,
			out: "Node  Address        Status  Tags\n" +
				"s1    10.0.0.1:8301  alive   build=1.22.0:,dc=dc1,role=consul,segment=<all>,vsn=2\n",
		},
		{args: "members -status=leaving", answers: answer, code: 2},
		{
			args: "members -status=*bad", code: 1,
			err: "Failed to compile status regexp: error parsing regexp: missing argument to repetition operator: `*`\n",
		},
		{
			args: "members -wan -filter=Name==x", answers: map[string]string{"GET /v1/agent/members": "[]"}, code: 2,
			asked: []string{"GET /v1/agent/members?filter=Name%3D%3Dx&segment=_all&wan=1"},
		},
		{
			args: "members", answers: map[string]string{"GET /v1/agent/members": "500 broken\n"}, code: 1,
			err: "Error retrieving members: Unexpected response code: 500 (broken)\n",
		},
	})
}

func TestJoin(t *testing.T) {
	refused := "500 1 error occurred:\n\t* Failed to join 10.0.0.9: connection refused\n\n"
	told := "Error joining address '10.0.0.9': Unexpected response code: 500 (1 error occurred:\n" +
		"\t* Failed to join 10.0.0.9: connection refused\n\n)\n"
	runSteps(t, []step{
		{
			args: "join 10.0.0.1 10.0.0.2", answers: map[string]string{"PUT /v1/agent/join/10.0.0.1": "", "PUT /v1/agent/join/10.0.0.2": ""},
			out: "Successfully joined cluster by contacting 2 nodes.\n",
		},
		{
			args: "join -wan 10.0.0.1", answers: map[string]string{"PUT /v1/agent/join/10.0.0.1?wan=1": ""},
			out: "Successfully joined cluster by contacting 1 nodes.\n",
		},
		{
			args: "join 10.0.0.9 10.0.0.1", answers: map[string]string{"PUT /v1/agent/join/10.0.0.1": "", "PUT /v1/agent/join/10.0.0.9": refused},
			out: "Successfully joined cluster by contacting 1 nodes.\n", err: told,
		},
		{
			args: "join 10.0.0.9", answers: map[string]string{"PUT /v1/agent/join/10.0.0.9": refused}, code: 1,
			err: told + "Failed to join any nodes.\n",
		},
	})
	wantUsage(t, "At least one address to join must be specified.", "join")
}

// wantUsage runs a command that was called wrongly: it says so first, and
// then how it is called.
func wantUsage(t *testing.T, problem string, args ...string) {
	t.Helper()
	got := runCLI(clitest.Start(t), "", args...)
	if got.Code != 1 || got.Out != "" || !strings.HasPrefix(got.ErrOut, problem+"\n\nUsage: muster ") {
		t.Errorf("%q: got %s\nwant %q", args, got, problem)
	}
}

func TestForceLeave(t *testing.T) {
	runSteps(t, []step{
		{args: "force-leave c1", answers: map[string]string{"PUT /v1/agent/force-leave/c1": ""}, asked: []string{"PUT /v1/agent/force-leave/c1"}},
		{
			args: "force-leave -prune -wan c1", answers: map[string]string{"PUT /v1/agent/force-leave/c1": ""},
			asked: []string{"PUT /v1/agent/force-leave/c1?prune=1&wan=1"},
		},
		{
			args: "force-leave x", answers: map[string]string{"PUT /v1/agent/force-leave/x": "500 agent: No node found with name 'x'"}, code: 1,
			err: "Error force leaving: Unexpected response code: 500 (agent: No node found with name 'x')\n",
		},
	})
	wantUsage(t, "A single node name must be specified to force leave.", "force-leave")
}

func TestLeaveReloadInfo(t *testing.T) {
	runSteps(t, []step{
		{args: "leave", answers: map[string]string{"PUT /v1/agent/leave": ""}, out: "Graceful leave complete\n"},
		{
			args: "leave", answers: map[string]string{"PUT /v1/agent/leave": "500 no"}, code: 1,
			err: "Error leaving: Unexpected response code: 500 (no)\n",
		},
		{args: "reload extra", answers: map[string]string{"PUT /v1/agent/reload": ""}, out: "Configuration reload triggered\n"},
		{
			args: "reload", answers: map[string]string{"PUT /v1/agent/reload": "500 no"}, code: 1,
			err: "Error reloading: Unexpected response code: 500 (no)\n",
		},
		{
			args: "info", answers: map[string]string{"GET /v1/agent/self": self},
			out: "agent:\n\tcheck_ttls = 1\n\tchecks = 0\nraft:\n\tstate = Leader\n",
		},
		{
			args: "info", answers: map[string]string{"GET /v1/agent/self": "403 no"}, code: 1,
			err: "Error querying agent: Unexpected response code: 403 (no)\n",
		},
	})
	wantUsage(t, "Too many arguments (expected 0, got 1)", "leave", "extra")
}

func TestEvent(t *testing.T) {
	fired := `{"ID": "27cec6fe-261a-0e83-e54b-ded6140d2e69", "Name": "deploy"}`
	done := "Event ID: 27cec6fe-261a-0e83-e54b-ded6140d2e69\n"
	runSteps(t, []step{
		{
			args: "event -name=deploy payload", answers: map[string]string{"PUT /v1/event/fire/deploy": fired}, out: done,
			asked: []string{"PUT /v1/event/fire/deploy payload"},
		},
		{
			args: "event -name=deploy -node=n -service=web -tag=t", answers: map[string]string{"PUT /v1/event/fire/deploy": fired}, out: done,
			asked: []string{"PUT /v1/event/fire/deploy?node=n&service=web&tag=t"},
		},
		{
			args: "event -name=x -node=*[", code: 1,
			err: "Failed to compile node filter regexp: error parsing regexp: missing argument to repetition operator: `*`\n",
		},
		{args: "event -name=x -tag=t", code: 1, err: "Cannot provide tag filter without service filter.\n"},
		{
			args: "event -name=x", answers: map[string]string{"PUT /v1/event/fire/x": "403 no"}, code: 1,
			err: "Error firing event: Unexpected response code: 403 (no)\n",
		},
	})
	wantUsage(t, "Event name must be specified", "event")
	wantUsage(t, "Too many command line arguments.", "event", "-name=x", "a", "b")
}

func TestKeyring(t *testing.T) {
	rings := `[
		{"WAN": true, "Datacenter": "dc1", "Keys": {"key1=": 1}, "PrimaryKeys": {"key1=": 1}, "NumNodes": 1},
		{"Datacenter": "dc1", "Messages": {"c1": "slow"}, "Keys": {"key2=": 1, "key1=": 2}, "PrimaryKeys": {"key1=": 2}, "NumNodes": 2}]`
	empty := "500 4 errors occurred:\n\t* WAN error: 1/1 nodes reported failure\n\t* s1.dc1: Keyring is empty (encryption not enabled)\n\n"
	runSteps(t, []step{
		{
			args: "keyring -list", answers: map[string]string{"GET /v1/operator/keyring": rings},
			out: "==> Gathering installed encryption keys...\n\nWAN:\n  key1= [1/1]\n\ndc1 (LAN):\n  ===> c1: slow\n  key1= [2/2]\n  key2= [1/2]\n",
		},
		{
			args: "keyring -list-primary -local-only -relay-factor=2", answers: map[string]string{"GET /v1/operator/keyring": rings},
			out:   "==> Gathering installed primary encryption keys...\n\nWAN:\n  key1= [1/1]\n\ndc1 (LAN):\n  ===> c1: slow\n  key1= [2/2]\n",
			asked: []string{"GET /v1/operator/keyring?local-only=true&relay-factor=2"},
		},
		{
			args: "keyring -list", answers: map[string]string{"GET /v1/operator/keyring": empty}, code: 1,
			out: "==> Gathering installed encryption keys...\n",
			err: "error: Unexpected response code: 500 (4 errors occurred:\n\t* WAN error: 1/1 nodes reported failure\n" +
				"\t* s1.dc1: Keyring is empty (encryption not enabled)\n\n)\n",
		},
		{
			args: "keyring -install=k", answers: map[string]string{"POST /v1/operator/keyring": ""},
			out: "==> Installing new gossip encryption key...\n", asked: []string{`POST /v1/operator/keyring {"Key":"k"}`},
		},
		{
			args: "keyring -use=k", answers: map[string]string{"PUT /v1/operator/keyring": ""},
			out: "==> Changing primary gossip encryption key...\n", asked: []string{`PUT /v1/operator/keyring {"Key":"k"}`},
		},
		{
			args: "keyring -remove=k", answers: map[string]string{"DELETE /v1/operator/keyring": ""},
			out: "==> Removing gossip encryption key...\n", asked: []string{`DELETE /v1/operator/keyring {"Key":"k"}`},
		},
		{args: "keyring -list -use=k", code: 1, err: "Only a single action is allowed\n"},
		{args: "keyring -list -relay-factor=6", code: 1, err: "Error parsing relay factor: Relay factor must be in range: [0, 5]\n"},
		{args: "keyring -use=k -local-only", code: 1, err: "Error validating local-only: local-only can only be set for list requests\n"},
	})
	if got := runCLI(clitest.Start(t), "", "keyring"); got.Code != 1 || !strings.HasPrefix(got.ErrOut, "Usage: muster keyring [options]\n") {
		t.Errorf("keyring: %s", got)
	}
}

func TestMaint(t *testing.T) {
	on := `{"_node_maintenance": {"CheckID": "_node_maintenance", "Notes": "by hand"}, "other": {"Notes": "x"},
		"_service_maintenance:web": {"Notes": "service work"}, "_service_maintenance:db": {"Notes": "moving"}}`
	base := map[string]string{"GET /v1/agent/self": self, "GET /v1/agent/checks": "{}"}
	runSteps(t, []step{
		{args: "maint", answers: base},
		{
			args: "maint", answers: map[string]string{"GET /v1/agent/self": self, "GET /v1/agent/checks": on},
			out: "Node:\n  Name:   n1\n  Reason: by hand\n\nService:\n  ID:     db\n  Reason: moving\n\nService:\n  ID:     web\n  Reason: service work\n\n",
		},
		{
			args: "maint -enable -reason=by~hand", answers: map[string]string{"PUT /v1/agent/maintenance": ""},
			out: "Node maintenance is now enabled\n", asked: []string{"PUT /v1/agent/maintenance?enable=true&reason=by+hand"},
		},
		{
			args: "maint -disable", answers: map[string]string{"PUT /v1/agent/maintenance": ""},
			out: "Node maintenance is now disabled\n", asked: []string{"PUT /v1/agent/maintenance?enable=false"},
		},
		{
			args: "maint -enable -service=web", answers: map[string]string{"PUT /v1/agent/service/maintenance/web": ""},
			out: "Service maintenance is now enabled for \"web\"\n", asked: []string{"PUT /v1/agent/service/maintenance/web?enable=true&reason="},
		},
		{
			args: "maint -disable -service=web", answers: map[string]string{"PUT /v1/agent/service/maintenance/web": ""},
			out: "Service maintenance is now disabled for \"web\"\n",
		},
		{args: "maint -enable -disable", code: 1, err: "Only one of -enable or -disable may be provided\n"},
		{args: "maint -reason x", code: 1, err: "Reason may only be provided with -enable\n"},
		{args: "maint -service web", code: 1, err: "Service requires either -enable or -disable\n"},
		{
			args: "maint -enable -service none", answers: map[string]string{"PUT /v1/agent/service/maintenance/none": `404 No service registered with ID "none"`},
			code: 1, err: "Error enabling service maintenance: Unexpected response code: 404 (No service registered with ID \"none\")\n",
		},
		{
			args: "maint -disable", answers: map[string]string{"PUT /v1/agent/maintenance": "403 no"}, code: 1,
			err: "Error disabling node maintenance: Unexpected response code: 403 (no)\n",
		},
	})
}

func TestRTT(t *testing.T) {
	coord := func(x string) string {
		return `{"Vec": [` + x + `, 0, 0, 0, 0, 0, 0, 0], "Error": 1, "Height": 0.0001, "Adjustment": 0}`
	}
	lan := `[{"Node": "n1", "Coord": ` + coord("0") + `}, {"Node": "n2", "Coord": ` + coord("0.001") + `}, {"Node": "odd", "Coord": {"Vec": [1]}}]`
	wan := `[{"Datacenter": "dc1", "AreaID": "wan", "Coordinates": [{"Node": "n1", "Coord": ` + coord("0") + `}]},
		{"Datacenter": "dc2", "AreaID": "wan", "Coordinates": [{"Node": "n2", "Coord": ` + coord("0.01") + `}]},
		{"Datacenter": "dc3", "AreaID": "other", "Coordinates": [{"Node": "n3", "Coord": ` + coord("0") + `}]}]`
	answers := map[string]string{"GET /v1/agent/self": self, "GET /v1/coordinate/nodes": lan, "GET /v1/coordinate/datacenters": wan}
	runSteps(t, []step{
		{args: "rtt n1 n2", answers: answers, out: "Estimated n1 <-> n2 rtt: 1.200 ms (using LAN coordinates)\n"},
		{args: "rtt n2", answers: answers, out: "Estimated n2 <-> n1 rtt: 1.200 ms (using LAN coordinates)\n"},
		{args: "rtt n1 none", answers: answers, code: 1, err: "Could not find a coordinate for node \"none\"\n"},
		{args: "rtt n1 odd", answers: answers, code: 1, err: "The coordinates of \"n1\" and \"odd\" do not compare\n"},
		{args: "rtt -wan n1.dc1 n2.dc2", answers: answers, out: "Estimated n1.dc1 <-> n2.dc2 rtt: 10.200 ms (using WAN coordinates)\n"},
		{args: "rtt -wan n2.dc2", answers: answers, out: "Estimated n2.dc2 <-> n1.dc1 rtt: 10.200 ms (using WAN coordinates)\n"},
		{args: "rtt -wan n1", answers: answers, code: 1, err: "Node names must be specified as <node name>.<datacenter> with -wan\n"},
		{args: "rtt -wan n1.dc1 none.dc1", answers: answers, code: 1, err: "Could not find a coordinate for node \"n1.dc1\"\n"},
		{args: "rtt -wan n1.dc1 n3.dc3", answers: answers, code: 1, err: "Could not find a coordinate for node \"n1.dc1\"\n"},
	})
	wantUsage(t, "One or two node names must be specified", "rtt")
	wantUsage(t, "One or two node names must be specified", "rtt", "a", "b", "c")
}
