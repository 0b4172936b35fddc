package boot

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/config"
)

// autoReloadEvery is how often the files of the configuration are looked at. (They
// are looked at, not watched: that works on every system and file system, costs
// microseconds, and sees what is behind links, which is how Kubernetes mounts
// files.)
const autoReloadEvery = time.Second

// startAutoReload reloads when the files change, where that is asked for.
func (a *Agent) startAutoReload() error {
	if !a.cfg.AutoReload {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.onStop(cancel)
	a.running.Go(func() {
		onChange(ctx, func() string { return fingerprint(watched(a.config())) }, func() {
			if err := a.Reload(); err != nil {
				a.log.Named("agent").Error("Could not reload the configuration that changed; the one before stays in force", "error", err)
			}
		})
	})
	return nil
}

// onChange calls changed whenever look has returned something else, twice running:
// a file that is being written is left to be finished.
func onChange(ctx context.Context, look func() string, changed func()) {
	ticker := time.NewTicker(autoReloadEvery)
	defer ticker.Stop()
	known := look()
	last := known
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := look()
		if now == last && now != known {
			known = now
			changed()
		}
		last = now
	}
}

// watched are the files and folders that a configuration comes from.
func watched(cfg *config.Config) []string {
	paths := append([]string(nil), cfg.Sources...)
	for _, d := range []*config.TLSDoor{&cfg.TLS.InternalRPC, &cfg.TLS.HTTPS} {
		for _, p := range []string{d.CAFile, d.CAPath, d.CertFile, d.KeyFile} {
			if p != "" {
				paths = append(paths, p)
			}
		}
	}
	return paths
}

// fingerprint is a text that changes when one of the files does, or one in the
// folders.
func fingerprint(paths []string) string {
	var b strings.Builder
	note := func(path string) fs.FileInfo {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(&b, "%s: absent\n", path)
			return nil
		}
		if !info.IsDir() {
			fmt.Fprintf(&b, "%s: %d bytes of %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
		return info
	}
	for _, p := range paths {
		if info := note(p); info == nil || !info.IsDir() {
			continue
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			fmt.Fprintf(&b, "%s: %s\n", p, err)
		}
		for _, e := range entries {
			note(filepath.Join(p, e.Name()))
		}
	}
	return b.String()
}
