package leader

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/gossip"
	"muster/model"
	"muster/quorum"
	"muster/state"
)

// fakeLog agrees with itself and applies to a store at once.
type fakeLog struct {
	store *state.Store

	mu        sync.Mutex
	index     uint64
	status    quorum.Status
	changed   chan struct{}
	proposals []model.CommandType // that were applied

	// What tests set before they begin. before is called with every proposal
	// and may refuse it; latency is how long agreement takes.
	before  func(model.CommandType) error
	latency time.Duration
}

func newLog() *fakeLog {
	return &fakeLog{store: state.New(), changed: make(chan struct{})}
}

func (l *fakeLog) Status() (quorum.Status, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status, l.changed
}

// lead begins a term, or ends the present one with 0.
func (l *fakeLog) lead(term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = quorum.Status{Leading: term != 0, Ready: term != 0, Term: max(term, l.status.Term)}
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *fakeLog) Propose(ctx context.Context, data []byte) (any, uint64, error) {
	t := model.CommandType(data[0])
	if l.before != nil {
		if err := l.before(t); err != nil {
			return nil, 0, err
		}
	}
	if l.latency > 0 {
		select {
		case <-time.After(l.latency):
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index++
	l.proposals = append(l.proposals, t)
	return l.store.Apply([]state.Entry{{Index: l.index, Data: data}})[0], l.index, nil
}

// apply is what somebody else proposes.
func (l *fakeLog) apply(t *testing.T, kind model.CommandType, command any) {
	t.Helper()
	data, err := state.Encode(kind, command)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index++
	if err, ok := l.store.Apply([]state.Entry{{Index: l.index, Data: data}})[0].(error); ok {
		t.Fatal(err)
	}
}

// takeProposals returns what was proposed since the last call.
func (l *fakeLog) takeProposals() []model.CommandType {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.proposals
	l.proposals = nil
	return list
}

// begin has this server lead with some duties until the test ends.
func (l *fakeLog) begin(t *testing.T, duties ...Duty) {
	l.lead(1)
	leading := Start(l, hclog.NewNullLogger(), duties...)
	t.Cleanup(leading.Close)
}

// fakePool is gossip as the test tells it.
type fakePool struct {
	mu        sync.Mutex
	members   []gossip.Member
	announced []string
	asked     []string // names, in order

	// answer is how a member answers; nil is that nobody does.
	answer func(ctx context.Context, name string) (id string, here bool)
}

func (p *fakePool) Members() []gossip.Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]gossip.Member(nil), p.members...)
}

func (p *fakePool) LocalMember() gossip.Member { return gossip.Member{Name: "self"} }

func (p *fakePool) AnnounceLeader(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.announced = append(p.announced, name)
	return nil
}

func (p *fakePool) Ask(ctx context.Context, m *gossip.Member) (id string, here bool) {
	p.mu.Lock()
	p.asked = append(p.asked, m.Name)
	answer := p.answer
	p.mu.Unlock()
	if answer == nil {
		return "", false
	}
	return answer(ctx, m.Name)
}

// set adds a member or replaces it.
func (p *fakePool) set(m gossip.Member) {
	p.remove(m.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members = append(p.members, m)
}

func (p *fakePool) remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kept []gossip.Member
	for _, m := range p.members {
		if m.Name != name {
			kept = append(kept, m)
		}
	}
	p.members = kept
}
