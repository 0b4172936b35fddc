// Package debug is the command "debug": it gathers what there is to know
// about an agent over a while into one archive, for those who have to find
// out why something is slow or wrong.
package debug

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

const (
	minInterval = 5 * time.Second
	minDuration = 10 * time.Second
	// format is the version of the files in the archive, in index.json.
	format = 1
)

// targets are what can be captured.
func targets() []string { return []string{"agent", "host", "logs", "members", "metrics", "pprof"} }

// Debug is the command.
type Debug struct {
	archive            bool
	capture            []string
	duration, interval time.Duration
	output             string
}

// Doc describes the command.
func (d *Debug) Doc() command.Doc {
	return command.Doc{
		Usage:    "debug [options]",
		Synopsis: "Record an agent's state for debugging",
		Text: `
Records what an agent knows about itself, its host and the members of the
cluster and then, for a while, its log, its metrics and the profiles of what
it does, into an archive.

    $ muster debug -duration=5m -interval=1m -output=incident

Targets are agent, host, members, metrics, logs and pprof; without -capture
all of them are recorded. Profiles need the agent's option "enable_debug". The
archive holds addresses and names, but no tokens and no keys; read it before
you hand it on.`,
		Groups: command.HTTP,
	}
}

// Flags declares the flags.
func (d *Debug) Flags(f *flag.FlagSet) {
	f.BoolVar(&d.archive, "archive", true, "Make one compressed file of the recording; otherwise it stays a directory.")
	command.StringsVar(f, &d.capture, "capture", "A `target` to record. It may be given several times.")
	f.DurationVar(&d.duration, "duration", 2*time.Minute, "The `duration` of the recording.")
	f.DurationVar(&d.interval, "interval", 30*time.Second, "The `duration` between captures of metrics and profiles.")
	f.StringVar(&d.output, "output", "", "The `path` of the recording, without the extension .tar.gz.")
}

// Run records.
func (d *Debug) Run(c *command.Call) int {
	if d.output == "" {
		d.output = fmt.Sprintf("consul-debug-%d", time.Now().Unix())
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	self, err := client.Agent().Self()
	if err != nil {
		return c.Fail("Error querying target agent: %s. Verify connectivity and agent address.", err)
	}
	if err := d.prepare(c, self); err != nil {
		return c.Fail("Capture validation failed: %s", err)
	}
	version, _ := self["Config"]["Version"].(string)
	c.Println("==> Starting debugger and capturing static information...")
	row := func(name, value string) { c.Printf("%18s: '%s'", name, value) }
	row("Agent Version", version)
	row("Interval", d.interval.String())
	row("Duration", d.duration.String())
	row("Output", d.result())
	row("Capture", strings.Join(d.capture, ", "))
	if err := os.MkdirAll(d.output, 0o700); err != nil {
		return c.Fail("Error creating output directory: %s", err)
	}
	ctx, stop := c.Interrupted()
	defer stop()
	r := &recorder{c: c, client: client, dir: d.output, capture: d.capture}
	r.static(d.index(version), self)
	if r.wants("metrics") || r.wants("logs") || r.wants("pprof") {
		r.dynamic(ctx, d.interval, int(d.duration/d.interval))
	}
	if d.archive {
		if err := pack(d.output, d.result()); err != nil {
			return c.Fail("Archive creation failed: %s", err)
		}
		if err := os.RemoveAll(d.output); err != nil {
			return c.Fail("Error removing output directory: %s", err)
		}
	}
	c.Printf("    Saved debug archive: %s", d.result())
	if ctx.Err() != nil {
		return c.Fail("The recording was interrupted, and is not complete.")
	}
	return 0
}

// result is what is left in the end.
func (d *Debug) result() string {
	if d.archive {
		return d.output + ".tar.gz"
	}
	return d.output
}

// prepare checks the flags, and takes out what the agent does not offer.
func (d *Debug) prepare(c *command.Call, self map[string]map[string]any) error {
	switch {
	case d.duration < minDuration:
		return fmt.Errorf("duration must be longer than %s", minDuration)
	case d.interval < minInterval:
		return fmt.Errorf("interval must be longer than %s", minInterval)
	case d.duration < d.interval:
		return fmt.Errorf("duration (%s) must be longer than interval (%s)", d.duration, d.interval)
	}
	if len(d.capture) == 0 {
		d.capture = targets()
	}
	for i, target := range d.capture {
		if target == "cluster" { // as "members" was called once
			d.capture[i] = "members"
		} else if !slices.Contains(targets(), target) {
			return fmt.Errorf("unknown capture target %q, must be one of: %s", target, strings.Join(targets(), ", "))
		}
	}
	slices.Sort(d.capture)
	d.capture = slices.Compact(d.capture)
	if enabled, _ := self["DebugConfig"]["EnableDebug"].(bool); !enabled && slices.Contains(d.capture, "pprof") {
		c.Warn("[WARN] Unable to capture pprof. Set enable_debug to true on target agent to enable profiling.")
		d.capture = slices.DeleteFunc(d.capture, func(t string) bool { return t == "pprof" })
	}
	for _, path := range []string{d.output, d.result()} {
		if _, err := os.Stat(path); err == nil {
			return fmt.Errorf("output directory already exists: %s", path)
		}
	}
	return nil
}

// index is what index.json says about the recording.
type index struct {
	Version      int
	AgentVersion string
	Interval     string
	Duration     string
	Targets      []string
}

func (d *Debug) index(version string) index {
	return index{format, version, d.interval.String(), d.duration.String(), d.capture}
}

// recorder writes the files of a recording. What cannot be captured is told
// and left out; the rest may still help.
type recorder struct {
	c       *command.Call
	client  *api.Client
	dir     string
	capture []string
}

func (r *recorder) wants(target string) bool { return slices.Contains(r.capture, target) }

// static records what does not change, or not much.
func (r *recorder) static(about index, self map[string]map[string]any) {
	r.json("index.json", about)
	if r.wants("agent") {
		r.json("agent.json", self)
	}
	if r.wants("host") {
		host, err := r.client.Agent().Host()
		r.report("host", err)
		if err == nil {
			r.json("host.json", host)
		}
	}
	if r.wants("members") {
		members, err := r.client.Agent().MembersOpts(api.MembersOpts{Segment: api.AllSegments})
		r.report("members", err)
		if err == nil {
			r.json("members.json", members)
		}
	}
}

func (r *recorder) json(name string, v any) {
	data, err := json.MarshalIndent(v, "", "\t")
	if err == nil {
		err = os.WriteFile(filepath.Join(r.dir, name), append(data, '\n'), 0o600)
	}
	r.report(name, err)
}

func (r *recorder) report(what string, err error) {
	if err != nil {
		r.c.Warn("Error capturing %s: %s", what, err)
	}
}

// dynamic records what changes, once in every interval, in a directory for
// each.
func (r *recorder) dynamic(ctx context.Context, interval time.Duration, times int) {
	for n := 1; n <= times && ctx.Err() == nil; n++ {
		r.c.Printf("==> Capturing interval %d of %d...", n, times)
		dir := fmt.Sprint(n)
		if err := os.Mkdir(filepath.Join(r.dir, dir), 0o700); err != nil {
			r.report("interval", err)
			return
		}
		r.interval(ctx, dir, interval)
	}
}
