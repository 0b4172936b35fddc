// Package host reads what the machine says about itself.
package host

import (
	"context"
	"errors"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

// Info is the answer of /v1/agent/host.
type Info struct {
	Memory         *mem.VirtualMemoryStat
	CPU            []cpu.InfoStat
	Host           *host.InfoStat
	Disk           *disk.UsageStat
	CollectionTime int64 // nanoseconds since 1970
	Errors         []string
}

// Read collects. What cannot be read is told in Errors; it fails only when
// nothing can.
func Read(ctx context.Context) (*Info, error) {
	i := &Info{CollectionTime: time.Now().UnixNano()}
	var errs [4]error
	i.Memory, errs[0] = mem.VirtualMemoryWithContext(ctx)
	i.CPU, errs[1] = cpu.InfoWithContext(ctx)
	i.Host, errs[2] = host.InfoWithContext(ctx)
	i.Disk, errs[3] = disk.UsageWithContext(ctx, "/")
	for _, err := range errs {
		if err != nil {
			i.Errors = append(i.Errors, err.Error())
		}
	}
	if len(i.Errors) == len(errs) {
		return nil, errors.Join(errs[:]...)
	}
	return i, nil
}
