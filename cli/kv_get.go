package cli

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type kvGet struct {
	base64, detailed, keys, recurse bool
	separator                       string
}

func (k *kvGet) Doc() command.Doc {
	return command.Doc{
		Usage:    "kv get [options] [KEY_OR_PREFIX]",
		Synopsis: "Read keys and values",
		Text: `
Prints the value of a key:

    $ muster kv get config/port

With -recurse it prints all keys that begin with the prefix, each with its
value; with -keys only their names, folded at the separator:

    $ muster kv get -recurse config/
    $ muster kv get -keys config/

A key that does not exist is an error; a prefix that matches nothing is not.`,
		Groups: command.HTTP | command.Server,
	}
}

func (k *kvGet) Flags(f *flag.FlagSet) {
	f.BoolVar(&k.base64, "base64", false, "Print values in base64.")
	f.BoolVar(&k.detailed, "detailed", false, "Print indexes, flags and the session that holds the key as well.")
	f.BoolVar(&k.keys, "keys", false, "Print only the names of keys, up to the separator that follows the prefix.")
	f.BoolVar(&k.recurse, "recurse", false, "Print all keys that begin with the prefix.")
	f.StringVar(&k.separator, "separator", "/", "The `text` that -keys folds names at; \"\" prints whole names.")
}

func (k *kvGet) Run(c *command.Call) int {
	if !c.OneArg() {
		return command.ExitError
	}
	key := keyArg(c)
	if key == "" && !k.keys && !k.recurse {
		return c.Fail("Error! Missing KEY argument")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	switch {
	case k.keys:
		return k.runKeys(c, client, key)
	case k.recurse:
		return k.runRecurse(c, client, key)
	}
	pair, _, err := client.KV().Get(key, c.Query())
	if err != nil {
		return readFailed(c, err)
	}
	if pair == nil {
		return c.Fail("Error! No key exists at: %s", key)
	}
	if k.detailed {
		c.Println(k.details(pair))
	} else {
		c.Println(k.value(pair))
	}
	return 0
}

// keyArg is the key or prefix among the arguments, or "". No key begins with a
// slash, but people write "/" for all keys: the client library leaves the first
// slash out when it asks, and so what is said names the key that was meant.
func keyArg(c *command.Call) string {
	if len(c.Args) == 0 {
		return ""
	}
	return strings.TrimPrefix(c.Args[0], "/")
}

func (k *kvGet) runKeys(c *command.Call, client *api.Client, prefix string) int {
	keys, _, err := client.KV().Keys(prefix, k.separator, c.Query())
	if err != nil {
		return readFailed(c, err)
	}
	for _, key := range keys {
		c.Println(key)
	}
	return 0
}

func (k *kvGet) runRecurse(c *command.Call, client *api.Client, prefix string) int {
	pairs, _, err := client.KV().List(prefix, c.Query())
	if err != nil {
		return readFailed(c, err)
	}
	for i, pair := range pairs {
		if !k.detailed {
			c.Println(pair.Key + ":" + k.value(pair))
			continue
		}
		if i > 0 {
			c.Println()
		}
		c.Println(k.details(pair))
	}
	return 0
}

// readFailed reports that a read failed. Of an answer that refuses it,
// programs get the status alone, as from the original, and people the reason.
func readFailed(c *command.Call, err error) int {
	if status := (api.StatusError{}); errors.As(err, &status) && !command.IsTerminal(c.Stderr) {
		return c.Fail("Error querying Consul agent: Unexpected response code: %d", status.Code)
	}
	return c.Fail("Error querying Consul agent: %s", err)
}

func (k *kvGet) value(pair *api.KVPair) string {
	if k.base64 {
		return base64.StdEncoding.EncodeToString(pair.Value)
	}
	return string(pair.Value)
}

func (k *kvGet) details(pair *api.KVPair) string {
	session := pair.Session
	if session == "" {
		session = "-"
	}
	var b strings.Builder
	for _, row := range []struct {
		name  string
		value any
	}{
		{"CreateIndex", pair.CreateIndex},
		{"Flags", pair.Flags},
		{"Key", pair.Key},
		{"LockIndex", pair.LockIndex},
		{"ModifyIndex", pair.ModifyIndex},
		{"Session", session},
		{"Value", k.value(pair)},
	} {
		fmt.Fprintf(&b, "%-17s%v\n", row.name, row.value)
	}
	return strings.TrimRight(b.String(), " \n")
}
