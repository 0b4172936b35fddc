package cli

import "testing"

func TestACL(t *testing.T) {
	first := `{"CreateIndex": 15, "ModifyIndex": 15, "AccessorID": "845d7294", "SecretID": "507d8577", "Description": "Bootstrap Token (Global Management)",
		"Policies": [{"ID": "00000000", "Name": "global-management"}], "Local": false, "CreateTime": "2026-11-22T10:53:19Z", "Hash": "b3Jp"}`
	list := `[{"CreateIndex": 15, "ModifyIndex": 16, "AccessorID": "845d7294", "Description": "first",
		"Policies": [{"ID": "00000000", "Name": "global-management"}], "Local": false, "CreateTime": "2026-11-22T10:53:19Z", "Hash": "b3Jp"},
		{"CreateIndex": 17, "ModifyIndex": 17, "AccessorID": "11111111", "Local": true, "CreateTime": "2026-11-22T10:53:19Z",
		"ExpirationTime": "2026-11-22T12:53:19Z", "Roles": [{"ID": "a972603d", "Name": "r1"}],
		"ServiceIdentities": [{"ServiceName": "db"}, {"ServiceName": "web", "Datacenters": ["dc1", "dc2"]}],
		"NodeIdentities": [{"NodeName": "n1", "Datacenter": "dc1"}]}]`
	tokens := map[string]string{"GET /v1/acl/tokens": list}
	runSteps(t, []step{
		{
			args: "acl bootstrap", answers: map[string]string{"PUT /v1/acl/bootstrap": first},
			out: `AccessorID:       845d7294
SecretID:         507d8577
Description:      Bootstrap Token (Global Management)
Local:            false
Create Time:      2026-11-22 10:53:19 +0000 UTC
Policies:
   00000000 - global-management
`,
		},
		{
			args: "acl bootstrap", answers: map[string]string{"PUT /v1/acl/bootstrap": "401 ACL support disabled"}, code: 1,
			err: "Failed ACL bootstrapping: Unexpected response code: 401 (ACL support disabled)\n",
		},
		{
			args: "acl token list", answers: tokens,
			out: `AccessorID:       845d7294
Description:      first
Local:            false
Create Time:      2026-11-22 10:53:19 +0000 UTC
Legacy:           false
Policies:
   00000000 - global-management

AccessorID:       11111111
Description:      
Local:            true
Create Time:      2026-11-22 10:53:19 +0000 UTC
Expiration Time:  2026-11-22 12:53:19 +0000 UTC
Legacy:           false
Roles:
   a972603d - r1
Service Identities:
   db (Datacenters: all)
   web (Datacenters: dc1, dc2)
Node Identities:
   n1 (Datacenter: dc1)
`,
		},
		{
			args: "acl token list -meta", answers: map[string]string{"GET /v1/acl/tokens": `[{"AccessorID": "1", "CreateIndex": 7, "ModifyIndex": 8, "CreateTime": "2026-11-22T10:53:19Z", "Hash": "b3Jp"}]`},
			out: `AccessorID:       1
Description:      
Local:            false
Create Time:      2026-11-22 10:53:19 +0000 UTC
Legacy:           false
Hash:             6f7269
Create Index:     7
Modify Index:     8
`,
		},
		{
			args: "acl set-agent-token agent secret", answers: map[string]string{"PUT /v1/agent/token/agent": ""},
			out:   "ACL token \"agent\" set successfully\n",
			asked: []string{`PUT /v1/agent/token/agent {"Token":"secret"}`},
		},
		{args: "acl set-agent-token other secret", code: 1, err: "Unknown token type\n"},
	})
	wantUsage(t, "This command requires two arguments: the type of the token, and the token", "acl", "set-agent-token", "agent")
}
