package cli

import (
	"flag"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type keyring struct {
	install, remove, use         string
	list, listPrimary, localOnly bool
	relayFactor                  int
}

func (k *keyring) Doc() command.Doc {
	return command.Doc{
		Usage:    "keyring [options]",
		Synopsis: "Manage the keys for gossip",
		Text: `
Manages the keys that gossip is encrypted with, on all members at once. To
change the key: install the new one, use it, and remove the old one.

    $ muster keyring -install=KEY
    $ muster keyring -use=KEY
    $ muster keyring -remove=OLDKEY

A list shows behind each key how many members have it installed.`,
		Groups: command.HTTP,
	}
}

func (k *keyring) Flags(f *flag.FlagSet) {
	f.StringVar(&k.install, "install", "", "Install a `key`, to decrypt with.")
	f.BoolVar(&k.list, "list", false, "List the installed keys.")
	f.BoolVar(&k.listPrimary, "list-primary", false, "List the keys that are encrypted with.")
	f.BoolVar(&k.localOnly, "local-only", false, "List only the keys of this datacenter's members.")
	f.IntVar(&k.relayFactor, "relay-factor", 0, "The `number` of other members, up to 5, that each answer goes by as "+
		"well, where members do not reach each other directly.")
	f.StringVar(&k.remove, "remove", "", "Remove a `key`; it must not be the one that is encrypted with.")
	f.StringVar(&k.use, "use", "", "Encrypt with this `key` from now on; it must be installed.")
}

func (k *keyring) Run(c *command.Call) int {
	asked := 0
	for _, given := range []bool{k.install != "", k.remove != "", k.use != "", k.list, k.listPrimary} {
		if given {
			asked++
		}
	}
	switch {
	case asked == 0:
		return c.Help()
	case asked > 1:
		return c.Fail("Only a single action is allowed")
	case k.relayFactor < 0 || k.relayFactor > 5:
		return c.Fail("Error parsing relay factor: Relay factor must be in range: [0, 5]")
	case k.localOnly && !k.list && !k.listPrimary:
		return c.Fail("Error validating local-only: local-only can only be set for list requests")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	if k.list || k.listPrimary {
		return k.show(c, client.Operator())
	}
	if err := k.change(c, client.Operator()); err != nil {
		return c.Fail("error: %s", err)
	}
	return 0
}

func (k *keyring) change(c *command.Call, operator *api.Operator) error {
	opts := &api.WriteOptions{RelayFactor: uint8(k.relayFactor)}
	switch {
	case k.install != "":
		c.Println("==> Installing new gossip encryption key...")
		return operator.KeyringInstall(k.install, opts)
	case k.remove != "":
		c.Println("==> Removing gossip encryption key...")
		return operator.KeyringRemove(k.remove, opts)
	default:
		c.Println("==> Changing primary gossip encryption key...")
		return operator.KeyringUse(k.use, opts)
	}
}

func (k *keyring) show(c *command.Call, operator *api.Operator) int {
	what := "encryption keys"
	if !k.list {
		what = "primary encryption keys"
	}
	c.Printf("==> Gathering installed %s...", what)
	rings, err := operator.KeyringList(&api.QueryOptions{RelayFactor: uint8(k.relayFactor), LocalOnly: k.localOnly})
	if err != nil {
		return c.Fail("error: %s", err)
	}
	for _, ring := range rings {
		keys := ring.Keys
		if !k.list {
			keys = ring.PrimaryKeys
		}
		c.Println()
		c.Println(poolName(ring) + ":")
		for _, member := range slices.Sorted(maps.Keys(ring.Messages)) {
			c.Printf("  ===> %s: %s", member, ring.Messages[member])
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			c.Printf("  %s [%d/%d]", key, keys[key], ring.NumNodes)
		}
	}
	return 0
}

func poolName(ring *api.KeyringResponse) string {
	switch {
	case ring.WAN:
		return "WAN"
	case ring.Segment != "":
		return fmt.Sprintf("%s (LAN) [%s]", ring.Datacenter, ring.Segment)
	}
	return ring.Datacenter + " (LAN)"
}
