package state

import (
	"bytes"
	"testing"
	"time"

	"muster/model"
)

// The configuration of autopilot is replaced, with check-and-set only by who
// has seen the present one, and goes through snapshots as Consul writes it.
func TestAutopilot(t *testing.T) {
	c := newCluster(t)
	if got := c.v().Autopilot(); got != nil {
		t.Errorf("there is one already: %+v", got)
	}
	set := func(quorum uint, cas bool, at, index uint64) any {
		c.index = index - 1
		return c.apply(model.CmdAutopilot, &model.AutopilotCommand{CAS: cas,
			Config: model.AutopilotConfig{MinQuorum: quorum, RaftIndex: model.RaftIndex{ModifyIndex: at}}})
	}
	expect(t, "first, after something", set(1, true, 5, 20), any(false))
	expect(t, "first", set(1, true, 0, 21), any(true))
	expect(t, "first again", set(2, true, 0, 22), any(false))
	expect(t, "of an old one", set(2, true, 20, 23), any(false))
	expect(t, "of the present one", set(3, true, 21, 24), any(true))
	expect(t, "without asking", set(4, false, 0, 25), any(true))
	want := model.AutopilotConfig{MinQuorum: 4, RaftIndex: model.RaftIndex{CreateIndex: 21, ModifyIndex: 25}}
	expect(t, "configuration", *c.v().Autopilot(), want)
	expect(t, "restored", *restored(t, persist(t, c.s)).Current().Autopilot(), want)
}

func TestRestoreOriginAutopilot(t *testing.T) {
	s := restored(t, originState(t))
	want := model.AutopilotConfig{CleanupDeadServers: true, LastContactThreshold: 200 * time.Millisecond, MaxTrailingLogs: 250,
		ServerStabilizationTime: 10 * time.Second, RaftIndex: model.RaftIndex{CreateIndex: 7, ModifyIndex: 7}}
	expect(t, "configuration", *s.Current().Autopilot(), want)
	if again := restored(t, persist(t, s)); !bytes.Equal(persist(t, again), persist(t, s)) {
		t.Error("a second round is not like the first")
	}
}
