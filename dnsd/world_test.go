package dnsd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"muster/acl"
	"muster/config"
	"muster/model"
	"muster/ops"
	"muster/relay"
	"muster/state"
)

// world is a server with a catalog of its own.
type world struct {
	t     testing.TB
	store *state.Store
	log   *fakeLog
	rules rules
	elsewhere
	ops *ops.Ops
	*Server
}

// elsewhere are other datacenters, with one service.
type elsewhere map[string][]*model.CheckServiceNode

func (e elsewhere) Datacenters() []string {
	return append([]string{"dc1"}, slices.Sorted(maps.Keys(e))...)
}

func (e elsewhere) Health(_ context.Context, datacenter, service string, _ *ops.Query) ([]*model.CheckServiceNode, error) {
	if e[datacenter] == nil {
		return nil, model.Errorf(model.NoServers, "%s", model.TextRemoteNoServer)
	}
	return e[datacenter], nil
}

// rules let every token see everything, but for the token "blind", which does
// not see the nodes that it names.
type rules struct {
	acl.Open
	blind atomic.Pointer[blind]
}

func (r *rules) Resolve(token string) (acl.Authorizer, error) {
	if token == "blind" {
		return r.blind.Load(), nil
	}
	return r.Open.Resolve(token)
}

// blind is an authorizer that hides a node.
type blind struct{ node string }

func (b *blind) AllowsAll() bool { return false }
func (b *blind) Allowed(r acl.Resource, name string, a acl.Access) bool {
	return r != acl.Node || a != acl.Read || name != b.node
}

// fakeLog applies commands at once, as a cluster of one.
type fakeLog struct {
	store *state.Store
	mu    sync.Mutex
	index uint64        // guarded by mu
	down  error         // what reads get; guarded by mu
	since time.Duration // guarded by mu
}

func (l *fakeLog) Propose(_ context.Context, data []byte) (any, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index++
	result := l.store.Apply([]state.Entry{{Index: l.index, Data: data}})[0]
	return result, l.index, nil
}

func (l *fakeLog) ConfirmRead(ctx context.Context, _ bool) error {
	l.mu.Lock()
	down := l.down
	l.mu.Unlock()
	if down == nil {
		return nil
	}
	<-ctx.Done()
	return down
}

func (l *fakeLog) Reign() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down != nil {
		return 0
	}
	return 1
}

func (l *fakeLog) Leader() (id, address string) { return "id", "127.0.0.1:8300" }

func (l *fakeLog) LastContact() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since
}

// fail takes the leader away.
func (l *fakeLog) fail(err error, since time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down, l.since = err, since
}

// soleDatacenter is a router that knows dc1 only.
type soleDatacenter struct{}

func (soleDatacenter) Admit(_ context.Context, _ relay.Place, datacenter string) error {
	if datacenter != "" && datacenter != "dc1" {
		return model.ErrNoDatacenter
	}
	return nil
}

// defaults is the configuration that an agent has without any file.
func defaults() Config {
	return Config{Datacenter: "dc1", DNS: config.DNS{
		Domain: "consul.", AllowStale: true, MaxStale: 87600 * time.Hour, UDPAnswerLimit: 3, NodeMetaTXT: true,
		RecursorTimeout: 2 * time.Second, SOA: config.SOA{Refresh: 3600, Retry: 600, Expire: 86400},
	}}
}

func newWorld(t testing.TB, c Config, change ...func(*Options)) *world {
	store := state.New()
	w := &world{t: t, store: store, log: &fakeLog{store: store}, elsewhere: elsewhere{}}
	w.ops = ops.New(ops.Config{Store: store, Log: w.log, ACL: &w.rules, Datacenter: "dc1", Elsewhere: w.elsewhere})
	o := Options{Source: FromOps(w.ops, soleDatacenter{}, "s1", 1<<20), Now: func() time.Time { return time.Unix(1_700_000_000, 0) }}
	for _, f := range change {
		f(&o)
	}
	w.Server = New(o, c)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// register takes a registration in the form of the HTTP API.
func (w *world) register(text string) {
	w.t.Helper()
	var r model.RegisterRequest
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	if err := w.ops.Register(context.Background(), "", &r); err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
}

// instances registers n instances of web on nodes of their own.
func (w *world) instances(n int) {
	w.t.Helper()
	for i := range n {
		w.register(fmt.Sprintf(`{"Node": "n%d", "Address": "10.0.%d.%d", "Service": {"Service": "web", "Port": %d}}`, i, i/256, i%256, 1000+i))
	}
}

// options of a question, in the order of arguments.
type how struct {
	tcp  bool
	edns int // size, 0 for none
	do   bool
}

func query(name string, qtype uint16, h how) []byte {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	if h.edns > 0 {
		m.SetEdns0(uint16(h.edns), h.do)
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// slow answers a packet on the general path and remembers it for the fast one.
func (w *world) slow(b []byte, tcp bool) []byte {
	worker := w.workers.Get().(*worker)
	defer w.workers.Put(worker)
	var q plain
	key := ""
	if worker.parse(b, &q) {
		key = string(q.key)
	}
	return w.general(context.Background(), worker, b, key, peer{tcp: tcp})
}

// fast answers a packet on the fast path; nil if that has no answer.
func (w *world) fast(b []byte, tcp bool) []byte {
	worker := w.workers.Get().(*worker)
	defer w.workers.Put(worker)
	var q plain
	if !worker.parse(b, &q) {
		return nil
	}
	return slices.Clone(w.reply(worker, b, &q, tcp))
}

// ask asks on the general path.
func (w *world) ask(name string, qtype uint16, h how) *dns.Msg {
	w.t.Helper()
	return w.unpack(w.slow(query(name, qtype, h), h.tcp))
}

func (w *world) unpack(b []byte) *dns.Msg {
	w.t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		w.t.Fatalf("malformed answer %x: %v", b, err)
	}
	return m
}

// render is a message as scripts have it: flags, then records in order.
func render(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString("=> " + dns.RcodeToString[m.Rcode])
	for _, f := range []struct {
		on   bool
		name string
	}{{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionDesired, "rd"}, {m.RecursionAvailable, "ra"}, {m.CheckingDisabled, "cd"}} {
		if f.on {
			b.WriteString(" " + f.name)
		}
	}
	b.WriteByte('\n')
	for _, section := range []struct {
		name string
		rrs  []dns.RR
	}{{"ANSWER", m.Answer}, {"AUTHORITY", m.Ns}, {"ADDITIONAL", m.Extra}} {
		var lines []string
		for _, rr := range section.rrs {
			lines = append(lines, "| "+section.name+" "+renderRR(rr)+"\n")
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, ""))
	}
	return b.String()
}

func renderRR(rr dns.RR) string {
	opt, ok := rr.(*dns.OPT)
	if !ok {
		return strings.Join(strings.Fields(rr.String()), " ")
	}
	text := fmt.Sprintf("OPT udp=%d", opt.UDPSize())
	if opt.Do() {
		text += " do"
	}
	for _, o := range opt.Option {
		text += " " + strings.TrimSpace(o.String())
	}
	return text
}

// fakeSource answers every question with the same facts, or an error.
type fakeSource struct {
	facts *Facts
	err   error
}

func (f *fakeSource) Ask(_ context.Context, _ *Question, render func(*Facts) *Answer) (Held, error) {
	if f.err != nil {
		return nil, f.err
	}
	return fakeHeld{render(f.facts)}, nil
}

type fakeHeld struct{ a *Answer }

func (h fakeHeld) Answer() *Answer { return h.a }
func (h fakeHeld) Current() bool   { return true }
func (h fakeHeld) Release()        {}
