package cli

import (
	"crypto/rand"
	"encoding/base64"

	"muster/cli/command"
)

type keygen struct{ command.NoFlags }

func (k *keygen) Doc() command.Doc {
	return command.Doc{
		Usage:    "keygen",
		Synopsis: "Make a key for encryption",
		Text: `
Prints a new random key of 32 bytes, in base64, with which agents can encrypt
what they gossip: the option "encrypt" of each agent.

    $ muster keygen`,
	}
}

func (k *keygen) Run(c *command.Call) int {
	key := make([]byte, 32)
	rand.Read(key) // never fails: the program is ended if the system has no randomness
	c.Println(base64.StdEncoding.EncodeToString(key))
	return 0
}
