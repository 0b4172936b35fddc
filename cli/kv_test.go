package cli

import (
	"os"
	"path/filepath"
	"testing"

	"muster/cli/clitest"
)

const (
	minconns = `{"LockIndex":0,"Key":"redis/minconns","Flags":0,"Value":"MQ==","CreateIndex":11,"ModifyIndex":12}`
	held     = `{"LockIndex":1,"Key":"redis/lock","Flags":42,"Value":null,"CreateIndex":13,"ModifyIndex":13,
		"Session":"11111111-2222-3333-4444-555555555555"}`
)

func TestKVGet(t *testing.T) {
	runSteps(t, []step{
		{args: "kv get redis/minconns", answers: map[string]string{"GET /v1/kv/redis/minconns": "[" + minconns + "]"}, out: "1\n"},
		{args: "kv get -base64 redis/minconns", answers: map[string]string{"GET /v1/kv/redis/minconns": "[" + minconns + "]"}, out: "MQ==\n"},
		{
			args: "kv get -detailed redis/minconns", answers: map[string]string{"GET /v1/kv/redis/minconns": "[" + minconns + "]"},
			out: "CreateIndex      11\nFlags            0\nKey              redis/minconns\nLockIndex        0\n" +
				"ModifyIndex      12\nSession          -\nValue            1\n",
		},
		{
			args: "kv get -recurse redis", answers: map[string]string{"GET /v1/kv/redis?recurse=": "[" + held + "," + minconns + "]"},
			out: "redis/lock:\nredis/minconns:1\n",
		},
		{
			args: "kv get -recurse -detailed redis", answers: map[string]string{"GET /v1/kv/redis?recurse=": "[" + held + "," + minconns + "]"},
			out: "CreateIndex      13\nFlags            42\nKey              redis/lock\nLockIndex        1\n" +
				"ModifyIndex      13\nSession          11111111-2222-3333-4444-555555555555\nValue\n\n" +
				"CreateIndex      11\nFlags            0\nKey              redis/minconns\nLockIndex        0\n" +
				"ModifyIndex      12\nSession          -\nValue            1\n",
		},
		{args: "kv get -recurse none", answers: map[string]string{"GET /v1/kv/none?recurse=": "404 "}},
		{args: "kv get -keys", answers: map[string]string{"GET /v1/kv/?keys=&separator=%2F": `["redis/"]`}, out: "redis/\n"},
		{
			args: "kv get -keys -separator= redis", answers: map[string]string{"GET /v1/kv/redis?keys=": `["redis/lock", "redis/minconns"]`},
			out: "redis/lock\nredis/minconns\n",
		},
		{args: "kv get none", answers: map[string]string{"GET /v1/kv/none": "404 "}, code: 1, err: "Error! No key exists at: none\n"},
		{args: "kv get", code: 1, err: "Error! Missing KEY argument\n"},
		{args: "kv get /", code: 1, err: "Error! Missing KEY argument\n"},
		{args: "kv get /none", answers: map[string]string{"GET /v1/kv/none": "404 "}, code: 1, err: "Error! No key exists at: none\n"},
		{args: "kv get a b", code: 1, err: "Too many arguments (expected 1, got 2)\n"},
		{
			args: "kv get -datacenter=dc2 -stale x", answers: map[string]string{"GET /v1/kv/x?dc=dc2&stale=": "[" + minconns + "]"},
			out: "1\n", asked: []string{"GET /v1/kv/x?dc=dc2&stale="},
		},
		{
			args: "kv get x", answers: map[string]string{"GET /v1/kv/x": "403 "}, code: 1,
			err: "Error querying Consul agent: Unexpected response code: 403\n",
		},
		{
			args: "kv get -keys x", answers: map[string]string{"GET /v1/kv/x": "403 Permission denied"}, code: 1,
			err: "Error querying Consul agent: Unexpected response code: 403\n",
		},
	})
}

func TestKVPut(t *testing.T) {
	done := map[string]string{"PUT /v1/kv/x": "true"}
	refused := map[string]string{"PUT /v1/kv/x": "false"}
	runSteps(t, []step{
		{args: "kv put x", answers: done, out: "Success! Data written to: x\n", asked: []string{"PUT /v1/kv/x"}},
		{args: "kv put x 1", answers: done, out: "Success! Data written to: x\n", asked: []string{"PUT /v1/kv/x 1"}},
		{args: "kv put -flags=42 x 1", answers: done, out: "Success! Data written to: x\n", asked: []string{"PUT /v1/kv/x?flags=42 1"}},
		{args: "kv put x -", answers: done, stdin: "from stdin", out: "Success! Data written to: x\n", asked: []string{"PUT /v1/kv/x from stdin"}},
		{args: "kv put -base64 x aGVsbG8=", answers: done, out: "Success! Data written to: x\n", asked: []string{"PUT /v1/kv/x hello"}},
		{
			args: "kv put -base64 x !!!", answers: done, out: "Success! Data written to: x\n",
			err: "Error! Cannot base 64 decode data: illegal base64 data at input byte 0\n",
		},
		{args: "kv put", code: 1, err: "Error! Missing KEY argument\n"},
		{args: "kv put a b c", code: 1, err: "Error! Too many arguments (expected 1 or 2, got 3)\n"},
		{args: "kv put a @absent", code: 1, err: "Error! Failed to read file: open absent: no such file or directory\n"},
		{args: "kv put /x 1", code: 1, err: "Error! Failed writing data: Invalid key. Key must not begin with a '/': /x\n"},
		{args: "kv put gone 1", code: 1, err: "Error! Failed writing data: Unexpected response code: 404 (404 page not found)\n"},
		{args: "kv put -cas x 1", answers: done, out: "Success! Data written to: x\n", asked: []string{"PUT /v1/kv/x?cas=0 1"}},
		{
			args: "kv put -cas x 1", answers: refused, code: 1,
			err: "Error! Did not write to x: CAS performed with index=0 and key already exists.\n",
		},
		{
			args: "kv put -cas -modify-index=7 x 1", answers: refused, code: 1,
			err: "Error! Did not write to x: CAS failed\n", asked: []string{"PUT /v1/kv/x?cas=7 1"},
		},
		{args: "kv put -acquire x 1", code: 1, err: "Error! Missing -session (required with -acquire and -release)\n"},
		{
			args: "kv put -acquire -session=s x 1", answers: done,
			out: "Success! Lock acquired on: x\n", asked: []string{"PUT /v1/kv/x?acquire=s 1"},
		},
		{args: "kv put -acquire -session=s x 1", answers: refused, code: 1, err: "Error! Did not acquire lock\n"},
		{
			args: "kv put -release -session=s x", answers: done,
			out: "Success! Lock released on: x\n", asked: []string{"PUT /v1/kv/x?release=s"},
		},
		{args: "kv put -release -session=s x", answers: refused, code: 1, err: "Error! Did not release lock\n"},
	})
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	step{args: "kv put x @" + file, answers: done, out: "Success! Data written to: x\n"}.run(t)
}

func TestKVDelete(t *testing.T) {
	done := map[string]string{"DELETE /v1/kv/x": "true"}
	runSteps(t, []step{
		{args: "kv delete x", answers: done, out: "Success! Deleted key: x\n", asked: []string{"DELETE /v1/kv/x"}},
		{args: "kv delete -recurse x", answers: done, out: "Success! Deleted keys with prefix: x\n", asked: []string{"DELETE /v1/kv/x?recurse="}},
		{args: "kv delete /x", answers: done, out: "Success! Deleted key: x\n", asked: []string{"DELETE /v1/kv/x"}},
		{args: "kv delete /", code: 1, err: "Error! Missing KEY argument\n"},
		{args: "kv delete", code: 1, err: "Error! Missing KEY argument\n"},
		{args: "kv delete -cas x", code: 1, err: "Cannot delete a key that does not exist. Provide a -modify-index greater than than 0.\n"},
		{args: "kv delete -cas -modify-index=1 -recurse x", code: 1, err: "Cannot specify both -cas and -recurse!\n"},
		{args: "kv delete -modify-index=1 x", code: 1, err: "Cannot specify -modify-index without -cas!\n"},
		{args: "kv delete -cas -modify-index=1 x", answers: done, out: "Success! Deleted key: x\n", asked: []string{"DELETE /v1/kv/x?cas=1"}},
		{
			args: "kv delete -cas -modify-index=1 x", answers: map[string]string{"DELETE /v1/kv/x": "false"},
			code: 1, err: "Error! Did not delete key x: CAS failed\n",
		},
		{
			args: "kv delete x", answers: map[string]string{"DELETE /v1/kv/x": "403 Permission denied"},
			code: 1, err: "Error! Did not delete key x: Unexpected response code: 403 (Permission denied)\n",
		},
	})
}

func TestKVTransfer(t *testing.T) {
	exported := "[\n\t{\n\t\t\"key\": \"redis/lock\",\n\t\t\"flags\": 42,\n\t\t\"value\": \"\"\n\t},\n" +
		"\t{\n\t\t\"key\": \"redis/minconns\",\n\t\t\"flags\": 0,\n\t\t\"value\": \"MQ==\"\n\t}\n]\n"
	written := map[string]string{"PUT /v1/kv/redis/lock": "true", "PUT /v1/kv/redis/minconns": "true"}
	runSteps(t, []step{
		{args: "kv export redis", answers: map[string]string{"GET /v1/kv/redis?recurse=": "[" + held + "," + minconns + "]"}, out: exported},
		{args: "kv export", answers: map[string]string{"GET /v1/kv/?recurse=": "404 "}, out: "[]\n"},
		{
			args: "kv import -", stdin: exported, answers: written, out: "Imported: redis/lock\nImported: redis/minconns\n",
			asked: []string{"PUT /v1/kv/redis/lock?flags=42", "PUT /v1/kv/redis/minconns 1"},
		},
		{
			args: "kv import -prefix=to [{\"key\":\"a/\",\"value\":\"MQ==\"}]", answers: map[string]string{"PUT /v1/kv/to/a/": "true"},
			out: "Imported: to/a/\n",
		},
		{
			args: "kv import -", stdin: exported, code: 1,
			err: "Error! Failed writing data for key redis/lock: Unexpected response code: 404 (404 page not found)\n",
		},
		{args: "kv import", code: 1, err: "Error! Missing DATA argument\n"},
		{args: "kv import a b", code: 1, err: "Error! Too many arguments (expected 1, got 2)\n"},
		{args: "kv import {", code: 1, err: "Error! Cannot unmarshal data: unexpected end of JSON input\n"},
	})
}

// TestAgentUnreachable shows what is said when nobody listens.
func TestAgentUnreachable(t *testing.T) {
	a := clitest.Start(t)
	runCLI(a, "", "kv", "get", "-http-addr=127.0.0.1:1", "x").Want(t, 1, "",
		"Error querying Consul agent: Get \"http://127.0.0.1:1/v1/kv/x\": dial tcp 127.0.0.1:1: connect: connection refused\n")
	runCLI(a, "", "kv", "get", "-http-addr=nonsense://x", "x").Want(t, 1, "",
		"Error connecting to Consul agent: Unknown protocol scheme: nonsense\n")
	runCLI(a, "", "kv", "get", "-token-file=absent", "x").Want(t, 1, "",
		"Error connecting to Consul agent: Error loading token file absent : open absent: no such file or directory\n")
}
