// Package sink holds places where log lines end: a file that rotates, and
// syslog. Both are hclog level writers.
package sink

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// FileConfig describes a log file and when it is replaced by a new one.
type FileConfig struct {
	// Path names the file. When it is a directory or ends in a separator,
	// files consul-{ts}.log are written in it, {ts} being the nanoseconds at
	// which each was begun. Otherwise the current file keeps its name and
	// older ones get -{ts} before their extension. No extension means .log.
	Path string
	// Every is the age, and Bytes the size, at which a new file is begun; 0 is never.
	Every time.Duration
	Bytes int
	// Keep is how many older files stay: 0 all, -1 none.
	Keep int
}

// A File is a log file that rotates.
type File struct {
	cfg         FileConfig
	dir         string
	stem, ext   string // of the names of older files: stem-{ts}ext
	current     string // "" when every file carries its time
	now         func() time.Time
	mu          sync.Mutex
	f           *os.File // nil after Close, or when a rotation failed
	closed      bool
	begun       time.Time
	size        int
	lastRotated int64 // the last {ts} used, so that no two are the same
}

// OpenFile opens the current file, and makes its directory where it is missing.
// now is the clock that file ages are counted by.
func OpenFile(c FileConfig, now func() time.Time) (*File, error) {
	f := &File{cfg: c, now: now, ext: filepath.Ext(c.Path)}
	info, err := os.Stat(c.Path)
	if strings.HasSuffix(c.Path, string(filepath.Separator)) || err == nil && info.IsDir() {
		f.dir, f.stem, f.ext = c.Path, "consul", ".log"
	} else {
		if f.ext == "" {
			f.ext = ".log"
		}
		f.dir = filepath.Dir(c.Path)
		f.stem = strings.TrimSuffix(filepath.Base(c.Path), f.ext)
		f.current = filepath.Join(f.dir, f.stem+f.ext)
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return nil, err
	}
	return f, f.begin()
}

// begin opens the current file. The caller holds mu, or is alone.
func (f *File) begin() error {
	path := f.current
	if path == "" {
		path = f.stamped()
	}
	h, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := h.Stat()
	if err != nil {
		return errors.Join(err, h.Close())
	}
	f.f, f.begun, f.size = h, f.now(), int(info.Size())
	return nil
}

// stamped returns a path with a time that was not used before.
func (f *File) stamped() string {
	f.lastRotated = max(f.now().UnixNano(), f.lastRotated+1)
	return filepath.Join(f.dir, fmt.Sprintf("%s-%d%s", f.stem, f.lastRotated, f.ext))
}

// LevelWrite writes one line, beginning a new file first where one is due.
func (f *File) LevelWrite(_ hclog.Level, line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return len(line), nil
	}
	old := f.cfg.Every > 0 && f.now().Sub(f.begun) >= f.cfg.Every
	full := f.cfg.Bytes > 0 && f.size > 0 && f.size+len(line) > f.cfg.Bytes
	if f.f == nil || old || full {
		if err := f.rotate(); err != nil {
			return 0, fmt.Errorf("rotate log file: %w", err)
		}
	}
	n, err := f.f.Write(line)
	f.size += n
	return n, err
}

// rotate begins a new file and removes old ones. After an error the next line
// tries again.
func (f *File) rotate() error {
	if f.f != nil {
		err := f.f.Close()
		f.f = nil
		if f.current != "" {
			err = errors.Join(err, os.Rename(f.current, f.stamped()))
		}
		if err != nil {
			return err
		}
	}
	if err := f.begin(); err != nil {
		return err
	}
	return f.prune()
}

// prune removes the oldest files. Their names sort by time, as all times have
// 19 digits; files that only look alike are left alone.
func (f *File) prune() error {
	if f.cfg.Keep == 0 {
		return nil
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	var old []string
	for _, e := range entries {
		stamp, ok := strings.CutPrefix(e.Name(), f.stem+"-")
		stamp, hasExt := strings.CutSuffix(stamp, f.ext)
		if _, err := strconv.ParseUint(stamp, 10, 64); ok && hasExt && err == nil {
			old = append(old, filepath.Join(f.dir, e.Name()))
		}
	}
	keep := max(f.cfg.Keep, 0)
	if f.current == "" {
		keep++ // the current one is among them
	}
	var errs []error
	for _, path := range old[:max(len(old)-keep, 0)] {
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(errs...)
}

// Close closes the file; later lines are dropped.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.f == nil {
		return nil
	}
	err := f.f.Close()
	f.f = nil
	return err
}
