// Package log makes the logger of an agent: lines as operators know them,
// to the terminal, to a file and to syslog, and to whoever watches over
// /v1/agent/monitor. What libraries write through the standard log package
// ends in the same places (see Log.Standard).
package log

import (
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/log/sink"
)

// Config says where lines go. The zero value logs INFO as text to nowhere.
type Config struct {
	// Name stands before every message; Named loggers append to it.
	Name string
	// Level is one of TRACE, DEBUG, INFO, WARN, ERR or ERROR in any case; ""
	// is INFO. It applies to terminal, file and syslog alike.
	Level string
	// JSON writes one object a line instead of text.
	JSON bool
	// Terminal receives lines from Log.Release on; those before are held
	// back, so that the banner of the agent comes first. nil: nowhere.
	Terminal io.Writer
	// File, when its Path is set, receives every line at once.
	File sink.FileConfig
	// Syslog, when its Facility is set ("LOCAL0"), receives every line at once.
	Syslog sink.SyslogConfig
	// Now is the clock of the lines and of the file's rotation; nil is time.Now.
	Now func() time.Time
}

// A Log is the logger of one agent. Its methods may be called from anywhere.
type Log struct {
	hclog.InterceptLogger
	gate   *gate
	closed []io.Closer
	now    func() time.Time
}

// New opens the outputs. Errors tell an unknown level, a file that can't be
// opened, or a syslog that is not there.
func New(c Config) (*Log, error) {
	level, err := ParseLevel(c.Level)
	if err != nil {
		return nil, err
	}
	l := &Log{gate: &gate{out: c.Terminal}, now: utc(c.Now)}
	out := fanOut{l.gate}
	if c.File.Path != "" {
		f, err := sink.OpenFile(c.File, l.now)
		if err != nil {
			return nil, fmt.Errorf("open log file: %w", err)
		}
		out, l.closed = append(out, f), append(l.closed, f)
	}
	if c.Syslog.Facility != "" {
		s, err := sink.OpenSyslog(c.Syslog)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open syslog: %w", err), l.Close())
		}
		out, l.closed = append(out, s), append(l.closed, s)
	}
	l.InterceptLogger = hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: c.Name, Level: level, JSONFormat: c.JSON, Output: out, TimeFn: l.now,
	})
	return l, nil
}

// ParseLevel reads the name of a level in any case; "" is INFO. The error of
// an unknown one is the text that clients are shown.
func ParseLevel(name string) (hclog.Level, error) {
	switch strings.ToUpper(name) {
	case "":
		return hclog.Info, nil
	case "ERR":
		return hclog.Error, nil
	case "TRACE", "DEBUG", "INFO", "WARN", "ERROR":
		return hclog.LevelFromString(name), nil
	}
	//lint:ignore ST1005 shown to clients as it is
	return hclog.NoLevel, fmt.Errorf("Unknown log level: %s", name)
}

// ChangeLevel sets the level of this logger and all made from it. Watchers
// keep theirs.
func (l *Log) ChangeLevel(name string) error {
	level, err := ParseLevel(name)
	if err == nil {
		l.SetLevel(level)
	}
	return err
}

// Release writes what was held back to the terminal and lets later lines
// through. A second call does nothing.
func (l *Log) Release() { l.gate.release() }

// Standard returns a standard-library logger that ends here under a name; a
// leading [DEBUG], [INFO], [WARN], [ERR] or the like decides the level.
func (l *Log) Standard(name string) *stdlog.Logger { return Standard(l.Named(name)) }

// Standard does the same for any hclog logger.
func Standard(l hclog.Logger) *stdlog.Logger {
	return l.StandardLogger(&hclog.StandardLoggerOptions{InferLevels: true})
}

// Close releases what is still held back, and closes file and syslog. Lines
// logged later reach the terminal only.
func (l *Log) Close() error {
	l.Release()
	var errs []error
	for _, c := range l.closed {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// utc makes a clock tell UTC, so that lines end their time in Z everywhere.
func utc(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return now().UTC() }
}

// A fanOut writes each line to every output. One that fails (a full disk)
// must not keep the line from the others.
type fanOut []hclog.LevelWriter

func (f fanOut) Write(line []byte) (int, error) { return f.LevelWrite(hclog.NoLevel, line) }

// LevelWrite is called under the logger's lock.
func (f fanOut) LevelWrite(level hclog.Level, line []byte) (int, error) {
	var errs []error
	for _, w := range f {
		_, err := w.LevelWrite(level, line)
		errs = append(errs, err)
	}
	return len(line), errors.Join(errs...)
}

// held is how many bytes the gate keeps; the oldest lines are what explains a
// failed start, so later ones are what is given up.
const held = 1 << 20

// A gate holds lines back until it is released.
type gate struct {
	mu      sync.Mutex
	out     io.Writer // nil: discard
	open    bool
	lines   []byte
	dropped int
}

func (g *gate) LevelWrite(_ hclog.Level, line []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.out == nil:
	case g.open:
		return g.out.Write(line)
	case len(g.lines)+len(line) > held:
		g.dropped++
	default:
		g.lines = append(g.lines, line...)
	}
	return len(line), nil
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.out == nil || g.open {
		return
	}
	g.open = true
	// Nobody could be told of a terminal that fails.
	_, _ = g.out.Write(g.lines)
	if g.dropped > 0 {
		_, _ = fmt.Fprintf(g.out, "(%d log lines were dropped during the start)\n", g.dropped)
	}
	g.lines = nil
}
