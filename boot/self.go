package boot

import (
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"time"

	"github.com/hashicorp/serf/coordinate"

	"muster/gossip"
	"muster/internal/version"
)

// self is the agent as its doors see it.
type self struct{ a *Agent }

// Datacenters are the known ones, by distance.
func (s self) Datacenters() []string { return s.a.datacenters() }

func (s self) Leave() error  { return s.a.LeaveByAPI() }
func (s self) Reload() error { return s.a.reload() }

// selfConfig is the part of the configuration that clients read.
type selfConfig struct {
	Datacenter        string
	PrimaryDatacenter string
	NodeName          string
	NodeID            string
	Revision          string // "", as recorded; /v1/agent/version tells it
	Server            bool
	Version           string
	BuildDate         string
}

// Self is what /v1/agent/self answers.
func (s self) Self() any {
	cfg, b := s.a.config(), version.ReadBuild()
	out := struct {
		Config      selfConfig
		DebugConfig map[string]any
		Coord       *coordinate.Coordinate
		Member      gossip.Member
		Stats       map[string]map[string]string
		Meta        map[string]string
		XDS         any `json:"xDS"`
	}{
		Config: selfConfig{Datacenter: cfg.Datacenter, PrimaryDatacenter: cfg.PrimaryDatacenter, NodeName: cfg.Node.Name,
			NodeID: s.a.id, Server: cfg.Server, Version: version.Full(), BuildDate: b.Date.Format(time.RFC3339)},
		DebugConfig: cfg.Debug(),
		Member:      s.a.lan.LocalMember(),
		Stats:       s.a.stats(),
		Meta:        s.a.local.Meta(),
	}
	if !cfg.DisableCoordinates {
		if c, err := s.a.lan.Coordinate(); err == nil {
			out.Coord = c
		}
	}
	return out
}

// stats are the figures of `info`, by room.
func (a *Agent) stats() map[string]map[string]string {
	own, b := a.local.Stats(), version.ReadBuild()
	out := map[string]map[string]string{
		"agent": {
			"check_monitors": strconv.Itoa(own.CheckMonitors), "check_ttls": strconv.Itoa(own.CheckTTLs),
			"checks": strconv.Itoa(own.Checks), "services": strconv.Itoa(own.Services),
		},
		"build": {"prerelease": "", "revision": b.Revision, "version": version.Full(), "version_metadata": ""},
		"consul": {
			"acl": "disabled", "known_servers": strconv.Itoa(a.knownServers()), "server": strconv.FormatBool(a.cfg.Server),
		},
		"runtime":  runtimeStats(),
		"serf_lan": a.lan.Stats(),
	}
	if a.quorum != nil {
		_, leaderAddr := a.quorum.Leader()
		out["consul"] = map[string]string{
			"acl": "disabled", "bootstrap": strconv.FormatBool(a.cfg.Bootstrap),
			"known_datacenters": strconv.Itoa(len(self{a}.Datacenters())), "leader": strconv.FormatBool(a.quorum.IsLeader()),
			"leader_addr": leaderAddr, "server": "true",
		}
		out["raft"] = maps.Clone(a.quorum.Stats())
	}
	if a.wan != nil {
		out["serf_wan"] = a.wan.Stats()
	}
	return out
}

func (a *Agent) knownServers() int {
	servers, _ := a.serversOf(a.cfg.Datacenter)
	return len(servers)
}

func runtimeStats() map[string]string {
	return map[string]string{
		"arch": runtime.GOARCH, "cpu_count": strconv.Itoa(runtime.NumCPU()), "goroutines": strconv.Itoa(runtime.NumGoroutine()),
		"max_procs": strconv.Itoa(runtime.GOMAXPROCS(0)), "os": runtime.GOOS, "version": fmt.Sprint(runtime.Version()),
	}
}
