package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"muster/internal/memnet"
)

// Faults does random things to a cluster. What it does, and when, follows from
// the seed.
type Faults struct {
	*Cluster
	rand  *rand.Rand
	kinds []fault // those of this run

	// Handover, when not nil, is called while a leader hands over that is far
	// from the other servers.
	Handover func(leader *Agent)
	// Broken, when not nil, is called while the connections of an agent break again
	// and again, until ctx ends.
	Broken func(ctx context.Context, at *Agent)

	nextIP   int
	replaced bool // a server, or it is about to be

	background sync.WaitGroup // crashes and starts that take their time

	mu    sync.Mutex                // guards the rest
	links map[[2]*Agent]memnet.Link // what is wrong between two machines
	dark  map[*Agent]bool           // without power
	busy  map[*Agent]bool           // being stopped or started
}

// A fault is one kind of what can happen.
type fault struct {
	name string
	do   func(f *Faults)
}

var allFaults = []fault{
	{"halves", (*Faults).halves},
	{"isolation", (*Faults).isolation},
	{"one way", (*Faults).oneWay},
	{"loss", (*Faults).loss},
	{"delay", (*Faults).delay},
	{"kill", func(f *Faults) { f.crash(f.server(), false) }},
	{"power", func(f *Faults) { f.crash(f.server(), true) }},
	{"power of all", (*Faults).powerOfAll},
	{"client crash", func(f *Faults) { f.crash(f.client(), f.rand.IntN(2) == 0) }},
	{"restart", func(f *Faults) { f.restart(f.any(), (*Agent).Stop) }},
	{"leave", (*Faults).leave},
	{"disk", (*Faults).stall},
	{"move", (*Faults).move},
	{"transfer", (*Faults).transfer},
	{"slow transfer", (*Faults).slowTransfer},
	{"replacement", (*Faults).replace},
	{"stranger", (*Faults).behindTheBack},
	{"reset", (*Faults).reset},
	{"pause", (*Faults).pause},
}

// NewFaults chooses what will happen to a cluster: some of all kinds, so that
// different runs look into different corners.
func NewFaults(c *Cluster) *Faults {
	f := &Faults{Cluster: c, rand: rand.New(rand.NewPCG(c.seed, 2)), nextIP: 100,
		links: map[[2]*Agent]memnet.Link{}, dark: map[*Agent]bool{}, busy: map[*Agent]bool{}}
	for len(f.kinds) == 0 {
		for _, k := range allFaults {
			if f.rand.IntN(3) == 0 && !(raceDetector && k.name == "move") {
				f.kinds = append(f.kinds, k)
			}
		}
	}
	return f
}

// Run lets things happen until ctx ends.
func (f *Faults) Run(ctx context.Context) {
	for {
		select {
		case <-time.After(500*time.Millisecond + f.upTo(4*time.Second)):
		case <-ctx.Done():
			return
		}
		if f.rand.IntN(4) == 0 {
			f.heal()
			continue
		}
		k := f.kinds[f.rand.IntN(len(f.kinds))]
		k.do(f)
	}
}

// End makes everything good again: all links, all disks, all agents.
func (f *Faults) End() error {
	f.heal() // who is being stopped may wait for a disk
	f.background.Wait()
	f.heal()
	for _, a := range f.agents {
		a.disk.Resume()
		if a.Running() == nil {
			if err := f.start(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// upTo is a random duration.
func (f *Faults) upTo(d time.Duration) time.Duration { return time.Duration(f.rand.Int64N(int64(d))) }

func (f *Faults) any() *Agent { return f.agents[f.rand.IntN(len(f.agents))] }

func (f *Faults) server() *Agent { return f.one(true) }
func (f *Faults) client() *Agent { return f.one(false) }

func (f *Faults) one(server bool) *Agent {
	for {
		if a := f.any(); a.Server == server {
			return a
		}
	}
}

// apply changes what is wrong, and sets the links accordingly.
func (f *Faults) apply(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	for _, a := range f.agents {
		for _, b := range f.agents {
			if a != b {
				l := f.links[[2]*Agent{a, b}]
				l.Delay += f.Delay
				l.Cut = l.Cut || f.dark[a] || f.dark[b]
				f.Net.SetLink(a.IP(), b.IP(), l)
			}
		}
	}
}

func (f *Faults) heal() {
	f.Note("all links are good, all disks answer")
	f.apply(func() { clear(f.links) })
	for _, a := range f.agents {
		a.disk.Resume()
	}
}

// between changes the links in one direction for which which is true.
func (f *Faults) between(which func(from, to *Agent) bool, change func(*memnet.Link)) {
	f.apply(func() {
		for _, a := range f.agents {
			for _, b := range f.agents {
				if a != b && which(a, b) {
					l := f.links[[2]*Agent{a, b}]
					change(&l)
					f.links[[2]*Agent{a, b}] = l
				}
			}
		}
	})
}

func cut(l *memnet.Link) { l.Cut = true }

func (f *Faults) halves() {
	side := map[*Agent]bool{}
	var left []string
	for _, a := range f.agents {
		if f.rand.IntN(2) == 0 {
			side[a] = true
			left = append(left, a.Name())
		}
	}
	f.Note("%v are parted from the others", left)
	f.between(func(a, b *Agent) bool { return side[a] != side[b] }, cut)
}

func (f *Faults) isolation() {
	one := f.any()
	f.Note("%s is cut off", one.Name())
	f.between(func(a, b *Agent) bool { return a == one || b == one }, cut)
}

func (f *Faults) oneWay() {
	one, hears := f.any(), f.rand.IntN(2) == 0
	f.Note("%s is cut off in one direction: hears %v", one.Name(), hears)
	f.between(func(a, b *Agent) bool { return hears && a == one || !hears && b == one }, cut)
}

func (f *Faults) loss() {
	one, rate := f.any(), 0.1+0.4*f.rand.Float64()
	f.Note("%s loses %.0f %%", one.Name(), 100*rate)
	f.between(func(a, b *Agent) bool { return a == one || b == one }, func(l *memnet.Link) { l.Loss = rate })
}

func (f *Faults) delay() {
	one, d := f.any(), f.upTo(800*time.Millisecond)
	f.Note("%s is %v away", one.Name(), d)
	f.between(func(a, b *Agent) bool { return a == one || b == one }, func(l *memnet.Link) { l.Delay = d })
}

// claim keeps two faults from starting and stopping the same agent at a time.
func (f *Faults) claim(a *Agent) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[a] {
		return false
	}
	f.busy[a] = true
	return true
}

func (f *Faults) release(a *Agent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.busy, a)
}

// start runs an agent that does not.
func (f *Faults) start(a *Agent) error {
	f.Note("%s starts", a.Name())
	if err := a.Start(); err != nil {
		return fmt.Errorf("start %s again: %w", a.Name(), err)
	}
	return nil
}

// down ends an agent and starts it again after a while. between, when not
// nil, changes the machine meanwhile.
func (f *Faults) down(a *Agent, end func(), between func()) {
	if a.Running() == nil || !f.claim(a) {
		return
	}
	pause := f.upTo(6 * time.Second)
	f.background.Go(func() {
		defer f.release(a)
		end()
		time.Sleep(pause)
		if between != nil {
			between()
		}
		if err := f.start(a); err != nil {
			f.Note("%v", err)
		}
	})
}

func (f *Faults) crash(a *Agent, power bool) {
	after := 1 + f.rand.IntN(4)
	f.Note("%s crashes, power %v", a.Name(), power)
	f.down(a, func() {
		f.apply(func() { f.dark[a] = power })
		a.Crash(power, after)
	}, func() { f.apply(func() { delete(f.dark, a) }) })
}

func (f *Faults) powerOfAll() {
	f.Note("the power goes")
	for _, a := range f.agents {
		if a.Server {
			f.crash(a, true)
		}
	}
}

func (f *Faults) restart(a *Agent, end func(*Agent)) {
	f.Note("%s is stopped", a.Name())
	f.down(a, func() { end(a) }, nil)
}

// leave has an agent leave the cluster and come back. Of the servers none does
// once one was replaced: see replace.
func (f *Faults) leave() {
	a := f.any()
	if a.Server && f.replaced {
		return
	}
	f.restart(a, (*Agent).Leave)
}

// stall holds a disk up until the next heal.
func (f *Faults) stall() {
	a := f.server()
	f.Note("the disk of %s stalls", a.Name())
	a.disk.Stall()
}

// pause stops an agent for a while, as SIGSTOP does: it can be called, but answers,
// hears and says nothing, nor does its disk. Then all of it goes on at once.
func (f *Faults) pause() {
	a, d := f.any(), time.Second+f.upTo(14*time.Second)
	if a.Running() == nil || !f.claim(a) {
		return
	}
	f.Note("%s stands still for %v", a.Name(), d)
	f.Net.Freeze(a.IP())
	a.disk.Stall()
	f.background.Go(func() {
		defer f.release(a)
		time.Sleep(d)
		f.Note("%s goes on", a.Name())
		a.disk.Resume()
		f.Net.Thaw(a.IP())
	})
}

// reset breaks all connections between an agent and the others, several times in
// half a second.
func (f *Faults) reset() {
	one := f.any()
	f.Note("the connections of %s break", one.Name())
	f.background.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		if f.Broken != nil {
			f.background.Go(func() { f.Broken(ctx, one) })
		}
		for range 4 {
			time.Sleep(125 * time.Millisecond)
			for _, a := range f.agents {
				if a != one {
					f.Net.Reset(one.IP(), a.IP())
				}
			}
		}
		cancel()
	})
}

// move gives a machine another address while its agent is down.
func (f *Faults) move() {
	a := f.any()
	f.nextIP++
	ip := fmt.Sprint("10.0.0.", f.nextIP)
	f.Note("%s moves to %s", a.Name(), ip)
	f.down(a, a.Stop, func() {
		a.Move(ip)
		f.apply(func() {})
	})
}

// replace puts a new server in the place of one that is gone for good, with its
// data. That a cluster can bear once, and only when the others hold all of it:
// where they have left, nobody may be a voter but the one that goes.
func (f *Faults) replace() {
	a := f.server()
	if f.replaced || a.Running() == nil || f.voters(a) < 3 || !f.claim(a) {
		return
	}
	f.replaced = true
	f.nextIP++
	ip := fmt.Sprint("10.0.0.", f.nextIP)
	f.Note("%s is lost; a new one comes at %s", a.Name(), ip)
	f.background.Go(func() {
		defer f.release(a)
		a.Leave()
		a.Replace(a.Name()+"b", ip)
		f.apply(func() {})
		if err := f.start(a); err != nil {
			f.Note("%v", err)
		}
	})
}

// voters is how many servers vote, if all of them are well, else 0: who takes a
// server away while another one is cut off has lost two of three.
func (f *Faults) voters(a *Agent) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var health struct {
		Healthy bool
		Servers []struct{ Voter bool }
	}
	if read(ctx, a, "/v1/operator/autopilot/health", &health) != nil || !health.Healthy {
		return 0
	}
	n := 0
	for _, s := range health.Servers {
		if s.Voter {
			n++
		}
	}
	return n
}

// transfer has whoever leads hand over.
func (f *Faults) transfer() {
	a := f.server()
	f.Note("leadership is to be handed over")
	f.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if r, err := a.Ask(ctx, "POST", "/v1/operator/raft/transfer-leader", ""); err == nil {
			f.Note("handing over: %d %s", r.Status, r.Body)
		}
	})
}

// slowTransfer has a leader that is far from the others hand over: it hears late
// that somebody else leads.
func (f *Faults) slowTransfer() {
	d := 50*time.Millisecond + f.upTo(200*time.Millisecond)
	at := f.server()
	f.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var leader string
		if read(ctx, at, "/v1/status/leader", &leader) != nil {
			return
		}
		for _, one := range f.agents {
			if leader != one.IP()+":8300" {
				continue
			}
			f.Note("%s leads, is %v away, and is to hand over", one.Name(), d)
			f.between(func(a, b *Agent) bool { return a == one || b == one }, func(l *memnet.Link) { l.Delay = d })
			time.Sleep(time.Second)
			if f.Handover != nil {
				f.background.Go(func() { f.Handover(one) })
			}
			if r, err := one.Ask(ctx, "POST", "/v1/operator/raft/transfer-leader", ""); err == nil {
				f.Note("handing over: %d %s", r.Status, r.Body)
			}
		}
	})
}

// behindTheBack takes services out of the catalog that an agent still has.
func (f *Faults) behindTheBack() {
	server, victim, id := f.server(), f.client().Name(), serviceID(f.rand.IntN(services))
	f.Note("%s of %s is deregistered behind its back", id, victim)
	f.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, _ = server.Ask(ctx, "PUT", "/v1/catalog/deregister", fmt.Sprintf(`{"Node": %q, "ServiceID": %q}`, victim, id))
	})
}
