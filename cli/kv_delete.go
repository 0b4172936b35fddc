package cli

import (
	"flag"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type kvDelete struct {
	cas, recurse bool
	modifyIndex  uint64
}

func (k *kvDelete) Doc() command.Doc {
	return command.Doc{
		Usage:    "kv delete [options] KEY_OR_PREFIX",
		Synopsis: "Delete keys",
		Text: `
Deletes a key, or with -recurse all keys that begin with a prefix. Deleting
what does not exist succeeds.

    $ muster kv delete config/port
    $ muster kv delete -recurse config/

With -cas the key is deleted only if it has not changed since it was read:

    $ muster kv delete -cas -modify-index=123 config/port`,
		Groups: command.HTTP | command.Server,
	}
}

func (k *kvDelete) Flags(f *flag.FlagSet) {
	f.BoolVar(&k.cas, "cas", false, "Delete only if the key is still at -modify-index.")
	f.Uint64Var(&k.modifyIndex, "modify-index", 0, "The `index` that -cas expects the key at.")
	f.BoolVar(&k.recurse, "recurse", false, "Delete all keys that begin with the prefix.")
}

func (k *kvDelete) Run(c *command.Call) int {
	if !c.OneArg() {
		return command.ExitError
	}
	key := keyArg(c)
	switch {
	case key == "" && !k.recurse:
		return c.Fail("Error! Missing KEY argument")
	case k.cas && k.recurse:
		return c.Fail("Cannot specify both -cas and -recurse!")
	case k.modifyIndex != 0 && !k.cas:
		return c.Fail("Cannot specify -modify-index without -cas!")
	case k.cas && k.modifyIndex == 0:
		return c.Fail("Cannot delete a key that does not exist. Provide a -modify-index greater than than 0.")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	return k.remove(c, client.KV(), key)
}

func (k *kvDelete) remove(c *command.Call, kv *api.KV, key string) int {
	if k.recurse {
		if _, err := kv.DeleteTree(key, nil); err != nil {
			return c.Fail("Error! Did not delete prefix %s: %s", key, err)
		}
		c.Printf("Success! Deleted keys with prefix: %s", key)
		return 0
	}
	ok, err := true, error(nil)
	if k.cas {
		ok, _, err = kv.DeleteCAS(&api.KVPair{Key: key, ModifyIndex: k.modifyIndex}, nil)
	} else {
		_, err = kv.Delete(key, nil)
	}
	if err != nil {
		return c.Fail("Error! Did not delete key %s: %s", key, err)
	}
	if !ok {
		return c.Fail("Error! Did not delete key %s: CAS failed", key)
	}
	c.Printf("Success! Deleted key: %s", key)
	return 0
}
