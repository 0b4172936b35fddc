package meter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"pgregory.net/rapid"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-metrics"
	dto "github.com/prometheus/client_model/go"
)

func start(t *testing.T, c Config) *Meter {
	t.Helper()
	if c.Prefix == "" {
		c.Prefix = "consul"
	}
	c.Filter.Default = true
	m, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func families(t *testing.T, m *Meter) map[string]*dto.MetricFamily {
	t.Helper()
	list, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*dto.MetricFamily{}
	for _, f := range list {
		out[f.GetName()] = f
	}
	return out
}

// Every metric of the table has its series from the start, of its kind and with
// its help, under the very name that it is emitted by later.
func TestPrometheusShowsAllFromTheStart(t *testing.T) {
	for _, host := range []string{"", "host-1"} {
		m := start(t, Config{PrometheusRetention: time.Minute, Hostname: host, HostMetrics: true})
		before := families(t, m)
		kinds := map[Kind]dto.MetricType{Gauge: dto.MetricType_GAUGE, Counter: dto.MetricType_COUNTER, Sample: dto.MetricType_SUMMARY}
		rows := append(Table(), hostTable()...)
		for _, row := range rows {
			name := strings.NewReplacer(".", "_", "-", "_").Replace(strings.Join(row.path(&Config{Prefix: "consul", Hostname: host}), "."))
			f := before[name]
			if f == nil || f.GetType() != kinds[row.Kind] || f.GetHelp() != row.Help || row.Help == "" {
				t.Errorf("%s: %v", name, f)
			}
			switch row.Kind {
			case Gauge:
				m.Set(row.Name, 1)
			case Counter:
				m.Count(row.Name)
			case Sample:
				metrics.AddSample(strings.Split(row.Name, "."), 1)
			}
		}
		after := families(t, m)
		for name := range after {
			if before[name] == nil && !strings.HasPrefix(name, "go_") {
				t.Errorf("%s was not there from the start", name)
			}
		}
	}
}

func TestTableHasNoNameTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range append(Table(), hostTable()...) {
		if seen[row.Name] {
			t.Errorf("%s is there twice", row.Name)
		}
		seen[row.Name] = true
	}
}

// What the code emits by name is in the table, and what the table lists is emitted.
func TestTableIsWhatTheCodeEmits(t *testing.T) {
	kinds := map[string]Kind{}
	for _, row := range append(Table(), hostTable()...) {
		kinds[row.Name] = row.Kind
	}
	names := `(Count|Add|Set|Timer|Tally|Family|WatchCount|Watch)\("([a-zA-Z_.-]+)"`
	call := regexp.MustCompile(`\b(?:to|m|[mM]eter)\.` + names)
	want := map[string]Kind{"Count": Counter, "Add": Counter, "Tally": Counter, "Family": Counter, "WatchCount": Counter, "Set": Gauge, "Watch": Gauge, "Timer": Sample}
	emitted := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			kind, ok := kinds[m[2]]
			if !ok || kind != want[m[1]] {
				t.Errorf("%s: %s(%q) is not in the table", path, m[1], m[2])
			}
			emitted[m[2]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range kinds {
		library := strings.HasPrefix(name, "raft.") || strings.HasPrefix(name, "serf.") || strings.HasPrefix(name, "memberlist.") || strings.HasPrefix(name, "runtime.")
		if !emitted[name] && !library {
			t.Errorf("%s is in the table, and nothing emits it", name)
		}
	}
}

func TestFilter(t *testing.T) {
	m := start(t, Config{Filter: Filter{Blocked: []string{"consul.kvs"}}})
	kvs := m.Timer("kvs.apply")
	names := func() string {
		m.Count("raft.apply")
		kvs.Since(time.Now())
		s, err := m.Summary()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if s := names(); strings.Contains(s, "consul.kvs.apply") || !strings.Contains(s, "consul.raft.apply") {
		t.Errorf("filtered: %s", s)
	}
	m.SetFilter(Filter{})
	if s := names(); !strings.Contains(s, "consul.kvs.apply") {
		t.Errorf("not filtered any more: %s", s)
	}
}

// A gauge without a value is NaN for Prometheus, and not there for the others.
func TestNoValue(t *testing.T) {
	m := start(t, Config{PrometheusRetention: time.Hour})
	var value atomic.Value // the meter looks whenever it likes
	value.Store(math.NaN())
	m.Watch("autopilot.healthy", func() float64 { return value.Load().(float64) })
	look := func() (text string, gauge float64) {
		s, err := m.Summary()
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		families, err := m.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "consul_autopilot_healthy" {
				return string(b), f.Metric[0].GetGauge().GetValue()
			}
		}
		t.Fatal("no series")
		return
	}
	if text, gauge := look(); strings.Contains(text, "autopilot") || !math.IsNaN(gauge) {
		t.Errorf("%v in %s", gauge, text)
	}
	value.Store(1.0)
	if text, gauge := look(); !strings.Contains(text, "consul.autopilot.healthy") || gauge != 1 {
		t.Errorf("%v in %s", gauge, text)
	}
}

// receive reads datagrams until one holds all of want.
func receive(t *testing.T, c net.PacketConn, want ...string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf, all := make([]byte, 1<<16), ""
	for {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			t.Fatalf("no %q in %q: %v", want, all, err)
		}
		all += string(buf[:n]) + "\n"
		missing := false
		for _, w := range want {
			missing = missing || !strings.Contains(all, w+"\n")
		}
		if !missing {
			return
		}
	}
}

func udp(t *testing.T) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestStatsd(t *testing.T) {
	c := udp(t)
	m := start(t, Config{StatsdAddr: c.LocalAddr().String(), DisableHostname: true})
	m.Count("raft.apply")
	m.Set("state.nodes", 3)
	receive(t, c, "consul.raft.apply:1.000000|c", "consul.state.nodes:3.000000|g")
}

func TestStatsite(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := start(t, Config{StatsiteAddr: l.Addr().String(), DisableHostname: true})
	m.Count("raft.apply")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if lines.Text() == "consul.raft.apply:1.000000|c" {
			return
		}
	}
	t.Error("the counter did not come")
}

func TestDogstatsd(t *testing.T) {
	c := udp(t)
	m := start(t, Config{DogstatsdAddr: c.LocalAddr().String(), DogstatsdTags: []string{"env:test", "a|b"}, Hostname: "host-1"})
	m.Count("raft.apply")
	m.Set("state.nodes", 3, Label{Name: "dc", Value: "x,y z"})
	metrics.AddSample([]string{"kvs", "apply:x"}, 1.5)
	receive(t, c, "consul.raft.apply:1|c|#env:test,a_b", "consul.state.nodes:3|g|#env:test,a_b,dc:x_y_z", "consul.kvs.apply_x:1.5|ms|#env:test,a_b")
}

func TestDogstatsdSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dog")
	c, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := start(t, Config{DogstatsdAddr: "unix://" + path})
	for range 100 { // more than one datagram
		m.Count("raft.apply")
	}
	buf, n := make([]byte, 1<<16), 0
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for n < 100 {
		size, _, err := c.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		if size > dogDatagram {
			t.Fatalf("a datagram of %d bytes", size)
		}
		n += bytes.Count(buf[:size], []byte("consul.raft.apply:1|c"))
	}
}

// An address that cannot be used ends the start, or is tried again later.
func TestFailedConnection(t *testing.T) {
	path := "unix://" + filepath.Join(t.TempDir(), "absent")
	for _, c := range []Config{{DogstatsdAddr: path}, {StatsdAddr: "127.0.0.1"}, {StatsiteAddr: "127.0.0.1:port"}} {
		if m, err := Start(c); err == nil || !strings.HasPrefix(err.Error(), "telemetry.") {
			t.Errorf("%+v: %v, %v", c, m, err)
		}
	}
	m := start(t, Config{DogstatsdAddr: path, RetryFailed: true})
	m.Count("raft.apply") // lost
	c, err := net.ListenPacket("unixgram", strings.TrimPrefix(path, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := m.late[0].try(); err != nil { // as watch does
		t.Fatal(err)
	}
	m.Count("raft.barrier")
	receive(t, c, "consul.raft.barrier:1|c")
}

func TestHostMetrics(t *testing.T) {
	m := start(t, Config{HostMetrics: true, DisableHostname: true, PrometheusRetention: time.Minute, DataDir: t.TempDir()})
	newMachine("/").emit(t.Context(), m)
	for _, name := range []string{"consul_host_memory_total", "consul_host_uptime"} {
		if f := families(t, m)[name]; f.GetMetric()[0].GetGauge().GetValue() <= 0 {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func TestSummaryAndStream(t *testing.T) {
	m := start(t, Config{DisableHostname: true})
	m.Add("raft.apply", 2)
	s, err := m.Summary()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range s.Counters {
		found = found || c.Name == "consul.raft.apply" && c.Sum == 2
	}
	if !found {
		t.Errorf("summary %+v", s.Counters)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	m.Stream(ctx, &out, func() {})
	if e := (lineEncoder{m, json.NewEncoder(&out), func() { out.WriteString("flushed") }}); e.Encode(s) != nil || !strings.HasSuffix(out.String(), "}\nflushed") {
		t.Errorf("stream %q", out.String())
	}
}

func BenchmarkTimer(b *testing.B) {
	m, err := Start(Config{Prefix: "consul", PrometheusRetention: time.Minute, DisableHostname: true, Filter: Filter{Default: true}})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	timer := m.Timer("api.http", Label{Name: "method", Value: "GET"}, Label{Name: "path", Value: "v1.kv._"})
	b.ReportAllocs()
	for b.Loop() {
		timer.Since(time.Now())
	}
}

// A timer gathers what happened in each interval, and since the start.
func TestTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, Config{DisableHostname: true, PrometheusRetention: time.Minute})
		get := m.Timer("api.http", Label{Name: "method", Value: "GET"})
		plain := m.Timer("kvs.apply")
		var none *Timer
		none.Since(time.Now())
		begin := time.Now()
		for i := range 100 {
			get.observe(begin, float64(i+1)) // ms
		}
		plain.observe(begin, 7)
		time.Sleep(interval)
		s, err := m.Summary()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range s.Samples {
			if strings.HasPrefix(v.Name, "consul.runtime") {
				continue
			}
			got = append(got, fmt.Sprintf("%s %v %d %v %v %v %v %v %.3f", v.Name, v.DisplayLabels, v.Count, v.Sum, v.Rate, v.Min, v.Max, v.Mean, v.Stddev))
		}
		want := []string{"consul.api.http map[method:GET] 100 5050 505 1 100 50.5 29.011", "consul.kvs.apply map[] 1 7 0.7 7 7 7 0.000"}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		api := families(t, m)["consul_api_http"].GetMetric()
		if len(api) != 2 || api[0].GetSummary().GetSampleCount() != 0 || api[1].GetSummary().GetSampleCount() != 100 || api[1].GetSummary().GetSampleSum() != 5050 {
			t.Fatalf("Prometheus: %v", api)
		}
		for i, want := range []float64{50, 90, 99} {
			if v := api[1].GetSummary().GetQuantile()[i].GetValue(); math.Abs(v-want) > want*0.07 {
				t.Errorf("quantile %d is %v, want about %v", i, v, want)
			}
		}
		time.Sleep(2 * interval)
		get.observe(time.Now(), 3)
		api = families(t, m)["consul_api_http"].GetMetric()
		if s := api[1].GetSummary(); s.GetSampleCount() != 101 || s.GetQuantile()[2].GetValue() > 4 {
			t.Errorf("later: %v", s)
		}
	})
}

// Samples of libraries are gathered as our own are, with and without labels; those
// that nobody knows are not lost.
func TestSamplesOfLibraries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, Config{DisableHostname: true, PrometheusRetention: time.Minute})
		heartbeat := []string{"raft", "replication", "heartbeat"}
		beat := func(peer string, v float32) {
			metrics.AddSampleWithLabels(heartbeat, v, []Label{{Name: "peer_id", Value: peer}})
		}
		beat("a", 1)
		beat("a", 3)
		beat("b", 5)
		metrics.AddSample([]string{"raft", "commitTime"}, 7)
		metrics.AddSample([]string{"nobody", "knows"}, 9)
		time.Sleep(interval)
		s, err := m.Summary()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range s.Samples {
			if !strings.HasPrefix(v.Name, "consul.runtime") {
				got = append(got, fmt.Sprintf("%s %v %d %v", v.Name, v.DisplayLabels, v.Count, v.Sum))
			}
		}
		slices.Sort(got)
		want := []string{"consul.nobody.knows map[] 1 9", "consul.raft.commitTime map[] 1 7",
			"consul.raft.replication.heartbeat map[peer_id:a] 2 4", "consul.raft.replication.heartbeat map[peer_id:b] 1 5"}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		peers := func() (list []string) {
			for _, series := range families(t, m)["consul_raft_replication_heartbeat"].GetMetric() {
				for _, l := range series.GetLabel() {
					list = append(list, fmt.Sprintf("%s %d", l.GetValue(), series.GetSummary().GetSampleCount()))
				}
			}
			return list
		}
		if got := peers(); !slices.Equal(got, []string{"a 2", "b 1"}) {
			t.Errorf("Prometheus: %q", got)
		}
		time.Sleep(time.Minute)
		beat("b", 1) // a is no peer any more
		if got := peers(); !slices.Equal(got, []string{"b 2"}) {
			t.Errorf("Prometheus later: %q", got)
		}
		if got := families(t, m)["consul_raft_commitTime"].GetMetric()[0].GetSummary().GetSampleCount(); got != 1 {
			t.Errorf("%d values of what has no labels", got)
		}
	})
}

func BenchmarkSampleOfLibrary(b *testing.B) {
	m, err := Start(Config{Prefix: "consul", DisableHostname: true, Filter: Filter{Default: true}})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	b.ReportAllocs()
	for b.Loop() {
		metrics.AddSampleWithLabels([]string{"raft", "net", "rpcDecode"}, 1, []Label{{Name: "rpcType", Value: "AppendEntries"}})
	}
}

func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64Range(0.001, 1e8).Draw(t, "v")
		if got := middle(bucket(v)); math.Abs(got-v) > v*0.063 {
			t.Errorf("%v stands for %v", got, v)
		}
	})
	for _, v := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e300} {
		if b := bucket(v); b < 0 || b >= bucketCount {
			t.Errorf("%v is in bucket %d", v, b)
		}
	}
}

func TestTallyAndFamily(t *testing.T) {
	m := start(t, Config{DisableHostname: true, PrometheusRetention: time.Minute})
	tally, family := m.Tally("rpc.query"), m.Family("catalog.service.query", "service")
	for range 3 {
		tally.Inc()
		family.Inc("web")
	}
	family.Inc("db")
	for range 2 { // asking twice counts nothing twice
		all := families(t, m)
		if v := all["consul_rpc_query"].GetMetric()[0].GetCounter().GetValue(); v != 3 {
			t.Errorf("tally %v", v)
		}
		if got := all["consul_catalog_service_query"].GetMetric(); len(got) != 3 || got[2].GetCounter().GetValue() != 3 {
			t.Errorf("family %v", got)
		}
	}
	for i := range maxLabels + 5 {
		family.Inc(strconv.Itoa(i))
	}
	if n := family.size.Load(); n != maxLabels {
		t.Errorf("%d series", n)
	}
	(*Family)(nil).Inc("x")
	(*Tally)(nil).Inc()
	(*Meter)(nil).Count("x")
	(*Meter)(nil).Set("x", 1)
}
