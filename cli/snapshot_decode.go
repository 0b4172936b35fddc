package cli

import (
	"bufio"
	"encoding/json"
	"unicode/utf8"

	"muster/cli/command"
	"muster/internal/archive"
)

type snapshotDecode struct{ command.NoFlags }

func (s *snapshotDecode) Doc() command.Doc {
	return command.Doc{
		Usage:    "snapshot decode FILE",
		Synopsis: "Print what is in a snapshot",
		Text: `
Prints all that a snapshot holds, one JSON object a line with its Type and
its Data; the first is the SnapshotHeader. Values of keys, and what is no
text, are in base64. It asks no agent. What it prints holds all secrets of
the cluster.

    $ muster snapshot decode backup.snap | jq 'select(.Type=="KVS").Data.Key'`,
	}
}

func (s *snapshotDecode) Run(c *command.Call) int {
	name, ok := fileArg(c)
	if !ok {
		return command.ExitError
	}
	_, state, err := readSnapshot(name)
	if err != nil {
		return c.Fail("Error %s", err)
	}
	defer state.Close()
	header, records, err := archive.Records(state)
	if err != nil {
		return c.Fail("Error decoding snapshot: %s", err)
	}
	out := bufio.NewWriter(c.Stdout)
	lines := json.NewEncoder(out)
	type line struct {
		Type string
		Data any
	}
	write := func(kind string, data any) error { return lines.Encode(line{kind, data}) }
	err = write("SnapshotHeader", header)
	for r, rerr := range records {
		if err == nil {
			err = rerr
		}
		var data any
		if err == nil {
			err = r.Decode(&data)
		}
		if err == nil {
			err = write(archive.TypeName(r.Type), asBytes("", data))
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return c.Fail("Error decoding snapshot: %s", err)
	}
	return 0
}

// asBytes makes bytes, which JSON has in base64, of what is no text: msgpack does
// not tell the one from the other. name is that of the field.
func asBytes(name string, v any) any {
	switch v := v.(type) {
	case string:
		if name == "Value" || name == "Hash" || !utf8.ValidString(v) {
			return []byte(v)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = asBytes(k, e)
		}
	case []any:
		for i, e := range v {
			v[i] = asBytes("", e)
		}
	}
	return v
}
