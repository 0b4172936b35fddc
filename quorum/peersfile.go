package quorum

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/raft"
)

const (
	// peersFile is where an operator names the members of a cluster that has lost
	// its majority for good. The name and the format are Consul's, for Raft
	// protocol 3.
	peersFile = "peers.json"
	// peersInfoFile explains it, beside where it is to be put.
	peersInfoFile = "peers.info"
	// maxPeersFile is the size of the largest peers.json, in bytes.
	maxPeersFile = 1 << 20
)

// A peer is an entry of peers.json.
type peer struct {
	ID       string `json:"id"`
	Address  string `json:"address"`
	NonVoter bool   `json:"non_voter"`
}

// readPeers reads the members that a peers.json names, and checks them all. self
// is the ID of this server, which must be one of them. Without such a file it
// returns fs.ErrNotExist. Errors name the file, the entry and what to write instead.
func readPeers(file, self string) (raft.Configuration, error) {
	f, err := os.Open(file)
	if err != nil {
		return raft.Configuration{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPeersFile+1))
	if err != nil {
		return raft.Configuration{}, fmt.Errorf("read %s: %w", file, err)
	}
	if len(text) > maxPeersFile {
		return raft.Configuration{}, fmt.Errorf("%s: larger than %d bytes", file, maxPeersFile)
	}
	c, err := parsePeers(text, self)
	if err != nil {
		return c, fmt.Errorf("%s: %w; nothing was changed. Mend the file, or remove it to start without a recovery", file, err)
	}
	return c, nil
}

func parsePeers(text []byte, self string) (c raft.Configuration, err error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return c, fmt.Errorf(`not a list in JSON, such as [{"id": "%s", "address": "10.0.0.1:8300"}]: %w`, self, err)
	}
	if len(entries) == 0 {
		return c, errors.New("the list is empty: name the servers that are left, this one among them")
	}
	voters, here := 0, false
	ids, addresses := map[string]int{}, map[string]int{}
	for i, raw := range entries {
		p, err := parsePeer(raw)
		if err != nil {
			return c, fmt.Errorf("entry %d: %w", i+1, err)
		}
		if first, ok := ids[p.ID]; ok {
			return c, fmt.Errorf("entries %d and %d have the same id, %s: remove one of them", first, i+1, p.ID)
		}
		if first, ok := addresses[p.Address]; ok {
			return c, fmt.Errorf("entries %d and %d have the same address, %s: remove one of them, or write where the other is", first, i+1, p.Address)
		}
		ids[p.ID], addresses[p.Address] = i+1, i+1
		s := raft.Server{ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Address)}
		if p.NonVoter {
			s.Suffrage = raft.Nonvoter
		} else {
			voters++
		}
		here = here || p.ID == self
		c.Servers = append(c.Servers, s)
	}
	switch {
	case !here:
		return c, fmt.Errorf("no entry has the id of this server, %s (its file node-id): add it, or start the servers that are named instead", self)
	case voters == 0:
		return c, errors.New("no entry has a vote: remove non_voter from one at least")
	}
	return c, nil
}

func parsePeer(raw json.RawMessage) (p peer, err error) {
	if bytes.HasPrefix(raw, []byte(`"`)) {
		return p, fmt.Errorf(`%s is an address alone, as in the format of Raft protocol 2: write {"id": "(the node-id of that server)", "address": %s}`, raw, raw)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("%s; the keys are id, address and non_voter (true or false)", strings.TrimPrefix(err.Error(), "json: "))
	}
	switch {
	case p.ID == "":
		return p, errors.New("no id: write what is in the file node-id in the data directory of that server")
	case p.Address == "":
		return p, fmt.Errorf("no address for the server %s: write its IP and the port between servers, such as 10.0.0.1:8300", p.ID)
	}
	a, err := netip.ParseAddrPort(p.Address)
	if err != nil || a.Port() == 0 || a.Addr().IsUnspecified() {
		return p, fmt.Errorf("address %q of the server %s is not where it can be reached: write its IP and the port between servers, such as 10.0.0.1:8300", p.Address, p.ID)
	}
	return p, nil
}

// removePeers removes a peers.json that has been acted on. It must not come back
// after a crash: servers that have joined since would be thrown out.
func removePeers(file string) error {
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("remove %s, which was acted on: %w; remove it before starting again", file, err)
	}
	// Where a folder cannot be synced (Windows) there is no more to be done.
	if dir, err := os.Open(filepath.Dir(file)); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

// writePeersInfo puts the explanation beside where peers.json is looked for.
func writePeersInfo(dir string) error {
	file := filepath.Join(dir, peersInfoFile)
	if b, err := os.ReadFile(file); err == nil && string(b) == peersInfo {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if err := os.WriteFile(file, []byte(peersInfo), 0o600); err != nil {
		return fmt.Errorf("explain peers.json: %w", err)
	}
	return nil
}

const peersInfo = `When a majority of the servers is lost for good, the others cannot agree on
anything any more, nor on going on without them. A file named peers.json in this
folder tells them who is left.

Do not use it while the missing servers may come back: they would go on as a
cluster of their own, with other data.

  1. Stop all servers that are left.
  2. Put the same peers.json into the folder "raft" in the data directory of each
     of them. It names all servers that are left, this one among them:

       [
         {
           "id": "adf4238a-882b-9ddc-4a9d-5b6758e4159e",
           "address": "10.1.0.6:8300",
           "non_voter": false
         }
       ]

     id:        what is in the file node-id in that server's data directory
     address:   its IP and the port between servers (8300)
     non_voter: true for a read replica; it can be left out

  3. Start them. Each writes to its log what it is about to do: the members until
     now, the members from now on, and up to which index its data goes. An error
     in the file stops the start and changes nothing.
  4. The file is removed when it has been acted on. Join new servers.

What a server had written and the lost majority may not have agreed on counts as
agreed on afterwards. What only the lost servers had is gone.
`
