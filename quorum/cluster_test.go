package quorum

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"muster/internal/memnet"
)

// A cluster is a few servers on a network in memory. It is used in a synctest
// bubble.
type cluster struct {
	t       *testing.T
	net     *memnet.Network
	servers []*server
	watch   bool // servers that start from now on notice that others' processes end
}

type server struct {
	*Quorum
	machine *machine
	ip      string
	cfg     Config
	store   *Storage // outlives the server, like a disk
}

const raftPort = 8300

// stream connects a raft.NetworkTransport to the network in memory.
type stream struct {
	net.Listener
	host *memnet.Host
}

func (s stream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.host.Dial(ctx, "tcp", string(address))
}

// newCluster starts n servers that know of each other. Messages take a
// millisecond.
func newCluster(t *testing.T, n int, configure func(i int, cfg *Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, net: memnet.New(1)}
	var members []Server
	for i := range n {
		s := &server{ip: fmt.Sprintf("10.0.0.%d", i+1)}
		s.cfg = Config{ID: fmt.Sprintf("s%d", i+1), Address: fmt.Sprintf("%s:%d", s.ip, raftPort), Multiplier: 1}
		s.store = memoryStorage()
		s.store.Logs = &stallingLog{LogStore: s.store.Logs}
		if configure != nil {
			configure(i, &s.cfg)
		}
		c.servers = append(c.servers, s)
		members = append(members, Server{ID: s.cfg.ID, Address: s.cfg.Address})
	}
	for _, a := range c.servers {
		for _, b := range c.servers {
			if a != b {
				c.net.SetLink(a.ip, b.ip, memnet.Link{Delay: time.Millisecond})
			}
		}
	}
	for _, s := range c.servers {
		c.start(s)
		if err := s.Bootstrap(members); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// start opens a server, with its state machine empty.
func (c *cluster) start(s *server) {
	c.t.Helper()
	host := c.net.Host(s.ip)
	listener, err := host.Listen(raftPort)
	if err != nil {
		c.t.Fatal(err)
	}
	cfg := s.cfg
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	if c.watch {
		cfg.Gone = goneFrom(host)
	}
	cfg.Transport = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  stream{listener, host},
		MaxPool: 3,
		Timeout: 10 * time.Second,
		Logger:  hclog.NewNullLogger(),
	})
	s.machine = &machine{}
	if cfg.Dir != "" {
		s.Quorum, err = Open(cfg, s.machine)
	} else {
		s.Quorum, err = open(cfg, s.machine, s.store, nil)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) stop(s *server) {
	c.t.Helper()
	if err := s.Close(); err != nil {
		c.t.Error(err)
	}
	s.Quorum = nil
}

// close ends everything, so that the bubble can.
func (c *cluster) close() {
	c.t.Helper()
	for _, a := range c.servers {
		c.net.Rejoin(a.ip)
	}
	for _, s := range c.servers {
		if s.Quorum != nil {
			c.stop(s)
		}
	}
	time.Sleep(time.Minute) // what was closed is heard of everywhere
}

// leader waits until one of the running servers is a ready leader, other than
// those given.
func (c *cluster) leader(but ...*server) *server {
	c.t.Helper()
	start := time.Now()
	for time.Since(start) < time.Minute {
	next:
		for _, s := range c.servers {
			for _, b := range but {
				if s == b {
					continue next
				}
			}
			if s.Quorum == nil {
				continue
			}
			if status, _ := s.Status(); status.Ready {
				return s
			}
		}
		time.Sleep(time.Millisecond)
	}
	c.t.Fatal("no leader after a minute")
	return nil
}

// others returns the servers but one.
func (c *cluster) others(but *server) []*server {
	var all []*server
	for _, s := range c.servers {
		if s != but {
			all = append(all, s)
		}
	}
	return all
}

func TestClusterReplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		leader := c.leader()
		for i := range 20 {
			result, index, err := leader.Propose(t.Context(), fmt.Append(nil, i))
			if err != nil || index == 0 || result != fmt.Sprint("did ", i) {
				t.Fatal(result, index, err)
			}
		}
		for _, s := range c.servers {
			index, err := leader.ReadIndex(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.WaitApplied(t.Context(), index); err != nil {
				t.Fatal(err)
			}
			if n := len(s.machine.all()); n != 20 {
				t.Errorf("%s applied %d commands, want 20", s.cfg.ID, n)
			}
			if id, address := s.Leader(); id != leader.cfg.ID || address != leader.cfg.Address {
				t.Errorf("%s takes %s at %s for the leader", s.cfg.ID, id, address)
			}
		}
	})
}

// quiet gives cfg what Open would.
func quiet(cfg Config) Config {
	cfg.Logger = hclog.NewNullLogger()
	return cfg
}

// Followers hear of a commit although Raft would tell them much later: at once,
// which is the time of a message, after a quiet time, else within the delay.
func TestFollowersHearOfCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, func(_ int, cfg *Config) { cfg.CommitTimeout = time.Hour })
		defer c.close()
		leader := c.leader()
		time.Sleep(5 * time.Second)
		atOnce := false
		for i := range 12 {
			_, index, err := leader.Propose(t.Context(), fmt.Append(nil, i))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if i%4 == 1 { // a follower asks
				if _, err := leader.ReadIndex(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range c.others(leader) {
				if err := s.WaitApplied(t.Context(), index); err != nil {
					t.Fatal(err)
				}
			}
			// A connection may have to be made first.
			d := time.Since(start)
			if d > time.Millisecond+spreadDelay+2*time.Millisecond {
				t.Errorf("followers heard of commit %d after %v", i, d)
			}
			atOnce = atOnce || i%4 == 0 && d <= time.Millisecond
			if i%4 == 3 {
				time.Sleep(50 * time.Millisecond)
			}
		}
		if !atOnce {
			t.Error("followers never heard of a commit at once")
		}
	})
}
