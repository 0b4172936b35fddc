package view

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// fakeWatch counts how often it is closed.
type fakeWatch struct {
	done   chan struct{}
	fired  atomic.Bool
	closed atomic.Int32
}

func newWatch() *fakeWatch { return &fakeWatch{done: make(chan struct{})} }

func (w *fakeWatch) Done() <-chan struct{} { return w.done }
func (w *fakeWatch) Fired() bool           { return w.fired.Load() }
func (w *fakeWatch) Close()                { w.closed.Add(1) }

func (w *fakeWatch) fire() {
	if w.fired.CompareAndSwap(false, true) {
		close(w.done)
	}
}

// source is data that changes, as a store does: who reads takes a watch first,
// and no watch that was taken says that nothing changed when the change can be
// seen.
type source struct {
	value   atomic.Int64
	mu      sync.Mutex
	watches []*fakeWatch // that were taken; guarded by mu
}

func (s *source) render(size int) func() (*Answer[int64], error) {
	return func() (*Answer[int64], error) {
		w := newWatch()
		s.mu.Lock()
		s.watches = append(s.watches, w)
		s.mu.Unlock()
		v := s.value.Load()
		return &Answer[int64]{Value: v, Index: uint64(v), Size: size, Watch: w}, nil
	}
}

// change sets the value and tells everybody who watches.
func (s *source) change(v int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watches {
		w.fire()
	}
	s.value.Store(v)
}

// open is how many watches were taken and not closed; none may be closed twice.
func (s *source) open(t interface{ Errorf(string, ...any) }) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, w := range s.watches {
		switch w.closed.Load() {
		case 0:
			n++
		case 1:
		default:
			t.Errorf("a watch was closed %d times", w.closed.Load())
		}
	}
	return n
}

func stats(c *Cache[int64]) string {
	hits, renders, entries, bytes := c.Stats()
	return fmt.Sprintf("%d hits, %d renders, %d entries, %d bytes", hits, renders, entries, bytes)
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func get(t *testing.T, c *Cache[int64], key string, render func() (*Answer[int64], error)) *Answer[int64] {
	t.Helper()
	a, err := c.Get(key, render)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// await waits until n callers are at the rendering of a question.
func await(c *Cache[int64], key string, n int32) {
	for {
		c.mu.Lock()
		e := c.entries[key]
		c.mu.Unlock()
		if e != nil && e.waiting.Load() == n {
			return
		}
		runtime.Gosched()
	}
}

func TestAnswerIsSharedUntilItChanges(t *testing.T) {
	c := New[int64](10_000)
	var s source
	first := get(t, c, "q", s.render(100))
	second := get(t, c, "q", func() (*Answer[int64], error) { t.Error("rendered again"); return nil, errors.New("again") })
	if first != second {
		t.Error("two answers to one question")
	}
	expect(t, "stats", stats(c), fmt.Sprintf("1 hits, 1 renders, 1 entries, %d bytes", 101+overhead))
	s.change(1)
	third := get(t, c, "q", s.render(200))
	expect(t, "value", fmt.Sprint(third.Value, third.Index, first.Value), "1 1 0")
	expect(t, "stats", stats(c), fmt.Sprintf("1 hits, 2 renders, 1 entries, %d bytes", 201+overhead))
	expect(t, "watches while readers hold the old answer", s.open(t), 2)
	first.Release()
	expect(t, "watches while one does", s.open(t), 2)
	second.Release()
	expect(t, "watches when none does", s.open(t), 1)
	third.Release()
	expect(t, "watches of the cache", s.open(t), 1)
}

func TestOneOfManyRenders(t *testing.T) {
	for _, tt := range []struct {
		name    string
		size    int
		entries int
	}{{"kept", 100, 1}, {"too large to keep", 1_000_000, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			c := New[int64](10_000)
			var s source
			const callers = 100
			answers := make(chan *Answer[int64], callers)
			begin := make(chan struct{})
			var group sync.WaitGroup
			for range callers {
				group.Go(func() {
					a, err := c.Get("q", func() (*Answer[int64], error) {
						<-begin
						return s.render(tt.size)()
					})
					if err != nil {
						t.Error(err)
					}
					answers <- a
				})
			}
			await(c, "q", callers) // one renders, the others wait for it
			close(begin)
			group.Wait()
			first := <-answers
			for range callers - 1 {
				if a := <-answers; a != first {
					t.Error("two answers to one question")
				}
			}
			_, renders, entries, _ := c.Stats()
			expect(t, "renders", renders, 1)
			expect(t, "entries", entries, tt.entries)
			for range callers {
				expect(t, "watches", s.open(t), 1)
				first.Release()
			}
			expect(t, "watches in the end", s.open(t), tt.entries)
		})
	}
}

// A caller who comes while an answer is rendered that is already old gets a
// newer one.
func TestNoAnswerIsOlderThanItsQuestion(t *testing.T) {
	c := New[int64](10_000)
	var s source
	read, begin := make(chan struct{}), make(chan struct{})
	early := make(chan *Answer[int64])
	go func() {
		a, _ := c.Get("q", func() (*Answer[int64], error) {
			a, err := s.render(1)()
			close(read)
			<-begin
			return a, err
		})
		early <- a
	}()
	<-read
	s.change(1)
	late := make(chan *Answer[int64])
	go func() {
		a, _ := c.Get("q", s.render(1))
		late <- a
	}()
	await(c, "q", 2)
	close(begin)
	expect(t, "early", (<-early).Value, 0)
	expect(t, "late", (<-late).Value, 1)
}

// An answer that may change without its watch firing is made for each caller, and
// takes no room.
func TestTransientAnswersAreNotKept(t *testing.T) {
	c, s, transient := New[int64](1<<20), &source{}, true
	render := func() (*Answer[int64], error) {
		a, err := s.render(10)()
		a.Transient = transient
		return a, err
	}
	for v := int64(1); v <= 3; v++ {
		s.value.Store(v) // no watch is told
		a := get(t, c, "k", render)
		expect(t, "value", a.Value, v)
		a.Release()
	}
	expect(t, "watches", s.open(t), 0)
	expect(t, "stats", stats(c), "0 hits, 3 renders, 0 entries, 0 bytes")

	// After one that was kept it takes its place, and after it one is kept again.
	transient = false
	get(t, c, "k", render).Release()
	s.change(4)
	transient = true
	a := get(t, c, "k", render)
	expect(t, "watches", s.open(t), 1) // the caller's
	a.Release()
	expect(t, "stats", stats(c), "0 hits, 5 renders, 0 entries, 0 bytes")
	transient = false
	get(t, c, "k", render).Release()
	get(t, c, "k", render).Release()
	expect(t, "stats", stats(c), fmt.Sprintf("1 hits, 6 renders, 1 entries, %d bytes", cost("k")+10))
}

func TestErrorsAreNotKept(t *testing.T) {
	c := New[int64](10_000)
	broken := errors.New("broken")
	for i := range 10_000 {
		if _, err := c.Get(fmt.Sprint(i), func() (*Answer[int64], error) { return nil, broken }); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	expect(t, "stats", stats(c), "0 hits, 0 renders, 0 entries, 0 bytes")
	var s source
	a := get(t, c, "q", s.render(1))
	a.Release()
	s.change(1)
	if _, err := c.Get("q", func() (*Answer[int64], error) { return nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	expect(t, "value after an error", get(t, c, "q", s.render(1)).Value, 1)
}

// Of callers who wait while a rendering fails, the next one tries.
func TestErrorsAreNotShared(t *testing.T) {
	c := New[int64](10_000)
	var s source
	var tries atomic.Int64
	begin := make(chan struct{})
	failed := make(chan bool)
	for range 5 {
		go func() {
			a, err := c.Get("q", func() (*Answer[int64], error) {
				<-begin
				if tries.Add(1) < 3 {
					return nil, errors.New("not yet")
				}
				return s.render(1)()
			})
			if err == nil {
				a.Release()
			}
			failed <- err != nil
		}()
	}
	await(c, "q", 5)
	close(begin)
	n := 0
	for range 5 {
		if <-failed {
			n++
		}
	}
	expect(t, "failures", n, 2)
	expect(t, "tries", tries.Load(), 3)
	_, _, entries, _ := c.Stats()
	expect(t, "entries", entries, 1)
}

// A rendering that panics leaves the question open to others.
func TestPanicIsPassedOn(t *testing.T) {
	c := New[int64](10_000)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = c.Get("q", func() (*Answer[int64], error) { panic("broken") })
	}()
	expect(t, "stats", stats(c), "0 hits, 0 renders, 0 entries, 0 bytes")
	var s source
	get(t, c, "q", s.render(1)).Release()
}

func TestLeastRecentlyAskedGoesFirst(t *testing.T) {
	c := New[int64](3 * (1 + overhead + 100))
	var s source
	ask := func(key string, size int) bool {
		_, before, _, _ := c.Stats()
		get(t, c, key, s.render(size)).Release()
		_, after, _, _ := c.Stats()
		return after > before
	}
	for _, k := range []string{"a", "b", "c"} {
		ask(k, 100)
	}
	expect(t, "a is kept", ask("a", 100), false)
	ask("d", 100) // b goes
	expect(t, "c and d are kept", ask("c", 100) || ask("d", 100), false)
	expect(t, "b went", ask("b", 100), true) // and a goes
	expect(t, "a went", ask("a", 100), true)
	ask("e", 1000) // goes with two others
	_, _, entries, bytes := c.Stats()
	expect(t, "entries", entries, 1)
	expect(t, "watches", s.open(t), entries)
	if bytes > 3*(1+overhead+100) {
		t.Errorf("%d bytes are kept", bytes)
	}
	kept := get(t, c, "f", s.render(0))
	kept.Release()
	get(t, c, "huge", s.render(1<<40)).Release()
	if get(t, c, "f", s.render(0)) != kept {
		t.Error("an answer too large to keep drove out others")
	}
}

// Whatever is asked, held, released and changed in whatever order: the bytes
// are bounded, and exactly those watches are open whose answers are in the
// cache or in somebody's hands.
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 5*overhead).Draw(t, "limit")
		c := New[int64](limit)
		sources := map[string]*source{"a": {}, "b": {}, "c": {}, "d": {}}
		key := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		var held []*Answer[int64]
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				k := key.Draw(t, "key")
				transient := rapid.Bool().Draw(t, "transient")
				render := sources[k].render(rapid.IntRange(0, 3*overhead).Draw(t, "size"))
				a, err := c.Get(k, func() (*Answer[int64], error) {
					a, err := render()
					a.Transient = transient
					return a, err
				})
				if err != nil || a.Value != sources[k].value.Load() {
					t.Fatalf("got %+v, %v, the value is %d", a, err, sources[k].value.Load())
				}
				held = append(held, a)
			},
			"fail": func(t *rapid.T) {
				k := key.Draw(t, "key")
				a, err := c.Get(k, func() (*Answer[int64], error) { return nil, errors.New("broken") })
				if err == nil {
					held = append(held, a)
				}
			},
			"release": func(t *rapid.T) {
				if len(held) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				held[i].Release()
				held[i] = held[len(held)-1]
				held = held[:len(held)-1]
			},
			"change": func(t *rapid.T) {
				s := sources[key.Draw(t, "key")]
				s.change(s.value.Load() + 1)
			},
			"": func(t *rapid.T) {
				_, _, entries, bytes := c.Stats()
				if bytes > limit || entries*overhead > limit || bytes < 0 {
					t.Fatalf("%d entries of %d bytes, the limit is %d", entries, bytes, limit)
				}
				alive := map[*Answer[int64]]bool{}
				for _, a := range held {
					alive[a] = true
				}
				size := 0
				for k, e := range c.entries {
					a := e.answer.Load()
					if a == nil {
						t.Fatalf("an entry for %q without an answer", k)
					}
					alive[a] = true
					size += cost(k) + a.Size
				}
				if size != bytes || c.order.Len() != entries {
					t.Fatalf("%d bytes in %d entries, %d are counted in %d", size, entries, bytes, c.order.Len())
				}
				open := 0
				for _, s := range sources {
					open += s.open(t)
				}
				if open != len(alive) {
					t.Fatalf("%d watches are open, %d answers are alive", open, len(alive))
				}
			},
		})
	})
}

// Many ask, hold and release while the data changes and the cache overflows.
// Nobody gets an answer older than the question.
func TestManyReadersOneWriter(t *testing.T) {
	for _, limit := range []int{0, 3 * overhead, 1 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			c := New[int64](limit)
			sources := make([]source, 5)
			var readers sync.WaitGroup
			for r := range 8 {
				readers.Go(func() {
					random := rand.New(rand.NewPCG(1, uint64(r)))
					var held []*Answer[int64]
					for range 2000 {
						i := random.IntN(len(sources))
						least := sources[i].value.Load()
						a, err := c.Get(fmt.Sprint(i), sources[i].render(random.IntN(2*overhead)))
						if err != nil {
							t.Error(err)
							return
						}
						if a.Value < least {
							t.Errorf("got %d, asked after %d was written", a.Value, least)
						}
						if held = append(held, a); len(held) > 3 {
							held[0].Release()
							held = held[1:]
						}
					}
					for _, a := range held {
						a.Release()
					}
				})
			}
			stop := make(chan struct{})
			var writer sync.WaitGroup
			writer.Go(func() {
				for v := int64(1); ; v++ {
					select {
					case <-stop:
						return
					default:
						s := &sources[v%int64(len(sources))]
						s.change(v)
						s.forgetFired()
					}
				}
			})
			readers.Wait()
			close(stop)
			writer.Wait()
			if _, _, _, bytes := c.Stats(); bytes > limit {
				t.Errorf("%d bytes are kept", bytes)
			}
			for i := range sources { // what is left is the cache's
				sources[i].change(1 << 40)
				get(t, c, fmt.Sprint(i), sources[i].render(0)).Release()
			}
			open := 0
			for i := range sources {
				open += sources[i].open(t)
			}
			if _, _, entries, _ := c.Stats(); open != entries {
				t.Errorf("%d watches are open for %d entries", open, entries)
			}
		})
	}
}

// forgetFired keeps the list of watches short: those that fired and were
// closed are of no more interest.
func (s *source) forgetFired() {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.watches[:0]
	for _, w := range s.watches {
		if !w.Fired() || w.closed.Load() != 1 {
			kept = append(kept, w)
		}
	}
	s.watches = kept
}

func BenchmarkHit(b *testing.B) {
	c := New[int64](1 << 20)
	var s source
	for i := range 100 {
		a, _ := c.Get(fmt.Sprintf("question-%d", i), s.render(100))
		a.Release()
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a, _ := c.Get("question-17", s.render(100))
			a.Release()
		}
	})
}
