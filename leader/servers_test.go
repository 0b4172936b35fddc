package leader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/gossip"
	"muster/quorum"
)

// fakePeers is who agrees, and what was changed.
type fakePeers struct {
	mu       sync.Mutex
	servers  []quorum.Server
	changes  []string
	failures int // of the next changes
}

func (p *fakePeers) Configuration() ([]quorum.Server, uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.servers), 1, nil
}

func (p *fakePeers) change(what string, id string, add ...quorum.Server) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures > 0 {
		p.failures--
		return errors.New("a change is under way")
	}
	p.changes = append(p.changes, what)
	p.servers = append(slices.DeleteFunc(p.servers, func(s quorum.Server) bool { return s.ID == id }), add...)
	for i, s := range p.servers {
		for _, t := range p.servers[:i] {
			if s.Address == t.Address {
				return fmt.Errorf("%s and %s have the address %s", s.ID, t.ID, s.Address)
			}
		}
	}
	return nil
}

func (p *fakePeers) AddVoter(id, address string) error {
	return p.change("voter "+id+" "+address, id, quorum.Server{ID: id, Address: address, Voter: true})
}

// GiveVote is told as what it comes to.
func (p *fakePeers) GiveVote(id string) error {
	servers, _, _ := p.Configuration()
	for _, s := range servers {
		if s.ID == id {
			return p.AddVoter(id, s.Address)
		}
	}
	return errors.New("no member")
}

func (p *fakePeers) AddNonVoter(id, address string) error {
	return p.change("nonvoter "+id+" "+address, id, quorum.Server{ID: id, Address: address})
}

func (p *fakePeers) RemoveServer(id string) error { return p.change("remove "+id, id) }

// serverBench is a leader with the ID "own" that takes servers in and out.
type serverBench struct {
	*fakePeers
	rogue string // ID of a member that cannot prove to be a server
	t     *testing.T
	pool  *fakePool
	duty  *Servers
}

func newServerBench(t *testing.T, tags ...string) *serverBench {
	b := &serverBench{t: t, pool: &fakePool{}, fakePeers: &fakePeers{
		servers: []quorum.Server{{ID: "own", Address: "10.0.0.1:8300", Voter: true}},
	}}
	b.pool.set(server("self", "own", "10.0.0.1", tags...))
	b.duty = NewServers(b.fakePeers, b.pool, b.vouch, "own", hclog.NewNullLogger())
	newLog().begin(t, b.duty)
	synctest.Wait()
	return b
}

func (b *serverBench) vouch(_ context.Context, m *gossip.Member) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.ID() == b.rogue {
		return errors.New("no certificate of a server")
	}
	return nil
}

func server(name, id, addr string, tags ...string) gossip.Member {
	m := member(name, id, addr)
	m.Tags["role"], m.Tags["port"] = "consul", "8300"
	for _, tag := range tags {
		m.Tags[tag] = "1"
	}
	return m
}

// hear tells the duty of members, and expects changes.
func (b *serverBench) hear(members []gossip.Member, want ...string) {
	b.t.Helper()
	for _, m := range members {
		b.pool.set(m)
	}
	b.duty.Changed()
	b.expect(want...)
}

func (b *serverBench) expect(want ...string) {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.changes, want) {
		b.t.Errorf("changes %q, want %q", b.changes, want)
	}
	b.changes = nil
}

func TestServersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newServerBench(t)
		s2, s3 := server("s2", "id2", "10.0.0.2"), server("s3", "id3", "10.0.0.3", "read_replica")
		noID, noPort := server("s4", "", "10.0.0.4"), server("s5", "id5", "10.0.0.5")
		delete(noPort.Tags, "port")
		all := []gossip.Member{s2, s3, member("client", idA, "10.0.0.9"), noID, noPort}
		b.hear(all, "nonvoter id2 10.0.0.2:8300", "nonvoter id3 10.0.0.3:8300")
		b.hear(all)
		b.hear([]gossip.Member{with(s2, gossip.StatusFailed), with(s3, gossip.StatusLeaving)})
		b.hear([]gossip.Member{server("s2", "id2", "10.0.0.21")}, "nonvoter id2 10.0.0.21:8300")
		if err := b.AddVoter("id2", "10.0.0.21:8300"); err != nil {
			t.Fatal(err)
		}
		b.expect("voter id2 10.0.0.21:8300")
		b.hear([]gossip.Member{server("s2", "id2", "10.0.0.22")}, "voter id2 10.0.0.22:8300") // it keeps its vote
		b.hear([]gossip.Member{with(s3, gossip.StatusLeft)}, "remove id3")
		b.hear([]gossip.Member{with(s3, gossip.StatusLeft)})
		b.hear([]gossip.Member{with(b.pool.Members()[0], gossip.StatusLeft)}) // this server itself
	})
}

// TestServerWithNewData: a server that lost its data has its address from before.
func TestServerWithNewData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newServerBench(t)
		b.hear([]gossip.Member{server("s2", "id2", "10.0.0.2")}, "nonvoter id2 10.0.0.2:8300")
		b.hear([]gossip.Member{server("s2", "new", "10.0.0.2")}, "remove id2", "nonvoter new 10.0.0.2:8300")
	})
}

func TestServersAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newServerBench(t)
		b.mu.Lock()
		b.failures = 2
		b.mu.Unlock()
		b.hear([]gossip.Member{server("s2", "id2", "10.0.0.2")})
		time.Sleep(retryServers)
		b.expect()
		time.Sleep(retryServers)
		b.expect("nonvoter id2 10.0.0.2:8300")
		b.pool.set(server("s3", "id3", "10.0.0.3")) // nobody tells
		time.Sleep(reconcileEvery)
		b.expect("nonvoter id3 10.0.0.3:8300")
	})
}

// TestRogueServer: who says that he is a server, and cannot prove it, is not
// let in, and keeps nobody else out.
func TestRogueServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newServerBench(t)
		b.mu.Lock()
		b.rogue = "id2"
		b.mu.Unlock()
		b.hear([]gossip.Member{server("s2", "id2", "10.0.0.2"), server("s3", "id3", "10.0.0.3")}, "nonvoter id3 10.0.0.3:8300")
		time.Sleep(2 * reconcileEvery)
		b.expect()
		b.mu.Lock()
		b.rogue = ""
		b.mu.Unlock()
		time.Sleep(retryServers)
		b.expect("nonvoter id2 10.0.0.2:8300")
	})
}
