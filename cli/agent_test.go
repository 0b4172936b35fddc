package cli

import (
	"os"
	"path/filepath"
	"testing"

	"muster/config"
)

// Lines in syslog carry the name of the program, not its path: system loggers cut
// the tag at the first slash.
func TestSyslogTag(t *testing.T) {
	var cfg config.Config
	if got := syslogOf(&cfg); got.Facility != "" {
		t.Errorf("syslog without being asked for: %+v", got)
	}
	cfg.Log.Syslog, cfg.Log.SyslogFacility = true, "LOCAL0"
	if got := syslogOf(&cfg); got.Facility != "LOCAL0" || got.Tag != filepath.Base(os.Args[0]) {
		t.Errorf("got %+v", got)
	}
}
