package model

import "time"

// AutopilotConfig is how the leader looks after the servers. There is one for a
// datacenter, replicated with the rest of the data and kept in snapshots as
// Consul keeps it.
type AutopilotConfig struct {
	// CleanupDeadServers has servers that failed taken out of Raft, as long as
	// a majority of those that are left is there.
	CleanupDeadServers bool
	// LastContactThreshold: a server that has not heard from the leader for
	// longer is unhealthy.
	LastContactThreshold time.Duration
	// MaxTrailingLogs: a server whose log is more entries behind is unhealthy.
	MaxTrailingLogs uint64
	// MinQuorum is the number of voters that clean-up leaves in any case; 0 is
	// no bound.
	MinQuorum uint
	// ServerStabilizationTime is how long a new server must be healthy before
	// it gets a vote.
	ServerStabilizationTime time.Duration
	// RedundancyZoneTag, DisableUpgradeMigration and UpgradeVersionTag are kept
	// and not acted on.
	RedundancyZoneTag       string
	DisableUpgradeMigration bool
	UpgradeVersionTag       string
	RaftIndex
}

// maxTag bounds the names of tags in an AutopilotConfig, in bytes: those of
// node metadata keys.
const maxTag = 128

// Validate refuses what makes no sense.
func (c *AutopilotConfig) Validate() error {
	switch {
	case c.LastContactThreshold < 0:
		return Errorf(BadRequest, "LastContactThreshold is %s, it must not be negative", c.LastContactThreshold)
	case c.ServerStabilizationTime < 0:
		return Errorf(BadRequest, "ServerStabilizationTime is %s, it must not be negative", c.ServerStabilizationTime)
	case len(c.RedundancyZoneTag) > maxTag:
		return Errorf(BadRequest, "RedundancyZoneTag has %d bytes, at most %d are allowed", len(c.RedundancyZoneTag), maxTag)
	case len(c.UpgradeVersionTag) > maxTag:
		return Errorf(BadRequest, "UpgradeVersionTag has %d bytes, at most %d are allowed", len(c.UpgradeVersionTag), maxTag)
	}
	return nil
}

// AutopilotCommand sets the configuration. Its result is a bool: with CAS,
// whether the ModifyIndex was that of the present one, or 0 when there is none.
type AutopilotCommand struct {
	Datacenter string
	Config     AutopilotConfig
	CAS        bool
}
