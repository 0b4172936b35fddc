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

	"muster/internal/memnet"
)

var (
	faultSeeds = flag.Int("fault-seeds", 4, "how many random sequences of faults to try")
	faultSeed  = flag.Uint64("fault-seed", 1, "the first of them")
)

// TestFaults writes and reads while the network and the servers fail at
// random, and checks that no read misses an acknowledged write, and that none
// of those is lost.
func TestFaults(t *testing.T) {
	for i := range *faultSeeds {
		seed := *faultSeed + uint64(i)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runFaults(t, seed) })
		})
	}
}

// A history is what the clients of a cluster were told.
type history struct {
	acked atomic.Uint64 // the largest index of an acknowledged write

	mu     sync.Mutex
	values []string // acknowledged
}

func runFaults(t *testing.T, seed uint64) {
	n := 3 + 2*int(seed%2)
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
	f.harm(ctx)
	clients.Wait()
	f.heal()
	f.settle()
}

type faults struct {
	*cluster
	rand *rand.Rand // of harm
	h    *history

	locks []sync.RWMutex // held for writing while server i is down
	log   []string       // what was done, under no lock: harm's alone
}

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
				if !s.IsLeader() {
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
						f.t.Errorf("%s serves a read from index %d, write %d was acknowledged: %q", s.cfg.ID, applied, acked, f.log)
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
				f.t.Errorf("%s confirms a read at index %d, write %d was acknowledged: %q", s.cfg.ID, applied, acked, f.log)
			}
		})
		time.Sleep(3 * time.Millisecond)
	}
}

// harm does something to the cluster every now and then.
func (f *faults) harm(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(f.rand.IntN(1500)) * time.Millisecond)
		i, j := f.rand.IntN(len(f.servers)), f.rand.IntN(len(f.servers))
		if k := f.leading(); k >= 0 && f.rand.IntN(2) == 0 {
			i = k
		}
		a, b := f.servers[i].ip, f.servers[j].ip
		did := ""
		switch f.rand.IntN(8) {
		case 0:
			did = "isolate " + a
			f.net.Isolate(a)
		case 1:
			did = "cut " + a + " " + b
			f.net.Cut(a, b)
		case 2:
			did = "cut one way " + a + " " + b
			f.net.SetLink(a, b, memnet.Link{Cut: true, Delay: time.Millisecond})
		case 3:
			delay := time.Duration(f.rand.IntN(1500)) * time.Millisecond
			did = fmt.Sprint("slow ", a, " ", b, " ", delay)
			f.net.SetLink(a, b, memnet.Link{Delay: delay})
		case 4:
			did = "restart " + a
			f.restart(i)
		case 5:
			did = "transfer from " + a
			f.with(i, func(s *server) { _ = s.TransferLeadership("") })
		default:
			did = "heal"
			f.heal()
		}
		f.log = append(f.log, fmt.Sprint(time.Now().Format("05.000 "), did))
		if len(f.log) > 12 {
			f.log = slices.Clone(f.log[1:])
		}
	}
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
	for _, a := range f.servers {
		for _, b := range f.servers {
			f.net.SetLink(a.ip, b.ip, memnet.Link{Delay: time.Millisecond})
		}
	}
}

// restart stops a server without a word to the others, and starts it again.
func (f *faults) restart(i int) {
	s := f.servers[i]
	if err := s.stop(); err != nil {
		f.t.Error(err)
	}
	for !f.locks[i].TryLock() { // those who were on it are gone soon
		time.Sleep(time.Millisecond)
	}
	defer f.locks[i].Unlock()
	time.Sleep(time.Duration(f.rand.IntN(100)) * time.Millisecond)
	f.start(s)
}

// settle waits until all servers agree, and compares them with the history.
func (f *faults) settle() {
	leader := f.leader()
	index, err := leader.ReadIndex(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
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
