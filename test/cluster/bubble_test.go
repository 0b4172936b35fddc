package cluster

import "testing"

// What raft leaves behind is told from what would be ours.
func TestOnlyTransfers(t *testing.T) {
	const (
		deadlock = "deadlock: main bubble goroutine has exited but blocked goroutines remain"
		test     = "goroutine 1 [running]:\nmain()\n\n"
		transfer = "goroutine 7 [chan send (durable), synctest bubble 2]:\ngithub.com/hashicorp/raft.(*Raft).leadershipTransfer(0x1)\n\n" +
			"goroutine 8 [chan receive (durable), synctest bubble 2]:\ngithub.com/hashicorp/raft.(*Raft).leaderLoop.func2()\n\n"
		ours = "goroutine 9 [chan receive (durable), synctest bubble 2]:\nmuster/relay.(*Relay).try(0x1)\n\n"
	)
	for _, c := range []struct {
		panicked, stacks string
		want             bool
	}{
		{deadlock, test + transfer, true},
		{deadlock, test + transfer + ours, false},
		{deadlock, test, false},
		{"seed 1 has not ended", test + transfer, false},
	} {
		if got := onlyTransfers(c.panicked, c.stacks); got != c.want {
			t.Errorf("%s\n%s: %v", c.panicked, c.stacks, got)
		}
	}
}
