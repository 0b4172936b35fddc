package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A server that was away for too long does not come back with its old data.
func TestPresence(t *testing.T) {
	file := filepath.Join(t.TempDir(), presenceFile)
	now := time.Now()
	const max = 24 * time.Hour
	if err := checkPresence(file, max, now); err != nil {
		t.Error("a new server:", err)
	}
	for _, tt := range []struct {
		away time.Duration
		ok   bool
	}{{time.Hour, true}, {23 * time.Hour, true}, {25 * time.Hour, false}, {-time.Hour, true}} {
		if err := notePresence(file, now.Add(-tt.away)); err != nil {
			t.Fatal(err)
		}
		err := checkPresence(file, max, now)
		if (err == nil) != tt.ok {
			t.Errorf("away for %s: %v", tt.away, err)
		}
		if err != nil && !strings.Contains(err.Error(), "server_rejoin_age_max (24h0m0s)") {
			t.Error(err)
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkPresence(file, max, now); err == nil || !strings.Contains(err.Error(), file) {
		t.Error("a damaged file:", err)
	}
}
