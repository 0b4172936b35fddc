package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/model"
)

// server answers as servers do: at once, or when there is something newer than
// an index, at the latest after a minute.
type server struct {
	mu      sync.Mutex
	index   uint64
	down    error
	changed chan struct{}
	asked   int
}

func newServer() *server { return &server{index: 1, changed: make(chan struct{})} }

func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) fetch(ctx context.Context, index uint64, _ bool) (*Answer, error) {
	s.mu.Lock()
	s.asked++
	for s.down == nil && s.index == index {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(time.Minute):
			index = 0
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	return &Answer{Body: fmt.Appendf(nil, "answer %d", s.index), Index: s.index}, nil
}

func inBubble(t *testing.T, cfg Config, f func(*testing.T, *Cache, *server)) {
	synctest.Test(t, func(t *testing.T) {
		c := New(cfg)
		defer c.Close()
		f(t, c, newServer())
	})
}

var roomy = Config{Bytes: 1 << 20, Followed: 10, Idle: 10 * time.Minute}

// want asks and compares: "MISS 1", or "HIT 1 20s".
func want(t *testing.T, c *Cache, s *server, w Wish, text string) {
	t.Helper()
	a, hit, age, err := c.Get(t.Context(), "k", w, s.fetch)
	got := fmt.Sprint(err)
	if err == nil {
		got = fmt.Sprintf("MISS %d", a.Index)
		if hit {
			got = fmt.Sprintf("HIT %d %s", a.Index, age)
		}
	}
	if got != text {
		t.Errorf("%+v: %s, want %s", w, got, text)
	}
}

func TestFollowed(t *testing.T) {
	inBubble(t, roomy, func(t *testing.T, c *Cache, s *server) {
		whatever := Wish{MaxAge: -1}
		want(t, c, s, whatever, "MISS 1")
		want(t, c, s, whatever, "HIT 1 0s")
		time.Sleep(5 * time.Minute)
		want(t, c, s, whatever, "HIT 1 0s")
		s.set(func() { s.index = 2 })
		synctest.Wait()
		want(t, c, s, Wish{}, "HIT 2 0s") // followed and well: as good as new
		s.set(func() { s.index = 1 })     // a snapshot was restored
		synctest.Wait()
		want(t, c, s, whatever, "HIT 1 0s")
		s.mu.Lock()
		asked := s.asked
		s.mu.Unlock()
		if asked > 10 {
			t.Errorf("asked %d times", asked)
		}
		time.Sleep(12 * time.Minute) // nobody asks
		c.mu.Lock()
		followed := c.followed
		c.mu.Unlock()
		if followed != 0 {
			t.Error("followed although nobody asks")
		}
		want(t, c, s, Wish{MaxAge: time.Second}, "MISS 1")
	})
}

func TestAge(t *testing.T) {
	inBubble(t, roomy, func(t *testing.T, c *Cache, s *server) {
		want(t, c, s, Wish{MaxAge: -1}, "MISS 1")
		s.set(func() { s.down = model.ErrNoServers })
		time.Sleep(10 * time.Second)
		want(t, c, s, Wish{MaxAge: -1}, "HIT 1 10s")
		want(t, c, s, Wish{MaxAge: 10 * time.Second}, "HIT 1 10s")
		want(t, c, s, Wish{MaxAge: 9 * time.Second}, model.TextNoServers)
		want(t, c, s, Wish{MaxAge: 9 * time.Second, IfError: time.Second}, "HIT 1 10s")
		want(t, c, s, Wish{MaxAge: 0, IfError: 9 * time.Second}, model.TextNoServers)
		s.set(func() { s.down = errors.New("refused") }) // by a server that was reached
		want(t, c, s, Wish{MaxAge: 9 * time.Second, IfError: time.Hour}, "refused")
		s.set(func() { s.down, s.index = nil, 5 })
		time.Sleep(refetchMax)
		want(t, c, s, Wish{}, "HIT 5 0s")
	})
}

func TestBlocking(t *testing.T) {
	inBubble(t, roomy, func(t *testing.T, c *Cache, s *server) {
		want(t, c, s, Wish{MaxAge: -1}, "MISS 1")
		began := time.Now()
		time.AfterFunc(7*time.Second, func() { s.set(func() { s.index = 3 }) })
		want(t, c, s, Wish{MaxAge: -1, MinIndex: 1, Wait: time.Minute}, "HIT 3 0s")
		if d := time.Since(began); d != 7*time.Second {
			t.Errorf("answered after %s", d)
		}
		began = time.Now()
		want(t, c, s, Wish{MaxAge: -1, MinIndex: 3, Wait: time.Minute}, "HIT 3 0s")
		if d := time.Since(began); d != time.Minute {
			t.Errorf("answered after %s", d)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, _, err := c.Get(gone, "k", Wish{MaxAge: -1, MinIndex: 3, Wait: time.Minute}, s.fetch); model.KindOf(err) != model.Canceled {
			t.Error(err)
		}
	})
}

// Who comes while an answer is fetched shares it.
func TestOneFetchForAll(t *testing.T) {
	inBubble(t, roomy, func(t *testing.T, c *Cache, s *server) {
		slow := func(ctx context.Context, index uint64, background bool) (*Answer, error) {
			if !background {
				time.Sleep(time.Second)
			}
			return s.fetch(ctx, index, background)
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if a, hit, _, err := c.Get(t.Context(), "k", Wish{}, slow); err != nil || hit || a.Index != 1 {
					t.Error(a, hit, err)
				}
			})
		}
		wg.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asked > 2 { // the second is the following one
			t.Errorf("asked %d times", s.asked)
		}
	})
}

// What must not be kept is not, and not followed.
func TestNotKept(t *testing.T) {
	inBubble(t, roomy, func(t *testing.T, c *Cache, _ *server) {
		for range 3 {
			a, hit, _, err := c.Get(t.Context(), "k", Wish{MaxAge: -1}, func(context.Context, uint64, bool) (*Answer, error) { return nil, nil })
			if a != nil || hit || err != nil {
				t.Error(a, hit, err)
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.followed != 0 {
			t.Error("it is followed")
		}
	})
}

// What is only remembered is asked for anew, and given if that can't be.
func TestRememberedIsOld(t *testing.T) {
	inBubble(t, roomy, func(t *testing.T, c *Cache, s *server) {
		c.Remember("k", &Answer{Index: 9})
		time.Sleep(time.Second)
		s.set(func() { s.down = model.ErrNoServers })
		want(t, c, s, Wish{MaxAge: -1}, "HIT 9 1s")
		s.set(func() { s.down = nil })
		want(t, c, s, Wish{MaxAge: -1}, "MISS 1")
	})
}

func TestRemember(t *testing.T) {
	inBubble(t, roomy, func(t *testing.T, c *Cache, _ *server) {
		if a, _ := c.Last("k"); a != nil {
			t.Error("known before it came")
		}
		c.Remember("k", &Answer{Index: 1, Body: []byte("x")})
		time.Sleep(time.Hour)
		if a, age := c.Last("k"); a.Index != 1 || age != time.Hour {
			t.Error(a, age)
		}
		c.Remember("k", &Answer{Index: 1, Body: []byte("x")})
		if _, age := c.Last("k"); age != 0 {
			t.Error(age)
		}
	})
}

// The bounds hold, and what was used last stays.
func TestBounds(t *testing.T) {
	inBubble(t, Config{Bytes: 20_000, Followed: 3, Idle: time.Hour}, func(t *testing.T, c *Cache, s *server) {
		for i := range 100 {
			c.Remember(fmt.Sprint(i), &Answer{Body: []byte(strings.Repeat("x", i))})
			if c.bytes > c.cfg.Bytes {
				t.Fatalf("%d bytes", c.bytes)
			}
		}
		if a, _ := c.Last("99"); a == nil || c.lru.Len() != len(c.entries) || c.lru.Len() > 12 {
			t.Errorf("%d are kept", c.lru.Len())
		}
		c.Remember("huge", &Answer{Body: make([]byte, 30_000)})
		if a, _ := c.Last("huge"); a != nil || c.bytes < 0 {
			t.Error("more than there is room for")
		}
		for i := range 6 {
			if _, _, _, err := c.Get(t.Context(), fmt.Sprint("f", i), Wish{}, s.fetch); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		c.mu.Lock()
		followed, sum := c.followed, 0
		for _, el := range c.entries {
			sum += el.Value.(*entry).size()
		}
		if followed != 3 || sum != c.bytes {
			t.Errorf("%d are followed, %d bytes counted as %d", followed, sum, c.bytes)
		}
		c.mu.Unlock()
	})
}

func TestRate(t *testing.T) {
	inBubble(t, roomy, func(t *testing.T, c *Cache, s *server) {
		c.SetRate(0.1, 2)
		want(t, c, s, Wish{}, "MISS 1")
		synctest.Wait()
		for _, hit := range []string{"HIT 2 0s", "HIT 3 0s"} { // two fetches that wait already
			s.set(func() { s.index++ })
			synctest.Wait()
			want(t, c, s, Wish{}, hit)
		}
		s.set(func() { s.index++ })
		time.Sleep(time.Second)
		want(t, c, s, Wish{}, "HIT 3 0s")
		time.Sleep(20 * time.Second)
		want(t, c, s, Wish{}, "HIT 4 0s")
	})
}
