package state

import "muster/model"

// Autopilot is the configuration of autopilot, or nil when none was set yet.
// It must not be changed.
func (v *Version) Autopilot() *model.AutopilotConfig { return v.autopilot }

func (tx *txn) applyAutopilot(index uint64, c *model.AutopilotCommand) any {
	next, old := c.Config, tx.autopilot
	var at uint64
	next.RaftIndex = model.RaftIndex{CreateIndex: index, ModifyIndex: index}
	if old != nil {
		at, next.CreateIndex = old.ModifyIndex, old.CreateIndex
	}
	if c.CAS && c.Config.ModifyIndex != at {
		return false
	}
	tx.autopilot = &next
	return true
}

func (tx *txn) restoreAutopilot(c *model.AutopilotConfig) { tx.autopilot = c }
