package meter

import (
	"cmp"
	"context"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

// hostTable is what telemetry.enable_host_metrics adds to Table.
func hostTable() []Metric {
	return []Metric{
		{"host.memory.total", Gauge, "Bytes of memory of the machine.", false},
		{"host.memory.available", Gauge, "Bytes of memory that programs could have.", false},
		{"host.memory.used", Gauge, "Bytes of memory in use.", false},
		{"host.memory.used_percent", Gauge, "Part of the memory in use, in percent.", false},
		{"host.cpu.total", Gauge, "Part of the time that a processor was busy, in percent, by processor.", true},
		{"host.cpu.user", Gauge, "Part of the time that it ran programs, in percent.", true},
		{"host.cpu.system", Gauge, "Part of the time that it ran the system, in percent.", true},
		{"host.cpu.idle", Gauge, "Part of the time that it did nothing, in percent.", true},
		{"host.cpu.iowait", Gauge, "Part of the time that it waited for disks, in percent.", true},
		{"host.disk.size", Gauge, "Bytes of the disk that holds the data directory, by path.", true},
		{"host.disk.used", Gauge, "Bytes of it in use.", true},
		{"host.disk.available", Gauge, "Bytes of it that are free.", true},
		{"host.disk.used_percent", Gauge, "Part of it in use, in percent.", true},
		{"host.disk.inodes_percent", Gauge, "Part of its inodes in use, in percent.", true},
		{"host.uptime", Gauge, "Seconds since the machine started.", false},
	}
}

// A machine tells about the machine. What it cannot read it leaves out.
type machine struct {
	path string // on the disk to look at
	last map[string]cpu.TimesStat
}

func newMachine(dataDir string) *machine {
	return &machine{path: cmp.Or(dataDir, "/"), last: map[string]cpu.TimesStat{}}
}

func (m *machine) emit(ctx context.Context, to *Meter) {
	if v, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		to.Set("host.memory.total", float64(v.Total))
		to.Set("host.memory.available", float64(v.Available))
		to.Set("host.memory.used", float64(v.Used))
		to.Set("host.memory.used_percent", v.UsedPercent)
	}
	if d, err := disk.UsageWithContext(ctx, m.path); err == nil {
		path := Label{Name: "path", Value: m.path}
		to.Set("host.disk.size", float64(d.Total), path)
		to.Set("host.disk.used", float64(d.Used), path)
		to.Set("host.disk.available", float64(d.Free), path)
		to.Set("host.disk.used_percent", d.UsedPercent, path)
		to.Set("host.disk.inodes_percent", d.InodesUsedPercent, path)
	}
	if up, err := host.UptimeWithContext(ctx); err == nil {
		to.Set("host.uptime", float64(up))
	}
	if times, err := cpu.TimesWithContext(ctx, true); err == nil {
		for _, t := range times {
			m.processor(t, to)
		}
	}
}

// processor tells what a processor did since the last call.
func (m *machine) processor(t cpu.TimesStat, to *Meter) {
	last, known := m.last[t.CPU]
	m.last[t.CPU] = t
	total := sum(t) - sum(last)
	if !known || total <= 0 {
		return
	}
	label := Label{Name: "cpu", Value: t.CPU}
	percent := func(now, before float64) float64 { return min(max((now-before)/total*100, 0), 100) }
	to.Set("host.cpu.user", percent(t.User, last.User), label)
	to.Set("host.cpu.system", percent(t.System, last.System), label)
	to.Set("host.cpu.idle", percent(t.Idle, last.Idle), label)
	to.Set("host.cpu.iowait", percent(t.Iowait, last.Iowait), label)
	to.Set("host.cpu.total", 100-percent(t.Idle+t.Iowait, last.Idle+last.Iowait), label)
}

// sum leaves out Guest, which is part of User.
func sum(t cpu.TimesStat) float64 {
	return t.User + t.System + t.Idle + t.Nice + t.Iowait + t.Irq + t.Softirq + t.Steal
}
