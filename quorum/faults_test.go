package quorum

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/internal/memnet"
)

var (
	faultSeeds = flag.Int("fault-seeds", 2, "how many random sequences of faults to try")
	faultSeed  = flag.Uint64("fault-seed", 1, "the first of them")
)

// TestFaults writes and reads while the network, the disks and the servers
// fail, and checks that no read misses an acknowledged write, and that none of
// those is lost.
func TestFaults(t *testing.T) {
	for _, kind := range []struct {
		name    string
		servers int
		harm    func(f *faults)
	}{
		{"anything", 3, (*faults).harmAnything},
		{"anything5", 5, (*faults).harmAnything},
		{"deaf", 3, (*faults).harmDeaf},
		{"restart", 3, (*faults).harmRestart},
		{"transfer", 3, (*faults).harmTransfer},
	} {
		for i := range *faultSeeds {
			seed := *faultSeed + uint64(i)
			t.Run(fmt.Sprint(kind.name, "/seed=", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { runFaults(t, seed, kind.servers, kind.harm) })
			})
		}
	}
}

// A history is what the clients of a cluster were told.
type history struct {
	acked atomic.Uint64 // the largest index of an acknowledged write

	mu     sync.Mutex
	values []string // acknowledged
}

func runFaults(t *testing.T, seed uint64, n int, harm func(*faults)) {
	c := newCluster(t, n, func(_ int, cfg *Config) {
		cfg.Snapshots = SnapshotPolicy{Threshold: 50, Interval: 2 * time.Second, Trailing: 20}
	})
	defer c.close()
	f := &faults{cluster: c, rand: rand.New(rand.NewPCG(seed, 0)), h: &history{}}
	f.locks = make([]sync.RWMutex, n)

	ctx, stop := context.WithTimeout(t.Context(), 25*time.Second)
	defer stop()
	var clients sync.WaitGroup
	for i := range 3 {
		clients.Go(func() { f.write(ctx, i) })
		clients.Go(func() { f.confirm(ctx, rand.New(rand.NewPCG(seed, uint64(i+1)))) })
	}
	clients.Go(func() { f.read(ctx) })
	for ctx.Err() == nil {
		harm(f)
	}
	clients.Wait()
	f.heal()
	f.settle()
}

type faults struct {
	*cluster
	rand *rand.Rand // of harm
	h    *history

	quiet atomic.Bool    // nothing is written
	locks []sync.RWMutex // held for writing while server i is down

	mu  sync.Mutex
	log []string // what was done lately
}

func (f *faults) did(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
	if len(f.log) > 12 {
		f.log = slices.Clone(f.log[1:])
	}
}

func (f *faults) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// upTo is a random duration.
func (f *faults) upTo(d time.Duration) time.Duration { return time.Duration(f.rand.Int64N(int64(d))) }

// with runs use on server i if it is up.
func (f *faults) with(i int, use func(*server)) {
	if f.locks[i].TryRLock() {
		defer f.locks[i].RUnlock()
		use(f.servers[i])
	}
}

// write proposes one command after the other, to whoever thinks it leads.
func (f *faults) write(ctx context.Context, writer int) {
	for n := 0; ctx.Err() == nil; n++ {
		for i := range f.servers {
			f.with(i, func(s *server) {
				if !s.IsLeader() || f.quiet.Load() {
					return
				}
				value := fmt.Sprintf("%d-%d-%s", writer, n, s.cfg.ID)
				ctx, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
				defer cancel()
				_, index, err := s.Propose(ctx, []byte(value))
				if err != nil {
					return
				}
				f.h.mu.Lock()
				defer f.h.mu.Unlock()
				f.h.values = append(f.h.values, value)
				f.h.acked.Store(max(f.h.acked.Load(), index))
			})
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// read looks at every server all the time.
func (f *faults) read(ctx context.Context) {
	oks := 0
	for ctx.Err() == nil {
		for i := range f.servers {
			f.with(i, func(s *server) {
				acked := f.h.acked.Load()
				applied := s.AppliedIndex()
				if s.ReadOK() {
					oks++
					if applied < acked {
						f.t.Errorf("%s serves a read from index %d, write %d was acknowledged: %q", s.cfg.ID, applied, acked, f.done())
					}
				}
			})
		}
		time.Sleep(2 * time.Millisecond)
	}
	if oks == 0 {
		f.t.Error("no read was ever served")
	}
}

// confirm asks servers whether they may answer.
func (f *faults) confirm(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		f.with(random.IntN(len(f.servers)), func(s *server) {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(1500))*time.Millisecond)
			defer cancel()
			acked := f.h.acked.Load()
			var applied uint64
			var err error
			if random.IntN(3) == 0 {
				applied, err = s.ReadIndex(ctx)
			} else {
				err = s.ConfirmRead(ctx, random.IntN(2) == 0)
				applied = s.AppliedIndex()
			}
			if err == nil && applied < acked {
				f.t.Errorf("%s confirms a read at index %d, write %d was acknowledged: %q", s.cfg.ID, applied, acked, f.done())
			}
		})
		time.Sleep(3 * time.Millisecond)
	}
}

// harmAnything does something to the cluster every now and then.
func (f *faults) harmAnything() {
	time.Sleep(f.upTo(1500 * time.Millisecond))
	i, j := f.rand.IntN(len(f.servers)), f.rand.IntN(len(f.servers))
	if k := f.leading(); k >= 0 && f.rand.IntN(2) == 0 {
		i = k
	}
	a, b := f.servers[i].ip, f.servers[j].ip
	switch f.rand.IntN(9) {
	case 0:
		f.did("isolate %s", a)
		f.net.Isolate(a)
	case 1:
		f.did("cut %s %s", a, b)
		f.net.Cut(a, b)
	case 2:
		f.did("cut %s to %s", a, b)
		f.net.SetLink(a, b, memnet.Link{Cut: true, Delay: time.Millisecond})
	case 3:
		f.slow(a, b, f.upTo(1500*time.Millisecond))
	case 4:
		f.restart(i)
	case 5:
		f.transfer(i)
	case 6:
		f.stall(i, f.upTo(3*time.Second))
	default:
		f.heal()
	}
}

// harmDeaf keeps leaders from noticing that they were deposed: their log is
// stuck, so that they do not look at the time either, while they hear answers
// but nobody hears them.
func (f *faults) harmDeaf() {
	time.Sleep(f.upTo(time.Second))
	k := f.leading()
	if k < 0 {
		return
	}
	leader := f.servers[k]
	late := f.upTo(600 * time.Millisecond)
	for _, s := range f.others(leader) {
		f.slow(s.ip, leader.ip, late)
	}
	time.Sleep(f.upTo(3 * time.Second))
	f.stall(k, 4*time.Second)
	time.Sleep(50 * time.Millisecond)
	f.did("nobody hears %s", leader.ip)
	for _, s := range f.others(leader) {
		f.net.SetLink(leader.ip, s.ip, memnet.Link{Cut: true})
	}
	time.Sleep(4 * time.Second)
	f.heal()
}

// harmRestart cuts one follower off from the leader, and restarts the other one
// in the moment in which the first one asks for its vote: it has forgotten that
// there is a leader, who still counts on it.
func (f *faults) harmRestart() {
	time.Sleep(time.Second + f.upTo(time.Second))
	k := f.leading()
	if k < 0 {
		return
	}
	leader, others := f.servers[k], f.others(f.servers[k])
	f.slow(leader.ip, others[1].ip, f.upTo(300*time.Millisecond))
	f.slow(others[0].ip, others[1].ip, f.upTo(50*time.Millisecond))
	time.Sleep(time.Second)
	f.quiet.Store(true) // who does not know the newest entry gets no vote anyway
	time.Sleep(100 * time.Millisecond)
	f.did("cut %s %s", leader.ip, others[0].ip)
	f.net.Cut(leader.ip, others[0].ip)
	for cut := time.Now(); time.Since(cut) < 3*time.Second && others[0].raft.State() != raft.Candidate; {
		time.Sleep(time.Millisecond)
	}
	f.restart(slices.Index(f.servers, others[1]))
	f.quiet.Store(false)
	time.Sleep(f.upTo(2 * time.Second))
	f.heal()
}

// harmTransfer has leaders hand over while messages take long.
func (f *faults) harmTransfer() {
	time.Sleep(f.upTo(time.Second))
	k := f.leading()
	if k < 0 {
		return
	}
	leader, others := f.servers[k], f.others(f.servers[k])
	for _, s := range others {
		f.slow(s.ip, leader.ip, f.upTo(400*time.Millisecond))
	}
	if f.rand.IntN(2) == 0 {
		// The transfer fails before the message comes in.
		f.slow(leader.ip, others[0].ip, time.Second+f.upTo(2*time.Second))
	}
	f.transfer(k)
	time.Sleep(f.upTo(4 * time.Second))
	f.heal()
}

func (f *faults) slow(from, to string, delay time.Duration) {
	f.did("slow %s to %s, %v", from, to, delay)
	f.net.SetLink(from, to, memnet.Link{Delay: delay})
}

func (f *faults) transfer(i int) {
	f.with(i, func(s *server) {
		f.did("transfer from %s", s.ip)
		_ = s.TransferLeadership("")
		f.did("transfer from %s has ended", s.ip)
	})
}

// stall makes the log of a server stop for a while at the next entry.
func (f *faults) stall(i int, d time.Duration) {
	f.did("stall %s, %v", f.servers[i].ip, d)
	f.servers[i].store.Logs.(*stallingLog).stall.Store(int64(d))
}

// A stallingLog is a log on a disk that sometimes takes its time.
type stallingLog struct {
	raft.LogStore
	stall atomic.Int64 // ns, for the next write
}

func (s *stallingLog) StoreLogs(logs []*raft.Log) error {
	time.Sleep(time.Duration(s.stall.Swap(0)))
	return s.LogStore.StoreLogs(logs)
}

func (f *faults) leading() int {
	for i := range f.servers {
		leads := false
		f.with(i, func(s *server) { leads = s.IsLeader() })
		if leads {
			return i
		}
	}
	return -1
}

func (f *faults) heal() {
	f.did("heal")
	for _, a := range f.servers {
		for _, b := range f.servers {
			f.net.SetLink(a.ip, b.ip, memnet.Link{Delay: time.Millisecond})
		}
	}
}

// restart stops a server without a word to the others, and starts it again.
func (f *faults) restart(i int) {
	s := f.servers[i]
	f.did("restart %s", s.ip)
	if err := s.stop(); err != nil {
		f.t.Error(err)
	}
	for !f.locks[i].TryLock() { // those who were on it are gone soon
		time.Sleep(time.Millisecond)
	}
	defer f.locks[i].Unlock()
	f.start(s)
}

// settle waits until all servers agree, and compares them with the history.
func (f *faults) settle() {
	leader := f.leader()
	// Nobody waits for some of the commands any more, and the leader may yet
	// find out that it is none.
	for leader.Barrier(context.Background()) != nil {
		time.Sleep(time.Second)
		leader = f.leader()
	}
	index := leader.AppliedIndex()
	for _, s := range f.servers {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := s.WaitApplied(ctx, index); err != nil {
			f.t.Errorf("%s: %v", s.cfg.ID, err)
		}
		cancel()
	}
	all := leader.machine.all()
	for _, s := range f.servers {
		if got := s.machine.all(); !slices.Equal(got, all) {
			f.t.Errorf("%s applied %d commands, the leader %d, or others", s.cfg.ID, len(got), len(all))
		}
	}
	applied := map[string]int{}
	for _, v := range all {
		if applied[v]++; applied[v] > 1 {
			f.t.Errorf("%s was applied twice", v)
		}
	}
	for _, v := range f.h.values {
		if applied[v] == 0 {
			f.t.Errorf("%s was acknowledged and lost", v)
		}
	}
	f.t.Logf("%d writes acknowledged of %d applied", len(f.h.values), len(all))
}
