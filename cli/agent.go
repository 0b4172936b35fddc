package cli

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"

	"muster/boot"
	"muster/cli/command"
	"muster/config"
	"muster/internal/heap"
	"muster/internal/log"
	"muster/internal/log/sink"
	"muster/internal/version"
)

// leaveTimeout is how long an agent may take to leave before it is stopped.
const leaveTimeout = 15 * time.Second

// slowStart is how long the log waits for the banner: a start that takes longer,
// since the agent waits for a certificate, has to say why.
const slowStart = 2 * time.Second

// heapGrowth is how many bytes an agent's heap may grow by between two
// collections, however little it keeps.
const heapGrowth = 24 << 20

// agent runs an agent in this process until a signal ends it.
type agent struct {
	flags *config.Flags
}

// Doc describes the command.
func (a *agent) Doc() command.Doc {
	return command.Doc{
		Usage:    "agent [options]",
		Synopsis: "Run an agent",
		Text: `
Runs an agent until it is told to stop: a server with -server, else a client.
With -dev it is a server of its own that keeps everything in memory.

    $ muster agent -dev
    $ muster agent -server -bootstrap-expect=1 -data-dir=/var/lib/muster
    $ muster agent -data-dir=/var/lib/muster -retry-join=10.0.0.1`,
	}
}

// Flags declares the options of the configuration.
func (a *agent) Flags(f *flag.FlagSet) { a.flags = config.AddFlags(f) }

// Run starts the agent and waits for what ends it.
func (a *agent) Run(c *command.Call) int {
	load := func() (*config.Config, []string, error) {
		return config.Load(config.LoadOptions{Flags: a.flags, Host: config.SystemHost()})
	}
	cfg, warnings, err := load()
	if err != nil {
		return c.Fail("%s", err)
	}
	heap.GrowAtLeast(heapGrowth)
	signals, stop := c.Notify(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	logs, err := log.New(log.Config{
		Level: cfg.Log.Level, JSON: cfg.Log.JSON, Terminal: c.Stdout,
		File: sink.FileConfig{Path: cfg.Log.File, Bytes: cfg.Log.RotateBytes,
			Every: cfg.Log.RotateDuration, Keep: cfg.Log.RotateMaxFiles},
		Syslog: syslogOf(cfg),
	})
	if err != nil {
		return c.Fail("%s", err)
	}
	defer logs.Close()
	c.Printf("==> Starting muster agent...")
	logger := logs.Named("agent")
	for _, w := range warnings {
		logger.Warn(w)
	}
	slow := time.AfterFunc(slowStart, logs.Release)
	running, err := start(cfg, logs, load, signals)
	slow.Stop()
	if err != nil {
		logs.Release()
		logger.Error("Error starting agent", "error", err)
		return c.Fail("Error starting agent: %s", err)
	}
	defer running.Close()
	banner(c, cfg, running.NodeID())
	logs.Release()
	c.Printf("==> muster agent running!")
	return a.serve(c, cfg, running, signals, logger)
}

// serve waits for what ends the agent, and reloads it when told to.
func (a *agent) serve(c *command.Call, cfg *config.Config, running *boot.Agent, signals <-chan os.Signal, logger hclog.Logger) int {
	manager := newSupervisor(logger)
	defer manager.stop()
	joined := running.Joined()
	for {
		select {
		case <-joined:
			manager.tell(daemon.SdNotifyReady)
			joined = nil
		case <-manager.watchdog:
			manager.tell(daemon.SdNotifyWatchdog)
		case <-running.Left():
			manager.tell(daemon.SdNotifyStopping)
			if running.Failed() {
				return command.ExitError
			}
			return 0
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				manager.tell(daemon.SdNotifyReloading)
				if err := running.Reload(); err != nil {
					logger.Error("Could not reload the configuration; the one before stays in force", "error", err)
				}
				if joined == nil { // else this comes when it has joined
					manager.tell(daemon.SdNotifyReady)
				}
				continue
			case syscall.SIGPIPE:
				continue
			}
			logger.Info("Caught", "signal", s)
			manager.tell(daemon.SdNotifyStopping)
			graceful := (s == os.Interrupt && !cfg.Leave.SkipOnInterrupt) || (s == syscall.SIGTERM && cfg.Leave.OnTerminate)
			if !graceful {
				return command.ExitError
			}
			return leaveBy(running, signals, c)
		}
	}
}

// start starts the agent, which may have to wait for others. A signal to end
// then ends the start.
func start(cfg *config.Config, logs *log.Log, load boot.Loader, signals <-chan os.Signal) (*boot.Agent, error) {
	type result struct {
		agent *boot.Agent
		err   error
	}
	interrupt, done := make(chan struct{}), make(chan result, 1)
	go func() {
		a, err := boot.StartIn(boot.World{Interrupt: interrupt}, cfg, logs, load)
		done <- result{a, err}
	}()
	for ending := false; ; {
		select {
		case r := <-done:
			if r.err == nil && ending {
				r.agent.Close()
				r.err = errors.New("interrupted")
			}
			return r.agent, r.err
		case s := <-signals:
			if s != syscall.SIGHUP && s != syscall.SIGPIPE && !ending {
				ending = true
				close(interrupt)
			}
		}
	}
}

// leaveBy leaves the cluster, unless it takes too long or a second signal
// says that it is enough.
func leaveBy(running *boot.Agent, signals <-chan os.Signal, c *command.Call) int {
	c.Printf("Gracefully shutting down agent...")
	done := make(chan error, 1)
	go func() { done <- running.Leave() }()
	select {
	case err := <-done:
		if err != nil {
			return c.Fail("Error on leave: %s", err)
		}
		return 0
	case <-signals:
		return command.ExitError
	case <-time.After(leaveTimeout):
		return c.Fail("Error on leave: it took longer than %s", leaveTimeout)
	}
}

func syslogOf(cfg *config.Config) sink.SyslogConfig {
	if !cfg.Log.Syslog {
		return sink.SyslogConfig{}
	}
	// The name of the program, as rules of system loggers have it: "consul" for
	// whoever has put muster in its place.
	return sink.SyslogConfig{Facility: cfg.Log.SyslogFacility, Tag: filepath.Base(os.Args[0])}
}

// banner tells what was started, in the layout that operators know.
func banner(c *command.Call, cfg *config.Config, id string) {
	segment := ""
	if cfg.Server {
		segment = "<all>"
	}
	lan, wan := cfg.Gossip.LAN, cfg.Gossip.WAN
	tls := cfg.TLS.InternalRPC
	for _, row := range [][2]string{
		{"Version", fmt.Sprintf("'%s'", version.Full())},
		{"Node ID", fmt.Sprintf("'%s'", id)},
		{"Node name", fmt.Sprintf("'%s'", cfg.Node.Name)},
		{"Datacenter", fmt.Sprintf("'%s' (Segment: '%s')", cfg.Datacenter, segment)},
		{"Server", fmt.Sprintf("%t (Bootstrap: %t)", cfg.Server, cfg.Bootstrap)},
		{"Client Addr", fmt.Sprintf("%v (HTTP: %d, HTTPS: %d, gRPC: %d, DNS: %d)", hosts(cfg), cfg.HTTP.Port, cfg.HTTP.TLSPort, cfg.GRPC.Port, cfg.DNS.Port)},
		{"Cluster Addr", fmt.Sprintf("%s (LAN: %d, WAN: %d)", lan.Advertise.Addr(), lan.Advertise.Port(), wan.Advertise.Port())},
		{"Encrypt", fmt.Sprintf("Gossip: %t, TLS-Outgoing: %t, TLS-Incoming: %t, Auto-Encrypt-TLS: %t", len(cfg.Gossip.Key) > 0, tls.VerifyOutgoing, tls.VerifyIncoming,
			cfg.TLS.AutoEncrypt || cfg.TLS.AllowAutoEncrypt)},
	} {
		c.Printf("%18s: %s", row[0], row[1])
	}
	c.Printf("\n==> Log data will now stream in as it occurs:\n")
}

// hosts are the addresses that clients are served on.
func hosts(cfg *config.Config) []string {
	var out []string
	seen := map[string]bool{}
	for _, e := range cfg.HTTP.Addrs {
		host := e.Addr
		if h, _, err := net.SplitHostPort(e.Addr); err == nil && e.Net != "unix" {
			host = h
		}
		if !seen[host] {
			seen[host] = true
			out = append(out, host)
		}
	}
	return out
}
