package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"muster/config"
	"muster/internal/durable"
	"muster/ops"
)

// nodeID is the configured one, or the one in the data directory, or a new
// one, which is kept there.
func nodeID(cfg *config.Config) (string, error) {
	if cfg.DataDir == "" {
		if cfg.Node.ID != "" {
			return cfg.Node.ID, nil
		}
		return ops.NewUUID(), nil
	}
	file := filepath.Join(cfg.DataDir, "node-id")
	id := cfg.Node.ID
	if id == "" {
		b, err := os.ReadFile(file)
		switch {
		case err == nil && strings.TrimSpace(string(b)) != "":
			return strings.ToLower(strings.TrimSpace(string(b))), nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("load node id: %w", err)
		}
		id = ops.NewUUID()
	}
	if err := os.MkdirAll(cfg.DataDir, 0o755); err != nil {
		return "", fmt.Errorf("make data directory: %w", err)
	}
	// Raft knows this server by it: it must be there when the log is.
	if err := durable.WriteFile(file, []byte(id)); err != nil {
		return "", fmt.Errorf("keep node id: %w", err)
	}
	return id, nil
}

func writePid(file string) error {
	if file == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	return nil
}

func removePid(file string) {
	if file != "" {
		os.Remove(file)
	}
}
