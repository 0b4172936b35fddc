package gossip

import (
	flags "flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/memnet"
)

var (
	weekFor     = flags.Duration("week", time.Hour, "virtual time of TestWeek")
	weekMembers = flags.Int("members", 6, "how many members TestWeek has at a time")
	weekSeed    = flags.Uint64("seed", 1, "what TestWeek does, and when")
)

const (
	// weekRest is how long nothing happens before everybody is compared: longer
	// than it takes until two halves that have given each other up meet again.
	weekRest = 15 * time.Minute
	// slack is how much later than it is due a member may be forgotten.
	slack = time.Hour
	// tombstone is how long serf remembers who has left.
	tombstone = 24 * time.Hour
	reconnect = 72 * time.Hour
)

// A resident is a member of the week, whether it runs or not.
type resident struct {
	*member // nil: it does not run
	config  Config
	since   time.Time // it runs or does not since
	joined  bool      // it runs, and has reached somebody since then
	left    bool      // it does not, and told the others
	hidden  bool      // not all others may have known it when it ended
	never   bool      // it does not come back
	// trouble is until when others may take it for failed, or it them.
	trouble time.Time
}

// A week is a pool whose members come, go, fail and lose messages.
type week struct {
	*world
	rand  *rand.Rand
	all   []*resident
	fired int                       // user events
	lost  map[*resident]memnet.Link // those whose links are bad now

	mu    sync.Mutex // guards what readers of events look at: this, and member and trouble of all
	lossy time.Time  // until when somebody may say what is wrong
	count map[string]int
}

// TestWeek lets members of a pool come and go, fail, be cut off and lose messages
// for -week of virtual time. Every now and then they rest, and then all must know
// who is there, who failed and who left; nobody was taken for failed without
// reason; who was gone for long enough is forgotten; and nothing has grown.
func TestWeek(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: memnet.New(*weekSeed)}
		defer time.Sleep(settle) // after all pools are closed
		wk := &week{world: w, rand: rand.New(rand.NewPCG(*weekSeed, 7)), count: map[string]int{}, lost: map[*resident]memnet.Link{}}
		defer wk.end()
		for range *weekMembers {
			wk.add()
		}
		time.Sleep(weekRest)
		wk.compare()
		first, began := measure(wk.running()), time.Now()
		last := first
		for time.Since(began) < *weekFor {
			for end := time.Now().Add(min(*weekFor/2, 4*time.Hour)); time.Now().Before(end); {
				wk.happen()
				time.Sleep(time.Duration(wk.rand.ExpFloat64() * float64(5*time.Minute)))
			}
			wk.heal()
			time.Sleep(weekRest)
			wk.compare()
			last = measure(wk.running())
		}
		t.Logf("%v with %d members: %v; %d datagrams; at first %v, at last %v", *weekFor, *weekMembers, wk.count, w.net.Datagrams(), first, last)
		if last.goroutines > first.goroutines+2 {
			t.Errorf("%d goroutines a member at first, %d at last", first.goroutines, last.goroutines)
		}
		// Those that are remembered though they are gone take their place.
		if last.bytes > 2*first.bytes+64<<10 {
			t.Errorf("%d bytes a member at first, %d at last", first.bytes, last.bytes)
		}
	})
}

// A size is what one member takes.
type size struct{ bytes, goroutines int }

func (s size) String() string {
	return fmt.Sprintf("%d KiB and %d goroutines a member", s.bytes>>10, s.goroutines)
}

func measure(members int) size {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has found
	runtime.ReadMemStats(&m)
	// What the test itself takes is not to count for more when few run.
	return size{int(m.HeapAlloc) / max(members, *weekMembers), runtime.NumGoroutine() / members}
}

func (w *week) end() {
	for _, r := range w.all {
		if r.member != nil {
			r.member.end()
		}
	}
}

func (w *week) running() (n int) {
	for _, r := range w.all {
		if r.member != nil {
			n++
		}
	}
	return n
}

// one is a random resident that runs, or does not and may come back.
func (w *week) one(runs bool) *resident {
	var some []*resident
	for _, r := range w.all {
		if (r.member != nil) == runs && !r.never {
			some = append(some, r)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[w.rand.IntN(len(some))]
}

// add brings somebody who was never there.
func (w *week) add() {
	i := len(w.all) + 1
	c := Config{NodeName: fmt.Sprint("n", i), NodeID: fmt.Sprint("id-", i), Datacenter: "dc1", Build: "1.22.0:",
		BindAddr: fmt.Sprintf("10.0.%d.%d", i/250, 1+i%250), BindPort: 8301}
	if i <= 3 {
		c.Server = &Server{Port: 8300}
	}
	r := &resident{config: c}
	w.mu.Lock()
	w.all = append(w.all, r)
	w.mu.Unlock()
	w.start(r)
}

// start runs a resident, which joins as agents do: until one answers.
func (w *week) start(r *resident) {
	g, err := w.net.Host(r.config.BindAddr).Gossip(r.config.BindPort)
	if err != nil {
		w.t.Fatal(err)
	}
	r.config.Transport = g
	p, err := Open(r.config)
	if err != nil {
		w.t.Fatal(err)
	}
	m := &member{Pool: p, seen: &record{}, reader: make(chan struct{})}
	go func() {
		defer close(m.reader)
		for e := range p.Events() {
			if e.Type == EventFailed {
				w.failed(r, e.Member.Name)
			}
			m.seen.add(e)
		}
	}()
	w.mu.Lock()
	r.member = m
	w.mu.Unlock()
	r.since, r.left = time.Now(), false
	w.trouble(r, weekRest)
	w.links()
	w.join(r)
}

// join is what agents do with the addresses that they are told: they ask all of
// them, and when none answers, all again; heal does that here. One of them would
// not be enough: two that were alone could find each other, and nobody else.
func (w *week) join(r *resident) {
	var others []string
	for _, other := range w.all {
		if other.member != nil && other != r {
			others = append(others, other.config.BindAddr)
		}
	}
	w.rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	n, _ := r.Join(others, true)
	r.joined = n > 0
}

// trouble says that r may be taken for failed for so long, and take others for it.
func (w *week) trouble(r *resident, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.trouble = time.Now().Add(d)
}

// failed is told by the reader of r's events. Whoever loses messages, or was cut
// off until now, may take anybody for failed and say so: then all others take him
// for that until he refutes it.
func (w *week) failed(r *resident, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for _, other := range w.all {
		switch {
		case other.config.NodeName != name || other.member == nil || now.Before(r.trouble) || now.Before(other.trouble):
		case now.Before(w.lossy):
			w.count["was taken for failed by word of somebody who lost messages"]++
		default:
			w.t.Errorf("%v: %s takes %s for failed, without reason", now, r.config.NodeName, name)
		}
	}
}

// happen does one thing.
func (w *week) happen() {
	switch w.rand.IntN(12) {
	case 0, 1, 2:
		w.did("failed")
		w.stop(w.one(true), false)
	case 3, 4:
		w.did("left")
		w.stop(w.one(true), true)
	case 5, 6, 7, 8:
		if r := w.one(false); r != nil {
			w.did("came back")
			w.start(r)
		}
	case 9:
		w.did("was cut off")
		w.bad(w.one(true), memnet.Link{Cut: true})
	case 10:
		w.did("lost messages")
		w.bad(w.one(true), memnet.Link{Delay: time.Millisecond, Loss: 0.1 + w.rand.Float64()*0.4})
	default:
		w.heal()
	}
	if w.running() < *weekMembers/2 {
		w.did("joined")
		if r := w.one(false); r != nil && w.rand.IntN(2) == 0 {
			r.never = true
		}
		w.add()
	}
}

func (w *week) did(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[what]++
}

// stop ends a resident, with or without a word.
func (w *week) stop(r *resident, leave bool) {
	if w.running() <= 2 {
		return
	}
	m := r.member
	if leave {
		w.trouble(r, weekRest) // its death may be heard of before its word
		if err := m.Leave(); err != nil && len(w.lost) == 0 {
			w.t.Errorf("%s could not leave: %v", r.config.NodeName, err)
		}
	}
	w.mu.Lock()
	r.member = nil
	w.mu.Unlock()
	m.end()
	// Who is cut off tells nobody.
	hidden := len(w.lost) > 0 || time.Since(r.since) < weekRest
	r.since, r.left, r.hidden = time.Now(), leave && len(w.lost) == 0, hidden
}

// bad makes all links of a resident so, until heal.
func (w *week) bad(r *resident, l memnet.Link) {
	w.lost[r] = l
	w.mu.Lock()
	if l.Loss > 0 {
		w.lossy = time.Now().Add(*weekFor)
	}
	w.mu.Unlock()
	w.links()
}

// links sets all links: the worse of what its two ends have.
func (w *week) links() {
	for r, l := range w.lost {
		w.trouble(r, *weekFor)
		for _, other := range w.all {
			if other == r || w.lost[other].Cut && !l.Cut {
				continue
			}
			w.net.SetLink(r.config.BindAddr, other.config.BindAddr, l)
			w.net.SetLink(other.config.BindAddr, r.config.BindAddr, l)
		}
	}
}

func (w *week) heal() {
	w.net.Restore()
	for r := range w.lost {
		w.trouble(r, weekRest)
	}
	w.mu.Lock()
	if len(w.lost) > 0 {
		w.lossy = time.Now().Add(weekRest / 2)
	}
	w.mu.Unlock()
	clear(w.lost)
	for _, r := range w.all {
		if r.member != nil && (!r.joined || !r.othersAlive()) {
			w.join(r)
		}
	}
}

// compare checks what everybody knows, after a rest.
func (w *week) compare() {
	w.fired++
	event := fmt.Sprint("e", w.fired)
	if err := w.one(true).UserEvent(event, nil); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(time.Minute)
	for _, r := range w.all {
		if r.member == nil {
			continue
		}
		if n := strings.Count(r.seen.take()+",", "user "+event+"=,"); n != 1 {
			w.t.Errorf("%s was told of an event %d times", r.config.NodeName, n)
		}
		known := map[string]Status{}
		for _, m := range r.Members() {
			known[m.Name] = m.Status
		}
		for _, other := range w.all {
			if status, ok := known[other.config.NodeName]; !w.right(r, other, status, ok) {
				w.t.Errorf("%v: %s has %s as %v (known: %v), which runs: %v, left: %v, since %v", time.Now(), r.config.NodeName,
					other.config.NodeName, status, ok, other.member != nil, other.left, time.Since(other.since))
			}
		}
	}
}

// right tells whether what r knows of another is as it is.
func (w *week) right(r, other *resident, status Status, known bool) bool {
	gone := time.Since(other.since)
	switch {
	case other.member != nil:
		return known && status == StatusAlive
	case status == StatusAlive || status == StatusLeaving:
		return false
	case gone > reconnect+slack || other.left && gone > tombstone+slack:
		return !known
	case other.hidden || r.since.Add(time.Minute).After(other.since):
		return true // it may not have heard of it
	case other.left && gone < tombstone-slack:
		return known && status == StatusLeft
	case !other.left && gone < tombstone-slack:
		return known // a leave that was not heard by all looks like a failure to some
	}
	return true
}
