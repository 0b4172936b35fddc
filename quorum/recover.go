package quorum

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// A recovery is what an operator asks for with a peers.json: that the members of
// the cluster be others than those that agreed on it, since most of them are lost.
type recovery struct {
	file    string
	members raft.Configuration
}

// wantedRecovery reads and checks what is asked for; nil if nothing is. It
// changes nothing.
func wantedRecovery(cfg *Config) (*recovery, error) {
	if cfg.Storage != nil || cfg.Dir == "" {
		return nil, nil
	}
	file := filepath.Join(cfg.Dir, peersFile)
	members, err := readPeers(file, cfg.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recover the cluster: %w", err)
	}
	return &recovery{file, members}, nil
}

// run tells what will be done, has the members replaced in what st keeps, and
// removes the file. It is done before Raft is started. When the process dies in
// between, the next start does all of it again, to the same end.
func (r *recovery) run(conf *raft.Config, st *Storage, f *fsm, trans raft.Transport) error {
	before, err := readKept(st)
	if err != nil {
		return fmt.Errorf("recover the cluster: %w", err)
	}
	if before.last == 0 {
		return fmt.Errorf("recover the cluster: %s is there, but no data of a cluster: put the data directory back, "+
			"or remove the file to start as a new server", r.file)
	}
	r.tell(conf.Logger, before, string(conf.LocalID), string(trans.LocalAddr()))
	if err := raft.RecoverCluster(conf, f, st.Logs, st.Stable, st.Snapshots, trans, r.members); err != nil {
		return fmt.Errorf("recover the cluster: %w", err)
	}
	if err := removePeers(r.file); err != nil {
		return err
	}
	conf.Logger.Warn("recovery: done, the file is removed", "file", r.file, "index", before.last)
	return nil
}

// tell says what will be done, one line for each thing that it will be done to.
func (r *recovery) tell(logger hclog.Logger, before kept, self, address string) {
	logger.Warn("recovery: the members of the cluster will be those that this file names", "file", r.file)
	was, becomes := map[raft.ServerID]raft.Server{}, map[raft.ServerID]raft.Server{}
	for _, s := range before.members.Servers {
		was[s.ID] = s
	}
	for _, s := range r.members.Servers {
		becomes[s.ID] = s
	}
	for _, s := range before.members.Servers {
		fate := "stays"
		if n, ok := becomes[s.ID]; !ok {
			fate = "is removed"
		} else if n != s {
			fate = "is changed"
		}
		logger.Warn("recovery: member until now", "id", s.ID, "address", s.Address, "suffrage", s.Suffrage.String(), "it", fate)
	}
	for _, s := range r.members.Servers {
		origin := "was a member"
		if _, ok := was[s.ID]; !ok {
			origin = "was no member"
		}
		if string(s.ID) == self {
			origin = "is this server"
			if string(s.Address) != address {
				logger.Warn("recovery: the file has another address for this server than it has now", "file", s.Address, "now", address)
			}
		}
		logger.Warn("recovery: member from now on", "id", s.ID, "address", s.Address, "suffrage", s.Suffrage.String(), "it", origin)
	}
	logger.Warn("recovery: what this server has on disk counts as agreed on", "last_index", before.last, "last_term", before.term,
		"in_snapshot", before.snapshot, "in_log", before.last-before.snapshot)
}

// kept is what a server has on disk of a cluster.
type kept struct {
	members    raft.Configuration // the newest that were written down
	snapshot   uint64             // index of the newest snapshot; 0: there is none
	last, term uint64             // of the newest entry; 0: nothing is kept
}

// readKept reads it without restoring a state or starting Raft.
func readKept(st *Storage) (k kept, err error) {
	snapshots, err := st.Snapshots.List()
	if err != nil {
		return k, fmt.Errorf("list raft snapshots: %w", err)
	}
	if len(snapshots) > 0 { // the newest is first
		s := snapshots[0]
		k = kept{members: s.Configuration, snapshot: s.Index, last: s.Index, term: s.Term}
	}
	end, err := st.Logs.LastIndex()
	if err != nil {
		return k, fmt.Errorf("read raft log: %w", err)
	}
	for index := k.snapshot + 1; index <= end; index++ {
		var l raft.Log
		if err := st.Logs.GetLog(index, &l); err != nil {
			return k, fmt.Errorf("read raft log at index %d: %w", index, err)
		}
		if l.Type == raft.LogConfiguration {
			k.members = raft.DecodeConfiguration(l.Data)
		}
		k.last, k.term = l.Index, l.Term
	}
	return k, nil
}
