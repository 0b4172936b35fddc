package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/model"
)

// A recorder keeps results with the time since it was made.
type recorder struct {
	mu      sync.Mutex
	begin   time.Time
	results []Result
	at      []time.Duration
}

func newRecorder() *recorder { return &recorder{begin: time.Now()} }

func (r *recorder) report(res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, res)
	r.at = append(r.at, time.Since(r.begin))
}

// take returns what came since the last call.
func (r *recorder) take() ([]Result, []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res, at := r.results, r.at
	r.results, r.at = nil, nil
	return res, at
}

// A fakeProber takes a time for each run.
type fakeProber struct {
	took   time.Duration
	status func(n int) string
	output string
	runs   int
	closed bool
}

func (p *fakeProber) probe(ctx context.Context) (string, string) {
	p.runs++
	select {
	case <-time.After(p.took):
	case <-ctx.Done():
		return model.HealthCritical, ctx.Err().Error()
	}
	status := model.HealthPassing
	if p.status != nil {
		status = p.status(p.runs)
	}
	if p.output != "" {
		return status, p.output
	}
	return status, fmt.Sprint("run ", p.runs)
}

func (p *fakeProber) close() { p.closed = true }

// tick runs a prober in a ticker until the end of the test.
func tick(t *testing.T, def *model.CheckDefinition, p prober, rand float64) (*recorder, *Check) {
	r := newRecorder()
	runner, err := NewRunner(Options{Rand: func() float64 { return rand }})
	if err != nil {
		t.Fatal(err)
	}
	c := &Check{loop: newTicker(Spec{ID: "c", Def: def, Report: r.report}, p, runner).run}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.Start()
	t.Cleanup(c.Stop)
	return r, c
}

func TestTickerBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := &model.CheckDefinition{HTTP: "x", Interval: model.Duration(10 * time.Second)}
		r, _ := tick(t, def, &fakeProber{took: time.Second}, 0.25)
		time.Sleep(35 * time.Second)
		synctest.Wait()
		_, at := r.take()
		want := []time.Duration{3500 * time.Millisecond, 13500 * time.Millisecond, 23500 * time.Millisecond, 33500 * time.Millisecond}
		if !slices.Equal(at, want) {
			t.Errorf("results at %v, want %v", at, want)
		}
	})
}

func TestTickerLeavesOutMissedBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := &model.CheckDefinition{HTTP: "x", Interval: model.Duration(2 * time.Second)}
		r, _ := tick(t, def, &fakeProber{took: 5 * time.Second}, 0)
		time.Sleep(18 * time.Second)
		synctest.Wait()
		if _, at := r.take(); !slices.Equal(at, []time.Duration{5 * time.Second, 11 * time.Second, 17 * time.Second}) {
			t.Errorf("results at %v", at)
		}
	})
}

func TestTickerShortestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProber{}
		_, c := tick(t, &model.CheckDefinition{HTTP: "x", Interval: 1}, p, 0.5)
		time.Sleep(10 * time.Second)
		c.Stop()
		if p.runs != 10 {
			t.Errorf("%d runs in 10 s", p.runs)
		}
	})
}

func TestTickerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := &model.CheckDefinition{HTTP: "x", Interval: model.Duration(time.Minute)}
		r, _ := tick(t, def, &fakeProber{took: time.Hour}, 0)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		res, at := r.take()
		if len(res) != 1 || res[0].Output != "context deadline exceeded" || at[0] != 10*time.Second {
			t.Errorf("got %v at %v", res, at)
		}
	})
}

func TestStopEndsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProber{took: time.Hour}
		r, c := tick(t, &model.CheckDefinition{HTTP: "x", Interval: model.Duration(time.Second)}, p, 0)
		time.Sleep(time.Second)
		c.Stop()
		if res, _ := r.take(); len(res) != 0 || !p.closed {
			t.Errorf("after stop: %v, closed %v", res, p.closed)
		}
		c.Stop()
		c.Start()
		time.Sleep(time.Minute)
		if p.runs != 1 {
			t.Error("a stopped check ran again")
		}
	})
}

func TestOutputIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := &model.CheckDefinition{HTTP: "x", Interval: model.Duration(time.Second)}
		r, _ := tick(t, def, &fakeProber{output: strings.Repeat("x", 1<<20)}, 0)
		synctest.Wait()
		if res, _ := r.take(); len(res) != 1 || len(res[0].Output) > 10<<10 {
			t.Errorf("%d results", len(res))
		}
	})
}

func TestThresholds(t *testing.T) {
	const p, w, c = model.HealthPassing, model.HealthWarning, model.HealthCritical
	for _, tt := range []struct {
		name string
		def  model.CheckDefinition
		in   []string
		want []string // "" where nothing is reported
	}{
		{"none", model.CheckDefinition{}, []string{c, p, w, c}, []string{c, p, w, c}},
		{"success", model.CheckDefinition{SuccessBeforePassing: 3}, []string{p, p, c, p, p, p, p}, []string{"", "", c, "", "", p, p}},
		{"a warning is a success", model.CheckDefinition{SuccessBeforePassing: 2}, []string{w, w, p, c, w, p}, []string{"", w, p, c, "", p}},
		{"critical", model.CheckDefinition{FailuresBeforeCritical: 3}, []string{p, c, c, p, c, c, c, c}, []string{p, "", "", p, "", "", c, c}},
		{"warning first", model.CheckDefinition{FailuresBeforeWarning: 1, FailuresBeforeCritical: 3}, []string{p, c, c, c}, []string{p, w, w, c}},
	} {
		th := newThreshold(&tt.def)
		for i, in := range tt.in {
			got, ok := th.take(in)
			if !ok {
				got = ""
			}
			if got != tt.want[i] {
				t.Errorf("%s: result %d (%s) gave %q, want %q", tt.name, i, in, got, tt.want[i])
			}
		}
	}
}

func TestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		c := makeCheck(t, Options{}, &model.CheckDefinition{TTL: model.Duration(10 * time.Second)}, r)
		c.Start()
		defer c.Stop()
		time.Sleep(9 * time.Second)
		c.Renew("all well")
		time.Sleep(9 * time.Second)
		c.Renew("")
		c.Renew("still well")
		synctest.Wait()
		if res, _ := r.take(); len(res) != 0 {
			t.Fatalf("expired although it was heard of: %v", res)
		}
		time.Sleep(time.Minute)
		res, at := r.take()
		want := Result{"c", model.HealthCritical, "TTL expired (last output before timeout follows): still well"}
		if len(res) != 1 || res[0] != want || at[0] != 28*time.Second {
			t.Fatalf("got %v at %v", res, at)
		}
		c.Renew("")
		time.Sleep(time.Minute)
		res, at = r.take()
		if len(res) != 1 || res[0].Output != "TTL expired" || at[0] != 88*time.Second {
			t.Fatalf("got %v at %v", res, at)
		}
	})
}

func TestMirrored(t *testing.T) {
	hc := func(name, service, status string) *model.HealthCheck {
		return &model.HealthCheck{Name: name, ServiceID: service, Status: status, Output: "out of " + name}
	}
	for _, tt := range []struct {
		service string
		h       Health
		want    string
	}{
		{"web", Health{}, "critical Service web could not be found on node n"},
		{"web", Health{Found: true}, "passing No checks found."},
		{"web", Health{Found: true, Checks: []*model.HealthCheck{hc("db", "db", "critical")}}, "passing No checks found."},
		{"web", Health{Found: true, Checks: []*model.HealthCheck{hc("a", "web", "passing"), hc("n", "", "passing")}}, "passing All checks passing."},
		{"web", Health{Found: true, Checks: []*model.HealthCheck{hc("a", "web", "warning"), hc("b", "web", "critical"), hc("c", "web", "critical")}},
			`critical Aliased check "b" failing: out of b`},
		{"web", Health{Found: true, Checks: []*model.HealthCheck{hc("a", "web", "passing"), hc("n", "", "warning")}}, `warning Aliased check "n" failing: out of n`},
		{"", Health{Found: true, Checks: []*model.HealthCheck{hc("a", "web", "critical"), hc("n", "", "passing")}}, "passing All checks passing."},
	} {
		status, output := Mirrored("n", tt.service, tt.h)
		if got := status + " " + output; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// A fakeMirror answers with what it is told, once each, and then waits.
type fakeMirror struct {
	answers []func() (Health, error)
	indexes []uint64
}

func (m *fakeMirror) HealthOf(ctx context.Context, node, service string, index uint64) (Health, error) {
	m.indexes = append(m.indexes, index)
	if len(m.answers) == 0 {
		<-ctx.Done()
		return Health{}, ctx.Err()
	}
	f := m.answers[0]
	m.answers = m.answers[1:]
	return f()
}

func TestAliasFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passing := Health{Index: 7, Found: true}
		m := &fakeMirror{answers: []func() (Health, error){
			func() (Health, error) { return passing, nil },
			func() (Health, error) { time.Sleep(time.Minute); return passing, nil },
			func() (Health, error) { return Health{}, errors.New("no leader") },
			func() (Health, error) { return Health{}, errors.New("no leader") },
			func() (Health, error) { return Health{Index: 9}, nil },
		}}
		r := newRecorder()
		c := makeCheck(t, Options{Mirror: m}, &model.CheckDefinition{AliasNode: "n2", AliasService: "web"}, r)
		c.Start()
		time.Sleep(2 * time.Minute)
		c.Stop()
		res, at := r.take()
		want := []Result{
			{"c", "passing", "No checks found."},
			{"c", "critical", "Failure checking aliased node or service: no leader"},
			{"c", "critical", "Service web could not be found on node n2"},
		}
		if !slices.Equal(res, want) || !slices.Equal(at, []time.Duration{0, time.Minute, time.Minute + 3*time.Second}) {
			t.Errorf("got %v at %v", res, at)
		}
		if !slices.Equal(m.indexes, []uint64{0, 7, 7, 0, 0, 9}) {
			t.Errorf("asked with indexes %v", m.indexes)
		}
	})
}

func TestRefusedDefinitions(t *testing.T) {
	for _, def := range []*model.CheckDefinition{
		{},
		{HTTP: "http://[broken", Interval: 1},
		{HTTP: "http://x", Method: "NO SPACES", Interval: 1},
		{AliasService: "web"},
		{DockerContainerID: "c", Interval: 1},
	} {
		r, err := NewRunner(Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.New(Spec{ID: "c", Def: def}); err == nil {
			t.Errorf("%+v was accepted", def)
		}
	}
	if _, err := NewRunner(Options{DockerHost: "ftp://x"}); err == nil {
		t.Error("a docker host of no use was accepted")
	}
}

// makeCheck makes a check that is run by the test.
func makeCheck(t *testing.T, opt Options, def *model.CheckDefinition, r *recorder) *Check {
	t.Helper()
	runner, err := NewRunner(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(runner.Close)
	c, err := runner.New(Spec{ID: "c", Def: def, Report: r.report})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// makeProbe makes what a check runs, to be run once or more by the test.
func makeProbe(t *testing.T, opt Options, def *model.CheckDefinition) func() (status, output string) {
	t.Helper()
	runner, err := NewRunner(opt)
	if err != nil {
		t.Fatal(err)
	}
	p, err := runner.prober(&Spec{ID: "c", Def: def, OutputMaxSize: max(def.OutputMaxSize, 64)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.close()
		runner.Close()
	})
	timeout := time.Duration(def.Timeout)
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	return func() (string, string) {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		return p.probe(ctx)
	}
}
