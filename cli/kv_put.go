package cli

import (
	"encoding/base64"
	"flag"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type kvPut struct {
	acquire, base64, cas, release bool
	flags, modifyIndex            uint64
	session                       string
}

func (k *kvPut) Doc() command.Doc {
	return command.Doc{
		Usage:    "kv put [options] KEY [DATA]",
		Synopsis: "Write a key",
		Text: `
Writes a key. The data is taken as it is, from a file after "@", or from
standard input for "-"; without data the value is empty:

    $ muster kv put config/port 8080
    $ muster kv put config/page @index.html
    $ date | muster kv put config/since -

With -cas the key is written only if it has not changed since it was read,
and with index 0 only if it does not exist:

    $ muster kv put -cas -modify-index=123 config/port 8081

With -acquire and -release a session takes the key as a lock, and gives it
back.`,
		Groups: command.HTTP | command.Server,
	}
}

func (k *kvPut) Flags(f *flag.FlagSet) {
	f.BoolVar(&k.acquire, "acquire", false, "Take the lock on the key for the session, and create the key if need be.")
	f.BoolVar(&k.base64, "base64", false, "The data is in base64.")
	f.BoolVar(&k.cas, "cas", false, "Write only if the key is still at -modify-index.")
	f.Uint64Var(&k.flags, "flags", 0, "A `number` of 64 bits that is kept with the key, for the caller's own use.")
	f.Uint64Var(&k.modifyIndex, "modify-index", 0, "The `index` that -cas expects the key at.")
	f.BoolVar(&k.release, "release", false, "Give the lock on the key back, if the session holds it.")
	f.StringVar(&k.session, "session", "", "The `id` of the session, for -acquire and -release.")
}

func (k *kvPut) Run(c *command.Call) int {
	switch n := len(c.Args); {
	case n == 0:
		return c.Fail("Error! Missing KEY argument")
	case n > 2:
		return c.Fail("Error! Too many arguments (expected 1 or 2, got %d)", n)
	}
	pair := &api.KVPair{Key: c.Args[0], Flags: k.flags, ModifyIndex: k.modifyIndex, Session: k.session}
	if len(c.Args) == 2 {
		data, err := c.Data(c.Args[1])
		if err != nil {
			return c.Fail("Error! %s", err)
		}
		pair.Value = []byte(data)
	}
	if k.base64 {
		// Data that breaks off is reported, and what was read before is still
		// written: this is how the original behaves, and what is expected of it.
		data, err := base64.StdEncoding.DecodeString(string(pair.Value))
		if err != nil {
			c.Fail("Error! Cannot base 64 decode data: %s", err)
		}
		pair.Value = data
	}
	if (k.acquire || k.release) && k.session == "" {
		return c.Fail("Error! Missing -session (required with -acquire and -release)")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	return k.write(c, client.KV(), pair)
}

func (k *kvPut) write(c *command.Call, kv *api.KV, pair *api.KVPair) int {
	done, refused := "Data written to", ""
	ok, err := true, error(nil)
	switch {
	case k.cas:
		refused = "write to " + pair.Key + ": CAS failed"
		if k.modifyIndex == 0 {
			refused = "write to " + pair.Key + ": CAS performed with index=0 and key already exists."
		}
		ok, _, err = kv.CAS(pair, nil)
	case k.acquire:
		done, refused = "Lock acquired on", "acquire lock"
		ok, _, err = kv.Acquire(pair, nil)
	case k.release:
		done, refused = "Lock released on", "release lock"
		ok, _, err = kv.Release(pair, nil)
	default:
		_, err = kv.Put(pair, nil)
	}
	if err != nil {
		return c.Fail("Error! Failed writing data: %s", err)
	}
	if !ok {
		return c.Fail("Error! Did not %s", refused)
	}
	c.Printf("Success! %s: %s", done, pair.Key)
	return 0
}
