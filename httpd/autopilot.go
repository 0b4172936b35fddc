package httpd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"muster/model"
)

// autopilotConfig is model.AutopilotConfig as clients see it.
type autopilotConfig struct {
	CleanupDeadServers      bool
	LastContactThreshold    readableDuration
	MaxTrailingLogs         uint64
	MinQuorum               uint
	ServerStabilizationTime readableDuration
	RedundancyZoneTag       string
	DisableUpgradeMigration bool
	UpgradeVersionTag       string
	CreateIndex             uint64
	ModifyIndex             uint64
}

// readableDuration is a duration that is written "1m30s" and may also be read
// as a number of nanoseconds.
type readableDuration time.Duration

// MarshalJSON writes the duration as text.
func (d readableDuration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads a text or a whole number.
func (d *readableDuration) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		parsed, err := time.ParseDuration(text)
		if err != nil && text != "" {
			return err
		}
		*d = readableDuration(parsed)
		return nil
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is no duration such as \"200ms\"", b)
	}
	*d = readableDuration(n)
	return nil
}

func (c *call) autopilotConfig() error {
	conf, err := c.door.cfg.Ops.AutopilotConfig(c.context(), &c.q)
	if err != nil {
		return err
	}
	return c.json(&autopilotConfig{CleanupDeadServers: conf.CleanupDeadServers, LastContactThreshold: readableDuration(conf.LastContactThreshold),
		MaxTrailingLogs: conf.MaxTrailingLogs, MinQuorum: conf.MinQuorum, ServerStabilizationTime: readableDuration(conf.ServerStabilizationTime),
		RedundancyZoneTag: conf.RedundancyZoneTag, DisableUpgradeMigration: conf.DisableUpgradeMigration,
		UpgradeVersionTag: conf.UpgradeVersionTag, CreateIndex: conf.CreateIndex, ModifyIndex: conf.ModifyIndex})
}

func (c *call) autopilotSetConfig() error {
	b, err := c.body(maxJSONBody, "")
	if err != nil {
		return err
	}
	var in autopilotConfig
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return model.Errorf(model.BadRequest, "Bad request: Error parsing autopilot config: %w", err)
	}
	conf := &model.AutopilotConfig{CleanupDeadServers: in.CleanupDeadServers, LastContactThreshold: time.Duration(in.LastContactThreshold),
		MaxTrailingLogs: in.MaxTrailingLogs, MinQuorum: in.MinQuorum, ServerStabilizationTime: time.Duration(in.ServerStabilizationTime),
		RedundancyZoneTag: in.RedundancyZoneTag, DisableUpgradeMigration: in.DisableUpgradeMigration, UpgradeVersionTag: in.UpgradeVersionTag}
	cas := c.has("cas")
	if cas {
		if conf.ModifyIndex, err = strconv.ParseUint(c.param("cas"), 10, 64); err != nil {
			return model.Errorf(model.BadRequest, "Bad request: Error parsing cas value: %w", err)
		}
	}
	done, err := c.door.cfg.Ops.SetAutopilotConfig(c.context(), c.q.Token, conf, cas)
	if err != nil {
		return err
	}
	return c.json(done)
}

// serverHealth is a server in the answer about health.
type serverHealth struct {
	ID, Name, Address, SerfStatus, Version string
	Leader                                 bool
	LastContact                            readableDuration
	LastTerm, LastIndex                    uint64
	Healthy, Voter                         bool
	StableSince                            time.Time
}

// autopilotHealth answers with 429 when a server is not well, so that a check
// without a parser will do.
func (c *call) autopilotHealth() error {
	h, err := c.door.cfg.Ops.AutopilotHealth(c.q.Token)
	if err != nil {
		return err
	}
	out := struct {
		Healthy          bool
		FailureTolerance int
		Servers          []serverHealth
	}{h.Healthy, h.FailureTolerance, []serverHealth{}}
	for i := range h.Servers {
		s := &h.Servers[i]
		out.Servers = append(out.Servers, serverHealth{ID: s.ID, Name: s.Name, Address: s.Address, SerfStatus: s.NodeStatus, Version: s.Version,
			Leader: s.Leads(), LastContact: readableDuration(s.LastContact), LastTerm: s.LastTerm, LastIndex: s.LastIndex,
			Healthy: s.Healthy, Voter: s.Voter(), StableSince: s.StableSince})
	}
	if !h.Healthy {
		return c.jsonStatus(http.StatusTooManyRequests, out)
	}
	return c.json(out)
}

// serverState is a server in the answer about the state.
type serverState struct {
	ID, Name, Address, NodeStatus, Version string
	LastContact                            readableDuration
	LastTerm, LastIndex                    uint64
	Healthy                                bool
	StableSince                            time.Time
	ReadReplica                            bool
	Status                                 string
	Meta                                   map[string]string
	NodeType                               string
}

func (c *call) autopilotState() error {
	h, err := c.door.cfg.Ops.AutopilotHealth(c.q.Token)
	if err != nil {
		return err
	}
	out := struct {
		Healthy                    bool
		FailureTolerance           int
		OptimisticFailureTolerance int
		Servers                    map[string]serverState
		Leader                     string
		Voters                     []string
		ReadReplicas               []string `json:",omitempty"`
	}{h.Healthy, h.FailureTolerance, h.OptimisticFailureTolerance, map[string]serverState{}, h.Leader, h.Voters, h.ReadReplicas}
	for i := range h.Servers {
		s := &h.Servers[i]
		out.Servers[s.ID] = serverState{ID: s.ID, Name: s.Name, Address: s.Address, NodeStatus: s.NodeStatus, Version: s.Version,
			LastContact: readableDuration(s.LastContact), LastTerm: s.LastTerm, LastIndex: s.LastIndex, Healthy: s.Healthy,
			StableSince: s.StableSince, ReadReplica: s.ReadReplica, Status: s.Status, Meta: s.Meta, NodeType: s.NodeType}
	}
	return c.json(out)
}
