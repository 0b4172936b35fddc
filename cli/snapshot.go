package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
	"muster/internal/archive"
)

type snapshotSave struct{ command.NoFlags }

func (s *snapshotSave) Doc() command.Doc {
	return command.Doc{
		Usage:    "snapshot save [options] FILE",
		Synopsis: "Save a snapshot of the servers' state",
		Text: `
Saves the whole state of the servers, as it is at one moment: catalog, keys,
sessions, prepared queries, tokens and policies among others. The file is
verified before it gets its name. It holds secrets, and only its owner may
read it.

    $ muster snapshot save backup.snap

With -stale any server makes the snapshot, even one that lags behind.`,
		Groups: command.HTTP | command.Server,
	}
}

func (s *snapshotSave) Run(c *command.Call) int {
	file, ok := fileArg(c)
	if !ok {
		return command.ExitError
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	body, meta, err := client.Snapshot().Save(c.Query())
	if err != nil {
		return c.Fail("Error saving snapshot: %s", err)
	}
	defer body.Close()
	advance, end := c.Progress("Saving", 0, byteSize)
	err = saveVerified(command.Advancing(body, advance), file)
	end()
	if err != nil {
		return c.Fail("%s", err)
	}
	c.Printf("Saved and verified snapshot to index %d", meta.LastIndex)
	return 0
}

// fileArg is the one argument of the snapshot commands.
func fileArg(c *command.Call) (string, bool) {
	switch len(c.Args) {
	case 0:
		c.Usage("Missing FILE argument")
	case 1:
		return c.Args[0], true
	default:
		c.Usage("Too many arguments (expected 1, got %d)", len(c.Args))
	}
	return "", false
}

// readSnapshot reads and verifies the archive in a file. The caller closes the
// state. Errors go on from the word "Error".
func readSnapshot(name string) (archive.Meta, *archive.State, error) {
	file, err := os.Open(name)
	if err != nil {
		return archive.Meta{}, nil, fmt.Errorf("opening snapshot file: %w", err)
	}
	defer file.Close()
	meta, state, err := archive.Read(file)
	if err != nil {
		return archive.Meta{}, nil, fmt.Errorf("reading snapshot: %w", err)
	}
	return meta, state, nil
}

// saveVerified writes the file under another name, and gives it its own once
// it is on disk and known to be whole.
func saveVerified(from io.Reader, file string) (err error) {
	unverified := file + ".unverified"
	out, err := os.OpenFile(unverified, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return problem("Error creating snapshot file", err)
	}
	defer func() {
		out.Close()
		if err != nil {
			os.Remove(unverified)
		}
	}()
	if _, err := io.Copy(out, from); err != nil {
		return problem("Error writing snapshot file", err)
	}
	if err := out.Sync(); err != nil {
		return problem("Error writing snapshot file", err)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return problem("Error reading snapshot file", err)
	}
	_, state, err := archive.Read(out)
	if err != nil {
		return problem("Error verifying snapshot file", err)
	}
	state.Close()
	if err := os.Rename(unverified, file); err != nil {
		return problem("Error renaming snapshot file", err)
	}
	return nil
}

func problem(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }

type snapshotRestore struct{ command.NoFlags }

func (s *snapshotRestore) Doc() command.Doc {
	return command.Doc{
		Usage:    "snapshot restore [options] FILE",
		Synopsis: "Restore a snapshot",
		Text: `
Replaces the whole state of the servers by that of a snapshot. It is meant for
a new cluster after a disaster: what was written since the snapshot is lost,
and so are the sessions' timers.

    $ muster snapshot restore backup.snap`,
		Groups: command.HTTP | command.Server,
	}
}

func (s *snapshotRestore) Run(c *command.Call) int {
	name, ok := fileArg(c)
	if !ok {
		return command.ExitError
	}
	file, err := os.Open(name)
	if err != nil {
		return c.Fail("Error opening snapshot file: %s", err)
	}
	defer file.Close()
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	size := int64(0)
	if info, err := file.Stat(); err == nil {
		size = info.Size()
	}
	advance, end := c.Progress("Restoring", size, byteSize)
	err = client.Snapshot().Restore(&api.WriteOptions{}, command.Advancing(file, advance))
	end()
	if err != nil {
		return c.Fail("Error restoring snapshot: %s", err)
	}
	c.Println("Restored snapshot")
	return 0
}
