package boot

// handOver has another server lead before this one goes: while it is still a
// member, so that nobody waits for a leader. Without success the others elect
// one when they miss it.
func (a *Agent) handOver() {
	if a.quorum == nil || !a.quorum.IsLeader() {
		return
	}
	servers, _, err := a.quorum.Configuration()
	voters := 0
	for _, s := range servers {
		if s.Voter {
			voters++
		}
	}
	if err == nil && voters > 1 {
		err = a.quorum.TransferLeadership("")
	}
	if err != nil {
		a.log.Named("agent.server").Warn("could not hand over leadership", "error", err)
	}
}
