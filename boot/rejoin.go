package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"muster/internal/durable"
)

// presenceFile says when a server was last here; the name and the field are those
// that operators' tools know.
const presenceFile = "server_metadata.json"

// presenceEvery is how often that is noted. A server that was killed counts as
// away for that much longer at most.
const presenceEvery = time.Hour

type presence struct {
	LastSeenUnix int64 `json:"last_seen_unix"`
}

// startPresence refuses to start a server that was away for too long: those that
// it knew may be gone, and what was deleted meanwhile would come back. It then
// notes that the server is here.
func (a *Agent) startPresence() error {
	if !a.cfg.Server || a.cfg.DataDir == "" {
		return nil
	}
	file := filepath.Join(a.cfg.DataDir, presenceFile)
	if err := checkPresence(file, a.cfg.Leave.ServerRejoinAgeMax, time.Now()); err != nil {
		return err
	}
	if err := notePresence(file, time.Now()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.onStop(cancel)
	a.running.Go(func() {
		ticker := time.NewTicker(presenceEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if err := notePresence(file, time.Now()); err != nil {
					a.log.Named("agent.server").Error("could not note that this server is here", "error", err)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return nil
}

func checkPresence(file string, max time.Duration, now time.Time) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is new here
	}
	if err != nil {
		return fmt.Errorf("read when this server was last here: %w", err)
	}
	var p presence
	if err := json.Unmarshal(b, &p); err != nil {
		return fmt.Errorf("read when this server was last here: %s: %w; remove the file if the data is not too old", file, err)
	}
	if away := now.Sub(time.Unix(p.LastSeenUnix, 0)); max > 0 && away > max {
		return fmt.Errorf("refusing to rejoin cluster because server has been offline for more than the configured server_rejoin_age_max (%s) "+
			"- consider wiping your data dir: last seen %s ago, see %s", max, away.Round(time.Second), file)
	}
	return nil
}

// notePresence writes down that this server is here now.
func notePresence(file string, now time.Time) error {
	b, err := json.Marshal(presence{now.Unix()})
	if err != nil {
		return err
	}
	if err := durable.WriteFile(file, b); err != nil {
		return fmt.Errorf("note that this server is here: %w", err)
	}
	return nil
}
