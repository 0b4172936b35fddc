package local

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/durable"
	"muster/model"
)

// crash returns a copy of a directory as it is now, as if the machine had
// stopped: what is not on disk by now is lost.
func crash(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, rel)
		}
		return err
	}))
	return names
}

func onDisk(t *testing.T, dir string) Config {
	cfg := testConfig(t, newFakeCatalog())
	cfg.DataDir = dir
	return cfg
}

// restarted opens an agent on a directory, to be closed by the caller.
func restarted(t *testing.T, cfg Config, services []*model.ServiceDefinition, checks []*model.CheckDefinition) *Agent {
	t.Helper()
	a, err := New(cfg)
	must(t, err)
	must(t, a.Load(services, checks))
	return a
}

// fill registers something of everything.
func fill(t *testing.T, a *Agent) {
	t.Helper()
	def := web(1)
	def.Tags, def.Token, def.Meta = []string{"kept"}, "secret", map[string]string{"k": "v"}
	def.Connect = &model.ServiceConnect{SidecarService: &model.ServiceDefinition{}}
	must(t, a.AddService(def, SourceAPI, false))
	must(t, a.AddService(web(2), SourceAPI, false))
	must(t, a.AddCheck(&model.CheckDefinition{ID: "node", Name: "node", TTL: model.Duration(time.Hour), Status: "passing"}, SourceAPI))
	must(t, a.SetNodeMaintenance(true, "work", ""))
	must(t, a.SetServiceMaintenance("web2", true, "", ""))
	must(t, a.UpdateTTL("service:web1", "passing", "before"))
	must(t, a.RemoveCheck("service:web2"))
	must(t, a.AddService(web(3), SourceAPI, false))
	must(t, a.RemoveService("web3"))
	must(t, a.store.wait())
}

func checkFilled(t *testing.T, a *Agent, config ...string) {
	t.Helper()
	want := append([]string{"web1", "web1-sidecar-proxy", "web2"}, config...)
	if got := slices.Sorted(maps.Keys(a.Services())); !slices.Equal(got, want) {
		t.Errorf("services %q, want %q", got, want)
	}
	s := a.Service("web1")
	if s == nil || s.Port != 80 || s.Tags[0] != "kept" || s.Meta["k"] != "v" || a.services["web1"].token != "secret" || a.services["web1-sidecar-proxy"].sidecarOf != "web1" {
		t.Errorf("web1: %+v", s)
	}
	for id, want := range map[string]string{
		"service:web1":                 "passing before ",
		"node":                         "critical  ",
		"_node_maintenance":            "critical  work",
		"_service_maintenance:web2":    "critical  " + model.DefaultServiceReason,
		"service:web1-sidecar-proxy:1": "critical  ",
	} {
		hc := a.Check(id)
		if hc == nil {
			t.Errorf("check %s is gone", id)
		} else if got := hc.Status + " " + hc.Output + " " + hc.Notes; got != want {
			t.Errorf("check %s: %q, want %q", id, got, want)
		}
	}
	if a.Check("service:web2") != nil || a.Check("service:web3") != nil {
		t.Error("removed checks are back")
	}
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		fill(t, a)
		must(t, a.Close())
		for _, name := range filesIn(t, dir) {
			if !fileName.MatchString(name) {
				t.Errorf("left behind: %s", name)
			}
		}
		for range 2 {
			a = restarted(t, onDisk(t, dir), nil, nil)
			checkFilled(t, a)
			must(t, a.Close())
		}
	})
}

func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		fill(t, a)
		soon := crash(t, dir)
		time.Sleep(flushDelay + time.Second)
		synctest.Wait()
		later := crash(t, dir)
		if info, err := os.Stat(filepath.Join(later, journalName)); err != nil || info.Size() != 0 {
			t.Errorf("the journal was not begun anew: %v, %v", info, err)
		}
		must(t, a.AddService(web(2), SourceAPI, false)) // its check again
		must(t, a.RemoveCheck("service:web2"))
		again := crash(t, dir)
		must(t, a.Close())
		for _, dir := range []string{soon, later, again} {
			a := restarted(t, onDisk(t, dir), nil, nil)
			checkFilled(t, a)
			must(t, a.Close())
		}
	})
}

// TestCrashAnywhere cuts the journal off at every byte: what was registered
// before that is there.
func TestCrashAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cfg := onDisk(t, dir)
		cfg.Logger = nil
		a := restarted(t, cfg, nil, nil)
		var sizes []int
		for i := range 3 {
			must(t, a.AddService(&model.ServiceDefinition{ID: fmt.Sprint("s", i), Name: "s"}, SourceAPI, false))
			info, err := os.Stat(filepath.Join(dir, journalName))
			must(t, err)
			sizes = append(sizes, int(info.Size()))
		}
		whole, err := os.ReadFile(filepath.Join(dir, journalName))
		must(t, err)
		must(t, a.Close())
		for cut := 0; cut <= len(whole); cut += 7 {
			cfg.DataDir = t.TempDir()
			must(t, os.WriteFile(filepath.Join(cfg.DataDir, journalName), whole[:cut], 0o600))
			a := restarted(t, cfg, nil, nil)
			want := 0
			for want < len(sizes) && sizes[want] <= cut {
				want++
			}
			if got := len(a.Services()); got != want {
				t.Errorf("cut at %d of %v: %d services", cut, sizes, got)
			}
			must(t, a.Close())
		}
	})
}

func TestExpiredState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		must(t, a.AddCheck(&model.CheckDefinition{Name: "a", TTL: model.Duration(time.Minute)}, SourceAPI))
		must(t, a.UpdateTTL("a", "passing", ""))
		must(t, a.Close())
		time.Sleep(59 * time.Second)
		a = restarted(t, onDisk(t, dir), nil, nil)
		if s := a.Check("a").Status; s != "passing" {
			t.Errorf("state %s within its time", s)
		}
		time.Sleep(50 * time.Second) // all of the time is given again
		if s := a.Check("a").Status; s != "passing" {
			t.Errorf("state %s after the restart", s)
		}
		must(t, a.Close())
		time.Sleep(time.Minute)
		a = restarted(t, onDisk(t, dir), nil, nil)
		if s := a.Check("a").Status; s != "critical" {
			t.Errorf("state %s after its time", s)
		}
		must(t, a.Close())
		if got := filesIn(t, filepath.Join(dir, statesDir)); len(got) != 0 {
			t.Errorf("left: %q", got)
		}
	})
}

// TestClockJumps: a TTL check whose state was written by a clock that was an hour
// off lives no longer than its TTL after the restart, and with a clock that was
// behind it waits for its next heartbeat.
func TestClockJumps(t *testing.T) {
	for jump, want := range map[time.Duration]string{time.Hour: "critical", -time.Hour: "passing"} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			a := restarted(t, onDisk(t, dir), nil, nil)
			must(t, a.AddCheck(&model.CheckDefinition{Name: "a", TTL: model.Duration(time.Minute)}, SourceAPI))
			must(t, a.UpdateTTL("a", "passing", "well"))
			must(t, a.Close())
			// That the clock jumps forward is as if the record were older.
			file := filepath.Join(dir, stateFile("a"))
			b, err := os.ReadFile(file)
			must(t, err)
			var rec stateRecord
			must(t, json.Unmarshal(b, &rec))
			rec.Expires -= int64(jump / time.Second)
			b, err = json.Marshal(rec)
			must(t, err)
			must(t, os.WriteFile(file, b, 0o600))

			a = restarted(t, onDisk(t, dir), nil, nil)
			if s := a.Check("a").Status; s != want {
				t.Errorf("jump of %v: state %s after the restart", jump, s)
			}
			time.Sleep(61 * time.Second)
			if s := a.Check("a").Status; s != "critical" {
				t.Errorf("jump of %v: state %s a TTL after the restart", jump, s)
			}
			must(t, a.UpdateTTL("a", "passing", "well"))
			must(t, a.Close())
			a = restarted(t, onDisk(t, dir), nil, nil) // what was said since then counts
			defer a.Close()
			if s := a.Check("a").Status; s != "passing" {
				t.Errorf("jump of %v: state %s after another restart", jump, s)
			}
		})
	}
}

// TestClockSetBack: a heartbeat that changes nothing is written when the one before
// was written by a clock that was ahead.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		must(t, a.AddCheck(&model.CheckDefinition{Name: "a", TTL: model.Duration(time.Minute)}, SourceAPI))
		must(t, a.UpdateTTL("a", "passing", ""))
		a.mu.Lock()
		a.checks["a"].expires = time.Now().Add(time.Hour).Round(0) // as if now was an hour ago
		a.mu.Unlock()
		time.Sleep(40 * time.Second)
		must(t, a.UpdateTTL("a", "passing", ""))
		must(t, a.Close())
		time.Sleep(40 * time.Second)
		a = restarted(t, onDisk(t, dir), nil, nil)
		defer a.Close()
		if s := a.Check("a").Status; s != "passing" {
			t.Errorf("state %s", s)
		}
	})
}

// TestStateIsRefreshed: heartbeats that change nothing still count after a
// restart.
func TestStateIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		must(t, a.AddCheck(&model.CheckDefinition{Name: "a", TTL: model.Duration(time.Minute)}, SourceAPI))
		for range 100 {
			must(t, a.UpdateTTL("a", "passing", ""))
			time.Sleep(time.Second)
		}
		must(t, a.Close())
		time.Sleep(40 * time.Second)
		a = restarted(t, onDisk(t, dir), nil, nil)
		defer a.Close()
		if s := a.Check("a").Status; s != "passing" {
			t.Errorf("state %s", s)
		}
	})
}

func TestFilesOfConfigurationWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		must(t, a.AddService(web(1), SourceAPI, false))
		must(t, a.AddService(web(2), SourceAPI, false))
		must(t, a.AddCheck(&model.CheckDefinition{Name: "disk", TTL: model.Duration(time.Hour)}, SourceAPI))
		must(t, a.UpdateTTL("service:web1", "passing", "kept"))
		must(t, a.Close())
		def := web(1)
		def.Port = 99
		disk := &model.CheckDefinition{Name: "disk", Notes: "of the file", TTL: model.Duration(time.Hour)}
		a = restarted(t, onDisk(t, dir), []*model.ServiceDefinition{def}, []*model.CheckDefinition{disk})
		if a.Service("web1").Port != 99 || a.Check("disk").Notes != "of the file" || a.Service("web2") == nil {
			t.Error("the file does not win")
		}
		if hc := a.Check("service:web1"); hc.Status != "passing" || hc.Output != "kept" {
			t.Errorf("the state was not restored: %+v", hc)
		}
		must(t, a.Close())
		if got := filesIn(t, filepath.Join(dir, servicesDir)); len(got) != 1 {
			t.Errorf("services on disk: %q", got)
		}
		a = restarted(t, onDisk(t, dir), nil, nil)
		defer a.Close()
		if a.Service("web1") != nil || a.Check("disk") != nil || a.Service("web2") == nil {
			t.Error("what was in a file is still there without it")
		}
	})
}

// TestFilesOfTheOriginal reads what older releases of the original have
// written, by their names.
func TestFilesOfTheOriginal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write := func(folder, id, content string) {
			sum := md5.Sum([]byte(id))
			must(t, os.MkdirAll(filepath.Join(dir, folder), 0o700))
			must(t, os.WriteFile(filepath.Join(dir, folder, hex.EncodeToString(sum[:])), []byte(content), 0o600))
		}
		write(servicesDir, "web1", `{"Token":"tok","Service":{"ID":"web1","Service":"web","Tags":["a"],"Address":"","Meta":null,"Port":80,"Weights":null,"EnableTagOverride":false,"Proxy":{"MeshGateway":{},"Expose":{}},"Connect":{}},"Source":"remote"}`)
		write(checksDir, "service:web1", `{"Check":{"Node":"old","CheckID":"service:web1","Name":"Service 'web' check","Status":"passing","Notes":"n","Output":"","ServiceID":"web1","ServiceName":"web","ServiceTags":["a"],"Type":"ttl","Definition":{},"CreateIndex":0,"ModifyIndex":0},"ChkType":{"CheckID":"service:web1","Name":"","TTL":"1m0s","Interval":"0s","SuccessBeforePassing":0},"Token":"tok","Source":"remote"}`)
		write(statesDir, "service:web1", fmt.Sprintf(`{"CheckID":"service:web1","Output":"out","Status":"warning","Expires":%d}`, time.Now().Add(time.Minute).Unix()))
		for range 2 {
			a := restarted(t, onDisk(t, dir), nil, nil)
			s, hc := a.Service("web1"), a.Check("service:web1")
			if s == nil || hc == nil {
				t.Fatalf("service %v, check %v", s, hc)
			}
			if s.Port != 80 || s.Weights.Passing != 1 || a.services["web1"].token != "tok" {
				t.Errorf("service %+v", s)
			}
			if hc.Node != "n1" || hc.Status != "warning" || hc.Output != "out" || hc.Notes != "n" || hc.Name != "Service 'web' check" || hc.Type != "ttl" {
				t.Errorf("check %+v", hc)
			}
			must(t, a.Close())
			if got := filesIn(t, dir); len(got) != 3 || slices.ContainsFunc(got, func(s string) bool { return len(filepath.Base(s)) != 64 }) {
				t.Errorf("files %q", got)
			}
		}
	})
}

func TestUnreadableFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		must(t, a.AddService(web(1), SourceAPI, false))
		must(t, a.Close())
		for _, folder := range []string{servicesDir, checksDir, statesDir} {
			must(t, os.WriteFile(filepath.Join(dir, folder, hashed("broken")), []byte(`{"`), 0o600))
			must(t, os.WriteFile(filepath.Join(dir, folder, hashed("x")+durable.TempSuffix), []byte(`{"`), 0o600))
			must(t, os.WriteFile(filepath.Join(dir, folder, "README"), nil, 0o600))
		}
		orphan, _ := json.Marshal(checkRecord{Check: &model.HealthCheck{CheckID: "orphan", ServiceID: "gone"}, ChkType: ttl(time.Hour)})
		script, _ := json.Marshal(checkRecord{Check: &model.HealthCheck{CheckID: "script"}, ChkType: &model.CheckDefinition{Args: []string{"true"}, Interval: 1}})
		must(t, os.WriteFile(filepath.Join(dir, checkFile("orphan")), orphan, 0o600))
		must(t, os.WriteFile(filepath.Join(dir, checkFile("script")), script, 0o600))
		a = restarted(t, onDisk(t, dir), nil, nil)
		if len(a.Services()) != 1 || len(a.Checks()) != 1 {
			t.Errorf("services %v, checks %v", a.Services(), a.Checks())
		}
		must(t, a.Close())
		aside := 0
		for _, name := range filesIn(t, dir) {
			switch {
			case strings.HasSuffix(name, asideSuffix):
				aside++
			case strings.HasSuffix(name, durable.TempSuffix), name == checkFile("orphan"), name == checkFile("script"):
				t.Errorf("left: %s", name)
			}
		}
		if aside != 3 {
			t.Errorf("%d files put aside", aside)
		}
	})
}

// TestDiskFails takes the disk away and gives it back.
func TestDiskFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		must(t, a.AddService(web(1), SourceAPI, false))
		journal := a.store.journal.f
		broken, err := os.Open(filepath.Join(dir, journalName)) // can't be written to
		must(t, err)
		a.store.journal.f = broken
		for range 2 {
			if err := a.AddService(web(2), SourceAPI, false); err == nil || !strings.Contains(err.Error(), "write registrations to disk") {
				t.Errorf("got %v", err)
			}
		}
		if a.Service("web2") == nil {
			t.Error("not even registered in memory")
		}
		a.store.journal.f = journal
		must(t, a.AddService(web(3), SourceAPI, false))
		b := restarted(t, onDisk(t, crash(t, dir)), nil, nil)
		if got := slices.Sorted(maps.Keys(b.Services())); fmt.Sprint(got) != "[web1 web2 web3]" {
			t.Errorf("after all: %q", got)
		}
		must(t, b.Close())
		must(t, broken.Close())
		must(t, a.Close())
	})
}

// TestFlushFails has the folder of the files disappear for a while.
func TestFlushFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		must(t, a.AddService(web(1), SourceAPI, false))
		away := filepath.Join(dir, "away")
		must(t, os.Rename(filepath.Join(dir, servicesDir), away))
		time.Sleep(flushDelay + time.Second)
		must(t, a.AddService(web(2), SourceAPI, false))
		time.Sleep(flushDelay + time.Second)
		must(t, os.Rename(away, filepath.Join(dir, servicesDir)))
		b := restarted(t, onDisk(t, crash(t, dir)), nil, nil)
		if got := slices.Sorted(maps.Keys(b.Services())); fmt.Sprint(got) != "[web1 web2]" {
			t.Errorf("after a crash: %q", got)
		}
		must(t, b.Close())
		time.Sleep(2 * flushDelay)
		synctest.Wait()
		for _, id := range []string{"web1", "web2"} {
			if _, err := os.Stat(filepath.Join(dir, serviceFile(id))); err != nil {
				t.Errorf("not written in the end: %v", err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, oldJournalName)); err == nil {
			t.Error("the old journal is still there")
		}
		must(t, a.Close())
	})
}

func TestHeartbeatsDoNotFillTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := restarted(t, onDisk(t, dir), nil, nil)
		must(t, a.AddCheck(&model.CheckDefinition{Name: "a", TTL: model.Duration(time.Second)}, SourceAPI))
		for i := range 10000 {
			must(t, a.UpdateTTL("a", "passing", strings.Repeat("x", i%4000)))
		}
		synctest.Wait()
		time.Sleep(2 * flushDelay)
		synctest.Wait()
		info, err := os.Stat(filepath.Join(dir, journalName))
		must(t, err)
		if info.Size() > journalLimit {
			t.Errorf("the journal has %d bytes", info.Size())
		}
		must(t, a.Close())
	})
}

func FuzzJournal(f *testing.F) {
	whole := appendRecord(appendRecord(nil, serviceFile("a"), []byte("{}")), checkFile("b"), nil)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		good := readJournal(b, func(name string, content []byte) {
			if !fileName.MatchString(name) {
				t.Errorf("file %q", name)
			}
			again = appendRecord(again, name, content)
		})
		if string(again) != string(b[:good]) {
			t.Error("what was read is not what was written")
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"Token":"t","Service":{"ID":"web1","Service":"web"},"Source":"remote"}`))
	f.Add([]byte(`{"Check":{"CheckID":"c"},"ChkType":{"TTL":"1m"}}`))
	f.Add([]byte(`{"Check":{"CheckID":"_node_maintenance"}}`))
	f.Add([]byte(`{"CheckID":"c","Status":"passing","Expires":9999999999}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeService(b); err == nil && (r.ns.ID == "" || r.ns.Weights == nil) {
			t.Errorf("service %+v", r.ns)
		}
		if rec, err := decodeCheck(b); err == nil && (rec.Check.Status != "critical" || rec.Check.CheckID == "") {
			t.Errorf("check %+v", rec.Check)
		}
		if rec, err := decodeState(b, time.Now()); err == nil && rec != nil && !model.ValidStatus(rec.Status) {
			t.Errorf("state %+v", rec)
		}
	})
}
