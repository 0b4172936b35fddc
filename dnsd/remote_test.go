package dnsd

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"muster/model"
)

// fakeAPI answers every question with the same instances; one with an index
// when that is an old one, or after a minute.
type fakeAPI struct {
	mu        sync.Mutex
	index     uint64                    // guarded by mu
	instances []*model.CheckServiceNode // guarded by mu
	down      bool                      // guarded by mu
	changed   chan struct{}             // closed by the next change; guarded by mu
}

func (f *fakeAPI) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.index++
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeAPI) get() (body []byte, index uint64, changed chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, 0, nil, model.ErrNoServers
	}
	body, err = json.Marshal(f.instances)
	return body, f.index, f.changed, err
}

func (f *fakeAPI) Get(ctx context.Context, _, uri, _ string) ([]byte, uint64, error) {
	body, index, changed, err := f.get()
	u, bad := url.Parse(uri)
	if err != nil || bad != nil || u.Query().Get("index") != strconv.FormatUint(index, 10) {
		return body, index, errors.Join(err, bad)
	}
	select {
	case <-changed:
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	body, index, _, err = f.get()
	return body, index, err
}

// TestNamesOutliveTheServers: a name that is in use goes on resolving while no
// server can be reached, however long the fast path alone has answered it, and
// one that is not is forgotten.
func TestNamesOutliveTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{index: 1, changed: make(chan struct{}), instances: []*model.CheckServiceNode{
			{Node: &model.Node{Node: "n", Address: "10.0.0.1"}, Service: &model.NodeService{Service: "web"}},
		}}
		followers := FromAPI(api)
		defer followers.Close()
		w := &world{t: t, Server: New(Options{Source: followers}, defaults())}
		defer w.Close()
		b := query("web.service.consul", dns.TypeA, how{})
		if m := w.unpack(w.slow(b, false)); len(m.Answer) != 1 {
			t.Fatal(m)
		}
		for range 30 {
			time.Sleep(time.Minute)
			if out := w.fast(b, false); out == nil || len(w.unpack(out).Answer) != 1 {
				t.Fatal("the name is not followed any more")
			}
		}
		api.set(func() { api.instances = append(api.instances, api.instances[0]); api.instances[1] = second })
		synctest.Wait()
		if w.fast(b, false) != nil || len(w.unpack(w.slow(b, false)).Answer) != 2 {
			t.Fatal("an old answer")
		}
		api.set(func() { api.down = true })
		for range 30 {
			time.Sleep(time.Minute)
			if out := w.fast(b, false); out == nil || len(w.unpack(out).Answer) != 2 {
				t.Fatal("the name does not outlive the servers")
			}
		}
		time.Sleep(followIdle + 2*time.Minute)
		followers.mu.Lock()
		if n := len(followers.all); n != 0 {
			t.Errorf("%d questions are followed that nobody asks", n)
		}
		followers.mu.Unlock()
		if w.fast(b, false) != nil {
			t.Fatal("an answer that nobody keeps up to date")
		}
		if m := w.unpack(w.slow(b, false)); m.Rcode != dns.RcodeServerFailure {
			t.Fatal(m)
		}
	})
}

var second = &model.CheckServiceNode{Node: &model.Node{Node: "n2", Address: "10.0.0.2"}, Service: &model.NodeService{Service: "web"}}
