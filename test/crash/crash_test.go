package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	writers = 8
	// writePause keeps the data small enough to be read whole many times.
	writePause = 2 * time.Millisecond
	readPause  = 10 * time.Millisecond
	// tryAnother is how long a writer waits for an agent before it turns to
	// another one: a process that stands still does not refuse anything.
	tryAnother = 2 * time.Second
	// patience is how long anything may take that has to happen.
	patience = 20 * time.Second
)

// A load writes keys "w/<writer>/<number>", each writer in order, and notes
// which were acknowledged. It reads all of them all the time: whatever was
// acknowledged before a read began must be in its answer.
type load struct {
	t      *testing.T
	agents []*agent

	ctx    context.Context
	cancel context.CancelFunc
	loops  sync.WaitGroup

	acknowledged [writers]atomic.Int64
	reads        atomic.Int64 // that were answered
}

// begin loads the agents until end. It reads from each of them, in both modes
// that promise to be current.
func begin(t *testing.T, agents ...*agent) *load {
	l := &load{t: t, agents: agents}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	t.Cleanup(l.end)
	for i := range writers {
		l.loops.Go(func() { l.write(i) })
	}
	for _, a := range agents {
		for _, mode := range []string{"", "&consistent"} {
			l.loops.Go(func() { l.read(a, mode) })
		}
	}
	return l
}

func (l *load) end() {
	l.cancel()
	l.loops.Wait()
}

func (l *load) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.ctx.Done():
	}
}

// write tries each key until it is acknowledged, at any agent. A server that can't
// write says so with 500 or 503, and the client tries another one.
func (l *load) write(writer int) {
	for n := int64(1); l.ctx.Err() == nil; {
		a := l.agents[rand.IntN(len(l.agents))]
		ctx, cancel := context.WithTimeout(l.ctx, tryAnother)
		status, body, err := a.ask(ctx, "PUT", fmt.Sprintf("/v1/kv/w/%d/%d", writer, n), "value "+strconv.FormatInt(n, 10))
		cancel()
		if err == nil && status == 200 && string(body) == "true" {
			l.acknowledged[writer].Store(n)
			n++
		} else if err == nil && status != 500 && status != 503 {
			l.t.Errorf("%s answers a write with %d %s", a.name, status, body)
		}
		l.pause(writePause)
	}
}

// read asks as fast as it can while there is no answer: the first moments after
// a start are those that matter.
func (l *load) read(a *agent, mode string) {
	for l.ctx.Err() == nil {
		if l.check(a, mode) {
			l.pause(readPause)
		}
	}
}

// check reads once, and is false when there was no answer.
func (l *load) check(a *agent, mode string) bool {
	var before [writers]int64
	for i := range before {
		before[i] = l.acknowledged[i].Load()
	}
	status, body, err := a.ask(l.ctx, "GET", "/v1/kv/w/?keys"+mode, "")
	if err != nil || (status != 200 && status != 404) {
		return false
	}
	var keys []string
	if status == 200 && json.Unmarshal(body, &keys) != nil {
		l.t.Errorf("%s answers %q", a.name, body)
	}
	l.reads.Add(1)
	var count, highest [writers]int64
	for _, key := range keys {
		parts := strings.Split(key, "/")
		writer, _ := strconv.Atoi(parts[1])
		n, _ := strconv.ParseInt(parts[2], 10, 64)
		count[writer]++
		highest[writer] = max(highest[writer], n)
	}
	for i := range before {
		if count[i] < before[i] || count[i] != highest[i] {
			l.t.Errorf("%s%s shows %d keys of writer %d up to number %d, when %d were acknowledged",
				a.name, mode, count[i], i, highest[i], before[i])
			l.cancel()
		}
	}
	return true
}

// total is how many keys were acknowledged.
func (l *load) total() (n int64) {
	for i := range l.acknowledged {
		n += l.acknowledged[i].Load()
	}
	return n
}

// progress waits until some more writes were acknowledged and reads answered.
func (l *load) progress(writes, reads int64) {
	l.t.Helper()
	writes, reads = l.total()+writes, l.reads.Load()+reads
	for deadline := time.Now().Add(patience); l.total() < writes || l.reads.Load() < reads; time.Sleep(5 * time.Millisecond) {
		for _, a := range l.agents {
			a.alive()
		}
		switch {
		case l.ctx.Err() != nil:
			l.t.Fatal("it went wrong")
		case time.Now().After(deadline):
			l.t.Fatalf("%d of %d writes, %d of %d reads after %v", l.total(), writes, l.reads.Load(), reads, patience)
		}
	}
}

// values compares every value with what was written.
func (l *load) values(a *agent) {
	l.t.Helper()
	var pairs []struct {
		Key   string
		Value []byte
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		status, body, err := a.ask(context.Background(), "GET", "/v1/kv/w/?recurse&consistent", "")
		if err == nil && status == 200 {
			if err := json.Unmarshal(body, &pairs); err != nil {
				l.t.Fatal(err)
			}
			break
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s does not answer: %d, %v", a.name, status, err)
		}
		a.alive()
	}
	if int64(len(pairs)) < l.total() {
		l.t.Errorf("%s has %d keys, %d were acknowledged", a.name, len(pairs), l.total())
	}
	for _, p := range pairs {
		if n := p.Key[strings.LastIndexByte(p.Key, '/')+1:]; string(p.Value) != "value "+n {
			l.t.Errorf("%s is %q", p.Key, p.Value)
		}
	}
}

// rounds calls f so many times, fewer in short tests or where time runs out.
func rounds(t *testing.T, n int, limit time.Duration, f func(round int)) {
	if testing.Short() {
		n = 3
	}
	begin := time.Now()
	for i := range n {
		if time.Since(begin) > limit {
			if i < 3 {
				t.Fatalf("%d rounds took %v", i, limit)
			}
			t.Logf("%d rounds of %d in %v: this machine is slow", i, n, limit)
			return
		}
		f(i)
	}
}

// TestServerIsKilled kills a server that is alone twenty times while it is
// written to.
func TestServerIsKilled(t *testing.T) {
	a := newAgent(t, t.TempDir(), "s1", "-bootstrap")
	a.start()
	l := begin(t, a)
	rounds(t, 20, 40*time.Second, func(round int) {
		l.progress(200, 4)
		time.Sleep(time.Duration(rand.Int64N(int64(300 * time.Millisecond))))
		a.kill()
		a.start()
	})
	l.progress(100, 4)
	l.end()
	a.kill()
	a.start()
	l.values(a)
	t.Logf("%d writes acknowledged, %d reads answered", l.total(), l.reads.Load())
}

// TestServersOfAClusterAreKilled kills one of three servers after the other, so
// that a majority is there most of the time.
func TestServersOfAClusterAreKilled(t *testing.T) {
	underLoad(t, 6, func(l *load, round int, a *agent) {
		a.kill()
		if round%2 == 0 {
			l.progress(50, 4) // without it
		}
		a.start()
	})
}

// TestServersOfAClusterStandStill stops one of three servers after the other for
// longer than the others wait before they elect, as a busy hypervisor does: one
// that led must not answer from the past when it goes on.
func TestServersOfAClusterStandStill(t *testing.T) {
	underLoad(t, 6, func(l *load, _ int, a *agent) {
		a.signal(syscall.SIGSTOP)
		l.progress(50, 4) // without it
		a.signal(syscall.SIGCONT)
	})
}

// TestRollingRestart restarts three servers in an orderly way, one after the
// other, as an upgrade does.
func TestRollingRestart(t *testing.T) {
	underLoad(t, 6, func(l *load, _ int, a *agent) {
		a.terminate()
		a.start()
		l.progress(100, 12) // with it, before the next one
	})
}

// underLoad has three servers written to and read from while something is done
// to one after the other.
func underLoad(t *testing.T, n int, do func(l *load, round int, a *agent)) {
	dir := t.TempDir()
	agents := make([]*agent, 3)
	for i := range agents {
		agents[i] = newAgent(t, dir, fmt.Sprintf("s%d", i+1), "-bootstrap-expect=3")
	}
	for i, a := range agents {
		a.others = func() (list []string) {
			for j, other := range agents {
				if j != i {
					list = append(list, other.gossip())
				}
			}
			return list
		}
		a.start()
	}
	l := begin(t, agents...)
	rounds(t, n, 40*time.Second, func(round int) {
		l.progress(100, 12)
		do(l, round, agents[round%3])
	})
	l.progress(100, 12)
	l.end()
	for _, a := range agents {
		l.values(a)
	}
	t.Logf("%d writes acknowledged, %d reads answered", l.total(), l.reads.Load())
}
