package quorum

import (
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"muster/internal/meter"
)

// What the log on disk does is counted, each under a name of the table.
func TestWALMetrics(t *testing.T) {
	m, err := meter.Start(meter.Config{Prefix: "consul", DisableHostname: true, PrometheusRetention: time.Minute, Filter: meter.Filter{Default: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	st, err := openFiles(&Config{Dir: t.TempDir(), Logger: hclog.NewNullLogger(), Meter: m, SegmentSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.Logs.StoreLogs([]*raft.Log{{Index: 1, Term: 1, Data: make([]byte, 100)}, {Index: 2, Term: 1}}); err != nil {
		t.Fatal(err)
	}
	families, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetMetric()[0].GetCounter() != nil {
			got[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if got["consul_raft_wal_log_appends"] != 1 || got["consul_raft_wal_log_entries_written"] != 2 || got["consul_raft_wal_log_entry_bytes_written"] < 100 {
		t.Errorf("got %v", got)
	}
	listed := map[string]bool{}
	for _, row := range meter.Table() {
		listed[row.Name] = true
	}
	for name := range newWALMetrics(nil).counts {
		if !listed[walPrefix+name] {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// Without recent entries at hand followers are sent what is on disk.
func TestNoRecent(t *testing.T) {
	s := newLogStore(newMemoryLog(), func(raft.Configuration) {}, newStallWatch(time.Hour))
	s.none = true
	s.keepRecent()
	if s.recent != nil {
		t.Error("entries are kept at hand")
	}
	if err := s.StoreLog(&raft.Log{Index: 1}); err != nil {
		t.Fatal(err)
	}
	var log raft.Log
	if err := s.GetLog(1, &log); err != nil || log.Index != 1 {
		t.Errorf("%+v, %v", log, err)
	}
}
