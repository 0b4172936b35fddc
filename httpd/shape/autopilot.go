// Package shape has the answers of the API that differ from the nouns behind them.
package shape

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"muster/model"
	"muster/ops"
)

// AutopilotConfig is model.AutopilotConfig as clients see it.
type AutopilotConfig struct {
	CleanupDeadServers      bool
	LastContactThreshold    Duration
	MaxTrailingLogs         uint64
	MinQuorum               uint
	ServerStabilizationTime Duration
	RedundancyZoneTag       string
	DisableUpgradeMigration bool
	UpgradeVersionTag       string
	CreateIndex             uint64
	ModifyIndex             uint64
}

// Duration is a duration that is written "1m30s" and may also be read
// as a number of nanoseconds.
type Duration time.Duration

// MarshalJSON writes the duration as text.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads a text or a whole number.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		parsed, err := time.ParseDuration(text)
		if err != nil && text != "" {
			return err
		}
		*d = Duration(parsed)
		return nil
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is no duration such as \"200ms\"", b)
	}
	*d = Duration(n)
	return nil
}

// AutopilotConfigOf is a configuration as clients see it.
func AutopilotConfigOf(c *model.AutopilotConfig) *AutopilotConfig {
	return &AutopilotConfig{
		CleanupDeadServers: c.CleanupDeadServers, LastContactThreshold: Duration(c.LastContactThreshold),
		MaxTrailingLogs: c.MaxTrailingLogs, MinQuorum: c.MinQuorum, ServerStabilizationTime: Duration(c.ServerStabilizationTime),
		RedundancyZoneTag: c.RedundancyZoneTag, DisableUpgradeMigration: c.DisableUpgradeMigration,
		UpgradeVersionTag: c.UpgradeVersionTag, CreateIndex: c.CreateIndex, ModifyIndex: c.ModifyIndex,
	}
}

// Model is what a client means. The indexes are not among that.
func (c *AutopilotConfig) Model() *model.AutopilotConfig {
	return &model.AutopilotConfig{
		CleanupDeadServers: c.CleanupDeadServers, LastContactThreshold: time.Duration(c.LastContactThreshold),
		MaxTrailingLogs: c.MaxTrailingLogs, MinQuorum: c.MinQuorum, ServerStabilizationTime: time.Duration(c.ServerStabilizationTime),
		RedundancyZoneTag: c.RedundancyZoneTag, DisableUpgradeMigration: c.DisableUpgradeMigration, UpgradeVersionTag: c.UpgradeVersionTag,
	}
}

// AutopilotHealth is how well the servers are.
type AutopilotHealth struct {
	Healthy          bool
	FailureTolerance int
	Servers          []serverHealth
}

// serverHealth is a server in the answer about health.
type serverHealth struct {
	ID, Name, Address, SerfStatus, Version string
	Leader                                 bool
	LastContact                            Duration
	LastTerm, LastIndex                    uint64
	Healthy, Voter                         bool
	StableSince                            time.Time
}

// AutopilotHealthOf is the answer about health.
func AutopilotHealthOf(h *ops.AutopilotHealth) *AutopilotHealth {
	out := &AutopilotHealth{h.Healthy, h.FailureTolerance, []serverHealth{}}
	for i := range h.Servers {
		s := &h.Servers[i]
		out.Servers = append(out.Servers, serverHealth{
			ID: s.ID, Name: s.Name, Address: s.Address, SerfStatus: s.NodeStatus, Version: s.Version,
			Leader: s.Leads(), LastContact: Duration(s.LastContact), LastTerm: s.LastTerm, LastIndex: s.LastIndex,
			Healthy: s.Healthy, Voter: s.Voter(), StableSince: s.StableSince,
		})
	}
	return out
}

// AutopilotState is what is known of the servers.
type AutopilotState struct {
	Healthy                    bool
	FailureTolerance           int
	OptimisticFailureTolerance int
	Servers                    map[string]serverState
	Leader                     string
	Voters                     []string
	ReadReplicas               []string `json:",omitempty"`
}

// serverState is a server in the answer about the state.
type serverState struct {
	ID, Name, Address, NodeStatus, Version string
	LastContact                            Duration
	LastTerm, LastIndex                    uint64
	Healthy                                bool
	StableSince                            time.Time
	ReadReplica                            bool
	Status                                 string
	Meta                                   map[string]string
	NodeType                               string
}

// AutopilotStateOf is the answer about the state.
func AutopilotStateOf(h *ops.AutopilotHealth) *AutopilotState {
	out := &AutopilotState{h.Healthy, h.FailureTolerance, h.OptimisticFailureTolerance, map[string]serverState{}, h.Leader, h.Voters, h.ReadReplicas}
	for i := range h.Servers {
		s := &h.Servers[i]
		out.Servers[s.ID] = serverState{
			ID: s.ID, Name: s.Name, Address: s.Address, NodeStatus: s.NodeStatus, Version: s.Version,
			LastContact: Duration(s.LastContact), LastTerm: s.LastTerm, LastIndex: s.LastIndex, Healthy: s.Healthy,
			StableSince: s.StableSince, ReadReplica: s.ReadReplica, Status: s.Status, Meta: s.Meta, NodeType: s.NodeType,
		}
	}
	return out
}
