package cli

import (
	"encoding/json"
	"flag"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

// kvEntry is a key as export writes it and import reads it. The value is in
// base64, as encoding/json writes bytes.
type kvEntry struct {
	Key   string `json:"key"`
	Flags uint64 `json:"flags"`
	Value []byte `json:"value"`
}

type kvExport struct{ command.NoFlags }

func (k *kvExport) Doc() command.Doc {
	return command.Doc{
		Usage:    "kv export [options] [KEY_OR_PREFIX]",
		Synopsis: "Write keys out as JSON",
		Text: `
Prints all keys that begin with a prefix, or all keys there are, as JSON that
"muster kv import" reads:

    $ muster kv export config/ > config.json`,
		Groups: command.HTTP | command.Server,
	}
}

func (k *kvExport) Run(c *command.Call) int {
	if !c.OneArg() {
		return command.ExitError
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	pairs, _, err := client.KV().List(keyArg(c), c.Query())
	if err != nil {
		return readFailed(c, err)
	}
	entries := make([]kvEntry, len(pairs))
	for i, p := range pairs {
		entries[i] = kvEntry{Key: p.Key, Flags: p.Flags, Value: p.Value}
		if p.Value == nil {
			entries[i].Value = []byte{}
		}
	}
	return c.JSON(entries, "\t")
}

type kvImport struct{ prefix string }

func (k *kvImport) Doc() command.Doc {
	return command.Doc{
		Usage:    "kv import [options] [DATA]",
		Synopsis: "Read keys in from JSON",
		Text: `
Writes the keys that "muster kv export" printed. The JSON is taken from a
file after "@", from standard input for "-", or as it is:

    $ muster kv import @config.json
    $ muster kv export config/ | muster kv import -datacenter=dc2 -

Keys are written one by one; what was written before an error stays.`,
		Groups: command.HTTP | command.Server,
	}
}

func (k *kvImport) Flags(f *flag.FlagSet) {
	f.StringVar(&k.prefix, "prefix", "", "A `prefix` to write all keys under.")
}

func (k *kvImport) Run(c *command.Call) int {
	switch n := len(c.Args); {
	case n == 0:
		return c.Fail("Error! Missing DATA argument")
	case n > 1:
		return c.Fail("Error! Too many arguments (expected 1, got %d)", n)
	}
	data, err := c.Data(c.Args[0])
	if err != nil {
		return c.Fail("Error! %s", err)
	}
	if data == "" {
		return c.Fail("Error! Missing DATA argument")
	}
	var entries []kvEntry
	if err := json.Unmarshal([]byte(data), &entries); err != nil {
		return c.Fail("Error! Cannot unmarshal data: %s", err)
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	advance, end := c.Progress("Importing", int64(len(entries)), func(n int64) string { return strconv.FormatInt(n, 10) + " keys" })
	defer end()
	for _, e := range entries {
		pair := &api.KVPair{Key: k.place(e.Key), Flags: e.Flags, Value: e.Value}
		if _, err := client.KV().Put(pair, nil); err != nil {
			return c.Fail("Error! Failed writing data for key %s: %s", pair.Key, err)
		}
		advance(1)
		if command.IsTerminal(c.Stdout) {
			continue // who looks is told how far it is, and at the end how much it was
		}
		c.Printf("Imported: %s", pair.Key)
	}
	if command.IsTerminal(c.Stdout) {
		defer c.Printf("Imported %d keys", len(entries))
	}
	return 0
}

// place is the key under the prefix, with one slash between them.
func (k *kvImport) place(key string) string {
	if k.prefix == "" {
		return key
	}
	return strings.TrimSuffix(k.prefix, "/") + "/" + key
}
